/*
 * profile_mutex: who keeps others waiting.
 *
 * When an unlock wakes a goroutine that has slept for the mutex, the time that this one has waited is
 * counted with the stack of the unlock: the end of the critical section that it waited for, as in Go.
 * A waiter that is woken and loses the race for the lock sleeps again, and what counts
 * at its next wake is all that it has waited since its first sleep. Of these events one
 * in `fraction` is kept, at random, and counts for as many.
 *
 * mutex.c asks in its slow paths only, and while the fraction is not 0 sends every contended unlock
 * through its slowest, which is where the event is. A lock that nobody sleeps for is never counted.
 */
#include <pinion/runtime.h>
#include "sched/atomic.h"
#include "sched/proc.h"
#include "sched/profile.h"

static struct spin lock; /* of what follows */
static struct stacks stacks;

void mutex_profile_event(int64_t waited)
{
    struct p *p = g_self()->m->p;
    uint64_t n = load_relaxed(&mutex_profile_fraction); /* relaxed: a number */
    if (p == NULL || n == 0 || p_random(p, (uint32_t)n) != 0)
        return;
    /* There is a table: the fraction was set after it was, under the lock. */
    stacks_count_self(&stacks, &lock, n, n * (uint64_t)waited);
}

int runtime_set_mutex_profile_fraction(int n)
{
    if (n > 0 && !stacks_make_once(&stacks, &lock))
        return -1;
    if (n < 0)
        return (int)load_relaxed(&mutex_profile_fraction); /* relaxed: a number */
    /* relaxed: who sees it takes the lock before the table, and the table was there before. */
    return (int)atomic_exchange_explicit(&mutex_profile_fraction, (uint32_t)n,
                                         memory_order_relaxed);
}

int mutex_profile_write(void)
{
    return profile_write_copy("mutex", &stacks, &lock, 1);
}
