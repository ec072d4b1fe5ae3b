/*
 * profile_mutex: who keeps others waiting.
 *
 * When an unlock wakes a goroutine that has slept for the mutex, the time that this one has waited is
 * counted with the stack of the unlock: the end of the critical section that it waited for, as in Go.
 * A waiter that is woken and loses the race for the lock sleeps again, and what counts
 * at its next wake is all that it has waited since its first sleep. Of the unlocks that end waits one
 * in `fraction` is kept, at random, with all the waits that it ends, and counts for as many.
 *
 * mutex.c asks in its slow paths only, and while the fraction is not 0 sends every contended unlock
 * through its slowest, which is where the event is. A lock that nobody sleeps for is never counted.
 *
 * An rwmutex is let go in two ways, and who does that is charged with these waits:
 *
 *     the writer's unlock            all readers in the lot, each a wait; and the next writer
 *     the last of the readers that   the writer that has announced itself
 *     it waits for goes
 *
 * The next writer has the lock at once if no reader goes before it, and its whole wait counts. Else it
 * is announced, and its wait falls in two: up to here it is the writer that kept it waiting; from here on
 * it is the readers, and the last of them is charged with that. Each part counts as a wait, as in Go,
 * where they are waits for two semaphores, that of the RWMutex's Mutex and writerSem. The other readers
 * are charged with nothing, as in Go, however long they stayed.
 *
 * Go's Unlock releases its readers one by one, an event each, but since 1.22 the first is charged with
 * what all of them have waited and the others with hardly more. Here it is one event that stands for
 * all: one walk of the stack with preemption off, not a thousand. Another thing differs: who is left
 * behind in a line, for a mutex or to write, is charged when he is woken, with all of his wait, to
 * who wakes him. Since 1.22 each unlock in Go is charged with what the whole line has waited since
 * the last one, estimated by its ends. The sums are the same. Go shows better who of many holders was the
 * slow one; for that all who wait would have to be looked at, or guessed, at each unlock.
 *
 * A mutex's waiter looks at the clock anyway, for its starvation. An rwmutex's does only while the
 * fraction is not 0, and has `since` 0 otherwise, by which an unlock knows that it must not count it: the
 * profile may be turned on between the two. Turned off in between, nothing is counted.
 *
 * E1  An event comes after the bucket is unlocked, and after the last access to the lock's words (M3,
 *     W3): who frees the lock then does no harm. It comes before the g_ready of those whose waits it
 *     counts: their records lie on their stacks (L3). A writer that is announced is no longer the
 *     unlock's; what counts of it is read, and its `since` set, with the bucket locked.
 *     (the_mutex_profile_goes_on_and_off_in_a_run goes astray without.)
 */
#include <pinion/runtime.h>
#include "sched/atomic.h"
#include "sched/proc.h"
#include "sched/profile.h"

static struct spin lock; /* of what follows */
static struct stacks stacks;

void mutex_profile_event(uint32_t waits, int64_t waited)
{
    struct p *p = g_self()->m->p;
    uint64_t n = load_relaxed(&mutex_profile_fraction); /* relaxed: a number */
    if (p == NULL || n == 0 || p_random(p, (uint32_t)n) != 0)
        return;
    /* There is a table: the fraction was set after it was, under the lock. */
    stacks_count_self(&stacks, &lock, n * waits, n * (uint64_t)waited);
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
