/*
 * section_test: blocking sections. A goroutine in one keeps its hart, not its P.
 */
#include "check.h"

#define LONG_ONE (100 * MILLISECOND)

static _Atomic bool stop;
static _Atomic long turns;
static _Atomic int hart_of_work;

static void wait_until(int64_t when)
{
    while (time_now() < when)
        ;
}

static void section(duration d)
{
    runtime_entersyscall();
    wait_until(time_now() + d);
    runtime_exitsyscall();
}

static void work(void *unused)
{
    (void)unused;
    while (!atomic_load(&stop)) {
        atomic_fetch_add(&turns, 1);
        atomic_store(&hart_of_work, runtime_hart());
        runtime_gosched();
    }
}

static void begin(waitgroup *end, int n)
{
    atomic_store(&stop, false);
    for (int i = 0; i < n; i++)
        CHECK(waitgroup_go(end, work, NULL) > 0);
}

static void finish(waitgroup *end)
{
    atomic_store(&stop, true);
    waitgroup_wait(end);
}

/* ---- with a spare hart: one P, two harts or more */

static void others_run_on_a_spare_hart_meanwhile(void)
{
    waitgroup end = {0};
    runtime_gomaxprocs(1);
    begin(&end, 3);
    runtime_entersyscall();
    int here = runtime_hart();
    long before = atomic_load(&turns);
    wait_until(time_now() + LONG_ONE);
    while (atomic_load(&turns) == before) /* a busy host may be slow to start the other hart */
        ;
    runtime_exitsyscall();
    CHECK(atomic_load(&hart_of_work) != here);
    CHECK_EQ(runtime_hart(), atomic_load(&hart_of_work)); /* where the only P is now */
    CHECK_EQ(runtime_gomaxprocs(0), 1);
    finish(&end);
    runtime_gomaxprocs(runtime_numcpu());
}

static void nobody_waits_and_the_p_comes_back(void)
{
    runtime_gomaxprocs(1);
    for (int i = 0; i < 100; i++) {
        int here = runtime_hart();
        int64_t from = time_now();
        section(MICROSECOND);
        /* On a busy host it may have lasted so long that the P was taken all the same. */
        CHECK(runtime_hart() == here || time_now() - from > 5 * MILLISECOND);
    }
    runtime_gomaxprocs(runtime_numcpu());
}

static _Atomic long in_sections;

static void a_hundred_sections(void *length)
{
    for (int i = 0; i < 100; i++) {
        section((intptr_t)length);
        atomic_fetch_add(&in_sections, 1);
    }
}

static void a_thousand_sections_lose_nothing(void)
{
    for (int p = 1; p <= runtime_numcpu(); p++) {
        waitgroup sections = {0}, end = {0};
        runtime_gomaxprocs(p);
        atomic_store(&in_sections, 0);
        begin(&end, 3);
        for (intptr_t i = 0; i < 10; i++)
            CHECK(waitgroup_go(&sections, a_hundred_sections, (void *)(i * 10 * MICROSECOND)) > 0);
        waitgroup_wait(&sections);
        CHECK_EQ(atomic_load(&in_sections), 1000);
        finish(&end);
        CHECK_EQ(runtime_gomaxprocs(0), p);
    }
    runtime_gomaxprocs(runtime_numcpu());
    CHECK_SOON(runtime_numgoroutine() == 1);
}

static _Atomic bool woke;

static void sleep_a_little(void *unused)
{
    (void)unused;
    time_sleep(MILLISECOND);
    atomic_store(&woke, true);
}

static void timers_of_the_p_are_served_meanwhile(void)
{
    for (int p = 1; p <= runtime_numcpu(); p++) {
        runtime_gomaxprocs(p);
        atomic_store(&woke, false);
        go(sleep_a_little, NULL);
        runtime_gosched(); /* it sleeps, with its timer on our P, if no other hart took it */
        runtime_entersyscall();
        while (!atomic_load(&woke))
            ;
        runtime_exitsyscall();
    }
    runtime_gomaxprocs(runtime_numcpu());
}

static void stopping_the_world_does_not_wait_for_a_section(void *unused)
{
    (void)unused;
    runtime_entersyscall();
    while (!atomic_load(&stop))
        ;
    runtime_exitsyscall();
}

static void the_number_of_ps_changes_during_a_section(void)
{
    waitgroup end = {0};
    int cpus = runtime_numcpu();
    atomic_store(&stop, false);
    CHECK(waitgroup_go(&end, stopping_the_world_does_not_wait_for_a_section, NULL) > 0);
    time_sleep(MILLISECOND);
    for (int i = 0; i < 50; i++) {
        runtime_gomaxprocs(1);
        runtime_gomaxprocs(cpus);
    }
    atomic_store(&stop, true);
    waitgroup_wait(&end);
    CHECK_EQ(runtime_gomaxprocs(0), cpus);
}

/* ---- with any number of harts */

static mutex held;

static void hold_it_through_a_section(void *unused)
{
    (void)unused;
    mutex_lock(&held);
    atomic_store(&woke, true);
    section(20 * MILLISECOND);
    mutex_unlock(&held);
}

static void a_section_is_no_deadlock(void)
{
    atomic_store(&woke, false);
    go(hold_it_through_a_section, NULL);
    while (!atomic_load(&woke))
        runtime_gosched();
    mutex_lock(&held); /* everybody else sleeps */
    mutex_unlock(&held);
}

static void be_in_a_section(void *affinity)
{
    (void)affinity;
    for (int i = 0; i < 50; i++) {
        section(20 * MICROSECOND);
        runtime_gosched();
    }
}

static void pinned_goroutines_come_back_to_their_ps(void)
{
    waitgroup end = {0};
    for (int i = 0; i < runtime_numcpu(); i++) {
        struct go_attr attr = {.affinity = UINT64_C(1) << i};
        CHECK(go_with(&attr, be_in_a_section, NULL) > 0);
    }
    begin(&end, 2);
    CHECK_SOON(runtime_numgoroutine() == 3);
    finish(&end);
}

static _Atomic long in_and_out;

static void go_in_and_out(void *unused)
{
    (void)unused;
    while (!atomic_load(&stop)) {
        section(10 * MICROSECOND);
        atomic_fetch_add(&in_and_out, 1);
    }
}

/* As many as harts, so that nobody is spare. Their slices end though none lasts from section to section. */
static void who_goes_in_and_out_lets_others_run(void)
{
    waitgroup end = {0};
    atomic_store(&stop, false);
    atomic_store(&in_and_out, 0);
    for (int i = 0; i < runtime_numcpu(); i++)
        CHECK(waitgroup_go(&end, go_in_and_out, NULL) > 0);
    for (int i = 0; i < 5; i++) {
        long before = atomic_load(&in_and_out);
        while (atomic_load(&in_and_out) == before)
            runtime_gosched();
    }
    finish(&end);
}

int main(void)
{
    if (runtime_numcpu() > 1) {
        RUN(others_run_on_a_spare_hart_meanwhile);
        RUN(timers_of_the_p_are_served_meanwhile);
        RUN(the_number_of_ps_changes_during_a_section);
    }
    RUN(nobody_waits_and_the_p_comes_back);
    RUN(a_thousand_sections_lose_nothing);
    RUN(a_section_is_no_deadlock);
    RUN(pinned_goroutines_come_back_to_their_ps);
    RUN(who_goes_in_and_out_lets_others_run);
    return 0;
}
