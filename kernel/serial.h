/*
 * serial: the console's line, which console.c sends over and input.c hears.
 */
#pragma once
#include "kernel/uart.h"

/* Written at boot by one hart, then only read. */
extern struct serial {
    const struct uart_driver *driver;
    struct uart_port port;
    bool host_link; /* a program of ours is at the other end: see console.c */
} serial;

/* On the host link: the next byte is data, xored with HOST_XOR. */
#define HOST_ESCAPE 0x10
#define HOST_XOR    0x40

/* Are locks to be passed by? One hart is all there is, or all that still runs. */
bool console_alone(void);
