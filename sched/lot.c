/*
 * lot: the parking lot, see lot.h.
 *
 * Why a table and not a queue in each object. A zeroed object is ready for use and small: a mutex
 * is one word, and the waiting costs memory only where somebody waits. And an object may be freed
 * as soon as the call that ended its last use has returned, by whoever was woken: so a waker must
 * not touch the object after it has made it possible for another to finish with it. Here it
 * changes the object's word while it holds the bucket, for the last time, and afterwards works on
 * the bucket and the waiter only.
 *
 * L1  A goroutine that decides to wait does so with the bucket locked, after a look at the word;
 *     a waker changes the word with the bucket locked. So no wake is lost between look and sleep.
 * L2  The bucket is unlocked by the waiter's commit, its context saved: a waker that takes the
 *     record finds a goroutine that is parked.
 * L3  After lot_take the waiter's record is the waker's until g_ready; after that it is gone. (O9)
 */
#include "sched/lot.h"
#include "sched/proc.h"
#include "sched/reach.h"

REACH_KEYS struct bucket lot_table[1u << SEMA_BUCKETS_LOG2];

HOT struct bucket *lot_lock(const void *addr)
{
    struct bucket *b = lot_bucket(addr);
    preempt_off();
    spin_lock(&b->lock);
    return b;
}

HOT void lot_unlock(struct bucket *b)
{
    spin_unlock(&b->lock);
    preempt_on();
}

struct waiter *lot_first(struct bucket *b, const void *addr)
{
    return *lot_find(b, addr);
}

HOT struct waiter *lot_take_all(struct bucket *b, const void *addr)
{
    struct waiter **at = lot_find(b, addr), *all = *at;
    if (all != NULL)
        *at = all->next_addr;
    return all;
}

void lot_ready_all(struct waiter *list)
{
    for (struct waiter *next; list != NULL; list = next) {
        next = list->next; /* L3 */
        g_ready(list->g);
    }
}

void lot_unlock_and_ready(struct bucket *b, struct waiter *list)
{
    spin_unlock(&b->lock);
    lot_ready_all(list);
    preempt_on();
}

HOT void lot_park(struct bucket *b, enum wait_reason reason)
{
    g_park(park_unlock, &b->lock, reason);
}
