/*
 * timer_cases: timers that fire while they are stopped or freed; contexts that end; a pool.
 */
#include <pinion.h>
#include "kernel/clock.h"
#include "sched/atomic.h"
#include "sched/pool.h"
#include "sched/timechan.h"
#include "sched/timer.h"
#include "tests/explore/explore.h"

static waitgroup wg;
static int value;
static _Atomic int fired;

static void fire(void *unused)
{
    (void)unused;
    EXPECT(value == 5, "what was before the timer was made is there");
    atomic_fetch_add_explicit(&fired, 1, memory_order_release);
}

static void search(void *unused) /* its hart looks at other harts' timers afterwards */
{
    (void)unused;
}

static void stop_main(void *unused)
{
    (void)unused;
    value = 5;
    go(search, NULL);
    timer *t = time_after_func(1200, fire, NULL);
    for (int i = 0; i < 2; i++)
        arch_relax(0);
    bool stopped = timer_stop(t);
    timer_free(t);
    if (!stopped)
        while (atomic_load_explicit(&fired, memory_order_acquire) == 0)
            runtime_gosched();
    EXPECT(atomic_load_explicit(&fired, memory_order_relaxed) == !stopped, "stopped, and fired");
}

SCENARIO(a_timer_is_stopped_or_fires, .main = stop_main);

/* ---- a timer with a channel is freed while a hart has it in hand; the next one has its memory ---- */

static timer *with_channel;

static void one_is_due(void)
{
    with_channel = time_new_timer(0);
    timechan_arm(with_channel->c);
}

static void frees_it(void)
{
    struct chan *was = with_channel->c;
    timer_free(with_channel);
    with_channel = time_new_timer(1000000);
    EXPECT(with_channel->c == was, "the pool has it");
    EXPECT(timer_stop(with_channel), "it has not fired");
}

static void fires_it(void)
{
    timers_run_others(part_p(1), part_p(0));
}

SCENARIO(a_timer_in_a_harts_hands_is_not_freed, .setup = one_is_due, .hart = {frees_it, fires_it});

/* ---- contexts ---- */

static context *ctx;

static void cancel_it(void *unused)
{
    (void)unused;
    value = 7;
    context_cancel(ctx);
    waitgroup_done(&wg);
}

static void look_at_it(void *unused)
{
    (void)unused;
    if (context_err(ctx) != NULL)
        EXPECT(value == 7, "what was before the cancel is there");
    waitgroup_done(&wg);
}

static void context_main(void *unused)
{
    (void)unused;
    ctx = context_with_cancel(context_background());
    waitgroup_add(&wg, 2);
    go(look_at_it, NULL);
    go(cancel_it, NULL);
    chan_recv(context_done(ctx), NULL);
    EXPECT(value == 7 && context_err(ctx) != NULL, "it has ended");
    waitgroup_wait(&wg);
    context_free(ctx);
}

SCENARIO(who_sees_a_context_ended_sees_why, .main = context_main);

static void free_it(void *child)
{
    context_free(child);
    waitgroup_done(&wg);
}

/* Who is the last to go frees the parent. */
static void context_free_main(void *unused)
{
    (void)unused;
    ctx = context_with_cancel(context_background());
    context *one = context_with_cancel(ctx), *other = context_with_cancel(ctx);
    waitgroup_add(&wg, 1);
    go(free_it, other);
    for (int i = 0; i < 12; i++) /* until it runs elsewhere */
        arch_relax(0);
    context_free(ctx);
    context_free(one);
    waitgroup_wait(&wg);
}

SCENARIO(the_last_one_frees_a_context, .main = context_free_main);

static void cancel_parent(void *unused)
{
    (void)unused;
    context_cancel(ctx);
    waitgroup_done(&wg);
}

/* Its parent may be cancelled while the child's timer is made. */
static void deadline_main(void *unused)
{
    (void)unused;
    ctx = context_with_cancel(context_background());
    waitgroup_add(&wg, 1);
    go(cancel_parent, NULL);
    for (int i = 0; i < 6; i++) /* until it runs elsewhere, nearly */
        arch_relax(0);
    context *child = context_with_timeout(ctx, 1000000000);
    waitgroup_wait(&wg);
    EXPECT(context_err(child) != NULL, "its parent has ended");
    for (unsigned i = 0; i < sched.n_p; i++)
        EXPECT(load_relaxed(&sched.p[i]->timers.first) == CLOCK_NEVER,
               "a context that has ended keeps its timer");
}

SCENARIO(a_context_that_ends_as_it_is_made_keeps_no_timer, .main = deadline_main);

/* ---- pools ---- */

static pool p;
static int objects[2];

static void use(void *object)
{
    int *mine = object;
    ++*mine;
    pool_put(&p, mine);
    mine = pool_get(&p);
    if (mine != NULL)
        ++*mine;
    waitgroup_done(&wg);
}

static void pool_main(void *unused)
{
    (void)unused;
    waitgroup_add(&wg, 2);
    go(use, &objects[0]);
    go(use, &objects[1]);
    waitgroup_wait(&wg);
}

SCENARIO(an_object_of_a_pool_is_ones_alone, .main = pool_main);

/* A trim of all pools, as its timer has it, and one who puts meanwhile into a pool that is empty. */
static unsigned trims;

static void drop(void *object)
{
    int *mine = object;
    EXPECT(*mine == 1, "it is %d", *mine);
    *mine = 2;
}

static pool dropping = {.drop = drop};

static void an_empty_pool_is_watched(void)
{
    part_has_goroutines();
    pool_trim_ns = 0;
    pool_put(&dropping, &objects[1]);
    pool_get(&dropping);
}

static void puts_one(void)
{
    objects[0] = 1;
    pool_put(&dropping, &objects[0]);
}

static void fires_trims(void)
{
    if (trims++ == 3)
        return;
    for (unsigned i = 0; i < 2; i++)
        timers_run_others(part_p(1), part_p(i));
    part_runs_all(fires_trims);
}

static void it_is_dropped_sometime(void)
{
    EXPECT(objects[0] == 2 || part_p(0)->timers.n + part_p(1)->timers.n > 0,
           "an object lies in a pool, and no timer is set");
}

SCENARIO(what_is_put_while_a_pool_is_trimmed_is_dropped, .setup = an_empty_pool_is_watched,
         .hart = {puts_one, fires_trims}, .check = it_is_dropped_sometime);

/* The first makes a victim of it, the second drops that. */
static void trims_twice(void)
{
    pool_trim();
    pool_trim();
}

SCENARIO(what_is_trimmed_is_there_whole, .setup = an_empty_pool_is_watched,
         .hart = {puts_one, trims_twice}, .check = it_is_dropped_sometime);
