/*
 * order_test: in which order one hart runs its goroutines (SMP=1).
 *
 * A new goroutine goes to runnext and whoever was there to the tail of the ring; who yields goes to
 * the tail. Every 61st schedule passes over runnext, so tests of it begin away from that.
 */
#include "check.h"

#define MAX    300
#define ROUNDS 20

static int order[MAX * ROUNDS], n_order;
static waitgroup end;

static uint64_t switches(void)
{
    struct runtime_sched_stats s;
    CHECK(runtime_read_p_stats(0, &s));
    return s.switches;
}

static void nothing(void *unused)
{
    (void)unused;
}

static void leave_the_tick_behind(void)
{
    while (switches() % GLOBAL_TICK > GLOBAL_TICK - 20)
        apart(nothing, NULL);
}

static void note(void *which)
{
    order[n_order++] = (int)(intptr_t)which;
    waitgroup_done(&end);
}

static void spawn(int n, void (*fn)(void *))
{
    leave_the_tick_behind();
    n_order = 0;
    waitgroup_add(&end, n);
    for (intptr_t i = 0; i < n; i++)
        CHECK(go(fn, (void *)i) > 0);
}

static void a_goroutine_does_not_run_before_its_spawner_waits(void)
{
    spawn(5, note);
    CHECK_EQ(n_order, 0);
    waitgroup_wait(&end);
    CHECK_EQ(n_order, 5);
}

static void the_last_spawned_runs_first_and_the_others_in_turn(void)
{
    for (int n = 1; n <= 15; n++) {
        spawn(n, note);
        waitgroup_wait(&end);
        CHECK_EQ(order[0], n - 1);
        for (int i = 1; i < n; i++)
            CHECK_EQ(order[i], i - 1);
    }
}

/* main yields: it is behind all it has spawned, and they have all run when it is back. */
static void a_yielder_is_behind_every_other(void)
{
    spawn(10, note);
    runtime_gosched();
    CHECK_EQ(n_order, 10);
    waitgroup_wait(&end);
}

static void note_and_yield(void *which)
{
    for (int i = 0; i < ROUNDS; i++) {
        order[n_order++] = (int)(intptr_t)which;
        runtime_gosched();
    }
    waitgroup_done(&end);
}

static void rounds_are_exact(int n)
{
    spawn(n, note_and_yield);
    waitgroup_wait(&end);
    CHECK_EQ(n_order, n * ROUNDS);
    CHECK_EQ(order[0], n - 1);
    for (int i = 1; i < n; i++)
        CHECK_EQ(order[i], i - 1);
    for (int i = n; i < n * ROUNDS; i++)
        CHECK_EQ(order[i], order[i - n]);
}

static void yielders_take_exact_turns(void)
{
    rounds_are_exact(2);
    rounds_are_exact(3);
    rounds_are_exact(10);
    rounds_are_exact(61);
    rounds_are_exact(255);
    rounds_are_exact(256);
}

/* More than the ring holds: half of it moves to the global queue, and nobody is lost or doubled. */
static void a_full_ring_overflows_and_loses_nobody(int n)
{
    static int count[MAX];
    struct runtime_sched_stats before, after;
    runtime_read_sched_stats(&before);
    memset(count, 0, sizeof count);
    spawn(n, note_and_yield);
    waitgroup_wait(&end);
    runtime_read_sched_stats(&after);
    CHECK_EQ(n_order, n * ROUNDS);
    for (int i = 0; i < n_order; i++)
        count[order[i]]++;
    for (int i = 0; i < n; i++)
        CHECK_EQ(count[i], ROUNDS);
    CHECK(after.global_gets > before.global_gets);
}

static void full_rings_overflow(void)
{
    a_full_ring_overflows_and_loses_nobody(258);
    a_full_ring_overflows_and_loses_nobody(300);
}

/* Two that wake each other for ever pass runnext to and fro; a third still gets its turn. */
static mutex ball[2];
static volatile bool stop;
static volatile long throws, turns;

static void throw_and_catch(void *which)
{
    int me = (int)(intptr_t)which;
    for (bool last = false; !last;) {
        mutex_lock(&ball[me]);
        last = stop; /* now that the ball is here: the other gets it once more */
        throws++;
        mutex_unlock(&ball[1 - me]);
    }
    waitgroup_done(&end);
}

static void take_turns(void *unused)
{
    (void)unused;
    while (turns < 50) {
        turns++;
        runtime_gosched();
    }
    stop = true;
    waitgroup_done(&end);
}

static void a_pair_that_wakes_each_other_starves_nobody(void)
{
    mutex_lock(&ball[1]);
    waitgroup_add(&end, 3);
    go(throw_and_catch, (void *)0);
    go(throw_and_catch, (void *)1);
    go(take_turns, NULL);
    waitgroup_wait(&end);
    CHECK_EQ(turns, 50);
    CHECK(throws > 0);
}

int main(void)
{
    CHECK_EQ(runtime_numcpu(), 1);
    RUN(a_goroutine_does_not_run_before_its_spawner_waits);
    RUN(the_last_spawned_runs_first_and_the_others_in_turn);
    RUN(a_yielder_is_behind_every_other);
    RUN(yielders_take_exact_turns);
    RUN(full_rings_overflow);
    RUN(a_pair_that_wakes_each_other_starves_nobody);
    return 0;
}
