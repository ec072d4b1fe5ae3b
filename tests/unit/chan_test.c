// with: sched/chan.c sched/select.c -DPINION_UNIT_TEST
/*
 * chan: channels against the model of chan_model.h, and what that does not say.
 */
#include <errno.h>
#include "tests/unit/chan_model.h"

TEST(channels_follow_the_model)
{
    for (uint32_t seed = 1; seed <= 20 && unit_fails == 0; seed++) {
        model_course(seed, 10000, false);
        CHECK(seen.waited > 1500 && seen.late > 500 && seen.panicked > 150);
    }
}

static struct pretend crowd[20];

static void receive_word(void *place)
{
    chan_recv(chans[0].real, place);
}

static void send_word(void *word)
{
    chan_send(chans[0].real, word);
}

static void gather(void)
{
    pretend_world();
    for (int i = 0; i < 20; i++)
        pretend_begin(&crowd[i]);
}

static void disperse(void)
{
    for (int i = 0; i < 20; i++)
        pretend_end(&crowd[i]);
    chan_free(chans[0].real);
}

TEST(a_word_is_handed_to_who_waited_longest_and_that_one_runs_next)
{
    uint64_t place[20] = {0}, word;
    gather();
    chans[0].real = chan_make(8, 0);
    for (int i = 1; i < 20; i++) {
        pretend_do(&crowd[i], receive_word, &place[i]);
        CHECK(crowd[i].state == PRETEND_PARKED);
        CHECK_EQ(crowd[i].g.wait_reason, WAIT_CHAN_RECV);
    }
    for (int i = 1; i < 20; i++) {
        word = (uint64_t)i * 1000;
        crowd[0].task = send_word;
        crowd[0].arg = &word;
        pretend_note_ready(&crowd[0]);
        pretend_run(&crowd[0]);
        CHECK(pretend.p.runq.next == &crowd[i].g);
        CHECK_EQ(place[i], word); /* before it runs */
        pretend_take_next();
        pretend_run(&crowd[i]);
    }
    disperse();
}

TEST(close_readies_receivers_in_their_order)
{
    uint64_t place[20];
    memset(place, 0xff, sizeof(place));
    gather();
    chans[0].real = chan_make(8, 3);
    for (int i = 1; i < 20; i++)
        pretend_do(&crowd[i], receive_word, &place[i]);
    pretend_do(&crowd[0], (void (*)(void *))chan_close, chans[0].real);
    for (int i = 1; i < 20; i++) {
        CHECK(pretend.ready[0] == &crowd[i]);
        pretend_run(&crowd[i]);
        CHECK_EQ(place[i], 0);
    }
    disperse();
}

static void free_it(void *c)
{
    chan_free(c);
}

TEST(a_channel_with_waiters_is_not_freed)
{
    uint64_t place;
    gather();
    chans[0].real = chan_make(8, 1);
    pretend_do(&crowd[1], receive_word, &place);
    pretend_do(&crowd[0], free_it, chans[0].real);
    CHECK_STR(crowd[0].panic, "free of channel with waiters");
    pretend_do(&crowd[0], send_word, &place);
    pretend_run(&crowd[1]);
    disperse();
}

TEST(a_channel_larger_than_memory_is_refused)
{
    static const size_t sizes[][2] = {{SIZE_MAX / 2, 3}, {3, SIZE_MAX / 2}, {1, PTRDIFF_MAX}};
    for (int i = 0; i < 3; i++) {
        errno = 0;
        CHECK(chan_make(sizes[i][0], sizes[i][1]) == NULL);
        CHECK_EQ(errno, EINVAL);
    }
    CHECK_EQ(chan_len(NULL) + chan_cap(NULL), 0);
}

UNIT_MAIN
