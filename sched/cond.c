/*
 * cond: the slow paths of sync.h's cond.
 *
 * Waiters stand in a list in the order in which they came. The unlock of l is part of the wait's
 * commit: first the goroutine is saved, then it is in the list, then l is unlocked. So a signal that
 * comes after the unlock finds it, and one that finds it finds it parked: nothing is lost, and who
 * comes to wait after a signal cannot take it from one that was there. Go gives out numbers before
 * the unlock to the same end; a list that can be entered before the unlock needs none.
 *
 * The list is the cond's own, not the lot's: there is no word here to be changed together with it,
 * and to find it costs nothing. Its lock is the lowest bit of its head: taken by an atomic or, which
 * brings the head along, and let go by the store of the new head. It is held for some ten
 * instructions with preemption off, mostly by a holder of l. It is not fair by itself; who finds it
 * taken goes on trying with c's bucket of the lot locked, hence one hart at a time and in order.
 *
 * C1  waiters_'s pointer, newest_ and the links change with the bit set, by who set it. A signaller
 *     that reads zero has nobody that it must wake: see cond_idle_.
 * C2  A signaller's last access to the cond is the store that clears the bit, before it readies
 *     anyone. l belongs to the program; the waiter is not back from cond_wait before it has locked l,
 *     hence not before the commit has unlocked it.
 */
#include <pinion/sync.h>
#include <pinion/go.h>
#include "sched/atomic.h"
#include "sched/defer.h"
#include "sched/lot.h"
#include "sched/proc.h"

#define TAKEN ((uintptr_t)1)

struct cond_waiter {
    struct waiter w;
    cond *c;
    mutex *l;
};

/* ---- the list ---- */

/* Tries to lock the list: its oldest, or with TAKEN if somebody else has it. */
static inline uintptr_t list_try(cond *c)
{
    /* O27: acquire pairs with the release in list_set. */
    return atomic_fetch_or_explicit(&c->waiters_, TAKEN, memory_order_acquire);
}

static uintptr_t list_lock(cond *c)
{
    uintptr_t oldest;
    struct bucket *b = lot_lock(c);
    for (unsigned n = 0; (oldest = list_try(c)) & TAKEN; n++)
        arch_relax(n);
    lot_unlock(b);
    return oldest;
}

/* Unlocks the list; it begins with oldest now. */
static inline void list_set(cond *c, uintptr_t oldest)
{
    /* O27: release pairs with the acquire in list_try. */
    store_release(&c->waiters_, oldest);
}

static inline void list_put(cond *c, uintptr_t oldest, struct waiter *w)
{
    w->next = NULL;
    if (oldest == 0)
        oldest = (uintptr_t)w;
    else
        c->newest_->next = w;
    c->newest_ = w;
    list_set(c, oldest);
}

/* ---- wait ---- */

static inline void check_copy(cond *c)
{
    /* relaxed: only compared. */
    cond *self = load_relaxed(&c->self_);
    if (__builtin_expect(self == NULL, 0))
        store_relaxed(&c->self_, c); /* relaxed: others that are first store the same */
    else if (__builtin_expect(self != c, 0))
        sched_panic("sync.Cond is copied");
}

/* What of the commit saves registers, apart from what does not. */
static __attribute__((noinline)) void wait_contended(struct cond_waiter *w, struct m *m)
{
    mutex *l = w->l;
    list_put(w->c, list_lock(w->c), &w->w);
    mutex_unlock(l);
    sched_next(m);
}

static __attribute__((noinline)) void unlock_contended(mutex *l, uint32_t state, struct m *m)
{
    mutex_unlock_slow_(l, state);
    sched_next(m);
}

HOT static void wait_commit(void *arg, struct arch_hart *hart)
{
    struct cond_waiter *w = arg;
    mutex *l = w->l;
    uint32_t state = 1;
    uintptr_t oldest = list_try(w->c);
    if (__builtin_expect(oldest & TAKEN, 0)) {
        wait_contended(w, (struct m *)hart);
        return;
    }
    list_put(w->c, oldest, &w->w);
    /* O7: release: this is mutex_unlock. relaxed: the slow path looks anew. */
    if (__builtin_expect(!cas_release(&l->state_, &state, 0), 0)) {
        unlock_contended(l, state, (struct m *)hart);
        return;
    }
    sched_next((struct m *)hart);
}

void cond_wait(cond *c)
{
    struct cond_waiter w;
    check_copy(c);
    w.w.g = g_self();
    w.c = c;
    w.l = c->l;
    /* A fatal error, and a bad pointer too, must come from here: the commit is nobody's frame.
     * relaxed: only a mutex that the caller has locked need be seen as such. */
    if (__builtin_expect(load_relaxed(&w.l->state_) == 0, 0))
        mutex_unlock(w.l);
    mutex_gives_(w.l);
    preempt_off();
    g_park(wait_commit, &w, WAIT_COND);
    mutex_lock(w.l);
}

/* ---- signal ---- */

/* The list is locked and begins with oldest. */
static inline void signal_locked(cond *c, uintptr_t oldest)
{
    struct waiter *w = (struct waiter *)oldest;
    if (__builtin_expect(w == NULL, 0)) {
        list_set(c, 0);
    } else {
        list_set(c, (uintptr_t)w->next);
        g_ready(w->g);
    }
    preempt_on();
}

static __attribute__((noinline)) void signal_contended(cond *c)
{
    signal_locked(c, list_lock(c));
}

static __attribute__((noinline)) void first_signal(cond *c)
{
    check_copy(c);
    cond_signal_slow_(c);
}

HOT void cond_signal_slow_(cond *c)
{
    if (__builtin_expect(load_relaxed(&c->self_) != c, 0)) { /* relaxed: as in check_copy */
        first_signal(c);
        return;
    }
    preempt_off();
    uintptr_t oldest = list_try(c);
    if (__builtin_expect(oldest & TAKEN, 0))
        signal_contended(c);
    else
        signal_locked(c, oldest);
}

void cond_broadcast_slow_(cond *c)
{
    check_copy(c);
    preempt_off();
    struct waiter *all = (struct waiter *)list_lock(c);
    list_set(c, 0);
    lot_ready_all(all);
    preempt_on();
}
