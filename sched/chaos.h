/*
 * chaos: `pinion.chaos=SEED`: the scheduler chooses at random what it is free to choose. See chaos.c.
 */
#pragma once
#include "sched/gmp.h"

extern bool chaos_on; /* written at boot */

/* g, which carries GF_CHAOS and is runnable, goes to one of the queues that it may be in: runnext, the
 * tail of p's ring, p's inbox, the global queue. p: the caller's P. As sched_put_tail otherwise. */
void chaos_put(struct p *p, struct g *g);
/* m is about to run g, which carries GF_CHAOS. true: g has been queued again, and another is to be
 * picked. On the scheduler stack. */
bool chaos_passes_over(struct m *m, struct g *g);
/* Is what is asked for to be refused, one time in n, though it could be had? Only where that costs the
 * program nothing but time. Any context. */
bool chaos_refuses(uint32_t n);
static inline bool chaos_refusal(void)
{
    return __builtin_expect(chaos_on, 0) && chaos_refuses(CHAOS_REFUSE);
}

/* From every timer interrupt of m, last. */
void chaos_tick(struct m *m);
