/*
 * world: stop-the-world, and what it is for here: a new number of Ps.
 *
 * The world is stopped when every P but the stopper's is P_STOPPED and so no other hart runs
 * Go code or touches a queue. It is not a matter of where a hart is, but of who holds its P:
 *
 *     an idle P                  the stopper takes it, under sched.lock; nobody is asked
 *     a P in a blocking section  the stopper takes it by the same swap by which its hart would
 *                                come back (section.c); nobody is asked
 *     a running P                its hart gives it up (world_wait) when it comes to the scheduler:
 *                                the bit ATTN_STOP and an IPI see to it that this is soon
 *
 * So a hart that is asleep, or stuck in firmware with its interrupts off, is never waited for. One
 * that runs is waited for until its goroutine's preempt_off is 0, which is a matter of
 * microseconds in this code. The interrupt may have met it on its scheduler's stack or in a
 * switch, or in malloc; preempt.c comes back to it then, and the stopper repeats itself every
 * RESEND_NS.
 *
 * Two stoppers: the first has a mutex; the second parks in it, or is stopped before it comes there.
 *
 * W1  `stopping` is set and cleared under sched.lock, and no hart takes or gives up a P there
 *     without looking at it: idle_sleep turns back, and no P is in idle_p for a waker to find.
 * W2  stop_wait counts the running Ps that are still to be given up. The decrement is the hart's
 *     last access to the P (release; the stopper acquires): the P's fields are the stopper's (I3).
 * W3  A P taken in a blocking section is put back into that state, so that its hart finds it as
 *     it was, unless the hart has come back meanwhile and given it up: the state goes on naming the
 *     hart, P_STOPPED too, until then.
 *
 * The number of Ps. To grow is to hand out Ps of the row that boot has made. To shrink empties the
 * last Ps of it: what was queued goes to the head of the global queue, in its order; pinned
 * goroutines to another P that they may use, or any; timers to the stopper's heap; free objects to
 * the central lists. The room for these is found first, so that without memory nothing has happened.
 * Counters stay where they are.
 */
#include "sched/world.h"
#include <errno.h>
#include <pinion/go.h>
#include <pinion/sync.h>
#include "kernel/clock.h"
#include "sched/atomic.h"
#include "sched/cache.h"
#include "sched/chunk.h"
#include "sched/g.h"
#include "sched/idle.h"
#include "sched/ipi.h"
#include "sched/pinned.h"
#include "sched/preempt.h"
#include "sched/proc.h"
#include "sched/runq.h"
#include "sched/timer.h"

#define RESEND_NS 100000

static mutex world_lock;

/* ---- stopping ---- */

/* Takes p if its hart need not be asked. */
static bool take_at_once(struct p *p)
{
    /* relaxed, all of the set: under the lock. */
    uint64_t idle = load_relaxed(&sched.idle_p);
    if (idle & bit(p->id)) {
        store_relaxed(&sched.idle_p, idle & ~bit(p->id)); /* relaxed: as above */
        store_relaxed(&p->status, P_STOPPED);             /* relaxed: as above */
        return true;
    }
    uint32_t state = load_relaxed(&p->status); /* relaxed: the swap decides */
    /* O20: acquire pairs with the release in section_lend. */
    return P_STATUS(state) == P_SYSCALL &&
           cas_acquire(&p->status, &state, state - P_SYSCALL + P_STOPPED); /* W3 */
}

static void ask(struct m *self, struct p *p)
{
    /* relaxed: the interrupt, and the swap that clears it, carry the order. */
    atomic_fetch_or_explicit(&p->attention, ATTN_STOP, memory_order_relaxed);
    struct m *m = p->m;
    if (m != NULL) {
        ipi_send(self, m, IPI_STOP);
    }
}

static void ask_all(struct m *self)
{
    spin_lock(&sched.lock);
    for (uint32_t i = 0; i < sched.n_p; i++) {
        struct p *p = sched.p[i];
        if (p == self->p)
            continue;
        if (take_at_once(p)) /* it has entered a blocking section since */
            /* relaxed: taken by ourselves. */
            atomic_fetch_sub_explicit(&sched.stop_wait, 1, memory_order_relaxed);
        else if (load_relaxed(&p->status) == P_RUNNING) /* relaxed: under the lock */
            ask(self, p);
    }
    spin_unlock(&sched.lock);
}

void world_stop(void)
{
#if PINION_TRAP == 22 /* waits where nobody can stop it: who stops the others waits for it */
    arch_irq_disable();
    while (!mutex_try_lock(&world_lock))
        arch_relax(0);
    arch_irq_enable();
#else
    mutex_lock(&world_lock);
#endif
    struct m *self = preempt_off();
    uint32_t wait = 0;
    TRACE_M(self, (uint64_t)g_self()->id, 0, TRACE_WHAT(TRACE_STW_BEGIN, 0, 0));
    spin_lock(&sched.lock);
    /* relaxed, both: W1. */
    atomic_store_explicit(&sched.stopping, true, memory_order_relaxed);
    for (uint32_t i = 0; i < sched.n_p; i++)
        if (sched.p[i] != self->p && !take_at_once(sched.p[i]))
            wait++;
    atomic_store_explicit(&sched.stop_wait, wait, memory_order_relaxed); /* relaxed: as above */
    spin_unlock(&sched.lock);
    int64_t again = 0;
    /* O21: acquire pairs with the release in world_wait (W2). */
    for (unsigned n = 0; atomic_load_explicit(&sched.stop_wait, memory_order_acquire) != 0; n++) {
        if (clock_ns() >= again) {
            ask_all(self);
            again = clock_ns() + RESEND_NS;
        }
        arch_relax(n);
    }
}

void world_wait(struct m *m)
{
    struct p *p = m->p;
    spin_lock(&sched.lock);
    if (!world_stops()) { /* it has gone on already, without us */
        spin_unlock(&sched.lock);
        return;
    }
    /* relaxed, all: under the lock. */
    atomic_fetch_and_explicit(&p->attention, ~(uint32_t)ATTN_STOP, memory_order_relaxed);
    TRACE_M(m, 0, 0, TRACE_WHAT(TRACE_P_STOP, 2, p->id));
    idle_m_locked(m);
    store_relaxed(&p->status, P_STOPPED); /* relaxed: as above */
    p->m = NULL;
    m->p = NULL;
    m->last_p = p;
    p->last_m = m;
    spin_unlock(&sched.lock);
    /* O21: release pairs with the acquire in world_stop. */
    atomic_fetch_sub_explicit(&sched.stop_wait, 1, memory_order_release);
    idle_stopped(m);
}

void world_keep_locked(struct m *m, struct p *p)
{
    /* relaxed, all of the state: under the lock, and only m takes p out of its section without. */
    uint32_t state = load_relaxed(&p->status);
    if (state != (P_SYSCALL | P_OF(m)) && state != (P_STOPPED | P_OF(m)))
        return;
    store_relaxed(&p->status, P_STOPPED); /* relaxed: as above */
    if (P_STATUS(state) == P_SYSCALL)
        /* O21: release pairs with the acquire in world_stop: p, which m ran until a moment ago. */
        atomic_fetch_sub_explicit(&sched.stop_wait, 1, memory_order_release);
}

/* ---- going on ---- */

static bool has_work(struct p *p)
{
    /* relaxed: the world stands still. A P with timers must be run by somebody too: its last hart's
     * comparator may have gone off meanwhile. */
    return load_relaxed(&p->timers.first) != CLOCK_NEVER || !runq_empty(&p->runq) ||
           p->pinned_head != NULL || load_relaxed(&p->inbox) != NULL ||
           load_relaxed(&p->pinbox) != NULL; /* relaxed: as above */
}

void world_each(void (*fn)(struct g *, void *), void *arg)
{
    spin_lock(&sched.lock);
    g_each(fn, arg);
    spin_unlock(&sched.lock);
}

void world_start(void)
{
    struct m *self = g_self()->m;
    uint64_t wake = 0, tell = 0;
    spin_lock(&sched.lock);
    /* relaxed: W1. */
    atomic_store_explicit(&sched.stopping, false, memory_order_relaxed);
    for (uint32_t i = 0; i < sched.n_p; i++) {
        struct p *p = sched.p[i];
        if (p == self->p)
            continue;
        uint32_t state = load_relaxed(&p->status); /* relaxed: ours */
        if (state != P_STOPPED) { /* W3; its hart watches the P's timers again when it is told */
            tell |= bit(P_M(state)->id);
            /* O20: release pairs with the acquire of whoever takes it. */
            store_release(&p->status, state - P_STOPPED + P_SYSCALL);
        } else if (idle_give_locked(p), has_work(p)) {
            wake |= bit(i);
        }
    }
    spin_unlock(&sched.lock);
    for (; tell != 0; tell &= tell - 1)
        ipi_send(self, sched.m[lowest(tell)], IPI_LOOK);
    for (; wake != 0; wake &= wake - 1)
        wake_p(sched.p[lowest(wake)]);
    wake_idle();
    TRACE_M(self, (uint64_t)g_self()->id, 0, TRACE_WHAT(TRACE_STW_END, 0, 0));
    preempt_on();
    mutex_unlock(&world_lock);
}

/* ---- the number of Ps ---- */

static void drop_p(struct p *p)
{
    sched_spill(p);
    timers_take_all(g_self()->m->p, p);
    pinned_move(p);
    g_give_all(p);
    cache_flush(p->cache);
    /* relaxed, both: nobody runs. A hart in a section with p will find it gone (B1). */
    store_relaxed(&p->attention, 0);
    store_relaxed(&p->status, P_DEAD); /* relaxed: as above */
}

/* The stopper leaves its P, which is to go, for the first. */
static void move_to_first(struct m *self)
{
    struct p *old = self->p, *p = sched.p[0];
    spin_lock(&sched.lock); /* for who is on his way out of a section, and wakes a P */
    p->m = self;
    old->m = NULL;
    spin_unlock(&sched.lock);
    self->p = p;
    TRACE_M(self, 0, 0, TRACE_WHAT(TRACE_P_STOP, 2, old->id));
    TRACE_M(self, 0, 0, TRACE_WHAT(TRACE_P_START, 0, p->id));
    if (self->wired != NULL)
        pinned_note(p);
    /* relaxed, both: nobody runs. */
    store_relaxed(&p->status, P_RUNNING);
    store_relaxed(&old->status, P_STOPPED); /* relaxed: as above */
}

static bool resize(uint32_t n)
{
    struct m *self = g_self()->m;
    uint32_t old = sched.n_p, moving = 0;
    for (uint32_t i = n; i < old; i++)
        moving += sched.p[i]->timers.n;
    struct p *stays = self->p->id < n ? self->p : sched.p[0];
    if (!timers_reserve(stays, moving))
        return false;
    if (stays != self->p)
        move_to_first(self);
    spin_lock(&sched.lock); /* for those without a P who look under it */
    sched.n_p = n;
    spin_unlock(&sched.lock);
    for (uint32_t i = n; i < old; i++)
        drop_p(sched.p[i]);
    for (uint32_t i = old; i < n; i++)
        store_relaxed(&sched.p[i]->status, P_STOPPED); /* relaxed: nobody runs */
    TRACE_M(self, 0, n, TRACE_WHAT(TRACE_GOMAXPROCS, 0, 0));
    timers_arm(self, self->p);
    slice_restart(self);
    return true;
}

int runtime_gomaxprocs(int n)
{
    int old = (int)sched.n_p;
    if (n < 1)
        return old;
    uint32_t want = (uint32_t)n < sched.n_m ? (uint32_t)n : sched.n_m;
    if (want == sched.n_p)
        return old;
    world_stop();
    old = (int)sched.n_p;
    bool done = want == sched.n_p || resize(want);
    world_start();
    if (!done)
        errno = ENOMEM;
    return old;
}
