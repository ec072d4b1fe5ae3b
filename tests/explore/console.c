/*
 * console: what is typed in a course, in place of kernel/console.c's input; and what quit.c and monitor.c
 * ask of others, who are not here.
 *
 * A key comes as an interrupt of the UART's would: its byte goes into the ring under the ring's lock, which
 * is what monitor.c relies on, and the handler that irq_enable was given is called, interrupts masked, on
 * the hart that types. The engine knows no such interrupt; it comes where the scenario says.
 */
#include "kernel/console.h"
#include "kernel/irq.h"
#include "sched/atomic.h"
#include "sched/memstats.h"
#include "sched/monitor.h"
#include "sched/traceback.h"
#include "tests/explore/explore.h"
#include <pinion/runtime.h>

static struct spin ring_lock;
static char ring[8];
static unsigned typed, taken, dumps; /* typed, taken: with the lock */
static unsigned new;                 /* since the last console_hear: with the lock */
static _Atomic unsigned read_to;     /* as taken, for who waits */
static irq_handler *handler;

static void put(int c)
{
    spin_lock(&ring_lock);
    EXPECT(typed < sizeof(ring), "more is typed than fits");
    ring[typed++] = (char)c;
    new = CONSOLE_BYTES;
    spin_unlock(&ring_lock);
}

void console_type(int c)
{
    uintptr_t was = arch_irq_save();
    put(c);
    handler(NULL);
    arch_irq_restore(was);
}

void console_put(int c)
{
    uintptr_t was = arch_irq_save();
    put(c);
    arch_irq_restore(was);
}

unsigned console_taken(void)
{
    return load_relaxed(&read_to); /* relaxed: a number */
}

unsigned console_dumps(void)
{
    return dumps;
}

/* ---- kernel/console.h, irq.h ---- */

unsigned console_hear(void)
{
    spin_lock(&ring_lock);
    unsigned heard = new;
    new = 0;
    spin_unlock(&ring_lock);
    return heard;
}

int console_key(void)
{
    int c = -1;
    uintptr_t was = arch_irq_save();
    spin_lock(&ring_lock);
    if (taken < typed)
        c = ring[taken++];
    store_relaxed(&read_to, taken); /* relaxed: a number */
    spin_unlock(&ring_lock);
    arch_irq_restore(was);
    return c;
}

int irq_enable(uint32_t irq, unsigned to, irq_handler *fn, void *arg)
{
    (void)irq, (void)to, (void)arg;
    handler = fn;
    return 0;
}

void irq_disable(uint32_t irq)
{
    (void)irq;
}

bool console_listen(void)
{
    return true;
}

void console_to_monitor(void)
{
}

bool console_feed(int c)
{
    (void)c;
    return true;
}

/* The line, which somebody may have. */
static struct spin line;

bool console_try_hold(void)
{
    return spin_try_lock(&line);
}

void console_let_go(void)
{
    spin_unlock(&line);
}

void console_solo(bool on)
{
    (void)on;
}

void console_barge(bool on)
{
    (void)on;
}

/* ---- what is shown ---- */

/* In the middle of a dump, of which there is one at a time: `dumps` may be plain. */
void traceback_all(const struct g *skip, uint32_t max)
{
    (void)skip, (void)max;
    dumps++;
}

const char *state_name(const struct g *g)
{
    (void)g;
    return "";
}

void memstats_print(void)
{
}

int runtime_trace_start(void)
{
    return -1;
}

int runtime_trace_stop(void)
{
    return 0;
}

bool shares_look(void)
{
    return false;
}

static void nothing(struct line *l)
{
    (void)l;
}

monitor_page show_ms __attribute__((alias("nothing"))), show_runq __attribute__((alias("nothing"))),
    show_timers __attribute__((alias("nothing"))), show_chans __attribute__((alias("nothing"))),
    show_shares __attribute__((alias("nothing")));
