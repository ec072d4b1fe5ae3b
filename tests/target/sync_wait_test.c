/*
 * sync_wait_test: once, cond, semaphore, errgroup: the corners of their meaning, one function each.
 */
#include <stdatomic.h>
#include "check.h"
#include "settle.h"

static void start(waitgroup *wg, void (*fn)(void *), intptr_t arg)
{
    CHECK(waitgroup_go(wg, fn, (void *)arg) > 0);
    settle();
}

static void call(void *fn)
{
    ((void (*)(void))fn)();
}

/* fn, in a goroutine of its own, must panic with text. */
static void must_panic(void (*fn)(void), const char *text)
{
    CHECK_STR(panic_of(call, (void *)fn), text);
}

/* ---- once ---- */

static once first;
static _Atomic int ran, back;

static void slow_start(void *arg)
{
    CHECK(arg == &first);
    time_sleep(5 * MILLISECOND);
    atomic_fetch_add(&ran, 1);
}

static void call_once(void *unused)
{
    (void)unused;
    once_do(&first, slow_start, &first);
    CHECK_EQ(ran, 1); /* every call returns only after the end of the first */
    atomic_fetch_add(&back, 1);
}

static void once_runs_once_and_all_wait_for_its_end(void)
{
    in_parallel(20, call_once);
    call_once(NULL);
    CHECK_EQ(ran, 1);
    CHECK_EQ(back, 21);
}

static once broken;

static void break_down(void *unused)
{
    (void)unused;
    time_sleep(5 * MILLISECOND);
    runtime_panic("first time");
}

static void call_broken(void)
{
    once_do(&broken, break_down, NULL);
}

static void wait_for_broken(void *unused)
{
    (void)unused;
    settle();
    once_do(&broken, break_down, NULL); /* waits, then returns: a panic counts as done */
}

static void a_panic_in_once_counts_as_done(void)
{
    waitgroup wg = {0};
    CHECK(waitgroup_go(&wg, wait_for_broken, NULL) > 0);
    must_panic(call_broken, "first time");
    waitgroup_wait(&wg);
    once_do(&broken, break_down, NULL);
}

static void leave(void *unused)
{
    (void)unused;
    runtime_goexit();
}

static void call_and_leave(void *o)
{
    once_do(o, leave, NULL);
    CHECK(!"goexit has returned");
}

static void goexit_in_once_counts_as_done(void)
{
    static once o;
    apart(call_and_leave, &o);
    once_do(&o, leave, NULL);
}

static _Atomic int deferred;

static void count_deferred(void *unused)
{
    (void)unused;
    atomic_fetch_add(&deferred, 1);
}

static void defer_something(void *unused)
{
    (void)unused;
    runtime_defer(count_deferred, NULL);
}

static void call_and_end(void *unused)
{
    (void)unused;
    once o = {0};
    runtime_defer(count_deferred, NULL);
    once_do(&o, defer_something, NULL);
    CHECK_EQ(deferred, 0); /* deferred calls belong to the goroutine, not to the function */
}

static void defers_within_once_run_at_the_goroutines_end(void)
{
    apart(call_and_end, NULL);
    CHECK_EQ(deferred, 2);
}

/* ---- cond ---- */

static mutex mu;
static cond changed = {.l = &mu};
static int tickets; /* mu */
static char order[32];
static int said; /* mu */

static void wait_and_say(void *name)
{
    mutex_lock(&mu);
    while (tickets == 0)
        cond_wait(&changed);
    tickets--;
    order[said++] = (char)(intptr_t)name;
    mutex_unlock(&mu);
}

static void give(int n)
{
    mutex_lock(&mu);
    tickets += n;
    mutex_unlock(&mu);
}

static void signal_wakes_the_one_that_waits_longest(void)
{
    waitgroup wg = {0};
    for (int i = 0; i < 4; i++)
        start(&wg, wait_and_say, 'a' + i);
    for (int i = 0; i < 4; i++) {
        give(1);
        cond_signal(&changed); /* without l: allowed */
        settle();
    }
    waitgroup_wait(&wg);
    CHECK(strcmp(order, "abcd") == 0);
}

static void broadcast_wakes_all_that_wait(void)
{
    waitgroup wg = {0};
    said = 0;
    for (int i = 0; i < 9; i++)
        start(&wg, wait_and_say, 'x');
    give(9);
    cond_broadcast(&changed);
    waitgroup_wait(&wg);
    CHECK_EQ(said, 9);
}

static int woken; /* mu */

static void wait_once(void *unused)
{
    (void)unused;
    mutex_lock(&mu);
    cond_wait(&changed);
    woken++;
    mutex_unlock(&mu);
}

static void nothing_but_a_signal_wakes_and_none_is_kept(void)
{
    waitgroup wg = {0};
    cond_signal(&changed); /* nobody waits: forgotten */
    cond_broadcast(&changed);
    start(&wg, wait_once, 0);
    start(&wg, wait_once, 0);
    CHECK_EQ(woken, 0);
    cond_signal(&changed);
    settle();
    CHECK_EQ(woken, 1);
    cond_signal(&changed);
    waitgroup_wait(&wg);
}

static void signal_under_the_mutex(void *unused)
{
    (void)unused;
    mutex_lock(&mu);
    cond_signal(&changed);
    mutex_unlock(&mu);
}

static void waiting_lets_in_who_waits_for_the_mutex(void)
{
    waitgroup wg = {0};
    mutex_lock(&mu);
    start(&wg, signal_under_the_mutex, 0); /* waits for mu */
    cond_wait(&changed);
    CHECK(!mutex_try_lock(&mu));
    mutex_unlock(&mu);
    waitgroup_wait(&wg);
}

static void use_a_copy(void)
{
    cond copy = changed;
    cond_signal(&copy);
}

static void a_copied_cond_panics(void)
{
    must_panic(use_a_copy, "sync.Cond is copied");
    CHECK(mutex_try_lock(&mu));
    mutex_unlock(&mu);
}

static void wait_without_a_lock(void)
{
    cond c = {0};
    cond_wait(&c);
}

static void a_cond_without_l_is_a_nil_pointer(void)
{
    const char *text = panic_of(call, (void *)wait_without_a_lock);
    CHECK(strstr(text, "invalid memory address or nil pointer dereference") != NULL);
}

/* ---- semaphore ---- */

static semaphore sem;

struct want {
    int64_t n;
    char name;
};

static void take_and_say(void *arg)
{
    const struct want *w = arg;
    semaphore_acquire(&sem, w->n);
    mutex_lock(&mu);
    order[said++] = w->name;
    mutex_unlock(&mu);
}

static void weights_are_served_in_order_and_large_ones_are_not_passed(void)
{
    static struct want wants[] = {{2, 'a'}, {5, 'B'}, {1, 'c'}, {1, 'd'}, {0, 'e'}};
    waitgroup wg = {0};
    memset(order, 0, sizeof order);
    said = 0;
    CHECK_EQ(semaphore_init(&sem, 5), 0);
    semaphore_acquire(&sem, 5);
    for (size_t i = 0; i < sizeof wants / sizeof wants[0]; i++)
        start(&wg, take_and_say, (intptr_t)&wants[i]);
    CHECK(!semaphore_try_acquire(&sem, 0)); /* somebody waits */
    semaphore_release(&sem, 4);
    settle();
    CHECK(strcmp(order, "a") == 0); /* two are left, but B is next */
    CHECK(!semaphore_try_acquire(&sem, 1));
    semaphore_release(&sem, 3);
    settle();
    CHECK(strcmp(order, "aB") == 0);
    semaphore_release(&sem, 5);
    waitgroup_wait(&wg);
    CHECK_EQ(said, 5);
    CHECK(semaphore_try_acquire(&sem, 3));
    CHECK(!semaphore_try_acquire(&sem, 1));
    semaphore_release(&sem, 5);
}

static void want_too_much(void *unused)
{
    (void)unused;
    semaphore_acquire(&sem, 6);
    CHECK(!"more than there is");
}

static void more_than_the_size_waits_for_ever_in_nobodys_way(void)
{
    CHECK_EQ(semaphore_init(&sem, 5), 0);
    CHECK(go(want_too_much, NULL) > 0);
    settle();
    for (int i = 0; i < 100; i++) {
        semaphore_acquire(&sem, 5);
        semaphore_release(&sem, 5);
    }
    CHECK(!semaphore_try_acquire(&sem, 6));
    CHECK(semaphore_try_acquire(&sem, 0));
}

static void release_too_much(void)
{
    semaphore_release(&sem, 1);
}

static void acquire_negative(void)
{
    semaphore_acquire(&sem, -1);
}

static void misuse_of_a_semaphore_panics_and_changes_nothing(void)
{
    errno = 0;
    CHECK_EQ(semaphore_init(&sem, -1), -1);
    CHECK_EQ(errno, EINVAL);
    CHECK_EQ(semaphore_init(&sem, INT64_MAX), 0);
    must_panic(release_too_much, "semaphore: released more than held");
    must_panic(acquire_negative, "semaphore: negative weight");
    CHECK(semaphore_try_acquire(&sem, INT64_MAX));
    CHECK(!semaphore_try_acquire(&sem, 1));
    semaphore_release(&sem, INT64_MAX);
    memset(&sem, 0, sizeof sem); /* the zeroed one has size 0 */
    CHECK(semaphore_try_acquire(&sem, 0));
    CHECK(!semaphore_try_acquire(&sem, 1));
    must_panic(release_too_much, "semaphore: released more than held");
}

/* ---- errgroup ---- */

static int fail_after(void *ms)
{
    time_sleep((intptr_t)ms * MILLISECOND);
    return (int)(intptr_t)ms;
}

static int leave_group(void *unused)
{
    (void)unused;
    runtime_goexit();
}

static void errgroup_returns_the_first_result_that_is_not_zero(void)
{
    errgroup eg = {0};
    CHECK_EQ(errgroup_wait(&eg), 0);
    CHECK(errgroup_go(&eg, fail_after, (void *)40) > 0);
    CHECK(errgroup_go(&eg, fail_after, (void *)7) > 0);
    CHECK(errgroup_go(&eg, fail_after, (void *)0) > 0);
    CHECK(errgroup_go(&eg, leave_group, NULL) > 0);
    CHECK_EQ(errgroup_wait(&eg), 7);
    errgroup calm = {0};
    for (int i = 0; i < 10; i++)
        CHECK(errgroup_go(&calm, fail_after, NULL) > 0);
    CHECK_EQ(errgroup_wait(&calm), 0);
}

static void errgroup_refuses_null_and_takes_the_count_back(void)
{
    errgroup eg = {0};
    errno = 0;
    CHECK_EQ(errgroup_go(&eg, NULL, NULL), -1);
    CHECK_EQ(errno, EINVAL);
    CHECK_EQ(errgroup_wait(&eg), 0);
}

int main(void)
{
    RUN(once_runs_once_and_all_wait_for_its_end);
    RUN(a_panic_in_once_counts_as_done);
    RUN(goexit_in_once_counts_as_done);
    RUN(defers_within_once_run_at_the_goroutines_end);
    RUN(signal_wakes_the_one_that_waits_longest);
    RUN(broadcast_wakes_all_that_wait);
    RUN(nothing_but_a_signal_wakes_and_none_is_kept);
    RUN(waiting_lets_in_who_waits_for_the_mutex);
    RUN(a_copied_cond_panics);
    RUN(a_cond_without_l_is_a_nil_pointer);
    RUN(weights_are_served_in_order_and_large_ones_are_not_passed);
    RUN(misuse_of_a_semaphore_panics_and_changes_nothing);
    RUN(errgroup_returns_the_first_result_that_is_not_zero);
    RUN(errgroup_refuses_null_and_takes_the_count_back);
    RUN(more_than_the_size_waits_for_ever_in_nobodys_way);
    return 0; /* with one that waits for ever */
}
