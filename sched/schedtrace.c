/*
 * schedtrace: `pinion.schedtrace=MS` prints Go's line every MS milliseconds, so that what is
 * written about Go's applies:
 *
 *     SCHED 1009ms: gomaxprocs=4 idleprocs=0 threads=4 spinningthreads=1 needspinning=0
 *     idlethreads=0 runqueue=0 [ 3 0 1 2 ] schedticks=[ 12 9 7 8 ]
 *
 * (one line). runqueue is the global queue; the brackets hold the queues of the Ps, then their
 * schedules so far. Threads are harts.
 *
 * The first hart's timer interrupt prints it, whatever the hart is doing: no goroutine, no timer
 * of a P, so it neither changes what it shows nor keeps a deadlock from being found. All numbers
 * are read while others change them.
 */
#include "sched/schedtrace.h"
#include <stdarg.h>
#include <string.h>
#include "kernel/clock.h"
#include "kernel/console.h"
#include "kernel/format.h"
#include "sched/atomic.h"
#include "sched/proc.h"
#include "sched/runq.h"
#include "sched/sched.h"
#include "sched/timer.h"

#define MS_NS 1000000

static int64_t period; /* ns; written at boot */
static int64_t next;   /* the first hart's */

struct line {
    char text[1536]; /* 64 Ps with numbers of ten digits */
    size_t n;
};

static __attribute__((format(printf, 2, 3))) void add(struct line *l, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    size_t room = sizeof(l->text) - l->n, n = print_format(l->text + l->n, room, fmt, ap);
    va_end(ap);
    l->n += n < room ? n : room - 1;
}

/* The compiler would call its library, which no handler may (arch/arm64/trap.S). */
static int bits(uint64_t set)
{
    int n = 0;
    for (; set != 0; set &= set - 1)
        n++;
    return n;
}

LOOKS_ON static void print_line(int64_t now)
{
    struct line l;
    l.n = 0; /* the text is not cleared: that would be a call of the library, too */
    /* relaxed, all: a look at what moves. */
    int idle_p = bits(load_relaxed(&sched.idle_p));
    int idle_m = bits(load_relaxed(&sched.idle_m)); /* relaxed: as above */
    add(&l,
        "SCHED %ldms: gomaxprocs=%u idleprocs=%d threads=%u spinningthreads=%d needspinning=0 "
        "idlethreads=%d runqueue=%u [",
        (long)(now / MS_NS), sched.n_p, idle_p, sched.n_m,
        (int)load_relaxed(&sched.spinning), /* relaxed: as above */
        idle_m > idle_p ? idle_m - idle_p : 0,
        (unsigned)load_relaxed(&sched.global_n)); /* relaxed: as above */
    for (uint32_t i = 0; i < sched.n_p; i++)
        add(&l, " %u", runq_len(&sched.p[i]->runq));
    add(&l, " ] schedticks=[");
    for (uint32_t i = 0; i < sched.n_p; i++)
        add(&l, " %lu", (unsigned long)p_switches(sched.p[i]));
    add(&l, " ]\n");
    console_post(l.text, l.n);
}

void sched_trace_every(unsigned ms)
{
    if (ms == 0)
        return;
    period = (int64_t)ms * MS_NS;
    next = clock_ns() + period;
    timer_extras |= EXTRA_TRACE;
}

void schedtrace_tick(struct m *m)
{
    if (m->id != 0)
        return;
    int64_t now = clock_ns();
    if (now >= next) {
        print_line(now);
        next += (now - next) / period * period + period; /* after a long mask: no burst */
    }
    timers_arm_at(m, next);
}
