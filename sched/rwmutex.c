/*
 * rwmutex: the slow paths of sync.h's rwmutex.
 *
 * The word: WRITER, the sign bit, a writer has the lock or has announced itself; QUEUED, more
 * writers are in the lot; the rest counts readers, those that have the lock and those that wait. A
 * reader comes by adding one and goes by taking one off, so readers never fail against each other.
 * WRITER sends both to the slow paths.
 *
 *     a reader comes, WRITER is set: waits in the lot, counted already
 *     a reader goes, WRITER is set: leaving_ - 1, and the last of them lets the writer in
 *     a writer comes, nobody there: takes it. Readers there: announces itself by WRITER,
 *         notes them in leaving_, waits. WRITER set: waits behind other writers
 *     a writer goes: whoever is counted now is a reader that waits: all of them have the lock. A
 *         writer that waits is announced in the same step, so those readers are the only ones that
 *         go before it; if there are none it has the lock at once.
 *
 * So readers and writers take turns while both want it, and neither starves. Go has the same turns
 * but lets a running writer overtake those that sleep; here they go in their order. That costs a
 * switch for each writer while writers alone compete, for which a mutex is the better lock.
 *
 * The odd case is a reader between its addition, which has counted it, and the bucket's lock.
 * A writer that goes cannot find it in the lot, so it leaves a permit, admitted_, for each reader
 * counted but not found. The reader takes a permit if there is one and else waits. It may take that
 * of another reader in the same place; then that one waits instead, and the numbers are the same.
 *
 * W1  WRITER is set by anyone that finds it clear, QUEUED, leaving_ and admitted_ change with the
 *     bucket locked. WRITER is cleared with it locked, or by the fast swap, when it is all there is.
 * W2  Who has announced itself is woken by the last reader that leaves, and by nobody else. So that
 *     reader may touch the rwmutex after its subtraction: the writer is still in its call.
 * W3  unlock's last access to the rwmutex is the one that lets others finish with it.
 *
 * Three lists in the lot, by three addresses within the object: all are in the same bucket.
 */
#include <pinion/sync.h>
#include "kernel/clock.h"
#include "sched/atomic.h"
#include "sched/fatal.h"
#include "sched/lot.h"
#include "sched/proc.h"
#include "sched/profile.h"

#define WRITER  PINION_RW_WRITER_
#define QUEUED  0x40000000u
#define READERS 0x3fffffffu

/* Addresses to wait for. An rwmutex is aligned to four bytes, a bucket's share of addresses to eight. */
static const void *as_reader(rwmutex *rw)
{
    return rw;
}

static const void *as_writer(rwmutex *rw)
{
    return (const char *)rw + 1;
}

static const void *as_announced(rwmutex *rw)
{
    return (const char *)rw + 2;
}

/* ---- the profile: see profile_mutex.c ---- */

/* Since when one waits, where it is to be counted; 0: the profile is off. */
static inline int64_t wait_begins(void)
{
    return __builtin_expect(mutex_profiled(), 0) ? clock_ns() : 0;
}

/* unlock_and_ready with the profile on. A time of 0 was taken with it off. */
static __attribute__((noinline, cold)) void count_and_ready(struct bucket *b, struct waiter *list,
                                                            int64_t moved)
{
    int64_t now = clock_ns(), waited = moved != 0 ? now - moved : 0;
    uint32_t waits = moved != 0;
    spin_unlock(&b->lock);
    for (const struct waiter *w = list; w != NULL; w = w->next)
        if (w->since != 0) {
            waits++;
            waited += now - w->since;
        }
    if (waits > 0)
        mutex_profile_event(waits, waited);
    lot_ready_all(list); /* E1 */
    preempt_on();
}

/* The waits of the list have ended, and the first part of that of a writer that has waited since `moved`. */
static inline void unlock_and_ready(struct bucket *b, struct waiter *list, int64_t moved)
{
    if (__builtin_expect(mutex_profiled(), 0))
        count_and_ready(b, list, moved);
    else
        lot_unlock_and_ready(b, list);
}

/* ---- readers ---- */

void rwmutex_rlock_slow_(rwmutex *rw)
{
    struct waiter w = {.g = g_self(), .addr = as_reader(rw), .since = wait_begins()};
    struct bucket *b = lot_lock(rw);
    if (rw->admitted_ > 0) {
        rw->admitted_--;
        lot_unlock(b);
        return;
    }
    lot_put(b, &w, false);
    lot_park(b, WAIT_RWMUTEX_R);
}

void rwmutex_runlock_slow_(rwmutex *rw, uint32_t was)
{
    struct waiter *w = NULL;
    bool more;
    struct bucket *b = lot_lock(rw);
    bool wrong = (was & WRITER) == 0 || rw->leaving_ == 0;
    if (!wrong && --rw->leaving_ == 0)
        w = lot_take(b, as_announced(rw), &more);
    unlock_and_ready(b, w, 0);
    if (wrong)
        fatal("sync: RUnlock of unlocked RWMutex");
}

bool rwmutex_try_rlock(rwmutex *rw)
{
    /* relaxed: the swap decides. */
    uint32_t s = atomic_load_explicit(&rw->state_, memory_order_relaxed);
    while ((s & WRITER) == 0)
        /* O26: acquire pairs with the release of unlock. */
        if (cas_acquire_weak(&rw->state_, &s, s + 1))
            return true;
    return false;
}

/* ---- writers ---- */

void rwmutex_lock_slow_(rwmutex *rw)
{
    struct waiter w = {.g = g_self(), .since = wait_begins()};
    struct bucket *b = lot_lock(rw);
    /* relaxed: the swap decides. */
    uint32_t s = atomic_load_explicit(&rw->state_, memory_order_relaxed);
    /* O26: acquire pairs with the releases of unlock and runlock, if this takes or announces. */
    while (!cas_acquire_weak(&rw->state_, &s, s & WRITER ? s | QUEUED : s | WRITER))
        continue;
    if (s == 0) {
        lot_unlock(b);
        return;
    }
    if ((s & WRITER) == 0)
        rw->leaving_ = s & READERS;
    w.addr = s & WRITER ? as_writer(rw) : as_announced(rw);
    lot_put(b, &w, false);
    lot_park(b, WAIT_RWMUTEX_W);
}

bool rwmutex_try_lock(rwmutex *rw)
{
    uint32_t unlocked = 0;
    /* O26: acquire pairs with the releases of unlock and runlock. */
    return cas_acquire(&rw->state_, &unlocked, WRITER);
}

/* Notes that the readers counted in s have the lock, those of them in the lot among them. */
static void admit(rwmutex *rw, uint32_t s, const struct waiter *list)
{
    uint32_t found = 0;
    for (const struct waiter *w = list; w != NULL; w = w->next)
        found++;
    rw->admitted_ = (s & READERS) - found;
}

void rwmutex_unlock_slow_(rwmutex *rw)
{
    bool more;
    int64_t moved = 0;
    struct bucket *b = lot_lock(rw);
    /* relaxed: with the bucket locked only new readers change the word; each swap sees them. */
    uint32_t s = atomic_load_explicit(&rw->state_, memory_order_relaxed);
    if ((s & WRITER) == 0) {
        lot_unlock(b);
        fatal("sync: Unlock of unlocked RWMutex");
    }
    struct waiter *writer = lot_take(b, as_writer(rw), &more);
    struct waiter *readers = lot_take_all(b, as_reader(rw));
    uint32_t keep = writer == NULL ? 0 : more ? WRITER | QUEUED : WRITER;
    do
        admit(rw, s, readers);
    /* O26: release pairs with the acquires of lock and rlock. relaxed: again. W3: the last access,
     * unless a writer has yet to be let in, and it cannot be done before that. */
    while (!cas_release(&rw->state_, &s, (s & READERS) | keep));
    if (writer != NULL && (s & READERS) != 0) {
        rw->leaving_ = s & READERS;
        writer->addr = as_announced(rw);
        moved = writer->since;
        writer->since = wait_begins(); /* E1 */
        lot_put(b, writer, false);
    } else if (writer != NULL) {
        writer->next = NULL;
        readers = writer;
    }
    unlock_and_ready(b, readers, moved);
}
