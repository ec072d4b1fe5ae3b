/*
 * chan_cases: channels and selects between goroutines on two harts.
 */
#include <pinion.h>
#include "tests/explore/explore.h"

struct word {
    uint64_t a, b;
};

static chan *c;
static waitgroup wg;

static void send_two(void *unused)
{
    (void)unused;
    for (uint64_t i = 1; i <= 2; i++) {
        struct word w = {i, ~i};
        chan_send(c, &w);
    }
    waitgroup_done(&wg);
}

static void receive_two(void *unused)
{
    (void)unused;
    for (uint64_t i = 1; i <= 2; i++) {
        struct word w;
        EXPECT(chan_recv(c, &w), "it is not closed");
        EXPECT(w.a == i && w.b == ~i, "%lx %lx came, not the %lu-th", (long)w.a, (long)w.b,
               (long)i);
    }
    waitgroup_done(&wg);
}

static void talk(size_t capacity)
{
    c = chan_make(sizeof(struct word), capacity);
    waitgroup_add(&wg, 2);
    go(send_two, NULL);
    go(receive_two, NULL);
    waitgroup_wait(&wg);
}

static void talk_unbuffered(void *unused)
{
    (void)unused;
    talk(0);
}

static void talk_buffered(void *unused)
{
    (void)unused;
    talk(1);
}

SCENARIO(an_unbuffered_channel_hands_over_whole_words, .main = talk_unbuffered);
SCENARIO(a_buffered_channel_hands_over_whole_words, .main = talk_buffered);

/* ---- close, select ---- */

static int said;

static void say_and_close(void *unused)
{
    (void)unused;
    said = 7;
    chan_close(c);
}

static void close_main(void *unused)
{
    struct word w;
    (void)unused;
    c = chan_make(sizeof(w), 0);
    go(say_and_close, NULL);
    EXPECT(!chan_recv(c, &w) && w.a == 0, "nothing was sent");
    EXPECT(said == 7, "what was before the close is there after it");
}

SCENARIO(a_close_wakes_who_receives, .main = close_main);

static chan *d;

static void send_to_c(void *unused)
{
    struct word w = {1, ~UINT64_C(1)};
    (void)unused;
    chan_send(c, &w);
    waitgroup_done(&wg);
}

static void send_to_d(void *unused)
{
    struct word w = {2, ~UINT64_C(2)};
    (void)unused;
    chan_send(d, &w);
    waitgroup_done(&wg);
}

/* Both are served, once each. */
static void select_main(void *unused)
{
    struct word w[2];
    unsigned got = 0;
    (void)unused;
    c = chan_make(sizeof(struct word), 0);
    d = chan_make(sizeof(struct word), 0);
    waitgroup_add(&wg, 2);
    go(send_to_c, NULL);
    go(send_to_d, NULL);
    for (int i = 0; i < 2; i++) {
        struct select_case cases[] = {{c, SELECT_RECV, &w[0], false},
                                      {d, SELECT_RECV, &w[1], false}};
        int which = chan_select(cases, 2, true);
        EXPECT(which == 0 || which == 1, "it is one of the two");
        EXPECT(w[which].a == (uint64_t)which + 1 && w[which].b == ~w[which].a,
               "all of it is there");
        got |= 1u << which;
    }
    EXPECT(got == 3, "one of them came twice");
    waitgroup_wait(&wg);
}

SCENARIO(a_select_takes_from_each_sender_once, .main = select_main);

static void select_close_main(void *unused)
{
    struct word w[2];
    (void)unused;
    c = chan_make(sizeof(struct word), 0);
    d = chan_make(sizeof(struct word), 0);
    go(say_and_close, NULL);
    struct select_case cases[] = {{d, SELECT_RECV, &w[1], false}, {c, SELECT_RECV, &w[0], false}};
    EXPECT(chan_select(cases, 2, true) == 1 && !cases[1].ok, "it was closed");
    EXPECT(said == 7, "what was before the close is there after it");
}

SCENARIO(a_close_wakes_a_select, .main = select_close_main);

/*
 * O24: it holds a word, then it is closed: never open and empty. count is stored with relaxed, so by
 * C11 alone the reader's acquire has nothing to pair with, and weak finds that; that it holds rests on
 * machines that are multi-copy atomic (docs/memory-order.md).
 */

static void close_a_full_one(void *unused)
{
    (void)unused;
    chan_close(c);
    chan_recv(c, NULL);
}

static void try_main(void *unused)
{
    struct word w = {1, 2};
    bool ok = true;
    (void)unused;
    c = chan_make(sizeof(w), 1);
    chan_send(c, &w);
    go(close_a_full_one, NULL);
    for (int i = 0; i < 12; i++) /* until it runs elsewhere */
        arch_relax(0);
    EXPECT(chan_try_recv(c, &w, &ok), "it had a word or was closed, always");
}

SCENARIO(a_try_is_not_told_to_wait_by_a_full_or_closed_channel, .main = try_main, .not_weak = true);

/* ---- a goroutine that has its hart to itself ---- */

static void receive_wired(void *unused)
{
    struct word w;
    (void)unused;
    runtime_lock_os_thread();
    for (uint64_t i = 1; i <= 2; i++) {
        chan_recv(c, &w);
        EXPECT(w.a == i && w.b == ~i, "%lx %lx came", (long)w.a, (long)w.b);
    }
    waitgroup_done(&wg);
}

static void wired_main(void *unused)
{
    (void)unused;
    c = chan_make(sizeof(struct word), 0);
    waitgroup_add(&wg, 2);
    go(receive_wired, NULL);
    for (int i = 0; i < 12; i++) /* until it runs elsewhere */
        arch_relax(0);
    send_two(NULL);
    waitgroup_wait(&wg);
}

SCENARIO(a_wired_goroutine_is_woken_on_its_hart, .main = wired_main);
