/*
 * idle: how a hart goes to sleep without missing work, and how it is woken.
 *
 * Words. A hart *searches* (Go: spins) when it has no work of its own and looks at other Ps;
 * sched.spinning counts those. A hart is *idle* when its bit is in sched.idle_m; it has given its P
 * to sched.idle_p in the same lock hold, so:
 *
 * I4  Under sched.lock, every hart outside idle_m holds exactly one P, or has been given one by a
 *     waker, or is in a blocking section whose P was taken; so there are at least as many idle harts
 *     as idle Ps, unless harts are in such sections: these take an idle P when they come back.
 * I5  Who takes a hart out of idle_m owes it a P (next_p) and one interrupt. Nobody interrupts a
 *     hart for work otherwise: one wake, one IPI.
 *
 * The race that everything here is about: S submits work while W goes idle.
 *
 *     S1  puts a G on a queue                W1  sets its bits in idle_p and idle_m
 *     S2  full fence (O3)                    W2  stops searching: spinning - 1
 *     S3  idle_p == 0?    then done          W3  full fence (O3)
 *     S4  spinning != 0?  then done          W4  looks at every queue
 *     S5  wakes an idle hart                 W5  sleeps
 *
 * Of S3 and W4 at least one sees the other's write: the fences forbid that both miss. If S stops at
 * S4, somebody searches; that hart either finds work, and then, being the last searcher, calls
 * wake_idle itself (spin_found), or comes to W2 after S's read of spinning, and its W4 sees the G.
 * So either W sees the work, or S, or a searcher, wakes a hart for it. Every hart does W4, not
 * only those that were searching: a hart may come here without a search when enough others do.
 *
 * S5 claims the duty to search by moving spinning from 0 to 1 before it takes a hart. If then no
 * hart is idle after all, the claim is given back and the question asked again from S2: another
 * submitter may have stopped at S4 for our claim while a hart went idle behind our back.
 *
 * Sleeping is WFI with interrupts masked, after a look at next_p: an interrupt that comes between
 * look and WFI stays pending and ends the WFI (trap 10). The mask is opened only to let handlers
 * run. A waker writes next_p, then sends the interrupt; the handler acknowledges and the loop
 * looks at next_p afterwards (traps 1 and 2).
 *
 * Timers. The hart that gives up a P watches that P's timers while it sleeps, with its own
 * comparator. A P is woken with its own watcher (last_m); who else takes the P over arms its own,
 * and the watcher is left without duty. So an idle P's timers are watched always, and nobody ticks.
 */
#include "sched/idle.h"
#include "kernel/clock.h"
#include "kernel/irq.h"
#include "sched/atomic.h"
#include "sched/fatal.h"
#include "sched/freeze.h"
#include "sched/ipi.h"
#include "sched/pool.h"
#include "sched/preempt.h"
#include "sched/proc.h"
#include "sched/runq.h"
#include "sched/section.h"
#include "sched/sysmon.h"
#include "sched/timer.h"
#include "sched/world.h"

/* ---- searching ---- */

bool spin_may_start(struct m *m)
{
    (void)m;
    /* relaxed: O18: a limit on wasted work, not on correctness. */
    uint64_t idle = atomic_load_explicit(&sched.idle_p, memory_order_relaxed);
    int32_t busy = (int32_t)sched.n_p - __builtin_popcountll(idle);
    return 2 * atomic_load_explicit(&sched.spinning, memory_order_relaxed) <
           busy; /* relaxed: too */
}

void spin_start(struct m *m)
{
    if (m->spinning)
        return;
    m->spinning = true;
    /* relaxed: to be seen late costs a needless wake; what must not be late is the end. */
    atomic_fetch_add_explicit(&sched.spinning, 1, memory_order_relaxed);
}

static void spin_stop(struct m *m)
{
    m->spinning = false;
    /* O3: seq_cst: before the fence and the look at the queues that follow (W2). */
    int32_t was = atomic_fetch_sub_explicit(&sched.spinning, 1, memory_order_seq_cst);
    ASSERT(was > 0, "spin_stop: nobody was searching");
}

void spin_found(struct m *m)
{
    spin_stop(m);
    wake_idle();
}

/* ---- waking ---- */

/* The hart to be woken with p: the one that watches its timers, else one that watches none. */
static uint32_t choose_idle(const struct p *p, uint64_t ms, uint64_t ps)
{
    if (p->last_m != NULL && (ms & bit(p->last_m->id)) != 0 && p->last_m->last_p == p)
        return p->last_m->id;
    for (uint64_t rest = ms; rest != 0; rest &= rest - 1) {
        const struct m *m = sched.m[lowest(rest)];
        if (m->last_p == NULL || (ps & bit(m->last_p->id)) == 0 || m->last_p->last_m != m)
            return m->id;
    }
    return lowest(ms);
}

/* Takes p and an idle hart for it out of the idle sets. NULL: p is not idle, or no hart is. */
static struct m *take_idle_locked(struct p *p)
{
    /* relaxed, all of these: under the lock; those who read without it have their fence. */
    uint64_t ms = atomic_load_explicit(&sched.idle_m, memory_order_relaxed);
    uint64_t ps = atomic_load_explicit(&sched.idle_p, memory_order_relaxed); /* relaxed: as above */
    if ((ps & bit(p->id)) == 0)
        return NULL;
    if (ms == 0)
        return NULL; /* the rest is in blocking sections (I4) */
    uint32_t i = choose_idle(p, ms, ps);
    atomic_store_explicit(&sched.idle_m, ms & ~bit(i), memory_order_relaxed);     /* relaxed: too */
    atomic_store_explicit(&sched.idle_p, ps & ~bit(p->id), memory_order_relaxed); /* relaxed: too */
    store_relaxed(&p->status, P_RUNNING);                                         /* relaxed: too */
    p->m = sched.m[i];
    return sched.m[i];
}

/* One in the idle set wakes up searching: the caller has counted it in spinning. */
void idle_hand_over(struct m *m, struct p *p)
{
    struct m *self = g_self()->m;
    /* O5: release: p is m's when it reads next_p (acquire) in its sleep. */
    atomic_store_explicit(&m->next_p, p, memory_order_release);
    if (self->p != NULL)
        self->p->count.wakeups++;
    ipi_send(self, m, IPI_WAKE);
}

void wake_idle_slow(void); /* idle.h declares it where it is used */
void wake_idle_slow(void)
{
    for (;;) {
        int32_t none = 0;
        /* O3: seq_cst: S4 and the claim, in one; twice: as in cas_acquire. */
        if (!atomic_compare_exchange_strong_explicit(&sched.spinning, &none, 1,
                                                     memory_order_seq_cst, memory_order_seq_cst))
            return;
        spin_lock(&sched.lock);
        /* relaxed: under the lock. */
        uint64_t ps = atomic_load_explicit(&sched.idle_p, memory_order_relaxed);
        struct p *p = ps != 0 ? sched.p[lowest(ps)] : NULL;
        struct m *m = p != NULL ? take_idle_locked(p) : NULL;
        spin_unlock(&sched.lock);
        if (m != NULL) {
            idle_hand_over(m, p);
            return;
        }
        /* O3: seq_cst: the claim is back before the question is asked again. */
        atomic_fetch_sub_explicit(&sched.spinning, 1, memory_order_seq_cst);
        fence_full(); /* O3: S2 again */
        /* relaxed, both: ordered by the fence. */
        if (load_relaxed(&sched.idle_p) == 0 || load_relaxed(&sched.idle_m) == 0)
            return;
    }
}

void wake_p(struct p *p)
{
    /* O3: as in wake_idle, with p's pinbox for the queue and p's bit for the idle set. */
    fence_full();
    spin_lock(&sched.lock);
    struct m *m = take_idle_locked(p), *holder = p->m;
    spin_unlock(&sched.lock);
    if (m == NULL) {
        /* A busy hart looks at its pinbox at its next schedule; without a slice that may be never.
         * relaxed: O19: ordered by the fence. */
        if (holder != NULL && holder != g_self()->m && !load_relaxed(&holder->slice_on)) {
            ipi_send(g_self()->m, holder, IPI_LOOK);
        }
        return;
    }
    /* relaxed: as in spin_start. */
    atomic_fetch_add_explicit(&sched.spinning, 1, memory_order_relaxed);
    idle_hand_over(m, p);
}

/* ---- going to sleep ---- */

void idle_m_locked(struct m *m)
{
    /* relaxed, both: under the lock. */
    store_relaxed(&sched.idle_m, load_relaxed(&sched.idle_m) | bit(m->id));
}

void idle_give_locked(struct p *p)
{
    p->m = NULL;
    /* relaxed, all: under the lock; a fence follows. */
    store_relaxed(&p->status, P_IDLE);
    store_relaxed(&sched.idle_p, load_relaxed(&sched.idle_p) | bit(p->id)); /* relaxed: too */
}

struct p *idle_take_locked(struct m *m)
{
    /* relaxed, both: under the lock. */
    uint64_t ps = load_relaxed(&sched.idle_p);
    if (ps == 0)
        return NULL;
    bool last = m->last_p != NULL && (ps & bit(m->last_p->id)) != 0;
    struct p *p = last ? m->last_p : sched.p[lowest(ps)];
    p->m = m;
    store_relaxed(&p->status, P_RUNNING);           /* relaxed: as above */
    store_relaxed(&sched.idle_p, ps & ~bit(p->id)); /* relaxed: as above */
    return p;
}

static void give_up_p_locked(struct m *m)
{
    struct p *p = m->p;
    TRACE_M(m, 0, 0, TRACE_WHAT(TRACE_P_STOP, 1, p->id));
    p->count.parks++;
    m->p = NULL;
    m->last_p = p;
    p->last_m = m;
    idle_m_locked(m);
    idle_give_locked(p);
}

/*
 * m wakes itself: takes itself and an idle P, its last one if possible, out of the idle sets.
 * false: no P is idle, or a waker was quicker and next_p is set or about to be.
 */
static bool wake_self(struct m *m)
{
    struct p *p = NULL;
    spin_lock(&sched.lock);
    /* relaxed, both: under the lock. */
    uint64_t ms = load_relaxed(&sched.idle_m);
    if ((ms & bit(m->id)) != 0 && (p = idle_take_locked(m)) != NULL)
        store_relaxed(&sched.idle_m, ms & ~bit(m->id)); /* relaxed: as above */
    spin_unlock(&sched.lock);
    if (p == NULL)
        return false;
    m->p = p;
    TRACE_M(m, 0, 0, TRACE_WHAT(TRACE_P_START, 0, p->id));
    spin_start(m);
    return true;
}

/* W4. own: the P just given up, whose pinned arrivals only a holder of that P may take. */
static bool work_in_sight(struct p *own)
{
    /* relaxed, all here: ordered by W3's fence; what is found is taken with its own orders. */
    if (atomic_load_explicit(&sched.global_n, memory_order_relaxed) != 0 ||
        atomic_load_explicit(&own->pinbox, memory_order_relaxed) != NULL) /* relaxed: as above */
        return true;
    for (uint32_t i = 0; i < sched.n_m; i++) { /* all Ps: n_p may be changing, we hold none */
        struct p *p = sched.p[i];
        /* O3: acquire: the inbox before the ring, the way goroutines go (attend). */
        if (atomic_load_explicit(&p->inbox, memory_order_acquire) != NULL || !runq_empty(&p->runq))
            return true;
    }
    return section_timer_due();
}

/* Everybody sleeps and nothing can wake anybody (a trim of pools wakes nobody who waits for the program):
 * says so and ends the run. */
void idle_check_deadlock(void)
{
    uint64_t all = sched.n_m == 64 ? UINT64_MAX : bit(sched.n_m) - 1;
    int64_t live = 0;
    spin_lock(&sched.lock);
    /* relaxed, all: under the lock, and when all are idle nobody writes. */
    bool stuck =
        (load_relaxed(&sched.idle_m) | sched.wired_idle) == all && sched.global_head == NULL;
    for (uint64_t wired = sched.wired_idle; wired != 0; wired &= wired - 1)
        stuck = stuck && !load_relaxed(&sched.m[lowest(wired)]->wired_ready); /* relaxed: */
    for (uint32_t i = 0; i < sched.n_p && stuck; i++) {
        struct p *p = sched.p[i];
        live += (int64_t)(p->count.spawned - p->ended);
        stuck = runq_empty(&p->runq) && p->pinned_head == NULL &&
                atomic_load_explicit(&p->inbox, memory_order_relaxed) == NULL &&  /* relaxed: */
                atomic_load_explicit(&p->pinbox, memory_order_relaxed) == NULL && /* relaxed: */
                timers_none_but(p, &pool_timer);
    }
    spin_unlock(&sched.lock);
    if (stuck)
        fatal_deadlock(live);
}

/*
 * The interrupt that came with next_p has done its work by ending the WFI. Taken here, masked, it
 * costs no trap. It may have been sent for more than one reason: a hart that is to stop interrupts
 * itself again, for that needs the trap; all else the scheduler looks at next anyway.
 */
static void take_ipi(struct m *m)
{
    switch (irq_poll(m->hart_no)) {
    case IRQ_IPI: m->soft_irqs++; break;
    case IRQ_TIMER: timers_interrupt_at(m, NULL); break;
    case IRQ_DEVICE:
    case IRQ_NONE: break;
    }
    /* relaxed, both: the acknowledgement is ordered before them; the handler acquires. */
    if (__builtin_expect(load_relaxed(&sched.halting) != NULL || freeze_wanted(m), 0))
        irq_send_ipi(m->hart_no);
}

/* W5. Returns with a P, whose timers nobody watches yet. */
static void sleep_until_woken(struct m *m)
{
    int64_t since = clock_ns();
    m->idle_since = since;
    if (m->last_p != NULL)
        timers_arm(m, m->last_p);
    arch_irq_disable();
    for (;;) {
        /* O5: acquire pairs with idle_hand_over. */
        struct p *p = atomic_load_explicit(&m->next_p, memory_order_acquire);
        if (p != NULL) {
            /* relaxed: nobody else looks until we are idle again. */
            atomic_store_explicit(&m->next_p, NULL, memory_order_relaxed);
            take_ipi(m);
            arch_irq_enable();
            m->ipis_received++; /* I5: it has come, or is on its way */
            m->spinning = true;
            TRACE_M(m, 0, 0, TRACE_WHAT(TRACE_P_START, 0, p->id));
            m->p = p; /* p->m is m: who took it out of the idle set wrote that, under the lock */
            break;
        }
        /* relaxed: written by this hart's own handlers, which the mask keeps out now. */
        if (atomic_exchange_explicit(&m->self_wake, false, memory_order_relaxed)) {
            arch_irq_enable();
            if (wake_self(m) || sysmon_round(m))
                break;
            arch_irq_disable();
            continue;
        }
#if PINION_TRAP == 1 /* "a clean start": drops what has come since the look */
        clock_window();
        take_ipi(m);
#elif PINION_TRAP == 10 /* an interrupt between the two finds us awake; then we sleep */
        arch_irq_enable();
        clock_window();
#endif
        arch_wait();
        /* relaxed: looked at again above. */
        if (load_relaxed(&m->next_p) == NULL) {
            arch_irq_enable();
            arch_irq_disable();
        }
    }
    sysmon_leave(m);
    m->idle_since = 0;
    m->idle_ns += (uint64_t)(clock_ns() - since);
}

/* sched.lock held: W1 and W2, and the lock is free. */
static void give_up_and_unlock(struct m *m)
{
    give_up_p_locked(m);
    spin_unlock(&sched.lock);
    slice_stop(m);
    if (m->spinning)
        spin_stop(m);
}

void idle_sleep(struct m *m)
{
    struct p *p = m->p;
    /* relaxed: this hart's handlers only. What they say from here on is of the time asleep. */
    atomic_store_explicit(&m->self_wake, false, memory_order_relaxed);
    spin_lock(&sched.lock);
    /* A thief's last look may have moved a late arrival from the pinbox to the pinned queue without
     * taking it, since it was the ring's turn; nobody looks there once the P is given up. */
    if (sched.global_head != NULL || p->pinned_head != NULL || world_stops()) {
        spin_unlock(&sched.lock);
        return;
    }
#if PINION_TRAP == 3 /* no fence, and what a store buffer may make of that: W4 before W1 */
    bool work = work_in_sight(p);
    clock_window();
    give_up_and_unlock(m);
#else
    give_up_and_unlock(m); /* W1, W2 */
    fence_full();          /* O3: W3, pairs with the fence in wake_idle */
    bool work = work_in_sight(p);
#endif
    if (work) {
        if (wake_self(m))
            return;
    } else {
        idle_check_deadlock();
    }
    sleep_until_woken(m);
}

void idle_without_p(struct m *m)
{
    spin_lock(&sched.lock);
    idle_m_locked(m);
    spin_unlock(&sched.lock);
    idle_stopped(m);
    timers_arm(m, m->p);
}

void idle_stopped(struct m *m)
{
    slice_stop(m);
    if (m->spinning)
        spin_stop(m);
    sleep_until_woken(m);
}
