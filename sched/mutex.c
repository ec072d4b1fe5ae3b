/*
 * mutex: the slow paths of sync.h's mutex.
 *
 * The word: LOCKED; WAITERS, somebody is in the lot; and WOKEN, when one of them was woken that will
 * try for the lock, 0 if there is none. Uncontended, lock and unlock swap it between 0 and LOCKED.
 *
 * Normal mode, as in Go: unlock frees the word and wakes the first waiter, which competes with
 * whoever comes along. A goroutine that runs already mostly wins, and that is fast: the loser goes
 * back to the head of the line. Starvation mode: a waiter that has waited more than
 * MUTEX_STARVE_NS is given the lock: LOCKED stays set, no one can barge, and the giver yields, so
 * that the lock is held by one that runs. Go keeps a mode bit; here each unlock looks at how long the
 * first in line has waited, which comes to the same.
 *
 * A woken waiter that does not get a hart cannot ask for more. With one hart it is the very one that
 * locks again and again that stands in its way, for a whole time slice. So the word says when it was
 * woken, and an unlock that finds it still on its way after half of MUTEX_STARVE_NS yields: should it lose
 * once more just before it starves, both together are less than twice that. Go leaves this to preemption.
 *
 * M1  WAITERS and WOKEN are set and the lot changed only with the bucket locked.
 * M2  While LOCKED is set, only its holder clears it, and other bits change only under M1.
 * M3  unlock's last access to the word is the one that lets others finish with the mutex (see
 *     lot.c): the swap in the fast path, a store under the bucket's lock in the slow one.
 */
#include <pinion/sync.h>
#include <pinion/go.h>
#include "kernel/clock.h"
#include "sched/atomic.h"
#include "sched/fatal.h"
#include "sched/lot.h"
#include "sched/proc.h"
#include "sched/profile.h"

#define LOCKED  1u
#define WAITERS 2u
#define WOKEN   (~3u)

/* A time as WOKEN has it: never 0, and units of 131 µs that come round after 20 hours. */
#define WOKEN_AT(ns) ((uint32_t)((uint64_t)(ns) >> 17 << 3) | 4u)

/* Looks that a newcomer takes at a lock that another hart holds before it parks. Go: 4 × 30. */
#define SPINS 30

/* clear: WOKEN, if this waiter is the one woken. */
static inline bool take(mutex *m, uint32_t clear)
{
    /* relaxed: the swap decides. */
    uint32_t s = load_relaxed(&m->state_);
    while ((s & LOCKED) == 0)
        /* O7: acquire pairs with the release of unlock. */
        if (cas_acquire_weak(&m->state_, &s, (s | LOCKED) & ~clear))
            return true;
    return false;
}

static __attribute__((noinline)) bool spin_for(mutex *m, uint32_t clear)
{
    for (unsigned n = 0; n < SPINS; n++) {
        if (take(m, clear))
            return true;
        arch_relax(0);
    }
    return false;
}

/* Marks that somebody waits, if it is locked. false: it is not. The bucket is locked. */
static inline bool note_waiter(mutex *m, uint32_t clear)
{
    /* relaxed: M2: under the bucket's lock only unlock's fast swap can interfere, seen below. */
    uint32_t s = load_relaxed(&m->state_);
    do {
        if ((s & LOCKED) == 0)
            return false;
        /* relaxed, both: the lot's lock carries the order between waiter and waker. */
    } while (!atomic_compare_exchange_weak_explicit(&m->state_, &s, (s | WAITERS) & ~clear,
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}

static __attribute__((noinline)) void wait_for(mutex *m)
{
    struct waiter w;
    uint32_t clear = 0;
    w.g = g_self();
    w.addr = m;
    w.token = false;
    /* On one hart the holder cannot run while we look. */
    while (!(sched.n_p > 1 ? spin_for(m, clear) : take(m, clear))) {
        struct bucket *b = lot_lock(m);
        if (!note_waiter(m, clear)) {
            lot_unlock(b);
            continue;
        }
        if (clear == 0)
            w.since = clock_ns();
        lot_put(b, &w, clear != 0);
        g_park_here(park_unlock, &b->lock, WAIT_MUTEX);
        if (w.token)
            return;
        clear = WOKEN;
    }
}

/* While a woken waiter is on its way the lock is mostly free, and not for it alone. */
HOT void mutex_lock_slow_(mutex *m)
{
    if (!take(m, 0))
        wait_for(m);
}

bool mutex_try_lock(mutex *m)
{
    return take(m, 0);
}

/* Lets one that was made ready for the lock run, if this is a goroutine that may yield. */
static void give_way(void)
{
    if (g_self()->preempt_off == 0)
        runtime_gosched();
}

/* A woken waiter is on its way: the lock is only set free. */
static inline bool leave_to_woken(mutex *m, uint32_t s)
{
    /* O7: release pairs with take. relaxed: on failure the slow way looks anew. */
    if ((s & LOCKED) == 0 || (s & WOKEN) == 0 || !cas_release(&m->state_, &s, s & ~LOCKED))
        return false;
    if (WOKEN_AT(clock_ns()) - (s & WOKEN) > WOKEN_AT(MUTEX_STARVE_NS / 2))
        give_way();
    return true;
}

/* Frees the word, or hands the lock over, for w, just taken out of b, which is unlocked. Returns
 * whether it is handed over. */
static inline bool wake(mutex *m, struct bucket *b, struct waiter *w, bool more, int64_t now)
{
    bool starving = now - w->since > MUTEX_STARVE_NS;
    w->token = starving;
    uint32_t s = (more ? WAITERS : 0) | (starving ? LOCKED : WOKEN_AT(now));
    /* O7: release pairs with take; M3: from here on the mutex is not ours. */
    store_release(&m->state_, s);
    spin_unlock(&b->lock);
    return starving;
}

_Atomic uint32_t mutex_profile_fraction;

static __attribute__((noinline)) void unlock_any(mutex *m, uint32_t s)
{
    if (leave_to_woken(m, s))
        return;
    struct bucket *b = lot_lock(m);
    bool more;
    s = load_relaxed(&m->state_); /* relaxed: M2: it is our lock, and the bucket is locked. */
    if ((s & LOCKED) == 0) {
        lot_unlock(b);
        fatal("sync: unlock of unlocked mutex");
    }
    struct waiter *w = s & WOKEN ? NULL : lot_take(b, m, &more);
    if (w == NULL) {
        /* O7: release pairs with take. */
        store_release(&m->state_, s & WOKEN ? s & ~LOCKED : 0);
        lot_unlock(b);
        return;
    }
    int64_t now = clock_ns();
    bool starving = wake(m, b, w, more, now);
    if (__builtin_expect(mutex_profiled(), 0))
        mutex_profile_event(1, now - w->since);
    g_ready(w->g);
    preempt_on();
    if (starving)
        give_way();
}

/* Preemption is off. The word is looked at anew. */
static __attribute__((noinline)) void unlock_again(mutex *m)
{
    preempt_on();
    unlock_any(m, LOCKED | WAITERS);
}

static __attribute__((noinline)) void hand_over(struct g *g)
{
    g_ready(g);
    preempt_on();
    give_way();
}

/* The commonest: somebody waits, and nobody has been woken. The clock is read first, since across a
 * call little is to be kept then; all that comes after it calls nothing but at its end. */
HOT void mutex_unlock_slow_(mutex *m, uint32_t s)
{
    if (s != (LOCKED | WAITERS) || __builtin_expect(mutex_profiled(), 0)) {
        unlock_any(m, s);
        return;
    }
    int64_t now = clock_ns();
    uint8_t was = preempt_off_was();
    struct bucket *b = lot_bucket(m);
    if (__builtin_expect(!spin_try_lock(&b->lock), 0)) {
        unlock_again(m);
        return;
    }
    /* relaxed: M2. It has not changed, unless another has unlocked it too. */
    if (__builtin_expect(load_relaxed(&m->state_) != (LOCKED | WAITERS), 0)) {
        spin_unlock(&b->lock);
        unlock_again(m);
        return;
    }
    bool more;
    struct waiter *w = lot_take(b, m, &more);
    struct g *g = w->g;
    if (__builtin_expect(wake(m, b, w, more, now), 0))
        hand_over(g);
    else
        g_ready_and_back(g, was);
}
