/*
 * global: the queue that all Ps share. See global.c.
 */
#pragma once
#include "sched/atomic.h"
#include "sched/gmp.h"

/* Puts n Gs linked by link, first … last, on the global queue. */
void global_put_batch(struct g *first, struct g *last, uint32_t n);
/* The same with sched.lock held. true: it was empty, and slice_notify must follow. */
bool global_put_locked(struct g *first, struct g *last, uint32_t n);
/* The same at the head of the queue; wakes an idle hart for them. */
void global_put_back(struct g *first, struct g *last, uint32_t n);

/* The rest of global_get: the queue was not empty. */
struct g *global_share(struct p *p, uint32_t max);
/* p's share, at most max: returns the first and queues the others with p, whose ring has room for a
 * batch. NULL: there is none. The owner's. */
static inline struct g *global_get(struct p *p, uint32_t max)
{
    /* relaxed: a moment old is good enough: idle.c looks again under the lock. */
    return load_relaxed(&sched.global_n) == 0 ? NULL : global_share(p, max);
}
