/*
 * section: blocking sections. A goroutine says that it is about to wait outside the scheduler's
 * reach, for firmware or a polled device, and its P need not wait with it.
 *
 * In the section the goroutine is G_SYSCALL and keeps its hart, which runs nothing else; preemption
 * is off. The P is P_SYSCALL of that hart: nobody runs it, its queue is open to thieves, and whoever
 * swaps its state away has it, with everything that is the owner's:
 *
 *     the hart itself    at the end of the section: the fast way out, one swap, no lock
 *     sysmon             for a spare hart, if the section lasts and work waits (sysmon.c)
 *     a stopper          which puts it back afterwards (world.c)
 *
 * O20  Entering is the release, each of the swaps the acquire: the owner's fields travel with the
 *      state.
 *
 * B1  A hart takes a P out of its own section only: the state names the hart. P_SYSCALL alone would
 *     not do, nor a look at another word before the swap: while a hart is in a long section, sysmon
 *     gives its P to a second hart, whose goroutine may enter a section with it. The first hart's
 *     swap would then end the second one's section. The P would have one owner still, but not the
 *     one that p->m says: its interrupts would go to the wrong hart, and a stopper would wait
 *     for ever. A hart is in one section at a time, so a state that names it is of the present one.
 * B2  So p->m needs no change on the fast way: whoever takes a P elsewhere sets it, and with it the
 *     state names no hart, or another, until that one enters a section itself.
 * B3  When a section has ended no state names its hart any more (section_end_locked), so a stopper
 *     puts no P back into a section that is over.
 *
 * If the P is gone at the end, the hart takes an idle one, its old one if it can, and the goroutine
 * goes on at once; else the goroutine goes to the global queue and the hart to sleep. That is Go's
 * rule. It is done on the scheduler's stack, and in one hold of sched.lock from "no P is idle" to
 * "the goroutine is queued and the hart idle", so that idle_check_deadlock never sees the hart idle
 * and the goroutine nowhere.
 *
 * Timers. The P's timers cannot be served by its hart. Its interrupt still comes, and wakes an idle
 * hart for them, or asks a busy one (ATTN_LATE); again every LATE_NS while any are due.
 */
#include "sched/section.h"
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
#include "sched/runq.h"
#include "sched/sysmon.h"
#include "sched/timer.h"
#include "sched/wired.h"
#include "sched/world.h"

void section_lend(struct m *m)
{
    struct p *p = m->p;
    slice_stop(m);
    /* relaxed, both: ours alone to write; sysmon only looks. */
    store_relaxed(&p->sections, load_relaxed(&p->sections) + 1);
    m->p = NULL;
    /* O20: release pairs with the acquire of whoever takes p. */
    store_release(&p->status, P_SYSCALL | P_OF(m));
    sysmon_call();
    atomic_signal_fence(
        memory_order_seq_cst); /* order: for section_interrupted: no lock is held from here on */
    m->section = p;
}

bool section_take_back(struct m *m)
{
    struct p *p = m->section;
    uint32_t mine = P_SYSCALL | P_OF(m); /* B1 */
    /* O20: acquire pairs with the release in world_start, or is our own. */
    if (!cas_acquire(&p->status, &mine, P_RUNNING))
        return false;
    m->section = NULL;
    atomic_signal_fence(
        memory_order_seq_cst); /* order: for interrupts on this hart: with a P from here on */
    m->p = p;
    return true;
}

static void enter(struct g *g, struct m *m)
{
    TRACE_G(m, g, 0, TRACE_WHAT(TRACE_ENTER, 0, m->p->id));
    g->status = G_SYSCALL;
    bool sliced = load_relaxed(&m->slice_on); /* relaxed: our own */
    section_lend(m);
    m->slice_kept = sliced;
    /* relaxed: T1 of timer.c; its interrupt may have come before there was a section to see. */
    timers_arm_at(m, load_relaxed(&m->section->timers.first));
}

void runtime_entersyscall(void)
{
    struct g *g = g_self();
    struct m *m = preempt_off();
    if (g->status == G_SYSCALL)
        fatal("runtime_entersyscall: in a blocking section already");
    enter(g, m);
}

bool section_enter(void)
{
    struct g *g = g_self();
    struct m *m = preempt_off();
    if (g == m->g0 || g->preempt_off != 1 || g->status != G_RUNNING) {
        preempt_on();
        return false;
    }
    enter(g, m);
    return true;
}

/* ---- the way out ---- */

/* No P for it: g is queued, and m idle, in one. The P that it waits for, if it is pinned. */
static struct p *queue_locked(struct m *m, struct g *g, bool *first_come)
{
    struct p *home = NULL;
    *first_come = false;
    if (g->flags & GF_PINNED) {
        home = pinned_home(g);
        inbox_put(home, &home->pinbox, g);
    } else {
        *first_come = global_put_locked(g, g, 1);
    }
    idle_m_locked(m);
    return home;
}

/*
 * A stopper may have put the P back since the swap failed (W3): nobody else would ever take it out
 * of P_SYSCALL then. With the lock held nobody else takes it at all: no swap is needed.
 */
struct p *section_end_locked(struct m *m)
{
    struct p *p = m->section;
    /* O20: acquire pairs with the release in world_start, or is our own. */
    uint32_t state = load_acquire(&p->status);
    m->section = NULL;
    m->last_p = NULL;
    if (world_stops()) {
        world_keep_locked(m, p);
        return NULL;
    }
    if (state == (P_SYSCALL | P_OF(m))) {
        store_relaxed(&p->status, P_RUNNING); /* relaxed: it is ours */
        return p;
    }
    m->last_p = p; /* to be preferred */
    p = idle_take_locked(m);
    m->last_p = NULL;
    return p;
}

/* Under the lock (TR1 of trace.c), and before g is queued. */
static void note_exit(struct m *m, struct g *g, struct p *p)
{
    if (p != NULL) {
        TRACE_M(m, 0, 0, TRACE_WHAT(TRACE_P_START, 0, p->id));
        TRACE_G(m, g, 0, TRACE_WHAT(TRACE_EXIT, g->flags & GF_PINNED ? 2 : 1, p->id));
    } else {
        TRACE_G(m, g, 0, TRACE_WHAT(TRACE_EXIT, 2, m->id));
    }
}

static void exit_slow(void *arg, struct arch_hart *hart)
{
    struct m *m = (struct m *)hart;
    struct g *g = arg;
    slice_stop(m); /* it is another turn */
    if (g->flags & GF_WIRED) {
        wired_find_p(m);
        /* relaxed: it is ours. */
        store_relaxed(&m->wired_ready, false);
        TRACE_G(m, g, 0, TRACE_WHAT(TRACE_EXIT, 1, m->p->id));
        sched_resume(m, g);
        return;
    }
    bool pinned = (g->flags & GF_PINNED) != 0, first_come = false;
    struct p *home = NULL; /* asked for while g is ours: queued, it may run elsewhere, and die */
    spin_lock(&sched.lock);
    struct p *p = section_end_locked(m);
    note_exit(m, g, p);
    if (p == NULL)
        home = queue_locked(m, g, &first_come);
    spin_unlock(&sched.lock);
    if (p != NULL) {
        m->p = p;
        if (!pinned) {
            sched_resume(m, g);
            return;
        }
        sched_put_tail(p, g);
        timers_arm(m, p);
        sched_next(m);
        return;
    }
    if (first_come)
        slice_notify();
    if (home != NULL)
        wake_p(home);
    wake_idle();
    idle_stopped(m);
    timers_arm(m, m->p);
    sched_next(m);
}

void runtime_exitsyscall(void)
{
    struct g *g = g_self();
    struct m *m = g->m;
    if (g->status != G_SYSCALL)
        fatal("runtime_exitsyscall: not in a blocking section");
    if (!section_take_back(m)) {
        g->status = G_RUNNABLE;
        arch_park(g, &m->hart, exit_slow);
        return;
    }
    g->status = G_RUNNING;
    TRACE_G(m, g, 0, TRACE_WHAT(TRACE_EXIT, 0, m->p->id));
    timers_arm(m, m->p);
    slice_resume(m);
    /* relaxed: what came before the handler saw a P again. */
    if (load_relaxed(&m->p->attention) != 0)
        preempt_soon(m);
    preempt_on();
}

void section_write(enum console_stream to, const char *s, size_t n)
{
    bool section = section_enter();
    if (!section)
        preempt_off();
    console_write(to, s, n);
    if (section)
        runtime_exitsyscall();
    else
        preempt_on();
}

/* A hart with a P, which is told by that to look at the Ps in sections; NULL: there is none. */
static struct m *tell_busy_hart(const struct m *self)
{
    struct m *m = NULL;
    spin_lock(&sched.lock); /* for p->m, and n_p, which may be changing */
    for (uint32_t i = 0; i < sched.n_p && m == NULL; i++) {
        struct p *p = sched.p[i];
        /* relaxed, both: a guess at who is busy; the interrupt follows. */
        if (load_relaxed(&p->status) != P_RUNNING || p->m == NULL || p->m == self)
            continue;
        m = p->m;
        atomic_fetch_or_explicit(&p->attention, ATTN_LATE, memory_order_relaxed);
    }
    spin_unlock(&sched.lock);
    return m;
}

static void ask_for_service(struct m *self)
{
    wake_idle();
    struct m *m = tell_busy_hart(self);
    if (m == NULL)
        return;
    ipi_send(self, m, IPI_LOOK);
}

/* The handler interrupted code outside the scheduler: no lock of it is held here. */
void section_interrupted(struct m *m)
{
    /* relaxed: T1 of timer.c. */
    int64_t now = clock_ns(), first = load_relaxed(&m->section->timers.first);
    /* relaxed: another state: it is taken care of, or this hart is on its way out. */
    if (first == CLOCK_NEVER || load_relaxed(&m->section->status) != (P_SYSCALL | P_OF(m)))
        return;
    if (first <= now)
        ask_for_service(m);
    timers_arm_at(m, first > now ? first : now + LATE_NS);
}

void section_run_timers(struct p *p)
{
    for (uint32_t i = 0; i < sched.n_p; i++)
        /* relaxed: if it ends meanwhile, the timers are served all the same. */
        if (P_STATUS(load_relaxed(&sched.p[i]->status)) == P_SYSCALL)
            timers_run_others(p, sched.p[i]);
}

bool section_timer_due(void)
{
    for (uint32_t i = 0; i < sched.n_m; i++) /* all Ps: n_p may be changing */
        /* relaxed, both: ordered by the fence in idle_sleep, or seen at the next interrupt. */
        if (P_STATUS(load_relaxed(&sched.p[i]->status)) == P_SYSCALL &&
            load_relaxed(&sched.p[i]->timers.first) != CLOCK_NEVER && /* relaxed: as above */
            load_relaxed(&sched.p[i]->timers.first) <= clock_ns())    /* relaxed: as above */
            return true;
    return false;
}
