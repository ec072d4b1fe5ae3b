/*
 * park: how a goroutine leaves its hart: it waits, or yields.
 *
 * All ways go through arch/: arch_park saves the callee-saved registers into the G and continues on the
 * hart's scheduler stack, which holds nothing: every visit starts at its top. There a commit makes the G
 * findable, and sched_next picks another and resumes it. So a switch saves one set of registers and loads
 * one, as a switch from goroutine to goroutine must, and yet no code ever runs on the stack of a G that
 * others can already see (trap 5), nor on that of a G that has died (trap 7). We tried on paper the other
 * way, in which the next goroutine runs the commit on its own stack: it saves no instruction, needs the
 * next one to be known before the old one is out of the way, and lets a queue look empty while the
 * yielding G is in no queue: a hart that goes idle in that moment is not woken for it.
 *
 * Yield, the commonest switch, publishes first and picks afterwards as well, but without a visit to the
 * scheduler stack: arch_yield does both in registers.
 */
#include <pinion/go.h>
#include "kernel/clock.h"
#include "sched/atomic.h"
#include "sched/g.h"
#include "sched/global.h"
#include "sched/idle.h"
#include "sched/proc.h"
#include "sched/runq.h"
#include "sched/trace.h"

/* ---- park ---- */

static __attribute__((noinline, cold)) void park_slowly(void *arg, struct m *m, park_commit *commit,
                                                        enum wait_reason reason)
{
    struct g *g = g_self();
    ASSERT(g->status == G_RUNNING && g->preempt_off == 1,
           "g_park: preemption is not off exactly once");
    TRACE_G(m, g, 0, TRACE_WHAT(TRACE_BLOCK, reason, 0));
    if (g->watched & WATCH_BLOCKS) {
        block_profile_park(commit, arg, reason);
        return;
    }
    g->wait_reason = (uint8_t)reason;
    g->status = G_WAITING;
    arch_park(arg, &m->hart, commit);
}

NOTES void g_park_noted(void *arg, struct m *m, park_commit *commit, enum wait_reason reason,
                        uint32_t state)
{
    struct g *g = g_self();
    struct trace_ring *r = &m->trace[0];
    struct trace_record *at = r->next;
    if (__builtin_expect(!trace_room(r, at, 1) || state != G_WATCHED(G_RUNNING, 1), 0)) {
        park_slowly(arg, m, commit, reason);
        return;
    }
    trace_note(at, arch_ticks(), g, 0, TRACE_WHAT(TRACE_BLOCK, reason, 0));
    trace_done(r, at + 1);
    g->wait_reason = (uint8_t)reason;
    g->status = G_WAITING;
    arch_park(arg, &m->hart, commit);
}

NOTES void g_park(park_commit *commit, void *arg, enum wait_reason reason)
{
    g_park_here(commit, arg, reason);
}

HOT void park_unlock(void *arg, struct arch_hart *hart)
{
    spin_unlock(arg);
    sched_next((struct m *)hart);
}

/* ---- yield ---- */

/* yield_commit when it is not the common case. g: who is still to be queued, or NULL. */
static __attribute__((noinline)) void yield_slowly(struct g *g, struct m *m)
{
    if (g != NULL)
        sched_put_tail(m->p, g);
    wake_idle();
    sched_next(m);
}

HOT static void yield_commit(void *arg, struct arch_hart *hart)
{
    struct m *m = (struct m *)hart;
    struct g *g = arg;
    if (__builtin_expect((g->flags & GF_ASIDE) != 0 || !runq_put(&m->p->runq, g), 0))
        yield_slowly(g, m);
    else if (wake_wanted()) /* it may not be the ring that is served next */
        yield_slowly(NULL, m);
    else
        sched_next(m);
}

/* yield_commit of one that is watched: where there is more to do, … */
static __attribute__((noinline, cold)) void yield_commit_slowly(struct g *g, struct m *m)
{
    trace_g(m, g, 0, TRACE_WHAT(TRACE_SCHED, 0, 0) | trace_where(g, TRACE_TAIL, m->p));
    yield_commit(g, &m->hart);
}

/* … and mostly. */
NOTES static void yield_commit_long(void *arg, struct arch_hart *hart)
{
    struct m *m = (struct m *)hart;
    struct g *g = arg;
    struct trace_ring *r = &m->trace[0];
    struct trace_record *at = r->next;
    if (__builtin_expect(!trace_room(r, at, 1), 0) || __builtin_expect(g->flags & GF_ASIDE, 0)) {
        yield_commit_slowly(g, m);
        return;
    }
    trace_note(at, arch_ticks(), g, 0, m->p->trace.sched);
    trace_done(r, at + 1);
    yield_commit(g, hart);
}

/*
 * arch_yield of one that is watched, as it is known that g goes to the tail of p's ring, has room there,
 * and that another waits there: so all are watched (TR1). g is noted while it is still in hand, ahead of
 * the release; the next one when it is, after the swap. Both events are one instant.
 */
NOTES static void yield_commit_noted(void *tp, struct arch_hart *hart)
{
    struct m *m = (struct m *)hart;
    struct p *p = m->p;
    struct trace_ring *r = &m->trace[0];
    struct trace_record *at = r->next;
    if (__builtin_expect(!trace_room(r, at, 2), 0)) {
        yield_commit_slowly(g_of((uintptr_t)tp), m);
        return;
    }
    uint64_t now = arch_ticks();
    trace_note(at, now, g_of((uintptr_t)tp), 0, p->trace.sched);
    trace_done(r, at + 1);
    /* relaxed: the owner's own tail; O2 was acquired by runtime_gosched, and head only moves on; own
     * slots, of which the new one is published by tail. */
    uint32_t h = load_relaxed(&p->runq.ring.head), t = *(uint32_t *)(void *)&p->runq.ring.tail;
    store_relaxed(runq_slot(&p->runq, t), (uintptr_t)tp);  /* relaxed: as above */
    uintptr_t next = load_relaxed(runq_slot(&p->runq, h)); /* relaxed: as above */
    /* O1: release pairs with the acquire of tail in runq_grab. */
    store_release(&p->runq.ring.tail, t + 1);
    /* O2: release: as in runq_get. relaxed: on failure it is arch_yield_lost. */
    if (__builtin_expect(!cas_release(&p->runq.ring.head, &h, h + 1), 0)) {
        sched_next(m);
        return;
    }
    p->tick -= TICK;
    trace_note(at + 1, now, g_of(next), 0, p->trace.start);
    trace_done(r, at + 2);
    g_resume(m, next);
}

/* The long way. */
HOT static inline void yield(struct g *g)
{
    struct arch_hart *hart = &g->m->hart;
    if (__builtin_expect(g_traced(g), 0))
        arch_park(g, hart, yield_commit_long);
    else
        arch_park(g, hart, yield_commit);
}

void arch_yield_lost(struct arch_hart *hart)
{
    sched_next((struct m *)hart);
    __builtin_unreachable();
}

/* Nobody else to run, something that wants attention, a full ring, or just the GLOBAL_TICK-th time. */
HOT static __attribute__((noinline)) void gosched_slow(struct p *p)
{
    struct g *g = g_self();
    bool alone = runq_len(&p->runq) == 0 && p->pinned_head == NULL;
    bool due = p->tick < 0;
    /* relaxed: whoever comes a moment later is seen at the next yield. */
    bool calm = load_relaxed(&p->attention) == 0 && load_relaxed(&sched.global_n) == 0;
    if (alone && calm) {
        g->status = G_RUNNING;
        preempt_on();
    } else if (due && calm) {
        p_tick_restart(p);
        runtime_gosched();
    } else {
        yield(g);
    }
}

/* Does anything want attention, or note what happens on p? Both words in one load: each is as new as if it
 * were loaded alone, and that is all there is to rely on. */
static inline bool is_unusual(const struct p *p)
{
    /* relaxed, both: as in is_special. */
#ifdef PINION_EXPLORE /* which knows one size of access to a place */
    return load_relaxed(&p->attention) != 0 || p->watched != 0;
#else
    return load_relaxed(&p->unusual) != 0; /* relaxed: as above */
#endif
}

/* Anything but the common case. */
HOT static __attribute__((noinline)) void gosched_other(struct p *p)
{
    struct g *g = g_self();
    if (load_relaxed(&p->runq.next) == NULL) { /* relaxed: our own */
        gosched_slow(p);
        return;
    }
    yield(g);
}

/* All is as runtime_gosched would have it, but that it is_unusual. */
static inline void gosched_unusual(struct p *p, struct m *m)
{
    /* relaxed: as in is_unusual. A bit is cleared by the owner alone: if there is none, p is watched. */
    if (__builtin_expect(load_relaxed(&p->attention) != 0, 0))
        gosched_slow(p);
    else
        arch_park((void *)g_tp(g_self()), &m->hart, yield_commit_noted);
}

HOT void runtime_gosched(void)
{
    struct g *g = g_self();
    g->preempt_off = 1;
    g->status = G_RUNNABLE;
    atomic_signal_fence(
        memory_order_seq_cst); /* order: for interrupts on this hart: m from here on */
    struct m *m = g->m;
    struct p *p = m->p;
    /* O2: acquire pairs with takers' release of head: the slot at tail is free to write. */
    uint32_t h = load_acquire(&p->runq.ring.head);
    /* relaxed: the owner's own tail; hints whose owner comes back to them. */
    uint32_t t = load_relaxed(&p->runq.ring.tail);
    bool jumps = load_relaxed(&p->runq.next) != NULL;
    /* Neither empty nor full: t - h is 0 … RUNQ_SIZE. */
    int32_t tick = p->tick;
    if (__builtin_expect(jumps || (t - h) % RUNQ_SIZE == 0 || tick < 0, 0)) {
        gosched_other(p);
        return;
    }
    if (__builtin_expect(is_unusual(p), 0)) {
        gosched_unusual(p, m);
        return;
    }
    p->tick = tick - TICK;
    /* relaxed: own slots; the new one is published by arch_yield (O1). */
    uintptr_t next = load_relaxed(runq_slot(&p->runq, h));
    store_relaxed(runq_slot(&p->runq, t), g_tp(g)); /* relaxed: as above */
#if PINION_TRAP == 5 /* O1: published too early: its registers are those of an earlier stop */
    store_release(&p->runq.ring.tail, t + 1);
    clock_window();
#endif
    arch_yield(next, &m->hart, &p->runq.ring, h, t + 1);
}
