/*
 * schedtrace: the scheduler's state as one line, now and then. See schedtrace.c.
 */
#pragma once
#include "sched/gmp.h"

/* From the timer interrupt of m: prints if it is time; the hart's timer is armed for the next. */
void schedtrace_tick(struct m *m);
