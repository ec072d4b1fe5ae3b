/*
 * timer: each P's timers, a 4-ary heap by time.
 *
 * Anyone with preemption off, or on a scheduler stack, may call these. A node belongs to the
 * caller and must stay where it is until it has fired or timer_del has returned true.
 */
#pragma once
#include "kernel/clock.h"
#include "sched/gmp.h"

struct timer_node {
    /* Called once, on a scheduler stack that has a P, with no lock held, at or after its time.
     * The node is the caller's again when it begins. NULL: begin is called. */
    void (*fire)(struct timer_node *);
    /* As fire, but with the heap locked, so that timer_del says true or comes after it. false: it
     * cannot be done now; the node is queued again, for a moment later. */
    bool (*begin)(struct timer_node *);
    void *arg;
    struct p *_Atomic p;    /* in whose heap it is, or was last; set by timer_add */
    _Atomic uint32_t index; /* where in it; or one of the two below */
};
#define TIMER_NOT_QUEUED UINT32_MAX       /* taken back, or fired */
#define TIMER_BEGUN      (UINT32_MAX - 1) /* with begin: fired, or just about it */

/* Queues t, which is not queued, on this P for time `when` (ns since boot). false: no memory, nothing has happened. */
bool timer_add(struct timer_node *t, int64_t when);
/* Takes t back. false: it is not queued: it has fired or is about to. */
bool timer_del(struct timer_node *t);

/* d from now, or the last moment there is; now, if d is below 0. */
static inline int64_t timer_deadline(int64_t now, int64_t d)
{
    if (d <= 0)
        return now;
    return d < CLOCK_NEVER - 1 - now ? now + d : CLOCK_NEVER - 1;
}

/* Fires what is due on p, of which the caller is the owner, and arms the hart for the rest. */
void timers_run(struct p *p, int64_t now);
/* Fires what is due on victim; goroutines that it readies come to p, the caller's. */
void timers_run_others(struct p *p, struct p *victim);
/* Arms m's comparator for p's earliest timer, unless it fires before that anyway. */
void timers_arm(struct m *m, struct p *p);
/* Makes room in p for n more. false: no memory. The caller has p, or the world is stopped. */
bool timers_reserve(struct p *p, uint32_t n);
/* Has p no timer, or only t? All harts are idle. */
static inline bool timers_none_but(const struct p *p, const struct timer_node *t)
{
    /* relaxed: nobody writes. */
    return atomic_load_explicit(&p->timers.first, memory_order_relaxed) == CLOCK_NEVER ||
           (p->timers.n == 1 && p->timers.heap[0].node == t);
}
/* Whose sleep t is; NULL: it is something else. */
const struct g *timer_sleeper(const struct timer_node *t);
/* Moves all of from's to p, which has room. The world is stopped. */
void timers_take_all(struct p *p, struct p *from);
/* Arms m's comparator for `when`, unless it fires before that anyway. m's own. */
void timers_arm_at(struct m *m, int64_t when);
/* The timer interrupt of m, when there are no extras. One that is asked for meanwhile is another hart's,
 * which asks its own timer as well: not to be looked for again, since nobody knows here what was
 * interrupted. */
void timers_interrupt(struct m *m);
/* The same, and extras, which may want to know what it has interrupted; f: as in timers_extra_slow. */
void timers_interrupt_at(struct m *m, struct arch_frame *f);

/* What else a timer interrupt is used for. Mostly for nothing, which one load tells. Atomic, since bits come
 * and go in handlers too. */
enum { EXTRA_TRACE = 1, EXTRA_CHAOS = 2, EXTRA_CPU_PROFILE = 4, EXTRA_CONSOLE = 8 };
extern _Atomic uint32_t timer_extras;
/* EXTRA_CONSOLE's (quit.c); where there is no console to hear of, nobody sets that. */
void quit_tick(struct m *m, struct arch_frame *f) __attribute__((weak));
void timers_extras_set(uint32_t bits);
void timers_extras_clear(uint32_t bits);
static inline uint32_t timers_extras(void)
{
    /* relaxed: what goes with a bit is ordered by the freeze, or acquired (O91). */
    return atomic_load_explicit(&timer_extras, memory_order_relaxed);
}
/* f: what was interrupted, NULL: nothing, but a hart that waits. */
void __attribute__((noinline)) timers_extra_slow(struct m *m, struct arch_frame *f);
static inline void timers_extra(struct m *m)
{
    if (__builtin_expect(timers_extras() != 0, 0))
        timers_extra_slow(m, NULL);
}
