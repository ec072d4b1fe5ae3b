/*
 * semaphore: the slow paths of sync.h's semaphore.
 *
 * One word: how much is left, or, while somebody waits, the complement of that. The complement is
 * negative, so the fast paths, which want to see enough of a number that is not, leave it alone, and
 * everything then happens with the bucket locked: whoever comes queues behind those who wait, and a
 * release serves them from the front as far as what is left reaches. The first that wants more than
 * that holds up the rest: that is what keeps it from starving.
 *
 * S1  The word is negative exactly while waiters are in the lot, and changes only with the bucket
 *     locked then, and when its sign changes.
 * S2  release's last access to the semaphore is the one that changes the word.
 */
#include <pinion/sync.h>
#include <errno.h>
#include <pinion/go.h>
#include "sched/atomic.h"
#include "sched/defer.h"
#include "sched/lot.h"
#include "sched/proc.h"

struct taker {
    struct waiter w;
    int64_t n;
};

static void check_weight(int64_t n)
{
    if (n < 0)
        sched_panic("semaphore: negative weight");
}

int semaphore_init(semaphore *s, int64_t n)
{
    if (n < 0) {
        errno = EINVAL;
        return -1;
    }
    s->size_ = n;
    /* relaxed: nobody else uses it yet. */
    atomic_store_explicit(&s->free_, n, memory_order_relaxed);
    return 0;
}

/* Takes n if nobody waits and there is enough; else *left is what the word was. */
static bool take(semaphore *s, int64_t n, int64_t *left)
{
    /* relaxed: the swap decides. */
    *left = atomic_load_explicit(&s->free_, memory_order_relaxed);
    while (*left >= n)
        /* O26: acquire pairs with the release of what is taken. */
        if (cas_acquire_weak(&s->free_, left, *left - n))
            return true;
    return false;
}

bool semaphore_try_acquire(semaphore *s, int64_t n)
{
    int64_t left;
    check_weight(n);
    return take(s, n, &left);
}

static void wait_for_ever(void *unused, struct arch_hart *hart)
{
    (void)unused;
    sched_next((struct m *)hart);
}

void semaphore_acquire_slow_(semaphore *s, int64_t n)
{
    struct taker t = {.w = {.g = g_self(), .addr = s}, .n = n};
    int64_t left;
    check_weight(n);
    struct bucket *b = lot_lock(s);
    do {
        if (take(s, n, &left)) {
            lot_unlock(b);
            return;
        }
        if (n > s->size_) {
            spin_unlock(&b->lock);
            g_park(wait_for_ever, NULL, WAIT_SEMACQUIRE);
        }
        /* relaxed, both: S1, the bucket's lock orders waiter and waker. */
    } while (left >= 0 && !atomic_compare_exchange_strong_explicit(
                              &s->free_, &left, ~left, memory_order_relaxed, memory_order_relaxed));
    lot_put(b, &t.w, false);
    lot_park(b, WAIT_SEMACQUIRE);
}

/* Takes those out of the lot that *left serves, in their order. */
static struct waiter *serve(struct bucket *b, semaphore *s, int64_t *left, bool *more)
{
    struct waiter *served = NULL, **end = &served;
    while ((*end = lot_first(b, s)) != NULL && ((struct taker *)*end)->n <= *left) {
        struct waiter *w = lot_take(b, s, more);
        *left -= ((struct taker *)w)->n;
        end = &w->next;
    }
    *more = *end != NULL;
    *end = NULL;
    return served;
}

void semaphore_release_slow_(semaphore *s, int64_t n)
{
    struct waiter *served;
    bool more;
    int64_t was, left;
    check_weight(n);
    struct bucket *b = lot_lock(s);
    /* relaxed: the swap decides. */
    was = atomic_load_explicit(&s->free_, memory_order_relaxed);
    do {
        left = was < 0 ? ~was : was;
        if (n > s->size_ - left) {
            lot_unlock(b);
            sched_panic("semaphore: released more than held");
        }
        left += n;
        served = was < 0 ? serve(b, s, &left, &more) : NULL;
        if (was >= 0)
            more = false;
        /* O26: release pairs with the acquire of who takes it. relaxed: again; a word below zero
         * is ours alone (S1), so nobody is served twice. */
    } while (!cas_release(&s->free_, &was, more ? ~left : left));
    lot_unlock_and_ready(b, served);
}
