/*
 * timechan_test: the channels of timers and tickers, one corner of their semantics after the other.
 * With an argument: runs that end in a deadlock, which tests/list judges by what they say.
 */
#include <reent.h>
#include <stdatomic.h>
#include "check.h"
#include "settle.h"
#include "sched/proc.h"

/* The C library's, for all that is linked here: there may be no memory for a while. */
static bool no_memory;

void *calloc(size_t n, size_t size)
{
    return no_memory ? NULL : _calloc_r(_REENT, n, size);
}

static bool empty(chan *c)
{
    int64_t v = 77;
    bool got = chan_try_recv(c, &v, NULL);
    CHECK(got || v == 77);
    return !got;
}

static int64_t receive(chan *c)
{
    int64_t v = 0;
    CHECK(chan_recv(c, &v));
    CHECK(v <= time_now());
    return v;
}

/* ---- one value, and which ---- */

static void the_value_is_the_time_it_fired(void)
{
    for (int i = 0; i < 6; i++) {
        duration d = (i + 1) * 700 * MICROSECOND;
        int64_t before = time_now();
        timer *t = time_new_timer(d);
        int64_t after = time_now(), v = 0;
        CHECK(t != NULL && t->c != NULL);
        if (i % 2 == 0)
            v = receive(t->c);
        else
            CHECK_SOON(chan_try_recv(t->c, &v, NULL)); /* it waited for us */
        CHECK(v >= before + d && v <= after + d);
        CHECK(empty(t->c)); /* there was one */
        timer_free(t);
    }
}

static void no_time_and_less_fire_at_once(void)
{
    static const duration none[] = {0, -1, INT64_MIN};
    for (int i = 0; i < 3; i++) {
        int64_t before = time_now(), v;
        bool ok = false;
        chan *c = time_after(none[i]);
        CHECK(chan_try_recv(c, &v, &ok));
        CHECK(ok && v >= before && v <= time_now());
        CHECK(empty(c));
        chan_free(c);
    }
}

static void nothing_can_be_received_early(void)
{
    int64_t before = time_now();
    chan *c = time_after(3 * MILLISECOND);
    while (empty(c))
        continue;
    CHECK(time_now() - before >= 3 * MILLISECOND);
    chan_free(c);
}

static void len_and_cap_are_0(void)
{
    timer *t = time_new_timer(0);
    ticker *k = time_new_ticker(1);
    chan *all[] = {t->c, k->c, time_after(HOUR)};
    for (int i = 0; i < 3; i++)
        CHECK(chan_len(all[i]) == 0 && chan_cap(all[i]) == 0);
    timer_free(t);
    ticker_free(k);
    chan_free(all[2]);
}

static void an_element_may_be_dropped_or_lie_anywhere(void)
{
    char place[9 + sizeof(int64_t)];
    ticker *k = time_new_ticker(100 * MICROSECOND);
    CHECK(chan_recv(k->c, NULL));
    CHECK_SOON(chan_try_recv(k->c, NULL, NULL));
    for (int at = 0; at < 9; at++) {
        int64_t v = 0, now;
        CHECK(chan_recv(k->c, place + at));
        now = time_now();
        memcpy(&v, place + at, sizeof v);
        CHECK(v <= now && v > now - 10 * SECOND);
    }
    ticker_free(k);
}

/* ---- stop and reset ---- */

static void a_stop_in_time_leaves_nothing(void)
{
    timer *t = time_new_timer(2 * MILLISECOND);
    CHECK(timer_stop(t));
    CHECK(!timer_stop(t));
    time_sleep(4 * MILLISECOND);
    CHECK(empty(t->c));
    timer_free(t);
}

static void a_stop_takes_back_what_nobody_has_received(void)
{
    timer *t = time_new_timer(MILLISECOND);
    time_sleep(3 * MILLISECOND);
    CHECK(timer_stop(t)); /* Go 1.23: true, though it has fired */
    CHECK(empty(t->c));
    CHECK(!timer_stop(t));
    timer_free(t);
}

static void a_stop_after_the_receipt_is_late(void)
{
    timer *t = time_new_timer(MILLISECOND);
    receive(t->c);
    CHECK(!timer_stop(t));
    timer_free(t);
}

static int64_t reset_to(timer *t, duration d, bool was_active)
{
    int64_t due = time_now() + d;
    CHECK(timer_reset(t, d) == was_active);
    return due;
}

static void a_reset_leaves_no_stale_value(void)
{
    timer *t = time_new_timer(HOUR);
    int64_t due = reset_to(t, MILLISECOND, true);
    CHECK(receive(t->c) >= due);
    due = reset_to(t, 0, false); /* after the receipt */
    CHECK(receive(t->c) >= due);
    reset_to(t, 0, false);
    reset_to(t, HOUR, true); /* fired, not received */
    CHECK(empty(t->c));
    due = reset_to(t, 2 * MILLISECOND, true);
    CHECK(receive(t->c) >= due);
    reset_to(t, MILLISECOND, false);
    time_sleep(2 * MILLISECOND);
    due = reset_to(t, -5, true);
    CHECK(receive(t->c) >= due);
    reset_to(t, HOUR, false);
    CHECK(timer_stop(t));
    due = reset_to(t, MILLISECOND, false); /* after a stop */
    CHECK(receive(t->c) >= due);
    CHECK(!timer_stop(t));
    timer_free(t);
}

static void deadlines_do_not_overflow(void)
{
    timer *t = time_new_timer(INT64_MAX), *u = time_new_timer(INT64_MAX - time_now() + 5);
    ticker *k = time_new_ticker(INT64_MAX);
    chan *c = time_after(INT64_MAX);
    int64_t v;
    struct select_case all[] = {{t->c, SELECT_RECV, &v, false},
                                {u->c, SELECT_RECV, &v, false},
                                {k->c, SELECT_RECV, &v, false},
                                {c, SELECT_RECV, &v, false},
                                {time_after(3 * MILLISECOND), SELECT_RECV, &v, false}};
    CHECK_EQ(chan_select(all, 5, true), 4);
    CHECK(timer_reset(t, INT64_MAX));
    CHECK(timer_stop(t) && timer_stop(u));
    ticker_reset(k, INT64_MAX - 1);
    CHECK(empty(k->c));
    timer_free(t);
    timer_free(u);
    ticker_free(k);
    chan_free(c);
    chan_free(all[4].c);
}

/* ---- tickers ---- */

static void a_ticker_keeps_its_phase(void)
{
    int64_t before = time_now();
    ticker *k = time_new_ticker(MILLISECOND);
    int64_t after = time_now(), first = receive(k->c), last = first;
    CHECK(first >= before + MILLISECOND && first <= after + MILLISECOND);
    for (int i = 0; i < 20; i++) {
        int64_t v = receive(k->c);
        CHECK(v > last);
        CHECK_EQ((v - first) % MILLISECOND, 0);
        last = v;
        if (i % 5 == 0)
            time_sleep(300 * MICROSECOND);
    }
    ticker_free(k);
}

static void a_slow_receiver_finds_one_tick_and_the_next_in_phase(void)
{
    ticker *k = time_new_ticker(MILLISECOND);
    int64_t first = receive(k->c), before = time_now();
    time_sleep(5 * MILLISECOND + 500 * MICROSECOND);
    int64_t looks = time_now(), old = receive(k->c), found = time_now(), next = receive(k->c);
    CHECK(old > first && old <= before + MILLISECOND); /* the first that it missed */
    CHECK_EQ((old - first) % MILLISECOND, 0);
    CHECK(next > looks && next <= found + MILLISECOND); /* the others are gone */
    CHECK_EQ((next - first) % MILLISECOND, 0);
    ticker_free(k);
}

static void a_ticker_may_be_stopped_and_reset(void)
{
    ticker *k = time_new_ticker(MILLISECOND);
    time_sleep(2 * MILLISECOND);
    ticker_stop(k);
    CHECK(empty(k->c)); /* the tick that was due, too */
    ticker_stop(k);
    time_sleep(3 * MILLISECOND);
    CHECK(empty(k->c));
    int64_t due = time_now() + 2 * MILLISECOND;
    ticker_reset(k, 2 * MILLISECOND);
    int64_t first = receive(k->c), second = receive(k->c);
    CHECK(first >= due);
    CHECK_EQ((second - first) % (2 * MILLISECOND), 0);
    time_sleep(3 * MILLISECOND);
    due = time_now() + 300 * MICROSECOND;
    ticker_reset(k, 300 * MICROSECOND); /* while one is due */
    CHECK(receive(k->c) >= due);
    ticker_free(k);
}

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

static struct select_case from(chan *c, int64_t *v)
{
    return (struct select_case){c, SELECT_RECV, v, false};
}

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

/* ---- memory ---- */

/* What a pool has kept is used first, so the first failure comes after some successes. */
static void without_memory_there_is_none_and_all_others_work(void)
{
    enum { MOST = 1000 };
    static chan *made[MOST];
    int n = 0;
    timer *t = time_new_timer(HOUR);
    no_memory = true;
    for (errno = 0; n < MOST && (made[n] = time_after(0)) != NULL; n++)
        CHECK_EQ(errno, 0);
    CHECK_EQ(errno, ENOMEM);
    errno = 0;
    CHECK(time_new_timer(1) == NULL && errno == ENOMEM);
    errno = 0;
    CHECK(time_new_ticker(1) == NULL && errno == ENOMEM);
    timer_reset(t, MILLISECOND);
    receive(t->c);
    for (int i = 0; i < n; i++) {
        receive(made[i]);
        chan_free(made[i]);
    }
    timer_free(t);
    no_memory = false;
    chan *c = time_after(MILLISECOND);
    receive(c);
    chan_free(c);
}

static void ten_thousand_may_be_running(void)
{
    enum { MANY = 10000 };
    static timer *t[MANY];
    int64_t v, start = time_now();
    for (int i = 0; i < MANY; i++)
        CHECK((t[i] = time_new_timer((MANY - i) * MICROSECOND)) != NULL);
    for (int i = 0; i < MANY; i++) {
        CHECK(chan_recv(t[i]->c, &v));
        CHECK(v >= start + (MANY - i) * MICROSECOND);
        timer_free(t[i]);
    }
}

/* ---- ends that tests/list reads ---- */

static void wait_in_a_select(void *c)
{
    int64_t v;
    struct select_case cases[] = {from(c, &v), from(NULL, &v)};
    chan_select(cases, 2, true);
}

/* Timers run and a ticker ticks, but nobody who waits is waiting for one of them. */
static int deadlock(void)
{
    timer *stopped = time_new_timer(MILLISECOND), *fired = time_new_timer(MILLISECOND);
    time_new_ticker(MILLISECOND);
    time_after(5 * MILLISECOND);
    time_after(HOUR);
    timer_stop(stopped);
    receive(fired->c);
    CHECK(go(wait_in_a_select, stopped->c) > 0);
    chan_recv(fired->c, NULL);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "deadlock") == 0)
        return deadlock();
    RUN(the_value_is_the_time_it_fired);
    RUN(no_time_and_less_fire_at_once);
    RUN(nothing_can_be_received_early);
    RUN(len_and_cap_are_0);
    RUN(an_element_may_be_dropped_or_lie_anywhere);
    RUN(a_stop_in_time_leaves_nothing);
    RUN(a_stop_takes_back_what_nobody_has_received);
    RUN(a_stop_after_the_receipt_is_late);
    RUN(a_reset_leaves_no_stale_value);
    RUN(deadlines_do_not_overflow);
    RUN(a_ticker_keeps_its_phase);
    RUN(a_slow_receiver_finds_one_tick_and_the_next_in_phase);
    RUN(a_ticker_may_be_stopped_and_reset);
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
    RUN(without_memory_there_is_none_and_all_others_work);
    RUN(ten_thousand_may_be_running);
    CHECK_SOON(runtime_numgoroutine() == 1);
    return 0;
}
