/*
 * mutex: the slow paths of sync.h's mutex.
 *
 * The word: LOCKED; WAITERS, somebody is in the lot; WOKEN, one of them has been woken and will
 * try for the lock. Uncontended, lock and unlock swap it between 0 and LOCKED.
 *
 * Normal mode, as in Go: unlock frees the word and wakes the first waiter, which competes with
 * whoever comes along. A goroutine that runs already mostly wins, and that is fast: the loser goes
 * back to the head of the line. Starvation mode: a waiter that has waited more than
 * MUTEX_STARVE_NS is given the lock: LOCKED stays set, no one can barge. Go keeps a mode bit; here
 * each unlock looks at how long the first in line has waited, which comes to the same.
 *
 * M1  WAITERS and WOKEN are set and the lot changed only with the bucket locked.
 * M2  While LOCKED is set, only its holder clears it, and other bits change only under M1.
 * M3  unlock's last access to the word is the one that lets others finish with the mutex (see
 *     lot.c): the swap in the fast path, a store under the bucket's lock in the slow one.
 */
#include <pinion/sync.h>
#include "kernel/clock.h"
#include "sched/atomic.h"
#include "sched/fatal.h"
#include "sched/lot.h"
#include "sched/proc.h"

#define LOCKED  1u
#define WAITERS 2u
#define WOKEN   4u

/* Looks that a newcomer takes at a lock that another hart holds before it parks. Go: 4 × 30. */
#define SPINS 30

static bool take(mutex *m, uint32_t clear)
{
    /* relaxed: the swap decides. */
    uint32_t s = atomic_load_explicit(&m->state_, memory_order_relaxed);
    while ((s & LOCKED) == 0)
        /* order: acquire pairs with the release of unlock. relaxed: try again. */
        if (atomic_compare_exchange_weak_explicit(&m->state_, &s, (s | LOCKED) & ~clear,
                                                  memory_order_acquire, memory_order_relaxed))
            return true;
    return false;
}

static bool spin_for(mutex *m, uint32_t clear)
{
    /* On one hart the holder cannot run while we look. */
    for (unsigned n = 0; sched.n_p > 1 && n < SPINS; n++) {
        if (take(m, clear))
            return true;
        arch_relax(0);
    }
    return take(m, clear);
}

/* Queues w unless the lock has come free. clear: WOKEN, if this waiter is the one woken. */
static bool queue_up(mutex *m, struct bucket *b, struct waiter *w, uint32_t clear, bool again)
{
    /* relaxed: M2: under the bucket's lock only unlock's fast swap can interfere, seen below. */
    uint32_t s = atomic_load_explicit(&m->state_, memory_order_relaxed);
    do {
        if ((s & LOCKED) == 0)
            return false;
        /* relaxed, both: the lot's lock carries the order between waiter and waker. */
    } while (!atomic_compare_exchange_weak_explicit(&m->state_, &s, (s | WAITERS) & ~clear,
                                                    memory_order_relaxed, memory_order_relaxed));
    lot_put(b, w, again);
    return true;
}

void mutex_lock_slow_(mutex *m)
{
    struct waiter w = {.g = g_self(), .addr = m};
    uint32_t clear = 0;
    while (!spin_for(m, clear)) {
        struct bucket *b = lot_lock(m);
        if (w.since == 0)
            w.since = clock_ns();
        if (!queue_up(m, b, &w, clear, clear != 0)) {
            lot_unlock(b);
            continue;
        }
        lot_park(b, WAIT_MUTEX);
        if (w.token)
            return;
        clear = WOKEN;
    }
}

bool mutex_try_lock(mutex *m)
{
    return take(m, 0);
}

/* A woken waiter is on its way: the lock is only set free. */
static bool leave_to_woken(mutex *m, uint32_t s)
{
    return (s & (LOCKED | WOKEN)) == (LOCKED | WOKEN) &&
           /* order: release pairs with take. relaxed: on failure the slow way looks anew. */
           cas_release(&m->state_, &s, s & ~LOCKED);
}

void mutex_unlock_slow_(mutex *m, uint32_t s)
{
    if (leave_to_woken(m, s))
        return;
    struct bucket *b = lot_lock(m);
    bool more;
    /* relaxed: M2: it is our lock, and the bucket is locked. */
    s = atomic_load_explicit(&m->state_, memory_order_relaxed);
    if ((s & LOCKED) == 0) {
        lot_unlock(b);
        fatal("sync: unlock of unlocked mutex");
    }
    struct waiter *w = s & WOKEN ? NULL : lot_take(b, m, &more);
    if (w == NULL) {
        /* order: release pairs with take. */
        atomic_store_explicit(&m->state_, s & WOKEN ? s & ~LOCKED : 0, memory_order_release);
        lot_unlock(b);
        return;
    }
    w->token = clock_ns() - w->since > MUTEX_STARVE_NS;
    s = (more ? WAITERS : 0) | (w->token ? LOCKED : WOKEN);
    /* order: release pairs with take; M3: from here on the mutex is not ours. */
    atomic_store_explicit(&m->state_, s, memory_order_release);
    spin_unlock(&b->lock);
    g_ready(w->g);
    preempt_on();
}
