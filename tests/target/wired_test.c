/*
 * wired_test: runtime_lock_os_thread. The goroutine stays on its hart, and the hart is for it alone.
 */
#include "check.h"

static _Atomic bool stop;
static _Atomic int wired_hart = -1;
static _Atomic long intruders, turns;
static waitgroup workers;

/* Runs all over the place, and must not meet the wired hart. */
static void wander(void *unused)
{
    (void)unused;
    while (!atomic_load(&stop)) {
        if (runtime_hart() == atomic_load(&wired_hart))
            atomic_fetch_add(&intruders, 1);
        atomic_fetch_add(&turns, 1);
        if (atomic_load(&turns) % 7 == 0)
            time_sleep(20 * MICROSECOND);
        else
            runtime_gosched();
    }
}

static void begin(int n)
{
    atomic_store(&stop, false);
    atomic_store(&turns, 0);
    for (int i = 0; i < n; i++)
        CHECK(waitgroup_go(&workers, wander, NULL) > 0);
}

static void finish(void)
{
    atomic_store(&stop, true);
    waitgroup_wait(&workers);
}

static mutex handed;

static void hold_a_moment(void *unused)
{
    (void)unused;
    mutex_lock(&handed);
    time_sleep(100 * MICROSECOND);
    mutex_unlock(&handed);
}

static void stay_where_you_are(void)
{
    runtime_lock_os_thread();
    int here = runtime_hart();
    atomic_store(&intruders, 0);
    atomic_store(&wired_hart, runtime_numcpu() > 1 ? here : -1);
    for (int i = 0; i < 200; i++) {
        switch (i % 4) {
        case 0: runtime_gosched(); break;
        case 1: time_sleep(i * MICROSECOND); break;
        case 2:
            go(hold_a_moment, NULL);
            runtime_gosched();
            mutex_lock(&handed);
            mutex_unlock(&handed);
            break;
        default: apart(hold_a_moment, NULL); break;
        }
        CHECK_EQ(runtime_hart(), here);
    }
    /* Whoever ran here when the lock came had looked before it was said. */
    CHECK(atomic_load(&intruders) <= 2 * runtime_numcpu());
    atomic_store(&wired_hart, -1);
    runtime_unlock_os_thread();
}

static void a_wired_goroutine_stays_and_its_hart_is_its_own(void)
{
    begin(6);
    stay_where_you_are();
    finish();
    CHECK(atomic_load(&turns) > 0);
}

static void locks_nest(void)
{
    runtime_lock_os_thread();
    runtime_lock_os_thread();
    runtime_unlock_os_thread();
    int here = runtime_hart();
    begin(4);
    for (int i = 0; i < 50; i++) {
        time_sleep(10 * MICROSECOND);
        CHECK_EQ(runtime_hart(), here);
    }
    finish();
    runtime_unlock_os_thread();
    runtime_unlock_os_thread(); /* one too many does nothing */
    runtime_lock_os_thread();
    runtime_unlock_os_thread();
}

static void end_wired(void *unused)
{
    (void)unused;
    runtime_lock_os_thread();
    time_sleep(10 * MICROSECOND);
}

static void the_end_unlocks(void)
{
    for (int i = 0; i < 3 * runtime_numcpu(); i++)
        apart(end_wired, NULL);
    begin(4);
    finish();
}

static void be_wired(void *unused)
{
    (void)unused;
    runtime_lock_os_thread();
    int here = runtime_hart();
    for (int i = 0; i < 100; i++) {
        if (i % 3 == 0)
            runtime_gosched();
        else
            time_sleep(i * MICROSECOND);
        /* Where all harts are taken, the last lock only counts. */
        if (runtime_numcpu() > 4)
            CHECK_EQ(runtime_hart(), here);
    }
    runtime_unlock_os_thread();
}

static void many_may_be_wired_at_once(void)
{
    waitgroup end = {0};
    begin(3);
    for (int i = 0; i < (runtime_numcpu() > 4 ? 4 : 3); i++)
        CHECK(waitgroup_go(&end, be_wired, NULL) > 0);
    waitgroup_wait(&end);
    finish();
}

static void wired_goroutines_share_one_p(void)
{
    runtime_gomaxprocs(1);
    many_may_be_wired_at_once();
    runtime_gomaxprocs(runtime_numcpu());
}

static void change_the_number(void *unused)
{
    (void)unused;
    for (int i = 0; i < 100; i++) {
        runtime_gomaxprocs(1 + i % runtime_numcpu());
        time_sleep(20 * MICROSECOND);
    }
    runtime_gomaxprocs(runtime_numcpu());
}

static void the_number_of_ps_may_change(void)
{
    waitgroup end = {0};
    CHECK(waitgroup_go(&end, change_the_number, NULL) > 0);
    a_wired_goroutine_stays_and_its_hart_is_its_own();
    waitgroup_wait(&end);
    runtime_lock_os_thread();
    int here = runtime_hart();
    change_the_number(NULL);
    CHECK_EQ(runtime_hart(), here);
    runtime_unlock_os_thread();
}

static void spin_wired(void *unused)
{
    (void)unused;
    runtime_lock_os_thread();
    int here = runtime_hart();
    while (!atomic_load(&stop))
        CHECK_EQ(runtime_hart(), here);
    runtime_unlock_os_thread();
}

static void one_that_spins_is_preempted_and_stays(void)
{
    atomic_store(&stop, false);
    CHECK(waitgroup_go(&workers, spin_wired, NULL) > 0);
    time_sleep(50 * MILLISECOND);
    for (int i = 0; i < 3; i++)
        apart(hold_a_moment, NULL);
    finish();
}

static void section_while_wired(void)
{
    runtime_lock_os_thread();
    int here = runtime_hart();
    begin(4);
    for (int i = 0; i < 50; i++) {
        runtime_entersyscall();
        int64_t until = time_now() + 30 * MICROSECOND;
        while (time_now() < until)
            ;
        runtime_exitsyscall();
        CHECK_EQ(runtime_hart(), here);
    }
    finish();
    runtime_unlock_os_thread();
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "deadlock") == 0) {
        static mutex m;
        runtime_lock_os_thread();
        mutex_lock(&m);
        mutex_lock(&m);
    }
    RUN(a_wired_goroutine_stays_and_its_hart_is_its_own);
    RUN(locks_nest);
    RUN(the_end_unlocks);
    RUN(many_may_be_wired_at_once);
    RUN(wired_goroutines_share_one_p);
    RUN(one_that_spins_is_preempted_and_stays);
    RUN(section_while_wired);
    RUN(the_number_of_ps_may_change);
    CHECK_SOON(runtime_numgoroutine() == 1);
    return 0;
}
