/*
 * waitgroup: the slow paths of sync.h's waitgroup.
 *
 * state: counter << 32 | waiters. add is one atomic addition. The one that brings the counter to
 * zero while there are waiters clears the state and wakes them, all under the bucket's lock and
 * in that order, so that it does not touch the waitgroup after anyone may have returned from wait.
 * A wait that finds the counter at zero with waiters still noted joins them: that hand-over is
 * under way, and to return now would let the caller free what it is about to clear.
 */
#include <pinion/sync.h>
#include <pinion/go.h>
#include "sched/atomic.h"
#include "sched/defer.h"
#include "sched/g.h"
#include "sched/lot.h"
#include "sched/proc.h"

void waitgroup_add_slow_(waitgroup *wg, uint64_t state)
{
    if ((int64_t)state < 0)
        sched_panic("sync: negative WaitGroup counter");
    struct bucket *b = lot_lock(wg);
    /* O8: acq_rel: what every done() published is passed on to those woken. relaxed: again. A
     * waiter may join until the bucket is locked, so the number may still differ. */
    while (!cas_acq_rel(&wg->state_, &state, 0))
        if ((state >> 32) != 0) {
            lot_unlock(b);
            sched_panic("sync: WaitGroup misuse: Add called concurrently with Wait");
        }
    lot_unlock_and_ready(b, lot_take_all(b, wg));
}

void waitgroup_wait(waitgroup *wg)
{
    /* O8: acquire pairs with the release in waitgroup_add. */
    if (atomic_load_explicit(&wg->state_, memory_order_acquire) == 0)
        return;
    struct waiter w = {.g = g_self(), .addr = wg};
    struct bucket *b = lot_lock(wg);
    /* O8: acquire as above. */
    uint64_t s = atomic_load_explicit(&wg->state_, memory_order_acquire);
    do {
        if (s == 0) {
            lot_unlock(b);
            return;
        }
        /* O8: acquire, for the case that the reload finds 0; the bucket's lock orders waiters. */
    } while (!atomic_compare_exchange_weak_explicit(&wg->state_, &s, s + 1, memory_order_acquire,
                                                    memory_order_acquire));
    lot_put(b, &w, false);
    lot_park(b, WAIT_WAITGROUP);
}

int64_t waitgroup_go(waitgroup *wg, void (*fn)(void *), void *arg)
{
    static const struct go_attr none;
    waitgroup_add(wg, 1);
    int64_t id = g_spawn(&none, wg, fn, arg, (uintptr_t)__builtin_return_address(0));
    if (id < 0)
        waitgroup_done(wg);
    return id;
}
