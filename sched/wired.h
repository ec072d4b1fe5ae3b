/*
 * wired: goroutines that have a hart to themselves, runtime_lock_os_thread. See wired.c.
 */
#pragma once
#include "sched/gmp.h"

/* m, which is wired, goes on: with its goroutine, when that is runnable and there is a P. On the
 * scheduler stack of m, which has a P. */
void wired_next(struct m *m);
/* m, whose wired goroutine is runnable and whose section or loan is over, gets a P. */
void wired_find_p(struct m *m);
/* g, wired, is runnable. */
void wired_ready(struct g *g);
/* m has taken g, wired to another hart, off a queue: that hart gets m's P. Returns with m holding
 * another one. */
void wired_hand_over(struct m *m, struct g *g);
/* g has died on m, wired to it. */
void wired_end(struct m *m);
