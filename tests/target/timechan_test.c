// link: -Wl,--wrap=calloc
/*
 * timechan_test: the channels of timers and tickers, one corner of their semantics after the other.
 * Those who wait for them are in timechan_wait_test.c.
 * With an argument: runs that end in a deadlock, which tests/list judges by what they say.
 */
#include "timechan.h"

/* In front of the C library's, for all that is linked here: there may be no memory for a while. */
static bool no_memory;
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);

void *__wrap_calloc(size_t n, size_t size)
{
    return no_memory ? NULL : __real_calloc(n, size);
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
    RUN(without_memory_there_is_none_and_all_others_work);
    RUN(ten_thousand_may_be_running);
    CHECK_SOON(runtime_numgoroutine() == 1);
    return 0;
}
