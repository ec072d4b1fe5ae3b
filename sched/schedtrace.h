/*
 * schedtrace: the scheduler's state as one line, now and then. See schedtrace.c.
 */
#pragma once
#include "sched/gmp.h"

extern int64_t schedtrace_period; /* ns; 0: off. Written at boot */
void schedtrace_tick_slow(struct m *m);

/* From the timer interrupt of m: prints if it is time; the hart's timer is armed for the next. */
static inline void schedtrace_tick(struct m *m)
{
    if (__builtin_expect(schedtrace_period != 0, 0))
        schedtrace_tick_slow(m);
}
