/*
 * time_test: time_now and time_sleep. With the argument `exact` virtual time is exact (ICOUNT=1), so
 * sleepers are not held up by the host and their order can be asked for: sleepers that are late
 * together are made ready together, and then the last of them runs first, as in Go.
 */
#include <stdatomic.h>
#include "check.h"

static void nobody_wakes_early_body(void *which)
{
    for (int i = 0; i < 30; i++) {
        duration d = 1 + (((intptr_t)which * 31 + i * 17) % 23) * 61 * MICROSECOND;
        int64_t before = time_now();
        time_sleep(d);
        CHECK(time_now() - before >= d);
    }
}

static void nobody_wakes_early(void)
{
    in_parallel(40, nobody_wakes_early_body);
}

static void nothing_and_less_return_at_once(void)
{
    struct runtime_sched_stats before, after;
    runtime_read_sched_stats(&before);
    time_sleep(0);
    time_sleep(-1);
    time_sleep(INT64_MIN);
    runtime_read_sched_stats(&after);
    CHECK_EQ(after.timer_fires, before.timer_fires);
}

/* The later they were started, the shorter they sleep. */
#define SLEEPERS 20
static _Atomic int awake;
static int64_t started;

static void sleep_by_number(void *which)
{
    int me = (int)(intptr_t)which;
    time_sleep(started + (SLEEPERS - me) * 10 * MILLISECOND - time_now());
    int turn = atomic_fetch_add(&awake, 1);
    CHECK_EQ(turn, SLEEPERS - 1 - me);
}

static void sleepers_wake_in_the_order_of_their_times(void)
{
    started = time_now() + 5 * MILLISECOND;
    in_parallel(SLEEPERS, sleep_by_number);
}

static _Atomic int next_up;
static int64_t common_start;

static void sleep_closely(void *which)
{
    intptr_t me = (intptr_t)which, place = me * 37 % 101;
    time_sleep(common_start + place * 50 * MICROSECOND - time_now());
    CHECK_EQ(atomic_fetch_add(&next_up, 1), place);
}

/* 101 of them in a shuffled order. */
static void the_heap_sorts(void)
{
    common_start = time_now() + 20 * MILLISECOND;
    in_parallel(101, sleep_closely);
}

static void sleep_for_ages(void *unused)
{
    (void)unused;
    time_sleep(INT64_MAX);
    CHECK(!"292 years are over");
}

static void sleep_for_a_century(void *unused)
{
    (void)unused;
    time_sleep(100 * 365 * 24 * HOUR);
    CHECK(!"a century is over");
}

static void huge_durations_do_not_overflow(void)
{
    for (int i = 0; i < 10; i++) {
        go(sleep_for_ages, NULL);
        go(sleep_for_a_century, NULL);
    }
    time_sleep(20 * MILLISECOND);
    CHECK_EQ(runtime_numgoroutine(), 21);
}

/* Trap 29: whoever reads the clock after another did, by way of memory, reads no less. */
static _Atomic int64_t latest;

static void compare_clocks(void *unused)
{
    (void)unused;
    for (int i = 0; i < 20000; i++) {
        int64_t seen = atomic_load_explicit(&latest, memory_order_acquire), now = time_now();
        CHECK(now >= seen);
        while (seen < now && !atomic_compare_exchange_weak(&latest, &seen, now))
            continue;
        if (i % 100 == 0)
            runtime_gosched();
    }
}

static void trap_29_time_never_goes_back_between_harts(void)
{
    in_parallel(2 * runtime_numcpu(), compare_clocks);
}

/* An idle machine sleeps: nothing runs, no interrupts but the timer's. */
static void sleepers_cost_nothing(void)
{
    struct runtime_sched_stats before, after;
    time_sleep(MILLISECOND);
    runtime_read_sched_stats(&before);
    time_sleep(100 * MILLISECOND);
    runtime_read_sched_stats(&after);
    CHECK(after.switches - before.switches <= 5);
    CHECK(after.ipis_sent - before.ipis_sent <= 5);
}

static void many_sleep_at_once_body(void *which)
{
    time_sleep(((intptr_t)which % 97) * 100 * MICROSECOND);
}

static void two_thousand_sleep_at_once(void)
{
    in_parallel(2000, many_sleep_at_once_body);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "exact") == 0) {
        RUN(sleepers_wake_in_the_order_of_their_times);
        RUN(the_heap_sorts);
    }
    RUN(nobody_wakes_early);
    RUN(nothing_and_less_return_at_once);
    RUN(trap_29_time_never_goes_back_between_harts);
    RUN(two_thousand_sleep_at_once);
    RUN(sleepers_cost_nothing);
    CHECK_SOON(runtime_numgoroutine() == 1);
    RUN(huge_durations_do_not_overflow);
    return 0; /* with the long sleepers still asleep */
}
