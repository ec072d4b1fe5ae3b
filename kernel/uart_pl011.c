/*
 * uart_pl011: Arm's PrimeCell UART (Technical Reference Manual DDI 0183, chapter 3).
 */
#include "kernel/mmio.h"
#include "kernel/uart.h"

#define DR   0x00 /* data */
#define FR   0x18 /* flags */
#define LCRH 0x2c /* line control */
#define CR   0x30 /* control */
#define IMSC 0x38 /* interrupt mask: 1 lets through */

#define FR_BUSY       0x08 /* a byte is being shifted out, or waits for it */
#define FR_RX_EMPTY   0x10
#define FR_TX_FULL    0x20
#define LCRH_8N1_FIFO 0x70 /* eight bits, FIFOs on */
#define CR_UART       0x001
#define CR_TX         0x100
#define CR_RX         0x200
#define IMSC_RX       0x50 /* the FIFO fills, or has held bytes for a while */

static void start(struct uart_port *p)
{
    uint32_t cr = mmio_read32(p->regs + CR);

    p->depth = 1;
    mmio_write32(p->regs + IMSC, 0);
    /* The line control may change only while the UART is off (3.3.7), which it is if nobody used
     * it before us. The divisors stay: without the clock's frequency ours would be no better. */
    if (!(cr & CR_UART))
        mmio_write32(p->regs + LCRH, LCRH_8N1_FIFO);
    mmio_write32(p->regs + CR, cr | CR_UART | CR_TX | CR_RX);
}

/* The flag says "full", so one byte is all that a look promises. */
static unsigned room(const struct uart_port *p)
{
    return mmio_read32(p->regs + FR) & FR_TX_FULL ? 0 : 1;
}

static void send(const struct uart_port *p, uint8_t byte)
{
    mmio_write32(p->regs + DR, byte);
}

static int receive(const struct uart_port *p)
{
    return mmio_read32(p->regs + FR) & FR_RX_EMPTY ? -1 : (int)(mmio_read32(p->regs + DR) & 0xff);
}

static bool idle(const struct uart_port *p)
{
    return !(mmio_read32(p->regs + FR) & FR_BUSY);
}

static void listen(const struct uart_port *p, bool on)
{
    mmio_write32(p->regs + IMSC, on ? IMSC_RX : 0);
}

const struct uart_driver uart_pl011 = {
    .name = "pl011",
    .start = start,
    .room = room,
    .send = send,
    .receive = receive,
    .idle = idle,
    .listen = listen,
};
