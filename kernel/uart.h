/*
 * uart: what a serial driver gives the console.
 *
 * Drivers poll, keep no lock and never wait: console.c does both for them. The firmware before us
 * has set speed and format (it printed something); a driver leaves those alone and only turns on
 * what may be off. Interrupts are off until listen() is called. Each driver works with the MMU off as well as on; the console changes
 * regs when the registers move.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* One port, as its driver sees it. */
struct uart_port {
    uintptr_t regs;    /* address of the registers as it is now */
    uint8_t reg_shift; /* 16550: register n lies at regs + (n << reg_shift) */
    uint8_t io_width;  /* 16550: bytes an access, 1 or 4 */
    unsigned depth;    /* bytes the transmitter takes when it is empty; start() sets it */
};

struct uart_driver {
    const char *name;
    /* Makes both directions work. Once, before any other call. */
    void (*start)(struct uart_port *);
    /* How many bytes send() takes now without another look; 0: wait. */
    unsigned (*room)(const struct uart_port *);
    void (*send)(const struct uart_port *, uint8_t byte);
    /* The next byte that has come in, or -1. */
    int (*receive)(const struct uart_port *);
    /* Nothing is left to send, not even in the shift register. */
    bool (*idle)(const struct uart_port *);
    /* Interrupts as long as a byte waits to be received, or none. NULL: it has no interrupt. */
    void (*listen)(const struct uart_port *, bool on);
};

extern const struct uart_driver uart_16550, uart_pl011, uart_sifive, uart_firmware;
