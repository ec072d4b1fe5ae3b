/*
 * lock_cases: what keeps others out, and what lets them in: spinlock, mutex, rwmutex, once, semaphore,
 * cond, wait group. What they protect is plain memory, which the race detector looks after.
 */
#include <pinion.h>
#include "kernel/spin.h"
#include "sched/atomic.h"
#include "tests/explore/explore.h"

#define LONG_NS 2000000

static int count; /* under the lock of each */

/* ---- the spinlock, by itself ---- */

static struct spin spin;

static void lock_twice(void)
{
    for (int i = 0; i < 2; i++) {
        spin_lock(&spin);
        count++;
        spin_unlock(&spin);
    }
}

static void try_once(void)
{
    if (!spin_try_lock(&spin))
        spin_lock(&spin);
    count += 2;
    spin_unlock(&spin);
}

static void count_is_six(void)
{
    EXPECT(count == 6, "it is %d", count);
    EXPECT(!spin_held(&spin)[0], "the lock is left locked");
}

SCENARIO(one_at_a_time_holds_a_spinlock, .hart = {lock_twice, lock_twice, try_once},
         .check = count_is_six);

/* ---- in programs: three goroutines do fn ---- */

static waitgroup wg;

static void three(void (*fn)(void *))
{
    int64_t before = time_now();
    for (int i = 0; i < 3; i++)
        waitgroup_go(&wg, fn, NULL);
    waitgroup_wait(&wg);
    EXPECT(time_now() - before < LONG_NS, "somebody has waited for the end of a slice");
}

/* While others get a hart and begin. */
static void let_begin(void)
{
    for (int i = 0; i < 12; i++)
        arch_relax(0);
}

static mutex m;

static void lock_and_count(void *unused)
{
    (void)unused;
    for (int i = 0; i < 2; i++) {
        mutex_lock(&m);
        count++;
        mutex_unlock(&m);
    }
}

static void mutex_main(void *unused)
{
    (void)unused;
    three(lock_and_count);
    EXPECT(count == 6, "it is %d", count);
    EXPECT(mutex_try_lock(&m), "the mutex is left locked");
}

SCENARIO(one_at_a_time_holds_a_mutex, .main = mutex_main);

static void sleep_in_the_lock(void *unused)
{
    (void)unused;
    mutex_lock(&m);
    count++;
    runtime_gosched();
    mutex_unlock(&m);
}

static void mutex_wait_main(void *unused)
{
    (void)unused;
    three(sleep_in_the_lock);
    EXPECT(count == 3, "it is %d", count);
}

SCENARIO(a_mutex_wakes_who_waits_for_it, .main = mutex_wait_main);

/* ---- rwmutex ---- */

static rwmutex rw;
static _Atomic int turn;

static void read_or_write(void *unused)
{
    (void)unused;
    /* relaxed: a number each. */
    if (atomic_fetch_add_explicit(&turn, 1, memory_order_relaxed) == 1) {
        rwmutex_lock(&rw);
        count += 3;
        rwmutex_unlock(&rw);
    } else {
        rwmutex_rlock(&rw);
        EXPECT(count == 0 || count == 3, "it is %d", count);
        rwmutex_runlock(&rw);
    }
}

static void rwmutex_main(void *unused)
{
    (void)unused;
    three(read_or_write);
    rwmutex_lock(&rw);
    EXPECT(count == 3, "it is %d", count);
}

SCENARIO(a_writer_is_alone_in_an_rwmutex, .main = rwmutex_main);

static void read_only(void *unused)
{
    (void)unused;
    rwmutex_rlock(&rw);
    EXPECT(count == 0 || count == 3, "it is %d", count);
    rwmutex_runlock(&rw);
}

/* The writer comes by the fast swap, or announces itself while a reader leaves. */
static void rwmutex_leave_main(void *unused)
{
    (void)unused;
    waitgroup_go(&wg, read_only, NULL);
    rwmutex_lock(&rw);
    count = 3;
    rwmutex_unlock(&rw);
    waitgroup_go(&wg, read_only, NULL);
    rwmutex_lock(&rw);
    count = 0;
    rwmutex_unlock(&rw);
    waitgroup_wait(&wg);
}

SCENARIO(a_writer_waits_for_readers_that_leave, .main = rwmutex_leave_main);

/* ---- once ---- */

static once o;

static void begin(void *unused)
{
    (void)unused;
    count++;
}

static void do_once(void *unused)
{
    (void)unused;
    once_do(&o, begin, NULL);
    EXPECT(count == 1, "it is %d", count);
}

static void once_main(void *unused)
{
    (void)unused;
    three(do_once);
}

SCENARIO(once_is_done_when_it_returns, .main = once_main);

/* ---- semaphore ---- */

static semaphore s;

static void take_and_count(void *unused)
{
    (void)unused;
    semaphore_acquire(&s, 1);
    count++;
    semaphore_release(&s, 1);
}

static void semaphore_main(void *unused)
{
    (void)unused;
    semaphore_init(&s, 1);
    three(take_and_count);
    EXPECT(count == 3, "it is %d", count);
    EXPECT(semaphore_try_acquire(&s, 1), "the semaphore has lost one");
}

SCENARIO(a_semaphore_of_one_is_a_lock, .main = semaphore_main);

/* ---- cond ---- */

static cond c = {.l = &m};

static void wait_for_two(void *unused)
{
    (void)unused;
    mutex_lock(&m);
    while (count < 2)
        cond_wait(&c);
    mutex_unlock(&m);
}

static void signal_two(void *unused)
{
    (void)unused;
    for (int i = 0; i < 2; i++) {
        mutex_lock(&m);
        count++;
        mutex_unlock(&m);
        cond_signal(&c);
    }
}

static void cond_main(void *unused)
{
    waitgroup_go(&wg, wait_for_two, NULL);
    let_begin();
    signal_two(unused);
    waitgroup_wait(&wg);
}

SCENARIO(a_signal_is_not_lost_between_unlock_and_sleep, .main = cond_main);

static void broadcast(void *unused)
{
    (void)unused;
    mutex_lock(&m);
    count = 2;
    cond_broadcast(&c);
    mutex_unlock(&m);
}

static void broadcast_main(void *unused)
{
    (void)unused;
    waitgroup_go(&wg, wait_for_two, NULL);
    waitgroup_go(&wg, wait_for_two, NULL);
    waitgroup_go(&wg, broadcast, NULL);
    waitgroup_wait(&wg);
}

SCENARIO(a_broadcast_wakes_all, .main = broadcast_main);

/* ---- wait group ---- */

static int parts[2];

static void do_part(void *part)
{
    *(int *)part = 1;
    waitgroup_done(&wg);
}

static void do_parts(int begin)
{
    waitgroup_add(&wg, 2);
    go(do_part, &parts[0]);
    go(do_part, &parts[1]);
    if (begin)
        let_begin();
    waitgroup_wait(&wg);
    EXPECT(parts[0] == 1 && parts[1] == 1, "wait has returned early");
}

static void wait_main(void *unused)
{
    (void)unused;
    do_parts(0);
}

static void wait_late_main(void *unused)
{
    (void)unused;
    do_parts(1);
}

SCENARIO(what_was_done_is_there_after_the_wait, .main = wait_main);
SCENARIO(what_was_done_before_is_there_after_the_wait, .main = wait_late_main);
