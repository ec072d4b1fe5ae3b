/*
 * profile_block: where goroutines wait, and how long.
 *
 * At the end of each wait in a channel, a select, a mutex or what else is in sync.h, what it took is
 * counted with the stack of the goroutine that has waited. A sleep is no wait: it has what it asked for.
 * A wait of `rate` ns or more is counted always, a shorter one, of d ns, with a chance of d in rate, and
 * stands then for rate / d of its kind: on average counts and sums are right, and what waits often and
 * shortly costs little. That is Go's sample; but Go's wait ends when it is made ready, this one when it
 * runs again: to know the other moment each g_ready would have to look for a place to note it.
 *
 * When it is off it costs nothing. Who parks compares its state with the one that it must have, and a
 * watched goroutine leaves there by the branch of the wrong ones (trace.c), to come here from
 * g_park_noted. The moment at which the wait began is kept in this call's frame: the goroutine returns
 * to it when it runs again, so struct g need not have it, nor anybody else know of it.
 *
 * B1  Who is watched is written with the world stopped and sched.lock held (TR1 of trace.c). Who is
 *     parked at that moment has begun his wait unseen; it is not counted.
 * B2  The wait is over and all its records are out of everybody's hands (L3, C4) before it is counted, on
 *     the goroutine's own stack, preemption off for the count alone. No interrupt handler counts, so the
 *     lock may be held with interrupts on. It is the innermost lock.
 */
#include <errno.h>
#include <pinion/runtime.h>
#include "kernel/clock.h"
#include "sched/atomic.h"
#include "sched/g.h"
#include "sched/proc.h"
#include "sched/profile.h"
#include "sched/world.h"

static struct spin lock; /* of stacks */
static struct stacks stacks;
static _Atomic uint32_t rate; /* ns; 0: off */

/* How many waits this one of d ns stands for, and *d is what they have lasted; 0: it is left out. */
static uint64_t sample(struct p *p, uint64_t *d)
{
    uint64_t r = load_relaxed(&rate), one = *d; /* relaxed: a number */
    if (one >= r)
        return r > 0;
    uint64_t chance = p_random(p, (uint32_t)r);
    if (chance >= one)
        return 0;
    *d = r;
    return r / one + (chance < r % one); /* rounded by chance, which is any number below one now */
}

static void count_wait(int64_t waited)
{
    uint64_t d = waited > 0 ? (uint64_t)waited : 1; /* less than a tick is no less a wait */
    struct p *p = preempt_off()->p;
    uint64_t n = sample(p, &d);
    if (n > 0) /* there is a table: rate was set after it was made */
        stacks_count_self(&stacks, &lock, n, d);
    preempt_on();
}

void block_profile_park(park_commit *commit, void *arg, enum wait_reason reason)
{
    int64_t since = clock_ns();
    g_park_now(g_self(), commit, arg, reason);
    if (reason != WAIT_SLEEP)
        count_wait(clock_ns() - since);
}

/* ---- on and off ---- */

static void watch(struct g *g, void *on)
{
    g->watched = (uint8_t)((g->watched & ~WATCH_BLOCKS) | (*(bool *)on ? WATCH_BLOCKS : 0));
}

int runtime_set_block_profile_rate(int ns)
{
    bool on = ns > 0;
    if (on && !stacks_make_once(&stacks, &lock))
        return -1;
    world_stop();
    store_relaxed(&rate, on ? (uint32_t)ns : 0); /* relaxed: the stop hands it on */
    g_more = (g_more & ~(uint32_t)MORE_BLOCKS) | (on ? MORE_BLOCKS : 0);
    world_each(watch, &on); /* B1 */
    world_start();
    return 0;
}

int block_profile_write(void)
{
    return profile_write_copy("block", &stacks, &lock, 1);
}
