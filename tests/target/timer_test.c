/*
 * timer_test: time_after_func, and what stop and reset say and do.
 */
#include <stdatomic.h>
#include "check.h"

static _Atomic int calls;
static _Atomic int64_t called_at;
static int64_t caller;

static void note(void *arg)
{
    CHECK(runtime_goid() != caller); /* a goroutine of its own */
    atomic_store(&called_at, time_now());
    atomic_fetch_add(&calls, (int)(intptr_t)arg);
}

static void begin(void)
{
    atomic_store(&calls, 0);
    caller = runtime_goid();
}

static void a_function_is_called_once_and_not_early(void)
{
    begin();
    int64_t from = time_now();
    timer *t = time_after_func(3 * MILLISECOND, note, (void *)1);
    CHECK(t != NULL && t->c == NULL);
    CHECK_SOON(calls == 1);
    CHECK(called_at - from >= 3 * MILLISECOND);
    CHECK(!timer_stop(t)); /* it has fired */
    time_sleep(5 * MILLISECOND);
    CHECK_EQ(calls, 1);
    timer_free(t);
}

static void no_time_and_less_fire_at_once(void)
{
    begin();
    timer *a = time_after_func(0, note, (void *)1);
    timer *b = time_after_func(INT64_MIN, note, (void *)1);
    CHECK_SOON(calls == 2);
    timer_free(a);
    timer_free(b);
}

static void stop_says_whether_it_was_in_time(void)
{
    begin();
    timer *t = time_after_func(20 * MILLISECOND, note, (void *)1);
    CHECK(timer_stop(t));
    CHECK(!timer_stop(t)); /* it was stopped before */
    time_sleep(30 * MILLISECOND);
    CHECK_EQ(calls, 0);
    timer_free(t);
}

static void reset_begins_anew_and_says_whether_it_was_to_fire(void)
{
    begin();
    timer *t = time_after_func(HOUR, note, (void *)1);
    CHECK(timer_reset(t, MILLISECOND)); /* earlier */
    CHECK_SOON(calls == 1);
    CHECK(!timer_reset(t, MILLISECOND)); /* after it has fired */
    CHECK_SOON(calls == 2);
    CHECK(!timer_reset(t, 20 * MILLISECOND));
    CHECK(timer_reset(t, HOUR)); /* later */
    time_sleep(30 * MILLISECOND);
    CHECK_EQ(calls, 2);
    CHECK(timer_stop(t));
    CHECK(!timer_reset(t, MILLISECOND)); /* after a stop */
    CHECK_SOON(calls == 3);
    timer_free(t);
}

static void deadlines_do_not_overflow(void)
{
    begin();
    timer *t = time_after_func(INT64_MAX, note, (void *)1);
    timer *u = time_after_func(INT64_MAX - time_now() + 5, note, (void *)1);
    time_sleep(5 * MILLISECOND);
    CHECK_EQ(calls, 0);
    CHECK(timer_reset(t, INT64_MAX));
    CHECK(timer_stop(t));
    CHECK(timer_stop(u));
    timer_free(t);
    timer_free(u);
}

static timer *self_timer;

static void reset_itself(void *unused)
{
    (void)unused;
    if (atomic_fetch_add(&calls, 1) < 9)
        CHECK(!timer_reset(self_timer, 100 * MICROSECOND));
}

static void a_timer_may_reset_itself(void)
{
    begin();
    self_timer = time_after_func(HOUR, reset_itself, NULL);
    CHECK(timer_reset(self_timer, 0));
    CHECK_SOON(calls == 10);
    CHECK(!timer_stop(self_timer));
    timer_free(self_timer);
}

static void null_and_nothing(void)
{
    errno = 0;
    CHECK(time_after_func(1, NULL, NULL) == NULL);
    CHECK_EQ(errno, EINVAL);
    timer_free(NULL);
}

static void stop_nothing(void *unused)
{
    (void)unused;
    timer t = {0};
    timer_stop(&t);
}

static void reset_nothing(void *unused)
{
    (void)unused;
    timer t = {0};
    timer_reset(&t, 1);
}

static void an_uninitialized_timer_panics(void)
{
    CHECK_STR(panic_of(stop_nothing, NULL), "time: Stop called on uninitialized Timer");
    CHECK_STR(panic_of(reset_nothing, NULL), "time: Reset called on uninitialized Timer");
}

static void stopping_some_leaves_the_others(void)
{
    begin();
    timer *t[50];
    for (int i = 0; i < 50; i++)
        t[i] = time_after_func((50 - i) * 100 * MICROSECOND, note, (void *)1);
    for (int i = 0; i < 50; i += 2)
        timer_stop(t[i]); /* some may have fired */
    CHECK_SOON(calls >= 25);
    for (int i = 0; i < 50; i++)
        timer_free(t[i]);
}

int main(void)
{
    RUN(a_function_is_called_once_and_not_early);
    RUN(no_time_and_less_fire_at_once);
    RUN(stop_says_whether_it_was_in_time);
    RUN(reset_begins_anew_and_says_whether_it_was_to_fire);
    RUN(deadlines_do_not_overflow);
    RUN(a_timer_may_reset_itself);
    RUN(null_and_nothing);
    RUN(an_uninitialized_timer_panics);
    RUN(stopping_some_leaves_the_others);
    return 0;
}
