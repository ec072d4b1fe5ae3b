/*
 * timechan_wait_test: who waits for a timer's or a ticker's channel, alone or in a select; what of it
 * is in the heaps; and wrong uses, those of channels that somebody waits for among them.
 */
#include <stdatomic.h>
#include "timechan.h"
#include "settle.h"
#include "sched/proc.h"

/* ---- who waits ---- */

static _Atomic int arrived;
static int64_t got[20];
static chan *line;

static void receive_at(void *place)
{
    atomic_fetch_add(&arrived, 1);
    got[(intptr_t)place] = receive(line);
    atomic_fetch_add(&arrived, 100);
}

/* Lets n goroutines run until they wait for line, one after the other. */
static void queue_up(int n)
{
    atomic_store(&arrived, 0);
    for (intptr_t i = 0; i < n; i++) {
        CHECK(go(receive_at, (void *)i) > 0);
        CHECK_SOON(atomic_load(&arrived) == i + 1);
        settle();
    }
}

static void a_timer_serves_one_and_the_others_wait_for_a_reset(void)
{
    timer *t = time_new_timer(HOUR);
    line = t->c;
    queue_up(5);
    for (int i = 0; i < 5; i++) {
        CHECK_EQ(atomic_load(&arrived), 5 + 100 * i);
        timer_reset(t, MILLISECOND);
        CHECK_SOON(atomic_load(&arrived) >= 5 + 100 * (i + 1));
        CHECK(got[i] > 0); /* in the order they came */
        settle();
    }
    CHECK(!timer_stop(t));
    timer_free(t);
}

static void a_ticker_serves_those_who_wait_in_order_a_tick_each(void)
{
    ticker *k = time_new_ticker(HOUR);
    line = k->c;
    queue_up(20);
    ticker_reset(k, 300 * MICROSECOND);
    CHECK_SOON(atomic_load(&arrived) == 20 + 20 * 100);
    for (int i = 1; i < 20; i++) {
        CHECK(got[i] > got[i - 1]);
        CHECK_EQ((got[i] - got[0]) % (300 * MICROSECOND), 0);
    }
    ticker_free(k);
}

static void who_waits_waits_through_stop_and_reset(void)
{
    timer *t = time_new_timer(HOUR);
    line = t->c;
    queue_up(1);
    CHECK(timer_reset(t, 2 * HOUR));
    CHECK(timer_stop(t));
    CHECK(!timer_reset(t, HOUR));
    settle();
    CHECK_EQ(atomic_load(&arrived), 1);
    int64_t due = time_now() + MILLISECOND;
    CHECK(timer_reset(t, MILLISECOND)); /* earlier */
    CHECK_SOON(atomic_load(&arrived) == 101);
    CHECK(got[0] >= due);
    timer_free(t);
}

/* One that has come due is for who waits already, though no hart has come to say so. */
static void a_newcomer_does_not_pass_who_waits(void)
{
    timer *t = time_new_timer(HOUR);
    line = t->c;
    queue_up(1);
    int64_t v, due = time_now();
    preempt_off();
    timer_reset(t, 0);
    bool passed = chan_try_recv(t->c, &v, NULL);
    struct select_case two[] = {{t->c, SELECT_RECV, &v, false}, {t->c, SELECT_RECV, NULL, false}};
    int chosen = chan_select(two, 2, false);
    preempt_on();
    CHECK(!passed);
    CHECK_EQ(chosen, -1);
    CHECK_SOON(atomic_load(&arrived) == 101);
    CHECK(got[0] >= due);
    CHECK(empty(t->c));
    timer_free(t);
}

/* ---- select ---- */

static void a_select_may_time_out(void)
{
    chan *never = chan_make(sizeof(int64_t), 0);
    for (int i = 0; i < 10; i++) {
        int64_t v = 0, w;
        timer *t = time_new_timer(HOUR);
        struct select_case cases[] = {from(never, &w), from(t->c, &v), from(NULL, &w)};
        CHECK_EQ(chan_select(cases, 2 + i % 2, false), -1);
        int64_t due = reset_to(t, 200 * MICROSECOND, true);
        CHECK_EQ(chan_select(cases, 2 + i % 2, true), 1);
        CHECK(cases[1].ok && v >= due && v <= time_now());
        CHECK_EQ(chan_select(cases, 2 + i % 2, false), -1);
        timer_free(t);
    }
    chan_free(never);
}

static void the_earliest_timer_goes_first(void)
{
    int64_t v;
    timer *t[4];
    struct select_case cases[4];
    for (int i = 0; i < 4; i++) {
        t[i] = time_new_timer(HOUR);
        cases[i] = from(t[i]->c, &v);
    }
    timer_reset(t[2], MILLISECOND);
    CHECK_EQ(chan_select(cases, 4, true), 2);
    timer_reset(t[0], 0);
    CHECK_EQ(chan_select(cases, 4, true), 0);
    for (int i = 0; i < 4; i++) {
        CHECK(timer_stop(t[i]) == (i % 2 == 1)); /* those that did not go are as they were */
        timer_free(t[i]);
    }
}

#define DRAWS 20000

static void timers_that_are_due_have_even_chances(void)
{
    int count[3] = {0};
    int64_t v;
    timer *t = time_new_timer(0), *u = time_new_timer(0);
    chan *c = chan_make(sizeof v, 1);
    struct select_case cases[] = {from(t->c, &v), from(c, &v), from(u->c, &v)};
    for (int i = 0; i < DRAWS; i++) {
        timer_reset(t, 0);
        timer_reset(u, 0);
        chan_try_send(c, &(int64_t){1});
        count[chan_select(cases, 3, i % 2)]++;
    }
    for (int i = 0; i < 3; i++)
        CHECK(count[i] > DRAWS * 30 / 100 && count[i] < DRAWS * 37 / 100);
    timer_free(t);
    timer_free(u);
    chan_free(c);
}

static void a_channel_may_be_in_several_cases(void)
{
    int count[2] = {0};
    ticker *k = time_new_ticker(50 * MICROSECOND);
    for (int i = 0; i < 40; i++) {
        int64_t v[2] = {0, 0};
        struct select_case cases[] = {from(k->c, &v[0]), from(k->c, &v[1])};
        int chosen = chan_select(cases, 2, true);
        CHECK(v[chosen] != 0 && v[1 - chosen] == 0);
        count[chosen]++;
    }
    CHECK_EQ(count[0] + count[1], 40);
    ticker_free(k);
}

static void a_large_select_has_timers_too(void)
{
    enum { MANY = 100 };
    static struct select_case cases[MANY];
    int64_t v;
    for (int i = 0; i < MANY; i++)
        cases[i] = from(time_after(HOUR), &v);
    CHECK_EQ(chan_select(cases, MANY, false), -1);
    chan_free(cases[70].c);
    cases[70].c = time_after(MILLISECOND);
    CHECK_EQ(chan_select(cases, MANY, true), 70);
    for (int i = 0; i < MANY; i++)
        chan_free(cases[i].c);
}

static void send_soon(void *c)
{
    time_sleep(MILLISECOND);
    chan_send(c, &(int64_t){5});
}

/* ---- what is in the heaps ---- */

static void a_timer_is_in_a_heap_only_while_somebody_waits(void)
{
    struct runtime_sched_stats before, after;
    settle();
    CHECK_EQ(timers_set(), 0);
    ticker *k = time_new_ticker(20 * MICROSECOND);
    timer *t = time_new_timer(HOUR);
    chan *c = chan_make(sizeof(int64_t), 0), *a = time_after(MILLISECOND);
    runtime_read_sched_stats(&before);
    burn(2 * MILLISECOND);
    runtime_read_sched_stats(&after);
    CHECK_EQ(timers_set(), 0);
    CHECK_EQ(after.timer_fires, before.timer_fires);
    receive(a);
    receive(k->c); /* it has been due, so this waits for nothing */
    int64_t v;
    struct select_case cases[] = {from(t->c, &v), from(c, &v)};
    CHECK(go(send_soon, c) > 0);
    CHECK_EQ(chan_select(cases, 2, true), 1);
    CHECK_EQ(timers_set(), 0); /* the select has taken it out again */
    CHECK(timer_stop(t));
    timer_free(t);
    ticker_free(k);
    chan_free(a);
    chan_free(c);
}

static void stop_and_free_take_it_out_of_the_heap(void)
{
    timer *t = time_new_timer(HOUR);
    line = t->c;
    queue_up(1);
    CHECK_EQ(timers_set(), 1);
    CHECK(timer_stop(t));
    CHECK_EQ(timers_set(), 0);
    CHECK(!timer_reset(t, HOUR));
    CHECK_EQ(timers_set(), 1);
    CHECK(timer_reset(t, 0));
    CHECK_SOON(atomic_load(&arrived) == 101);
    settle();
    CHECK_EQ(timers_set(), 0);
    timer_free(t);
}

/* ---- wrong uses ---- */

static char said[128];

static void keep_words(void *unused)
{
    (void)unused;
    CHECK(runtime_recover(said, sizeof said));
}

static const char *what_it_says(void (*fn)(void *), void *arg)
{
    said[0] = 0;
    apart(fn, arg);
    return said;
}

#define SAYS(fn, arg, text) CHECK(strcmp(what_it_says(fn, arg), text) == 0)
#define WRONG(name, what)                \
    static void name(void *arg)          \
    {                                    \
        runtime_defer(keep_words, NULL); \
        what;                            \
    }

WRONG(new_ticker_of_0, time_new_ticker((intptr_t)arg))
WRONG(reset_to_0, ticker_reset(arg, 0))
WRONG(reset_to_minus_1, ticker_reset(arg, -1))
WRONG(reset_zeros, ticker_reset(arg, 1))
WRONG(stop_timer, timer_stop(arg))
WRONG(reset_timer, timer_reset(arg, 1))
WRONG(free_timer, timer_free(arg))
WRONG(free_ticker, ticker_free(arg))
WRONG(send_to, chan_send(arg, &(int64_t){1}))
WRONG(try_send_to, chan_try_send(arg, &(int64_t){1}))
WRONG(close_it, chan_close(arg))
WRONG(free_channel, chan_free(arg))

static void select_sends(void *c, int n)
{
    static struct select_case cases[65];
    int64_t v = 1;
    for (int i = 0; i < n; i++)
        cases[i] = from(NULL, &v);
    cases[n / 2] = (struct select_case){c, SELECT_SEND, &v, false};
    chan_select(cases, n, false);
}

WRONG(select_a_send, select_sends(arg, 2))
WRONG(select_a_send_of_65, select_sends(arg, 65))

static void wrong_uses_panic_in_gos_words(void)
{
    timer none = {0};
    ticker nothing = {0};
    ticker *k = time_new_ticker(HOUR);
    chan *after = time_after(HOUR);
    SAYS(new_ticker_of_0, (void *)0, "non-positive interval for NewTicker");
    SAYS(new_ticker_of_0, (void *)-1, "non-positive interval for NewTicker");
    SAYS(reset_to_0, k, "non-positive interval for Ticker.Reset");
    SAYS(reset_to_minus_1, &nothing, "non-positive interval for Ticker.Reset");
    SAYS(reset_zeros, &nothing, "time: Reset called on uninitialized Ticker");
    SAYS(stop_timer, &none, "time: Stop called on uninitialized Timer");
    SAYS(reset_timer, &none, "time: Reset called on uninitialized Timer");
    SAYS(free_timer, &none, "time: Stop called on uninitialized Timer");
    ticker_stop(&nothing); /* does nothing, as in Go */
    ticker_free(&nothing);
    ticker_free(NULL);
    timer_free(NULL);
    chan *of[] = {k->c, after};
    for (int i = 0; i < 2; i++) {
        SAYS(send_to, of[i], "reflect: send on recv-only channel");
        SAYS(try_send_to, of[i], "reflect: send on recv-only channel");
        SAYS(close_it, of[i], "reflect: close of receive-only channel");
        SAYS(select_a_send, of[i], "reflect.Select: SendDir case using recv-only channel");
        SAYS(select_a_send_of_65, of[i], "reflect.Select: SendDir case using recv-only channel");
    }
    SAYS(free_channel, k->c, "free of a timer's channel");
    ticker_reset(k, 1); /* all of which has done it no harm */
    receive(k->c);
    ticker_free(k);
    chan_free(after);
}

static chan *quit;

static void wait_for_either(void *c)
{
    int64_t v;
    struct select_case cases[] = {from(c, &v), from(quit, &v)};
    CHECK_EQ(chan_select(cases, 2, true), 1);
}

static void one_with_waiters_is_not_freed(void)
{
    static const char waiters[] = "free of channel with waiters";
    waitgroup gone = {0};
    timer *t = time_new_timer(HOUR);
    ticker *k = time_new_ticker(HOUR);
    chan *after = time_after(HOUR), *all[] = {t->c, k->c, after};
    quit = chan_make(sizeof(int64_t), 0);
    for (int i = 0; i < 3; i++)
        CHECK(waitgroup_go(&gone, wait_for_either, all[i]) > 0);
    settle();
    SAYS(free_timer, t, waiters);
    SAYS(free_ticker, k, waiters);
    SAYS(free_channel, after, waiters);
    CHECK_EQ(timers_set(), 3); /* as if nothing had happened */
    chan_close(quit);
    waitgroup_wait(&gone);
    CHECK_EQ(timers_set(), 0);
    CHECK(timer_reset(t, 0));
    receive(t->c);
    timer_free(t);
    ticker_free(k);
    chan_free(after);
    chan_free(quit);
}

int main(void)
{
    RUN(a_timer_serves_one_and_the_others_wait_for_a_reset);
    RUN(a_ticker_serves_those_who_wait_in_order_a_tick_each);
    RUN(who_waits_waits_through_stop_and_reset);
    RUN(a_newcomer_does_not_pass_who_waits);
    RUN(a_select_may_time_out);
    RUN(the_earliest_timer_goes_first);
    RUN(timers_that_are_due_have_even_chances);
    RUN(a_channel_may_be_in_several_cases);
    RUN(a_large_select_has_timers_too);
    RUN(a_timer_is_in_a_heap_only_while_somebody_waits);
    RUN(stop_and_free_take_it_out_of_the_heap);
    RUN(wrong_uses_panic_in_gos_words);
    RUN(one_with_waiters_is_not_freed);
    CHECK_SOON(runtime_numgoroutine() == 1);
    return 0;
}
