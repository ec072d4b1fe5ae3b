/*
 * input: what comes in over the console's line. Ctrl-\ goes to the scheduler, all else to who reads.
 *
 * The UART's interrupt takes bytes in as they come, whether or not somebody reads, since one of
 * them, Ctrl-\ (0x1c), is not data: it asks for a dump (sched/quit.c). The others wait in a ring. If
 * that is full the interrupt is turned off until there is room, so that the UART holds its sender back
 * if it can; a Ctrl-\ behind so many unread bytes is not seen before. There are two rings: what the
 * program reads, and what is typed at the monitor if there is one (sched/monitor.c). A UART without an
 * interrupt is polled by who reads; so is one that goes on interrupting with nothing to say, which would
 * take a hart away for ever.
 *
 * On a serial line 0x1c is never data, as on a terminal. The host link, over which files are piped,
 * tells the two apart: there DLE says that the next byte, xored with 0x40, is data, as on the way out;
 * the host sends 0x1c and 0x10 so. A 0x1c by itself is Ctrl-\, and may come in between the two.
 *
 * Functions that say "locked" want input_lock, or to be alone.
 */
#include "arch/arch.h"
#include "kernel/console.h"
#include "kernel/serial.h"
#include "kernel/spin.h"

#define QUIT        0x1c /* Ctrl-\ */
#define INPUT_BYTES 256u
#define EMPTY_MAX   1000u /* interrupts one after another with nothing to receive */

/* Protected by input_lock, held with interrupts masked and for a few bytes only. */
static struct spin input_lock;
static struct input {
    uint8_t byte[INPUT_BYTES];
    uint32_t at, n; /* the oldest, and how many */
} input, typed;
static struct input *hears = &input; /* where bytes go that come in; written at boot */
static bool escaped;                 /* the host's DLE has come, and its byte not yet */
static bool listening;               /* there is an interrupt … */
static bool deaf;                    /* … which is off: no room */
static uint32_t empty;               /* so many came for nothing, the last ones */

static void put_locked(struct input *in, int c)
{
    in->byte[(in->at + in->n++) % INPUT_BYTES] = (uint8_t)c;
}

static unsigned hear_locked(void)
{
    unsigned new = 0;
    int c;
    while (hears->n < INPUT_BYTES && (c = serial.driver->receive(&serial.port)) >= 0) {
        empty = 0;
        if (c == QUIT) {
            new |= CONSOLE_QUIT;
        } else if (serial.host_link && c == HOST_ESCAPE && !escaped) {
            escaped = true;
        } else {
            put_locked(hears, escaped ? c ^ HOST_XOR : c);
            escaped = false;
            new |= CONSOLE_BYTES;
        }
    }
    bool full = hears->n == INPUT_BYTES;
    if (listening && full != deaf) {
        deaf = full;
        serial.driver->listen(&serial.port, !full);
    }
    return new;
}

static __attribute__((noinline)) uintptr_t input_begin(void)
{
    uintptr_t irq = arch_irq_save();
    if (!console_alone())
        spin_lock(&input_lock);
    return irq;
}

static __attribute__((noinline)) void input_end(uintptr_t irq)
{
    if (!console_alone())
        spin_unlock(&input_lock);
    arch_irq_restore(irq);
}

static int input_get(struct input *in)
{
    uintptr_t irq = input_begin();
    /* What the interrupt's handler takes in is told to whom it concerns: nothing is to be had before it. */
    unsigned new = !listening || deaf ? hear_locked() : 0;
    int c = -1;
    if (in->n > 0) {
        c = in->byte[in->at++ % INPUT_BYTES];
        in->n--;
    }
    input_end(irq);
    if (new &CONSOLE_QUIT)
        sched_console_quit();
    return c;
}

int console_getc(void)
{
    return input_get(&input);
}

int console_key(void)
{
    return input_get(&typed);
}

bool console_feed(int c)
{
    uintptr_t irq = input_begin();
    bool fits = input.n < INPUT_BYTES;
    if (fits)
        put_locked(&input, c);
    input_end(irq);
    return fits;
}

unsigned console_hear(void)
{
    static const char told[] =
        "pinion: the console interrupts for nothing: it is looked at when somebody reads\n";
    uintptr_t irq = input_begin();
    empty++;
    unsigned new = hear_locked();
    bool broken = listening && empty >= EMPTY_MAX;
    if (broken) {
        listening = false;
        serial.driver->listen(&serial.port, false);
    }
    input_end(irq);
    if (broken)
        console_post(told, sizeof(told) - 1);
    return new;
}

void console_to_monitor(void)
{
    hears = &typed;
}

bool console_listen(void)
{
    if (serial.driver->listen == NULL)
        return false;
    uintptr_t irq = input_begin();
    listening = true;
    empty = 0;
    serial.driver->listen(&serial.port, true);
    input_end(irq);
    return true;
}
