/*
 * world: stopping all goroutines but one, and the number of Ps. See world.c.
 */
#pragma once
#include "sched/gmp.h"

/*
 * Returns when no other hart runs a goroutine or holds a P, with the caller's preemption off; a
 * second caller parks until the first has gone on. Goroutines, preemption on. Go: stopTheWorld.
 */
void world_stop(void);
/* Calls fn for every G that is not dead, with sched.lock held: those too see it that leave a blocking section
 * meanwhile. The stopper. */
void world_each(void (*fn)(struct g *, void *), void *arg);
/* Lets the others go on, and preemption. Go: startTheWorld. */
void world_start(void);

/* Is the world being stopped? Any hart's scheduler asks before it runs another goroutine. */
static inline bool world_stops(void)
{
    /* relaxed: whoever reads it too early is interrupted, and asked again. */
    return __builtin_expect(atomic_load_explicit(&sched.stopping, memory_order_relaxed), 0);
}
/* The world is being stopped, and m, whose blocking section ends, will not come back for p: if p is
 * still m's it is the stopper's for good. sched.lock held. */
void world_keep_locked(struct m *m, struct p *p);
/* On the scheduler stack of m, which has a P: gives it up until the world goes on; then m sleeps
 * until it gets one, not necessarily the same, whose timers are to be run. */
void world_wait(struct m *m);
