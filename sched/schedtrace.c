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
 *
 * With `pinion.scheddetail=1` it is Go's page instead of the line: scheddetail.c.
 */
#include "sched/schedtrace.h"
#include <string.h>
#include "kernel/clock.h"
#include "kernel/console.h"
#include "sched/atomic.h"
#include "sched/chunk.h"
#include "sched/proc.h"
#include "sched/runq.h"
#include "sched/sched.h"
#include "sched/timer.h"

#define MS_NS 1000000

static int64_t period; /* ns; written at boot */
static int64_t next;   /* the first hart's */

static bool detailed; /* written at boot */

#define LINE_SIZE 1536 /* 64 Ps with numbers of ten digits */

/* The compiler would call its library, which no handler may (arch/arm64/trap.S). */
int sched_bits(uint64_t set)
{
    int n = 0;
    for (; set != 0; set &= set - 1)
        n++;
    return n;
}

LOOKS_ON void schedtrace_sum(struct line *l, int64_t now)
{
    /* relaxed, all: a look at what moves. */
    int idle_p = sched_bits(load_relaxed(&sched.idle_p));
    int idle_m = sched_bits(load_relaxed(&sched.idle_m)); /* relaxed: as above */
    line_add(l,
             "SCHED %ldms: gomaxprocs=%u idleprocs=%d threads=%u spinningthreads=%d needspinning=0 "
             "idlethreads=%d runqueue=%u",
             (long)(now / MS_NS), sched.n_p, idle_p, sched.n_m,
             (int)load_relaxed(&sched.spinning), /* relaxed: as above */
             idle_m > idle_p ? idle_m - idle_p : 0,
             (unsigned)load_relaxed(&sched.global_n)); /* relaxed: as above */
}

LOOKS_ON static void print_line(int64_t now)
{
    char text[LINE_SIZE]; /* not cleared: that would be a call of the library, too */
    struct line l = {text, LINE_SIZE, 0};
    schedtrace_sum(&l, now);
    line_add(&l, " [");
    for (uint32_t i = 0; i < sched.n_p; i++)
        line_add(&l, " %u", runq_len(&sched.p[i]->runq));
    line_add(&l, " ] schedticks=[");
    for (uint32_t i = 0; i < sched.n_p; i++)
        line_add(&l, " %lu", (unsigned long)p_switches(sched.p[i]));
    line_add(&l, " ]\n");
    console_post(l.text, l.n);
}

void sched_trace_every(unsigned ms, bool detail)
{
    if (ms == 0)
        return;
    period = (int64_t)ms * MS_NS;
    next = clock_ns() + period;
    detailed = detail;
    if (detail)
        chunk_keep();
    timers_extras_set(EXTRA_TRACE);
}

void schedtrace_tick(struct m *m)
{
    if (m->id != 0)
        return;
    int64_t now = clock_ns(), when = CLOCK_NEVER;
    if (now >= next) {
        if (detailed)
            scheddetail_begin();
        else
            print_line(now);
        next += (now - next) / period * period + period; /* after a long mask: no burst */
    }
    if (detailed)
        when = scheddetail_go_on(now);
    timers_arm_at(m, when < next ? when : next);
}
