/*
 * uart_16550: National Semiconductor's 16550 and its many children (ns16550a, dw-apb-uart, PXA).
 *
 * The children differ in where registers lie: n << reg_shift apart, 8 or 32 bits an access; the
 * tree tells. Names below are the data sheet's (PC16550D, section 8, "Registers").
 */
#include "kernel/mmio.h"
#include "kernel/uart.h"

/* Register numbers; RBR and THR share one, so do IIR and FCR. */
#define RBR 0 /* receive buffer (read) */
#define THR 0 /* transmit holding (write) */
#define IER 1 /* interrupt enable */
#define IIR 2 /* interrupt identification (read) */
#define FCR 2 /* FIFO control (write) */
#define LSR 5 /* line status */

#define IER_DATA    0x01 /* a byte has come in */
#define IER_ALL     0x0f /* the four interrupts; the PXA keeps "unit enable" in bit 6 */
#define IIR_WHY     0x0f /* the interrupt that there is … */
#define IIR_WAITED  0x0c /* … bytes have waited for a while */
#define IIR_FIFOS   0xc0 /* both bits set: FIFOs there, on and working */
#define FCR_ENABLE  0x01
#define LSR_DATA    0x01 /* a byte has come in */
#define LSR_HOLDING 0x20 /* THRE: the transmit FIFO (or holding register) is empty */
#define LSR_EMPTY   0x40 /* TEMT: the shift register too */

#define FIFO_DEPTH 16

static uintptr_t reg(const struct uart_port *p, unsigned n)
{
    return p->regs + ((uintptr_t)n << p->reg_shift);
}

static uint8_t get(const struct uart_port *p, unsigned n)
{
    return p->io_width == 4 ? (uint8_t)mmio_read32(reg(p, n)) : mmio_read8(reg(p, n));
}

static void set(const struct uart_port *p, unsigned n, uint8_t v)
{
    if (p->io_width == 4)
        mmio_write32(reg(p, n), v);
    else
        mmio_write8(reg(p, n), v);
}

static void start(struct uart_port *p)
{
    set(p, IER, get(p, IER) & (uint8_t)~IER_ALL);
    set(p, FCR, FCR_ENABLE);
    /* A 16450, and a dw-apb built without FIFOs, takes one byte at a time. */
    p->depth = (get(p, IIR) & IIR_FIFOS) == IIR_FIFOS ? FIFO_DEPTH : 1;
}

/* The flag says "empty", not "has room", so an empty FIFO is filled whole before the next look. */
static unsigned room(const struct uart_port *p)
{
    return get(p, LSR) & LSR_HOLDING ? p->depth : 0;
}

static void send(const struct uart_port *p, uint8_t byte)
{
    set(p, THR, byte);
}

/* The DesignWare one may go on interrupting for bytes that have been read already, until it is read once
 * more. (Linux, 8250_dw.c, does so too.) */
static int receive(const struct uart_port *p)
{
    bool data = get(p, LSR) & LSR_DATA;
    if (!data && (get(p, IIR) & IIR_WHY) == IIR_WAITED && !(data = get(p, LSR) & LSR_DATA))
        get(p, RBR);
    return data ? get(p, RBR) : -1;
}

static bool idle(const struct uart_port *p)
{
    return get(p, LSR) & LSR_EMPTY;
}

static void listen(const struct uart_port *p, bool on)
{
    set(p, IER, (uint8_t)((get(p, IER) & ~IER_ALL) | (on ? IER_DATA : 0)));
}

const struct uart_driver uart_16550 = {
    .name = "16550",
    .start = start,
    .room = room,
    .send = send,
    .receive = receive,
    .idle = idle,
    .listen = listen,
};
