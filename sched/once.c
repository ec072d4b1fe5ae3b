/*
 * once: the slow path of sync.h's once.
 *
 * The word: 0, never called; RUNNING, fn runs; DONE, below zero. Who finds it running waits in the
 * lot. The end of fn is noted by a deferred call as well, for fn may panic or end its goroutine, and
 * that counts as done. The call's record lies in this frame, so that nothing can fail for memory;
 * the frame outlives it, since defers run on top of the frames that they end.
 */
#include <pinion/sync.h>
#include "sched/defer.h"
#include "sched/lot.h"
#include "sched/proc.h"

#define RUNNING 1
#define DONE    (-1)

static void finish(void *once_)
{
    once *o = once_;
    struct bucket *b = lot_lock(o);
    struct waiter *all = lot_take_all(b, o);
    /* O26: release pairs with the acquire in once_do; the last access to it. */
    atomic_store_explicit(&o->state_, DONE, memory_order_release);
    lot_unlock_and_ready(b, all);
}

void once_do_slow_(once *o, void (*fn)(void *), void *arg)
{
    struct waiter w = {.g = g_self(), .addr = o};
    struct defer d;
    struct bucket *b = lot_lock(o);
    /* relaxed: it changes with the bucket locked. */
    int32_t s = atomic_load_explicit(&o->state_, memory_order_relaxed);
    if (s == RUNNING) {
        lot_put(b, &w, false);
        lot_park(b, WAIT_MUTEX); /* as Go, whose Once has a mutex */
        return;
    }
    /* relaxed: as above. */
    atomic_store_explicit(&o->state_, s == DONE ? DONE : RUNNING, memory_order_relaxed);
    lot_unlock(b);
    if (s == DONE)
        return;
    defer_lend(&d, finish, o);
    fn(arg);
    defer_take_back(&d);
    finish(o);
}
