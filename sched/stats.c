/*
 * stats: the counters of struct runtime_sched_stats, gathered.
 *
 * Each P counts for itself; what belongs to a hart (interrupts, idle time) is counted by the M and
 * shown with the P of the same number, its home.
 */
#include <pinion/runtime.h>
#include <string.h>
#include "kernel/clock.h"
#include "sched/atomic.h"
#include "sched/proc.h"

/* The sleep that a hart is in. */
LOOKS_ON static uint64_t idle_now(const struct m *m)
{
    int64_t since = *(const volatile int64_t *)&m->idle_since, now = clock_ns();
    return since != 0 && now > since ? (uint64_t)(now - since) : 0;
}

LOOKS_ON static void add_p(struct runtime_sched_stats *s, uint32_t i)
{
    const struct p *p = sched.p[i];
    const struct m *m = sched.m[i];
    s->spawned += p->count.spawned;
    s->switches += p_switches(p);
    s->preemptions += p->count.preemptions;
    s->steals += p->count.steals;
    s->stolen_gs += p->count.stolen_gs;
    s->ipis_sent += m->ipis_sent;
    s->ipis_received += m->ipis_received;
    s->wakeups += p->count.wakeups;
    s->parks += p->count.parks;
    s->global_gets += p->count.global_gets;
    s->idle_ns += m->idle_ns + idle_now(m);
    s->timer_fires += p->count.timer_fires;
}

void runtime_read_sched_stats(struct runtime_sched_stats *s)
{
    memset(s, 0, sizeof(*s));
    for (uint32_t i = 0; i < sched.n_m; i++)
        add_p(s, i);
}

bool runtime_read_p_stats(int p, struct runtime_sched_stats *s)
{
    if (p < 0 || p >= (int)sched.n_m)
        return false;
    memset(s, 0, sizeof(*s));
    add_p(s, (uint32_t)p);
    return true;
}
