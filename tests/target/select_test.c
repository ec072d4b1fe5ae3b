/*
 * select_test: select, one corner of its semantics after the other. With an argument: runs that end
 * badly, which tests/list judges by what they say.
 */
#include <stdatomic.h>
#include "check.h"

static struct select_case receive_from(chan *c, void *elem)
{
    return (struct select_case){c, SELECT_RECV, elem, false};
}

static struct select_case send_to(chan *c, void *elem)
{
    return (struct select_case){c, SELECT_SEND, elem, false};
}

static void nothing_ready_and_no_wait_is_minus_one(void)
{
    uint64_t v = 7;
    chan *empty = chan_make(8, 1), *none = chan_make(8, 0), *full = chan_make(8, 1);
    chan_send(full, &v);
    struct select_case cases[] = {receive_from(empty, &v), send_to(none, &v), send_to(full, &v),
                                  receive_from(NULL, &v), receive_from(none, &v)};
    for (int n = 0; n <= 5; n++)
        CHECK_EQ(chan_select(cases, n, false), -1);
    CHECK_EQ(chan_select(cases, 2, false), -1);
    CHECK_EQ(chan_select(cases + 1, 2, false), -1);
    CHECK_EQ(v, 7);
    chan_free(empty);
    chan_free(none);
    chan_free(full);
}

static void the_case_that_can_go_goes(void)
{
    uint64_t v, w = 9;
    chan *a = chan_make(8, 1), *b = chan_make(8, 1);
    for (int i = 0; i < 100; i++) {
        bool block = i % 2;
        struct select_case cases[] = {receive_from(a, &v), receive_from(b, &v), send_to(NULL, &w)};
        chan_send(i % 3 ? a : b, &(uint64_t){(uint64_t)i});
        CHECK_EQ(chan_select(cases, 2 + i % 2, block), i % 3 ? 0 : 1);
        CHECK(cases[i % 3 ? 0 : 1].ok);
        CHECK_EQ(v, i);
    }
    struct select_case cases[] = {receive_from(a, &v), send_to(b, &w)};
    CHECK_EQ(chan_select(cases, 2, true), 1);
    CHECK(chan_recv(b, &v) && v == 9);
    chan_free(a);
    chan_free(b);
}

/* ---- even chances ---- */

#define DRAWS 100000

static void check_even(struct select_case *cases, int n, void (*again)(void))
{
    int count[8] = {0};
    for (int i = 0; i < DRAWS; i++) {
        int k = chan_select(cases, n, true);
        CHECK(k >= 0 && k < n);
        count[k]++;
        again();
    }
    for (int k = 0; k < n; k++) {
        CHECK(count[k] * (long)n > DRAWS * 96L / 100);
        CHECK(count[k] * (long)n < DRAWS * 104L / 100);
    }
}

static chan *three[3];

static void fill_three(void)
{
    for (int i = 0; i < 3; i++)
        chan_try_send(three[i], &(uint64_t){1});
}

static void nobody_fills(void)
{
}

static void of_two_ready_each_goes_48_to_52_times_in_100(void)
{
    uint64_t v;
    for (int i = 0; i < 3; i++)
        three[i] = chan_make(8, 1);
    fill_three();
    struct select_case cases[] = {receive_from(three[0], &v), receive_from(three[1], &v),
                                  receive_from(three[2], &v)};
    check_even(cases, 2, fill_three);
    check_even(cases, 3, fill_three);
    for (int i = 0; i < 3; i++)
        chan_close(three[i]);
    while (chan_recv(three[0], &v) || chan_recv(three[1], &v) || chan_recv(three[2], &v))
        continue;
    check_even(cases, 2, nobody_fills);
    struct select_case same[] = {cases[0], cases[0], cases[1], cases[0]};
    check_even(same, 4, nobody_fills);
    for (int i = 0; i < 3; i++)
        chan_free(three[i]);
}

/* ---- waiting ---- */

static chan *a, *b;
static _Atomic int arrived;

static void make_two(size_t cap)
{
    a = chan_make(8, cap);
    b = chan_make(8, cap);
}

static void free_two(void)
{
    chan_free(a);
    chan_free(b);
}

static void send_to_b(void *unused)
{
    (void)unused;
    time_sleep(500 * MICROSECOND);
    chan_send(b, &(uint64_t){23});
}

static void receive_from_a(void *unused)
{
    uint64_t v;
    (void)unused;
    time_sleep(500 * MICROSECOND);
    CHECK(chan_recv(a, &v));
    CHECK_EQ(v, 31);
    atomic_fetch_add(&arrived, 1);
}

static void a_waiting_select_goes_by_whoever_comes(void)
{
    for (size_t cap = 0; cap < 2; cap++)
        for (int turned = 0; turned < 2; turned++) {
            uint64_t v = 0, w = 31, full = 31;
            make_two(cap);
            struct select_case cases[3];
            cases[turned] = receive_from(b, &v);
            cases[!turned] = receive_from(a, &v);
            CHECK(go(send_to_b, NULL) > 0);
            CHECK_EQ(chan_select(cases, 2, true), turned);
            CHECK_EQ(v, 23);
            CHECK(cases[turned].ok);
            if (cap > 0)
                chan_send(a, &full);
            atomic_store(&arrived, 0);
            cases[turned] = receive_from(b, &v);
            cases[!turned] = send_to(a, &w);
            cases[2] = receive_from(NULL, &v);
            CHECK(go(receive_from_a, NULL) > 0);
            CHECK_EQ(chan_select(cases, 2 + turned, true), !turned);
            CHECK_SOON(atomic_load(&arrived) == 1);
            /* Nothing of the select is left behind in b. */
            CHECK(!chan_try_send(b, &w) == (cap == 0));
            free_two();
        }
}

static void close_a(void *unused)
{
    (void)unused;
    time_sleep(500 * MICROSECOND);
    chan_close(a);
}

static void close_wakes_a_receiving_select(void)
{
    for (int n = 1; n <= 3; n++) {
        uint64_t v = 5;
        make_two(0);
        CHECK(go(close_a, NULL) > 0);
        struct select_case cases[] = {receive_from(a, &v), receive_from(b, &v),
                                      receive_from(b, &v)};
        CHECK_EQ(chan_select(cases, n, true), 0);
        CHECK(!cases[0].ok);
        CHECK_EQ(v, 0);
        free_two();
    }
}

static void select_a_send(void *count)
{
    uint64_t v = 5;
    struct select_case cases[70] = {send_to(a, &v), receive_from(b, &v)};
    chan_select(cases, (int)(intptr_t)count, true);
    CHECK(!"a send on a closed channel returned");
}

static void a_send_on_a_closed_channel_panics(void)
{
    for (int n = 1; n <= 70; n += n < 3 ? 1 : 67)
        for (int later = 0; later < 2; later++) {
            make_two(0);
            if (later)
                CHECK(go(close_a, NULL) > 0);
            else
                chan_close(a);
            CHECK_STR(panic_of(select_a_send, (void *)(intptr_t)n), "send on closed channel");
            free_two();
        }
}

static void select_too_many(void *cases)
{
    chan_select(cases, SELECT_CASES_MAX + 1, false);
}

static void select_from_nowhere(void *unused)
{
    (void)unused;
    uint64_t v;
    struct select_case cases[] = {receive_from(b, &v), send_to(a, NULL)};
    chan_select(cases, 2, true);
}

static void wrong_uses_panic(void)
{
    make_two(0);
    struct select_case *cases = calloc(SELECT_CASES_MAX + 1, sizeof(*cases));
    CHECK_STR(panic_of(select_too_many, cases), "reflect.Select: too many cases (max 65536)");
    free(cases);
    CHECK(strstr(panic_of(select_from_nowhere, NULL), "nil pointer dereference") != NULL);
    free_two();
}

/* ---- the same channel in several cases ---- */

static void talk_to_self(void *unused)
{
    (void)unused;
    for (int i = 0; i < 500; i++) {
        uint64_t v = 0, w = (uint64_t)runtime_goid();
        struct select_case cases[] = {send_to(a, &w), receive_from(a, &v), receive_from(a, &v)};
        int k = chan_select(cases, 2 + i % 2, true);
        CHECK(k == 0 || (cases[k].ok && v != 0 && v != w));
        atomic_fetch_add(&arrived, k == 0 ? 1 : -1);
    }
}

static void a_select_never_meets_itself(void)
{
    make_two(0);
    uint64_t v = 0, w = 1;
    struct select_case cases[] = {send_to(a, &w), receive_from(a, &v)};
    CHECK_EQ(chan_select(cases, 2, false), -1);
    atomic_store(&arrived, 0);
    in_parallel(2, talk_to_self); /* two, for a third might be left over at the end */
    CHECK_EQ(atomic_load(&arrived), 0);
    free_two();
}

static void a_buffer_serves_both_directions(void)
{
    make_two(1);
    uint64_t in = 0, out = 0;
    for (int i = 0; i < 1000; i++) {
        uint64_t v, w = ++out;
        struct select_case cases[] = {send_to(a, &w), receive_from(a, &v)};
        if (chan_select(cases, 2, true) == 1) {
            CHECK_EQ(v, ++in);
            out--;
        }
        CHECK_EQ(out - in, chan_len(a));
    }
    free_two();
}

/* ---- many cases, odd sizes ---- */

static chan **many;
static int wanted;

static void send_to_wanted(void *unused)
{
    (void)unused;
    time_sleep(500 * MICROSECOND);
    chan_send(many[wanted], &(uint64_t){77});
}

static void check_many(int n)
{
    struct select_case *cases = malloc((size_t)n * sizeof(*cases));
    many = malloc((size_t)n * sizeof(*many));
    uint64_t v;
    for (int i = 0; i < n; i++) { /* not in the order of their addresses */
        many[(int)((i * 7919L) % n)] = chan_make(8, (size_t)i % 2);
    }
    for (int i = 0; i < n; i++)
        cases[i] = receive_from(many[i], &v);
    CHECK_EQ(chan_select(cases, n, false), -1);
    for (int round = 0; round < 4; round++) {
        wanted = (int)(n * (long)round / 4);
        v = 0;
        CHECK(go(send_to_wanted, NULL) > 0);
        CHECK_EQ(chan_select(cases, n, true), wanted);
        CHECK_EQ(v, 77);
    }
    for (int i = 0; i < n; i++)
        chan_free(many[i]);
    free(many);
    free(cases);
}

static void there_may_be_65536_cases(void)
{
    check_many(1);
    check_many(3);
    check_many(64);
    check_many(65);
    check_many(1000);
    check_many(SELECT_CASES_MAX);
}

static void send_large(void *c)
{
    unsigned char elem[5000];
    memset(elem, 0x3c, sizeof elem);
    chan_send(c, elem);
}

static void elements_may_be_large_or_nothing(void)
{
    unsigned char elem[5000];
    chan *large = chan_make(sizeof elem, 0), *empty = chan_make(0, 0), *byte = chan_make(1, 1);
    CHECK(go(send_large, large) > 0);
    struct select_case cases[] = {receive_from(large, elem), send_to(empty, NULL),
                                  receive_from(byte, NULL)};
    CHECK_EQ(chan_select(cases, 3, true), 0);
    for (size_t i = 0; i < sizeof elem; i++)
        CHECK_EQ(elem[i], 0x3c);
    chan_send(byte, "x");
    CHECK_EQ(chan_select(cases, 3, true), 2);
    CHECK_EQ(chan_select(cases, 3, false), -1);
    chan_free(large);
    chan_free(empty);
    chan_free(byte);
}

/* A select dropped from a queue by a peer that came too late, again and again. */
static void send_both(void *which)
{
    for (int i = 0; i < 1000; i++)
        chan_send((intptr_t)which ? a : b, &(uint64_t){1});
}

static void a_select_is_served_once(void)
{
    make_two(0);
    waitgroup end = {0};
    for (intptr_t i = 0; i < 4; i++)
        CHECK(waitgroup_go(&end, send_both, (void *)(i % 2)) > 0);
    for (int i = 0; i < 4000; i++) {
        uint64_t v = 0;
        struct select_case cases[] = {receive_from(a, &v), receive_from(b, &v)};
        CHECK(chan_select(cases, 2, true) >= 0);
        CHECK_EQ(v, 1);
    }
    waitgroup_wait(&end);
    free_two();
}

static void wait_for(void *how)
{
    uint64_t v;
    struct select_case cases[] = {receive_from(NULL, &v), receive_from(a, &v)};
    chan_select(cases, (int)(intptr_t)how, true);
}

static int deadlock(void)
{
    make_two(0);
    for (intptr_t how = 0; how < 3; how++)
        CHECK(go(wait_for, (void *)how) > 0);
    wait_for((void *)2);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "deadlock") == 0)
        return deadlock();
    RUN(nothing_ready_and_no_wait_is_minus_one);
    RUN(the_case_that_can_go_goes);
    RUN(of_two_ready_each_goes_48_to_52_times_in_100);
    RUN(a_waiting_select_goes_by_whoever_comes);
    RUN(close_wakes_a_receiving_select);
    RUN(a_send_on_a_closed_channel_panics);
    RUN(wrong_uses_panic);
    RUN(a_select_never_meets_itself);
    RUN(a_buffer_serves_both_directions);
    RUN(there_may_be_65536_cases);
    RUN(elements_may_be_large_or_nothing);
    RUN(a_select_is_served_once);
    CHECK_SOON(runtime_numgoroutine() == 1);
    return 0;
}
