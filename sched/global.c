/*
 * global: the queue that all Ps share, first in, first out, under sched.lock.
 *
 * To it go goroutines whose slice is over, those that a full ring or a P that is given up leaves over,
 * and those that come out of a blocking section without a P. Each P takes from it when it has nothing
 * of its own, its share of what there is but no more than half a ring, and one every GLOBAL_TICK-th
 * schedule. global_n is written with the lock held and read without, to know whether the lock is
 * worth taking; a hart that sleeps or has no slice is told when the first one comes (O3, O19).
 */
#include "sched/global.h"
#include "sched/atomic.h"
#include "sched/pinned.h"
#include "sched/preempt.h"
#include "sched/proc.h"
#include "sched/runq.h"
#include "sched/trace.h"

/* All that write global_n hold the lock. relaxed: readers without it only decide whether to take it. */
static inline bool put_locked(struct g *first, struct g *last, uint32_t n)
{
    uint32_t was = load_relaxed(&sched.global_n); /* relaxed: as above */
    last->link = NULL;
    if (sched.global_tail != NULL)
        sched.global_tail->link = first;
    else
        sched.global_head = first;
    sched.global_tail = last;
    store_relaxed(&sched.global_n, was + n); /* relaxed: as above */
    return was == 0;
}

bool global_put_locked(struct g *first, struct g *last, uint32_t n)
{
    return put_locked(first, last, n);
}

static inline void put_and_unlock(struct g *first, struct g *last, uint32_t n)
{
    bool first_come = put_locked(first, last, n);
    spin_unlock(&sched.lock);
    if (first_come)
        slice_notify();
}

/* Somebody else is at the queue. */
static __attribute__((noinline)) void wait_and_put(struct g *first, struct g *last, uint32_t n)
{
    spin_lock(&sched.lock);
    put_and_unlock(first, last, n);
}

HOT void global_put_batch(struct g *first, struct g *last, uint32_t n)
{
    if (__builtin_expect(!spin_try_lock(&sched.lock), 0))
        wait_and_put(first, last, n);
    else
        put_and_unlock(first, last, n);
}

/* There is one; its caller counts. */
static struct g *pop_locked(void)
{
    struct g *g = sched.global_head;
    sched.global_head = g->link;
    if (sched.global_head == NULL)
        sched.global_tail = NULL;
    return g;
}

struct g *global_share(struct p *p, uint32_t max)
{
    spin_lock(&sched.lock);
    uint32_t size = load_relaxed(&sched.global_n); /* relaxed: under the lock; so below */
    uint32_t n = size / sched.n_p + 1;
    n = n < size ? n : size;
    n = n < max ? n : max;
    struct g *g = n > 0 ? pop_locked() : NULL;
    store_relaxed(&sched.global_n, size - n); /* relaxed: as above */
    p->count.global_gets += n;
    if (n > 0)
        TRACE_M(g_self()->m, 0, n, TRACE_WHAT(TRACE_GLOBAL_GET, 0, p->id));
    for (uint32_t i = 1; i < n; i++) {
        struct g *next = pop_locked();
        if (__builtin_expect(next->flags & GF_APART, 0))
            pinned_put(p, next);
        else
            runq_put(&p->runq, next);
    }
    spin_unlock(&sched.lock);
    return g;
}

void global_put_back(struct g *first, struct g *last, uint32_t n)
{
    spin_lock(&sched.lock);
    last->link = sched.global_head;
    if (sched.global_head == NULL)
        sched.global_tail = last;
    sched.global_head = first;
    uint32_t was = load_relaxed(&sched.global_n); /* relaxed: as in put_locked; so below */
    store_relaxed(&sched.global_n, was + n);      /* relaxed: as above */
    spin_unlock(&sched.lock);
    if (was == 0)
        slice_notify();
    wake_idle();
}
