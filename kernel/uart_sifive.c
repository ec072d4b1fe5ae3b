/*
 * uart_sifive: SiFive's UART, on the FU540 and FU740 (FU540-C000 manual, chapter "Universal
 * Asynchronous Receiver/Transmitter").
 *
 * It has no flag for "all is on the wire". The nearest is the transmit watermark: with a level of
 * 1 it stands while the FIFO holds less than one byte; the last byte may still be in the shift
 * register, for one character's time.
 */
#include "arch/arch.h"
#include "kernel/clock.h"
#include "kernel/mmio.h"
#include "kernel/uart.h"

#define TXDATA 0x00
#define RXDATA 0x04
#define TXCTRL 0x08
#define RXCTRL 0x0c
#define IE     0x10
#define IP     0x14

#define TXDATA_FULL   0x80000000u
#define RXDATA_EMPTY  0x80000000u
#define CTRL_ENABLE   0x1
#define TXCTRL_LEVEL1 (1u << 16) /* watermark: fewer than one byte */
#define TXCTRL_LEVELS (7u << 16)
#define RXCTRL_LEVELS (7u << 16) /* 0: from one byte on */
#define IP_TX         0x1
#define IE_RX         0x2

#define SLOWEST_BAUD 9600

static void start(struct uart_port *p)
{
    uint32_t tx = mmio_read32(p->regs + TXCTRL) & ~TXCTRL_LEVELS;

    p->depth = 1;
    mmio_write32(p->regs + IE, 0);
    mmio_write32(p->regs + TXCTRL, tx | TXCTRL_LEVEL1 | CTRL_ENABLE);
    mmio_write32(p->regs + RXCTRL, (mmio_read32(p->regs + RXCTRL) & ~RXCTRL_LEVELS) | CTRL_ENABLE);
}

static unsigned room(const struct uart_port *p)
{
    return mmio_read32(p->regs + TXDATA) & TXDATA_FULL ? 0 : 1;
}

static void send(const struct uart_port *p, uint8_t byte)
{
    mmio_write32(p->regs + TXDATA, byte);
}

/* Reading takes the byte: the flag and the data come in one. */
static int receive(const struct uart_port *p)
{
    uint32_t r = mmio_read32(p->regs + RXDATA);
    return r & RXDATA_EMPTY ? -1 : (int)(r & 0xff);
}

static bool idle(const struct uart_port *p)
{
    if (!(mmio_read32(p->regs + IP) & IP_TX))
        return false;
    /* Ten bits of the last character. */
    uint64_t start_ticks = arch_ticks(), wait = clock_hz() * 10 / SLOWEST_BAUD;
    while (arch_ticks() - start_ticks < wait)
        arch_relax(0);
    return true;
}

static void listen(const struct uart_port *p, bool on)
{
    mmio_write32(p->regs + IE, on ? IE_RX : 0);
}

const struct uart_driver uart_sifive = {
    .name = "sifive",
    .start = start,
    .room = room,
    .send = send,
    .receive = receive,
    .idle = idle,
    .listen = listen,
};
