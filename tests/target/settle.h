/*
 * settle: waits until everybody else waits.
 */
#pragma once
#include <pinion.h>
#include "sched/atomic.h"
#include "sched/runq.h"

/* Until the other harts are idle and nothing is left to run on this one, not even whom our timer has
 * interrupted: whoever was started has parked or ended, however slow the host is. Sleepers count as
 * parked. */
static inline void settle(void)
{
    struct p *p;
    uint32_t idle;
    do {
        time_sleep(200 * MICROSECOND);
        p = sched.p[runtime_hart()];
        /* relaxed: what is seen of a machine that stands still stays true. */
        idle = (uint32_t)__builtin_popcountll(load_relaxed(&sched.idle_m));
    } while (idle + 1 != sched.n_m || !runq_empty(&p->runq) || load_relaxed(&sched.global_n) > 0);
}
