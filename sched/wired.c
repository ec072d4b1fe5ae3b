/*
 * wired: a goroutine that has locked its hart runs only there, and the hart runs nothing else.
 *
 * Such a goroutine is in no queue while its hart waits for it: to make it runnable is to set
 * m->wired_ready and to wake the hart. While its goroutine waits, the hart lends its P as in a
 * blocking section (section.c): the state is P_SYSCALL, thieves, sysmon and stoppers may take from
 * it or take it, and the hart swaps it back when the goroutine is ready. If the P is gone then, and
 * no other is idle, the goroutine goes to the global queue, and the hart that finds it there hands
 * its own P over (wired_hand_over), as in Go.
 *
 *     hart with P, g runs ──▶ g parks ──▶ P lent, asleep ──▶ ready ──▶ P swapped back, g runs
 *                                                    │                        │ gone
 *                                                    ▼ a timer of P           ▼
 *                                             swapped back, served     global queue, next_p
 *
 * What waits on the P when it is lent, and whatever comes up while the hart serves the P's timers,
 * is spilled to the global queue, where harts that do not steal find it too.
 *
 * The last hart is never given away: somebody must run the rest. There a lock only counts. As long
 * as all other harts are wired the goroutine stays where it is all the same, since nobody else
 * would run it.
 *
 * Deadlock. A hart whose goroutine waits counts as idle (sched.wired_idle) unless wired_ready is
 * set. The bit is set before the last look at wired_ready, and a waker sets wired_ready before it
 * can go idle itself, all of which ends in idle_check_deadlock under sched.lock.
 *
 * O23  wired_ready: the waker's release, the hart's acquire. The interrupt follows the store, and
 *      the hart looks between its mask and its WFI, so none is missed (trap 10).
 */
#include "sched/wired.h"
#include <pinion/go.h>
#include "kernel/clock.h"
#include "sched/atomic.h"
#include "sched/fatal.h"
#include "sched/global.h"
#include "sched/idle.h"
#include "sched/ipi.h"
#include "sched/pinned.h"
#include "sched/preempt.h"
#include "sched/proc.h"
#include "sched/section.h"
#include "sched/sysmon.h"
#include "sched/timer.h"
#include "sched/world.h"

void wired_ready(struct g *g)
{
    struct m *m = g->m, *self = g_self()->m;
    /* O23: release pairs with the acquire in is_ready. */
    store_release(&m->wired_ready, true);
    if (m != self) {
        ipi_send(self, m, IPI_WAKE);
    }
}

static bool is_ready(struct m *m)
{
    /* O23: acquire pairs with the release in wired_ready. */
    return load_acquire(&m->wired_ready);
}

static void count_idle(struct m *m, bool idle)
{
    spin_lock(&sched.lock);
    sched.wired_idle = idle ? sched.wired_idle | bit(m->id) : sched.wired_idle & ~bit(m->id);
    spin_unlock(&sched.lock);
}

/* ---- the P is lent ---- */

/* Sleeps until there may be something to do: ready, a P handed over, a timer. */
static void nap(struct m *m)
{
    /* relaxed: the interrupt of who puts the P back into this state is still to come. */
    if (load_relaxed(&m->section->status) == (P_SYSCALL | P_OF(m)))
        timers_arm_at(m, load_relaxed(&m->section->timers.first)); /* relaxed: T1 of timer.c */
    arch_irq_disable();
    /* relaxed, both: next_p is acquired by who uses it; self_wake is this hart's own handlers'. */
    while (!is_ready(m) && load_relaxed(&m->next_p) == NULL &&
           !atomic_exchange_explicit(&m->self_wake, false, memory_order_relaxed)) {
        arch_wait();
        arch_irq_enable();
        arch_irq_disable();
    }
    arch_irq_enable();
}

/* The P is gone, and m's goroutine is ready: an idle P, or the queue. */
void wired_find_p(struct m *m)
{
    bool first_come = false;
    spin_lock(&sched.lock);
    struct p *p = section_end_locked(m);
    sched.wired_idle &= ~bit(m->id);
    if (p == NULL) {
        /* relaxed: it is queued from here on, and only whoever hands a P over comes to us. */
        store_relaxed(&m->wired_ready, false);
        first_come = global_put_locked(m->wired, m->wired, 1);
    }
    spin_unlock(&sched.lock);
    m->p = p;
    if (p != NULL) {
        TRACE_M(m, 0, 0, TRACE_WHAT(TRACE_P_START, 0, p->id));
        return;
    }
    if (first_come)
        slice_notify();
    wake_idle();
    arch_irq_disable();
    /* O5: acquire pairs with idle_hand_over. */
    while ((p = load_acquire(&m->next_p)) == NULL) {
        arch_wait();
        arch_irq_enable();
        arch_irq_disable();
    }
    /* relaxed, both: nobody else looks before we wait again. */
    store_relaxed(&m->next_p, NULL);
    store_relaxed(&m->wired_ready, true); /* relaxed: as above */
    arch_irq_enable();
    m->ipis_received++;
    m->p = p;
    TRACE_M(m, 0, 0, TRACE_WHAT(TRACE_P_START, 0, p->id));
}

/* m's goroutine waits, or the world stops: returns with a P and something to look at. */
static void wait_lent(struct m *m)
{
    int64_t since = clock_ns();
    /* relaxed: this hart's handlers only. */
    store_relaxed(&m->self_wake, false);
    TRACE_M(m, 0, 0, TRACE_WHAT(TRACE_P_STOP, 1, m->p->id));
    section_lend(m);
    count_idle(m, true);
    idle_check_deadlock();
    m->idle_since = since;
    for (;;) {
        nap(m);
        if (!world_stops() && section_take_back(m)) {
            count_idle(m, false);
            TRACE_M(m, 0, 0, TRACE_WHAT(TRACE_P_START, 0, m->p->id));
            break;
        }
        if (is_ready(m)) {
            wired_find_p(m);
            break;
        }
    }
    m->idle_since = 0;
    m->idle_ns += (uint64_t)(clock_ns() - since);
}

void wired_next(struct m *m)
{
    if (m->spinning)
        spin_found(m); /* a P was given to us for others' work, which thieves must take now */
    for (;;) {
        if (!world_stops()) {
            sched_serve(m->p);
            if (is_ready(m)) {
                /* relaxed: it is ours. */
                store_relaxed(&m->wired_ready, false);
                sched_resume(m, m->wired);
                return;
            }
        }
        wait_lent(m);
    }
}

void wired_hand_over(struct m *m, struct g *g)
{
    struct m *to = g->m;
    struct p *p = m->p;
    if (m->spinning)
        spin_found(m);
    TRACE_M(m, 0, 0, TRACE_WHAT(TRACE_P_STOP, 1, p->id));
    spin_lock(&sched.lock);
    m->p = NULL;
    m->last_p = NULL;
    p->m = to;
    idle_m_locked(m);
    spin_unlock(&sched.lock);
    idle_hand_over(to, p);
    idle_stopped(m);
}

void wired_end(struct m *m)
{
    m->wired = NULL;
    spin_lock(&sched.lock);
    sched.n_wired--;
    spin_unlock(&sched.lock);
}

/* ---- the interface ---- */

void runtime_lock_os_thread(void)
{
    struct g *g = g_self();
    struct m *m = preempt_off();
    if (g->locks == UINT16_MAX)
        fatal("runtime_lock_os_thread: nested too deeply");
    g->flags |= GF_ODD | GF_DRESSED;
    if (g->locks++ == 0) {
        spin_lock(&sched.lock);
        bool mine = sched.n_wired + 1 < sched.n_m;
        sched.n_wired += mine;
        spin_unlock(&sched.lock);
        if (mine) {
            g->flags |= GF_WIRED;
            m->wired = g;
            pinned_note(m->p);
        }
    }
    preempt_on();
}

void runtime_unlock_os_thread(void)
{
    struct g *g = g_self();
    struct m *m = preempt_off();
    if (g->locks > 0 && --g->locks == 0 && (g->flags & GF_WIRED) != 0) {
        g->flags &= (uint8_t)~GF_WIRED;
        wired_end(m);
    }
    preempt_on();
}
