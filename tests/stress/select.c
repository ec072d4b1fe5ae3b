/*
 * select: goroutines that all select, over few channels, in both directions, so that who waits is
 * mostly a select and is wanted by several at once; until a channel that all of them have as a case
 * is closed. What was sent on each channel is what was received from it.
 */
#include "stress.h"

#define CHANNELS 6
#define CASES    100

static chan *channels[CHANNELS], *quit;
static struct {
    _Atomic uint64_t sent, received, sum_sent, sum_received;
} ledger[CHANNELS];
static long turns;
static _Atomic long left;

static int index_of(const chan *c)
{
    for (int i = 0; i < CHANNELS; i++)
        if (channels[i] == c)
            return i;
    CHECK(false, "a channel out of nowhere");
    return -1;
}

static void enter(const struct select_case *k, uint64_t value)
{
    int i = index_of(k->c);
    bool out = k->dir == SELECT_SEND;
    atomic_fetch_add(out ? &ledger[i].sent : &ledger[i].received, 1);
    atomic_fetch_add(out ? &ledger[i].sum_sent : &ledger[i].sum_received, value);
}

/* n cases at random, channels repeated and left out, but for the first, both directions; the last one
 * is quit. */
static void draw(struct select_case *cases, int n, uint64_t *out, uint64_t *in, uint32_t *rng)
{
    for (int i = 0; i < n - 1; i++) {
        bool send = random_below(rng, 2) != 0;
        uint32_t which = random_below(rng, CHANNELS + (i > 0));
        cases[i] = (struct select_case){which < CHANNELS ? channels[which] : NULL,
                                        send ? SELECT_SEND : SELECT_RECV, send ? out : in, false};
    }
    cases[n - 1] = (struct select_case){quit, SELECT_RECV, NULL, false};
}

static void cross(void *which)
{
    uint32_t rng = (uint32_t)(intptr_t)which * 7919 + 17;
    struct select_case cases[CASES];
    uint64_t count = 0;
    for (;;) {
        uint64_t in = 0, out = (uint64_t)(intptr_t)which << 32 | ++count;
        int n = random_below(&rng, 16) == 0 ? CASES : 2 + (int)random_below(&rng, 5);
        draw(cases, n, &out, &in, &rng);
        int k = chan_select(cases, n, random_below(&rng, 4) != 0);
        CHECK(k >= -1 && k < n, "case %d of %d", k, n);
        if (k == n - 1) {
            CHECK(!cases[k].ok, "quit has an element");
            return;
        }
        if (k >= 0) {
            CHECK(cases[k].dir == SELECT_SEND || in >> 32 != (uint64_t)(intptr_t)which ||
                      chan_cap(cases[k].c) > 0,
                  "goroutine %ld met itself", (long)(intptr_t)which);
            enter(&cases[k], cases[k].dir == SELECT_SEND ? out : in);
            atomic_fetch_sub(&left, 1);
        } else {
            runtime_gosched();
        }
    }
}

/* Beside them, the plain operations, which come to everyone who waits. */
static void feed(void *which)
{
    uint32_t rng = (uint32_t)(intptr_t)which * 31 + 7;
    for (uint64_t count = 0; !chan_try_recv(quit, NULL, NULL); count++) {
        int i = (int)random_below(&rng, CHANNELS);
        uint64_t v = (uint64_t)(intptr_t)which << 32 | count;
        struct select_case k = {channels[i], count % 2 ? SELECT_SEND : SELECT_RECV, &v, false};
        bool done =
            count % 2 ? chan_try_send(channels[i], &v) : chan_try_recv(channels[i], &v, NULL);
        if (done)
            enter(&k, v);
        else
            runtime_gosched();
    }
}

static void crossing(int selects, int feeders)
{
    waitgroup end = {0};
    for (int i = 0; i < CHANNELS; i++) {
        channels[i] = chan_make(8, (size_t)(i % 3 == 2 ? 2 : 0));
        ledger[i].sent = ledger[i].received = ledger[i].sum_sent = ledger[i].sum_received = 0;
    }
    quit = chan_make(0, 0);
    atomic_store(&left, turns);
    for (intptr_t i = 1; i <= selects; i++)
        CHECK(waitgroup_go(&end, cross, (void *)i) > 0, "no goroutine");
    for (intptr_t i = selects + 1; i <= selects + feeders; i++)
        CHECK(waitgroup_go(&end, feed, (void *)i) > 0, "no goroutine");
    int64_t until = time_now() + PATIENCE;
    while (atomic_load(&left) > 0) {
        CHECK(time_now() < until, "%ld turns left", atomic_load(&left));
        time_sleep(MILLISECOND);
    }
    chan_close(quit);
    waitgroup_wait(&end);
    for (int i = 0; i < CHANNELS; i++) {
        struct select_case k = {channels[i], SELECT_RECV, NULL, false};
        for (uint64_t v; chan_try_recv(channels[i], &v, NULL);)
            enter(&k, v);
        CHECK(ledger[i].sent == ledger[i].received && ledger[i].sum_sent == ledger[i].sum_received,
              "channel %d: %llu sent, %llu received", i, (unsigned long long)ledger[i].sent,
              (unsigned long long)ledger[i].received);
        chan_free(channels[i]); /* panics if a select has left something */
    }
    chan_free(quit);
}

/* ---- one channel closed while many selects wait on it and on others ---- */

static void wait_for_close(void *which)
{
    uint64_t v;
    struct select_case cases[] = {{channels[(intptr_t)which % CHANNELS], SELECT_RECV, &v, false},
                                  {quit, SELECT_RECV, NULL, false}};
    int k = chan_select(cases, 2, true);
    CHECK(k == 1 ? !cases[1].ok : cases[0].ok && v == 99, "case %d", k);
    if (k == 0)
        atomic_fetch_add(&ledger[0].received, 1);
}

static void close_amid(uint32_t *rng)
{
    waitgroup end = {0};
    uint64_t v = 99, sent = 0;
    for (int i = 0; i < CHANNELS; i++)
        channels[i] = chan_make(8, 0);
    quit = chan_make(0, 0);
    ledger[0].received = 0;
    for (intptr_t i = 0; i < 24; i++)
        CHECK(waitgroup_go(&end, wait_for_close, (void *)i) > 0, "no goroutine");
    for (uint32_t n = random_below(rng, 60); n > 0; n--) {
        sent += chan_try_send(channels[random_below(rng, CHANNELS)], &v);
        if (random_below(rng, 4) == 0)
            runtime_gosched();
    }
    chan_close(quit);
    waitgroup_wait(&end);
    CHECK(sent == ledger[0].received, "%llu sent", (unsigned long long)sent);
    for (int i = 0; i < CHANNELS; i++)
        chan_free(channels[i]);
    chan_free(quit);
}

int main(int argc, char **argv)
{
    uint32_t rng = 815;
    turns = stress_size(argc, argv, 3000);
    crossing(2, 2);
    crossing(8, 1);
    crossing(16, 3);
    for (long i = 0; i < turns / 20; i++)
        close_amid(&rng);
    return 0;
}
