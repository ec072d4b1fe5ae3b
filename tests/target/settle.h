/*
 * settle: waits until everybody else waits.
 */
#pragma once
#include <pinion.h>
#include "sched/atomic.h"
#include "sched/pool.h"
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

/* Timers in the heaps of all Ps, but the one that is set while pools hold something. Nobody else runs. */
static inline int timers_set(void)
{
    int n = 0;
    for (uint32_t i = 0; i < sched.n_p; i++)
        for (uint32_t k = 0; k < sched.p[i]->timers.n; k++)
            n += sched.p[i]->timers.heap[k].node != &pool_timer;
    return n;
}
