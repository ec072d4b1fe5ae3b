/*
 * sched_world: goroutines and Ps for host tests of sched/, and the functions that the files under
 * test call and the tests do not.
 */
#pragma once
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include "sched/chaos.h"
#include "sched/gmp.h"
#include "sched/preempt.h"
#include "sched/proc.h"
#include "sched/profile.h"
#include "sched/schedtrace.h"
#include "sched/section.h"
#include "sched/sysmon.h"
#include "sched/timer.h"
#include "sched/trace.h"
#include "sched/wired.h"
#include "sched/world.h"

_Thread_local uintptr_t unit_thread_pointer;

void sched_throw(const char *what)
{
    printf("FAIL %s threw: %s\n", unit_name, what);
    exit(1);
}

/* A hart's scheduler for this thread: g_self() is its context, on m with p. */
static inline void world_enter(struct g *g, struct m *m, struct p *p)
{
    g->m = m;
    g->preempt_off = 1;
    m->p = p;
    m->g0 = g;
    unit_thread_pointer = g_tp(g);
}

static inline uint32_t world_random(uint32_t *state)
{
    uint32_t x = *state;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return *state = x;
}

/* ---- preempt.c's, for the tests of other files: no slices, no requests ---- */

#define DEFAULT __attribute__((weak))

DEFAULT void slice_start(struct m *m)
{
    (void)m;
}

DEFAULT void slice_check(struct m *m)
{
    (void)m;
}

DEFAULT void slice_stop(struct m *m)
{
    (void)m;
}

DEFAULT void slice_notify(void)
{
}

DEFAULT void preempt_honour(void)
{
    abort();
}

DEFAULT void preempt_on_timer(struct m *m, int64_t now)
{
    (void)now;
    m->p->attention |= ATTN_TIMER;
}

/* ---- trace.c's: nobody is watched ---- */

DEFAULT void trace_g(struct m *m, struct g *g, uint64_t arg, uint32_t what)
{
    (void)m, (void)g, (void)arg, (void)what;
    abort();
}

DEFAULT void trace_m(struct m *m, uint64_t g, uint64_t arg, uint32_t what)
{
    trace_g(m, NULL, g, (uint32_t)arg + what);
}

DEFAULT void trace_irq(struct m *m, uint64_t arg, uint32_t what)
{
    trace_g(m, NULL, arg, what);
}

/* ---- the port's: nobody switches, but for tests that say how: WORLD_SWITCHES */

#ifndef WORLD_SWITCHES
DEFAULT void arch_park(void *arg, struct arch_hart *hart,
                       void (*fn)(void *arg, struct arch_hart *hart))
{
    (void)fn, (void)arg, (void)hart;
    abort();
}

DEFAULT void arch_yield(uintptr_t next_tp, struct arch_hart *hart, struct arch_ring *ring,
                        uint32_t h, uint32_t new_tail)
{
    (void)next_tp, (void)hart, (void)ring, (void)h, (void)new_tail;
    abort();
}

DEFAULT void arch_resume(uintptr_t tp)
{
    (void)tp;
    abort();
}
#endif

/* ---- chaos.c's: there is none ---- */

DEFAULT bool chaos_on;

DEFAULT void chaos_put(struct p *p, struct g *g)
{
    (void)p, (void)g;
    abort();
}

DEFAULT bool chaos_passes_over(struct m *m, struct g *g)
{
    (void)m, (void)g;
    abort();
}

DEFAULT bool chaos_refuses(uint32_t n)
{
    (void)n;
    return false;
}

DEFAULT void chaos_tick(struct m *m)
{
    (void)m;
}

/* ---- world.c's, section.c's, sysmon.c's and wired.c's */

DEFAULT void schedtrace_tick(struct m *m)
{
    (void)m;
}

DEFAULT void block_profile_park(park_commit *commit, void *arg, enum wait_reason reason)
{
    (void)commit, (void)arg, (void)reason; /* nobody's waits are counted */
    abort();
}

DEFAULT void cpu_profile_tick(struct m *m, const struct arch_frame *f)
{
    (void)m, (void)f;
}

DEFAULT bool section_timer_due(void)
{
    return false;
}

DEFAULT void section_run_timers(struct p *p)
{
    (void)p;
}

DEFAULT void world_wait(struct m *m)
{
    (void)m;
    abort();
}

DEFAULT bool sysmon_round(struct m *m)
{
    (void)m;
    return false;
}

DEFAULT void sysmon_pass_on(void)
{
}

DEFAULT void wired_ready(struct g *g)
{
    (void)g;
    abort();
}

DEFAULT void wired_next(struct m *m)
{
    (void)m;
    abort();
}

DEFAULT void wired_hand_over(struct m *m, struct g *g)
{
    (void)m, (void)g;
    abort();
}
