/*
 * sysmon: a spare hart's duty to watch blocking sections. See sysmon.c.
 */
#pragma once
#include "sched/atomic.h"
#include "sched/gmp.h"

/* A section has just begun: sees to it that somebody watches, if a hart is spare. Preemption off. */
void sysmon_call(void);
/* m, idle and without a P, has been interrupted: does its duty if it has it. true: m has a P. */
bool sysmon_round(struct m *m);
/* m is not idle any more: another takes the duty if there is still something to watch. */
void sysmon_pass_on(void);
static inline void sysmon_leave(struct m *m)
{
    /* relaxed: only m itself takes itself off duty. */
    if (__builtin_expect(load_relaxed(&sched.sysmon) == m, 0))
        sysmon_pass_on();
}
