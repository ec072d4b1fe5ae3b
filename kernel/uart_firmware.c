/*
 * uart_firmware: the console that firmware offers, for boards whose serial line we cannot drive.
 *
 * It is slow (a trip into machine mode for every byte) and firmware waits for the line inside, but
 * it is there before the device tree has been read. Where firmware has no console (PSCI on Arm)
 * bytes go nowhere.
 */
#include "arch/arch.h"
#include "kernel/uart.h"

static void start(struct uart_port *p)
{
    p->depth = 1;
}

static unsigned room(const struct uart_port *p)
{
    (void)p;
    return 1;
}

static void send(const struct uart_port *p, uint8_t byte)
{
    (void)p;
    arch_firmware_putc(byte);
}

static int receive(const struct uart_port *p)
{
    (void)p;
    return arch_firmware_getc();
}

static bool idle(const struct uart_port *p)
{
    (void)p;
    return true;
}

const struct uart_driver uart_firmware = {
    .name = "firmware",
    .start = start,
    .room = room,
    .send = send,
    .receive = receive,
    .idle = idle,
};
