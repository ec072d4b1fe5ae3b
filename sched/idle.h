/*
 * idle: a hart that has found nothing, and who wakes it. See idle.c for the protocol.
 */
#pragma once
#include "sched/atomic.h"
#include "sched/gmp.h"

/* After work was published: is there an idle hart to wake? */
static inline bool wake_wanted(void)
{
    /*
     * O3: full fence between "the queue has work", before, and "is anyone idle?", after. Pairs with
     * the fence in idle_sleep between "I am idle" and its last look at the queues: one of the two
     * sees the other (trap 3).
     */
    fence_full();
    /* relaxed: ordered by the fence. */
    return __builtin_expect(load_relaxed(&sched.idle_p) != 0, 0);
}

/* After work was published: wakes an idle hart unless one is searching. Preemption off. */
static inline void wake_idle(void)
{
    void wake_idle_slow(void);
    if (wake_wanted())
        wake_idle_slow();
}

/* May m begin to search? At most half as many search as Ps are busy. */
bool spin_may_start(struct m *m);
/* m searches: until spin_found, or until it goes to sleep. */
void spin_start(struct m *m);
/* m has found work: stops searching, and if it was the last, lets another begin. */
void spin_found(struct m *m);

/* Gives up m's P and sleeps until there is reason to look again. m holds a P when it returns, and must
 * call timers_run for it. */
void idle_sleep(struct m *m);

/* With sched.lock held. p, which nobody has, becomes idle. */
void idle_give_locked(struct p *p);
/* m, which has no P, takes an idle one, the one it held last if it can. NULL: there is none. */
struct p *idle_take_locked(struct m *m);
/* m, which has no P, becomes idle; idle_stopped follows. */
void idle_m_locked(struct m *m);

/* Gives p to the sleeping m, which is in no idle set. */
void idle_hand_over(struct m *m, struct p *p);
/* Everybody may be asleep, and nothing be able to wake anybody: says so and ends the run. */
void idle_check_deadlock(void);

/* m, in the idle set and without a P, sleeps until it has one, whose timers it must look at. */
void idle_stopped(struct m *m);

/* A hart that starts without a P, since there are fewer Ps than harts: sleeps until it gets one. */
void idle_without_p(struct m *m);

/* p, which has got a pinned G in its pinbox, must be run by somebody. Preemption off. */
void wake_p(struct p *p);
