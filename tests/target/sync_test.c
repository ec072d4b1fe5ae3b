/*
 * sync_test: mutex and waitgroup between harts.
 */
#include <stdatomic.h>
#include "check.h"

/* ---- mutex ---- */

#define LOCKERS 16
#define LOCKS   2000

static mutex lock;
static long guarded[8]; /* plain: the mutex is all that orders them */
static _Atomic int inside;

static void lock_and_count(void *which)
{
    for (int i = 0; i < LOCKS; i++) {
        mutex_lock(&lock);
        CHECK_EQ(atomic_fetch_add(&inside, 1), 0);
        for (int k = 0; k < 8; k++)
            guarded[k]++;
        if (i % 64 == (intptr_t)which)
            runtime_gosched(); /* may leave the hart with the lock held */
        for (int k = 1; k < 8; k++)
            CHECK_EQ(guarded[k], guarded[0]);
        CHECK_EQ(atomic_fetch_sub(&inside, 1), 1);
        mutex_unlock(&lock);
        if (i % 16 == 0)
            runtime_gosched();
    }
}

static void one_at_a_time_holds_a_mutex(void)
{
    in_parallel(LOCKERS, lock_and_count);
    CHECK_EQ(guarded[0], LOCKERS * LOCKS);
}

static long tried, got;

static void try_and_count(void *unused)
{
    (void)unused;
    for (int i = 0; i < LOCKS; i++) {
        if (mutex_try_lock(&lock)) {
            CHECK_EQ(atomic_fetch_add(&inside, 1), 0);
            got++;
            if (i % 50 == 0)
                runtime_gosched();
            CHECK_EQ(atomic_fetch_sub(&inside, 1), 1);
            mutex_unlock(&lock);
        } else {
            mutex_lock(&lock);
            tried++;
            mutex_unlock(&lock);
        }
    }
}

static void try_lock_mixes_with_lock(void)
{
    mutex_lock(&lock);
    CHECK(!mutex_try_lock(&lock));
    mutex_unlock(&lock);
    CHECK(mutex_try_lock(&lock));
    CHECK(!mutex_try_lock(&lock));
    mutex_unlock(&lock);
    in_parallel(LOCKERS, try_and_count);
    CHECK_EQ(got + tried, LOCKERS * LOCKS);
    CHECK(mutex_try_lock(&lock));
    mutex_unlock(&lock);
}

static void unlock_for_another(void *unused)
{
    (void)unused;
    mutex_unlock(&lock);
}

static void any_goroutine_may_unlock(void)
{
    mutex_lock(&lock);
    apart(unlock_for_another, NULL);
    CHECK(mutex_try_lock(&lock));
    mutex_unlock(&lock);
}

/*
 * A holder that locks again at once mostly wins against a waiter that must be woken first. After
 * 1 ms of waiting the lock is handed over: so the waiter gets in while the other never stops. The
 * bound counts the holder's rounds of 100 µs, not time, which the host may take away; in exact time
 * (ICOUNT=1, argument `exact`) it is 2 ms, else as much as a busy host may make of it.
 */
static _Atomic bool hog_stop;
static _Atomic long rounds;
static long most_rounds = 1000;
static waitgroup hog_and_knock;

static void hog(void *unused)
{
    (void)unused;
    while (!atomic_load(&hog_stop)) {
        mutex_lock(&lock);
        burn(100 * MICROSECOND);
        atomic_fetch_add(&rounds, 1);
        if (runtime_numcpu() == 1)
            runtime_gosched();
        mutex_unlock(&lock);
    }
    waitgroup_done(&hog_and_knock);
}

static void knock(void *unused)
{
    (void)unused;
    for (int i = 0; i < 20; i++) {
        long before = atomic_load(&rounds);
        mutex_lock(&lock);
        long after = atomic_load(&rounds);
        mutex_unlock(&lock);
        if (after - before > most_rounds)
            printf("kept out for %ld rounds\n", after - before);
        CHECK(after - before <= most_rounds);
        time_sleep(200 * MICROSECOND);
    }
    atomic_store(&hog_stop, true);
    waitgroup_done(&hog_and_knock);
}

/* On Ps of their own, for the hog never leaves its own to anyone. */
static void a_holder_that_locks_again_keeps_nobody_out(void)
{
    uint64_t second = runtime_numcpu() > 1 ? 2 : 1;
    waitgroup_add(&hog_and_knock, 2);
    CHECK(go_with(&(struct go_attr){.affinity = 1}, hog, NULL) > 0);
    CHECK(go_with(&(struct go_attr){.affinity = second}, knock, NULL) > 0);
    waitgroup_wait(&hog_and_knock);
}

/* On one hart a woken waiter cannot run while the holder locks again and again; then the holder gives
 * way by itself. It yields now and then with the lock held, or nobody would ever come to wait. */
static void hog_alone(void *unused)
{
    (void)unused;
    while (!atomic_load(&hog_stop)) {
        mutex_lock(&lock);
        burn(100 * MICROSECOND);
        if (atomic_fetch_add(&rounds, 1) % 100 == 0)
            runtime_gosched();
        mutex_unlock(&lock);
    }
    waitgroup_done(&hog_and_knock);
}

static void a_holder_on_the_same_hart_keeps_nobody_out(void)
{
    atomic_store(&hog_stop, false);
    waitgroup_add(&hog_and_knock, 2);
    CHECK(go(hog_alone, NULL) > 0);
    CHECK(go(knock, NULL) > 0);
    waitgroup_wait(&hog_and_knock);
}

/* Waiters of one mutex among many, in the same buckets. */
#define MANY 600
static mutex many[MANY];
static int counts[MANY];

static void lock_many(void *which)
{
    for (int i = 0; i < MANY; i++) {
        int k = (i * 7 + (int)(intptr_t)which) % MANY;
        mutex_lock(&many[k]);
        counts[k]++;
        if (i % 8 == 0)
            runtime_gosched();
        mutex_unlock(&many[k]);
    }
}

static void many_mutexes_do_not_meet(void)
{
    in_parallel(24, lock_many);
    for (int i = 0; i < MANY; i++)
        CHECK_EQ(counts[i], 24);
}

/* ---- waitgroup ---- */

static void done(void *wg)
{
    waitgroup_done(wg);
}

static __attribute__((noinline)) void wait_for_some(int n)
{
    waitgroup wg = {0};
    waitgroup_add(&wg, n);
    for (int i = 0; i < n; i++)
        CHECK(go(done, &wg) > 0);
    waitgroup_wait(&wg);
    /* Whoever touched it after this would spoil the next one's: the same place on the stack. */
    memset(&wg, 0x5a, sizeof wg);
    __asm__ volatile("" ::"r"(&wg) : "memory");
}

static __attribute__((noinline)) void scribble(void)
{
    volatile uint64_t place[16];
    for (int i = 0; i < 16; i++)
        place[i] = 0xa5a5a5a5a5a5a5a5;
    runtime_gosched();
    for (int i = 0; i < 16; i++)
        CHECK(place[i] == 0xa5a5a5a5a5a5a5a5);
}

static void wait_and_reuse(void *unused)
{
    (void)unused;
    for (int i = 0; i < 300; i++) {
        wait_for_some(1 + i % 3);
        scribble();
    }
}

static void a_waitgroup_may_go_as_soon_as_wait_returns(void)
{
    in_parallel(8, wait_and_reuse);
}

static waitgroup gate;
static _Atomic int through;

static void wait_at_gate(void *unused)
{
    (void)unused;
    waitgroup_wait(&gate);
    atomic_fetch_add(&through, 1);
}

static void every_waiter_is_let_through_and_none_early(void)
{
    for (int round = 0; round < 20; round++) {
        waitgroup end = {0};
        atomic_store(&through, 0);
        waitgroup_add(&gate, 2);
        for (int i = 0; i < 30; i++)
            CHECK(waitgroup_go(&end, wait_at_gate, NULL) > 0);
        waitgroup_done(&gate);
        time_sleep(200 * MICROSECOND);
        CHECK_EQ(atomic_load(&through), 0);
        waitgroup_done(&gate);
        waitgroup_wait(&end);
        CHECK_EQ(atomic_load(&through), 30);
    }
}

static void wait_of_a_zero_waitgroup_returns(void)
{
    waitgroup wg = {0};
    waitgroup_wait(&wg);
    waitgroup_add(&wg, 3);
    waitgroup_add(&wg, -3);
    waitgroup_wait(&wg);
}

static void too_many_done(void *unused)
{
    (void)unused;
    waitgroup wg = {0};
    waitgroup_add(&wg, 1);
    waitgroup_done(&wg);
    waitgroup_done(&wg);
}

static void a_counter_below_zero_panics(void)
{
    CHECK_STR(panic_of(too_many_done, NULL), "sync: negative WaitGroup counter");
}

/* waitgroup_go is done after the goroutine's own defers, however it ended. */
static _Atomic int deferred;

static void slow_defer(void *unused)
{
    (void)unused;
    time_sleep(MILLISECOND);
    atomic_fetch_add(&deferred, 1);
}

static void swallow(void *unused)
{
    (void)unused;
    CHECK(runtime_recover(NULL, 0));
}

static void end_in_its_way(void *way)
{
    runtime_defer(slow_defer, NULL);
    switch ((intptr_t)way % 3) {
    case 0: return;
    case 1: runtime_goexit();
    case 2: runtime_defer(swallow, NULL); runtime_panic("recovered");
    }
}

static void waitgroup_go_is_done_after_the_defers(void)
{
    for (intptr_t way = 0; way < 3; way++) {
        atomic_store(&deferred, 0);
        apart(end_in_its_way, (void *)way);
        CHECK_EQ(atomic_load(&deferred), 1);
    }
    atomic_store(&deferred, 0);
    in_parallel(60, end_in_its_way);
    CHECK_EQ(atomic_load(&deferred), 60);
}

/* Writes before done are seen after wait, plain ones too. */
#define CELLS 64
static long cells[CELLS * 64 / sizeof(long)];

static void fill_cell(void *which)
{
    cells[(intptr_t)which * 8] = 1 + (intptr_t)which;
}

static void what_was_done_before_done_is_seen_after_wait(void)
{
    for (int round = 0; round < 30; round++) {
        memset(cells, 0, sizeof cells);
        in_parallel(CELLS, fill_cell);
        for (int i = 0; i < CELLS; i++)
            CHECK_EQ(cells[i * 8], 1 + i);
    }
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "exact") == 0)
        most_rounds = 20;
    RUN(one_at_a_time_holds_a_mutex);
    RUN(try_lock_mixes_with_lock);
    RUN(any_goroutine_may_unlock);
    RUN(a_holder_that_locks_again_keeps_nobody_out);
    if (most_rounds == 20)
        RUN(a_holder_on_the_same_hart_keeps_nobody_out);
    RUN(many_mutexes_do_not_meet);
    RUN(a_waitgroup_may_go_as_soon_as_wait_returns);
    RUN(every_waiter_is_let_through_and_none_early);
    RUN(wait_of_a_zero_waitgroup_returns);
    RUN(a_counter_below_zero_panics);
    RUN(waitgroup_go_is_done_after_the_defers);
    RUN(what_was_done_before_done_is_seen_after_wait);
    CHECK_SOON(runtime_numgoroutine() == 1);
    return 0;
}
