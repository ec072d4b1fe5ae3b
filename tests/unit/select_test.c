// with: sched/chan.c sched/select.c -DPINION_UNIT_TEST -pthread
/*
 * select: against the model of chan_model.h; how evenly it chooses; in which order it locks.
 */
#include "tests/unit/chan_model.h"

TEST(selects_follow_the_model)
{
    for (uint32_t seed = 1; seed <= 20 && unit_fails == 0; seed++) {
        model_course(seed, 10000, true);

        CHECK(seen.waited > 1000 && seen.late > 250 && seen.panicked > 150);
    }
}

/* ---- chances ---- */

#define CHANCES 100000

static long went[8];

/* The first n channels stay ready, each by a buffer or by its close, and each is as often chosen. */
static void choose_often(void *n_)
{
    int n = (int)(intptr_t)n_;
    uint64_t word[8] = {0};
    struct select_case of[8];
    memset(went, 0, sizeof(went));
    for (int i = 0; i < n; i++) {
        chan *c = chan_make(8, 1);
        enum select_dir dir = i % 3 == 1 ? SELECT_SEND : SELECT_RECV;
        if (i % 3 == 0)
            chan_send(c, &word[i]);
        else if (i % 3 == 2)
            chan_close(c);
        of[i] = (struct select_case){c, dir, &word[i], false};
    }
    for (int round = 0; round < CHANCES; round++) {
        int i = chan_select(of, n, round % 2 == 0);
        went[i]++;
        if (i % 3 == 0)
            chan_send(of[i].c, &word[i]);
        else if (i % 3 == 1)
            chan_recv(of[i].c, NULL);
    }
    for (int i = 0; i < n; i++)
        chan_free(of[i].c);
}

static struct pretend one;

TEST(of_two_that_can_go_each_goes_in_48_to_52_of_100)
{
    pretend_world();
    pretend_begin(&one);
    pretend_do(&one, choose_often, (void *)2);
    CHECK_EQ(went[0] + went[1], CHANCES);
    CHECK(went[0] >= CHANCES * 48 / 100 && went[0] <= CHANCES * 52 / 100);
    pretend_end(&one);
}

TEST(of_many_that_can_go_all_are_equal)
{
    pretend_world();
    pretend_begin(&one);
    for (int n = 3; n <= 8; n++) {
        pretend_do(&one, choose_often, (void *)(intptr_t)n);
        for (int i = 0; i < n; i++)
            CHECK(went[i] > CHANCES / n * 96 / 100 && went[i] < CHANCES / n * 104 / 100);
    }
    pretend_end(&one);
}

/* ---- the order of the locks ---- */

#define LOCKS 5

static chan *by_address[LOCKS];
static struct select_case cases[LOCKS];
static int n_cases;

static void *select_all(void *unused)
{
    (void)unused;
    static struct g g;
    static struct m m;
    static struct p p;
    world_enter(&g, &m, &p);
    g.preempt_off = 0;
    CHECK_EQ(chan_select(cases, n_cases, false), -1);
    return NULL;
}

static bool is_case(int i)
{
    for (int at = 0; at < n_cases; at++)
        if (cases[at].c == by_address[i])
            return true;
    return false;
}

/* While another hart holds one of its channels, a select has locked all of them below and none above. */
static void check_order(int held)
{
    pthread_t thread;
    struct spin *lock = &by_address[held]->lock;
    spin_lock(lock);
    pthread_create(&thread, NULL, select_all, NULL);
    while (lock->word < SPIN_WAITER) /* nobody queues yet */
        sched_yield();
    for (int i = 0; i < LOCKS; i++)
        if (i != held)
            CHECK_EQ(by_address[i]->lock.word, i < held && is_case(i) ? SPIN_HELD : 0);
    spin_unlock(lock);
    pthread_join(thread, NULL);
    for (int i = 0; i < LOCKS; i++)
        CHECK_EQ(by_address[i]->lock.word, 0);
}

static void make_channels(size_t elem_size)
{
    for (int i = 0; i < LOCKS; i++) {
        by_address[i] = chan_make(elem_size, 0);
        for (int at = i; at > 0 && by_address[at] < by_address[at - 1]; at--) {
            chan *higher = by_address[at - 1];
            by_address[at - 1] = by_address[at];
            by_address[at] = higher;
        }
    }
}

/* Two of words go the short way, if nobody is in it; and a channel may be in several cases. */
TEST(channels_are_locked_in_the_order_of_their_addresses)
{
    static const struct {
        size_t elem_size;
        const char *order;
    } selects[] = {{8, "01"}, {8, "10"}, {16, "43210"}, {8, "24031"}, {8, "11410"}};
    pretend_world();
    for (size_t i = 0; i < sizeof(selects) / sizeof(selects[0]); i++) {
        make_channels(selects[i].elem_size);
        n_cases = (int)strlen(selects[i].order);
        for (int at = 0; at < n_cases; at++)
            cases[at] = (struct select_case){by_address[selects[i].order[at] - '0'], SELECT_RECV,
                                             NULL, false};
        for (int held = 0; held < LOCKS; held++)
            if (is_case(held))
                check_order(held);
        for (int at = 0; at < LOCKS; at++)
            chan_free(by_address[at]);
    }
}

UNIT_MAIN
