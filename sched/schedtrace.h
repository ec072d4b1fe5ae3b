/*
 * schedtrace: the scheduler's state as one line (schedtrace.c) or as a page (scheddetail.c), now and then.
 */
#pragma once
#include "sched/gmp.h"
#include "sched/line.h"

/* From the timer interrupt of m: prints if it is time; the hart's timer is armed for the next. */
void schedtrace_tick(struct m *m);

/* What both forms begin with: "SCHED" to the length of the global queue. */
void schedtrace_sum(struct line *l, int64_t now);
/* How many members a set has. */
int sched_bits(uint64_t set);

/* The lines of the Ps, or of the Ms, as of now, as far as they fit: all other harts stand still, and this
 * one's interrupts are masked. */
void scheddetail_show(struct line *l, bool ms);

/* A page begins, unless one is being written. The first hart's interrupt handler. */
void scheddetail_begin(void);
/* Writes the next piece of it. When to be called again; CLOCK_NEVER: that was all. The same. */
int64_t scheddetail_go_on(int64_t now);
