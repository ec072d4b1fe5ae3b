/*
 * block_profile_test: the block profile goes on and off, and from rate to rate, while goroutines wait in
 * every way there is and traces begin and end: nobody's wake is lost, and nobody's element. ARGS="trace":
 * with traces.
 */
#include "tests/target/check.h"

#define PAIRS  4
#define ROUNDS 400

static waitgroup all;
static mutex m;
static rwmutex rw;
static cond changed = {.l = &m};
static uint64_t turns; /* m */
static _Atomic bool over;

struct pair {
    chan *there, *back;
};

static void answer(void *arg)
{
    struct pair *p = arg;
    uint64_t x;
    struct select_case cases[] = {{.c = p->there, .dir = SELECT_RECV, .elem = &x},
                                  {.c = NULL, .dir = SELECT_RECV, .elem = &x}};
    while (chan_select(cases, 2, true) == 0 && cases[0].ok) {
        x++;
        chan_send(p->back, &x);
    }
    chan_close(p->back);
}

static void take_a_turn(void)
{
    mutex_lock(&m);
    if (++turns % 5 == 0)
        cond_wait(&changed);
    mutex_unlock(&m);
    rwmutex_rlock(&rw);
    rwmutex_runlock(&rw);
}

static void ask(void *arg)
{
    struct pair *p = arg;
    for (uint64_t i = 0; i < ROUNDS; i++) {
        uint64_t x = i;
        chan_send(p->there, &x);
        CHECK(chan_recv(p->back, &x));
        CHECK_EQ(x, i + 1);
        take_a_turn();
        if (i % 64 == 0)
            time_sleep(MICROSECOND);
    }
    uint64_t x;
    chan_close(p->there);
    CHECK(!chan_recv(p->back, &x));
}

static void switch_it(void *traces)
{
    static const int rates[] = {1, 0, 10000, -1, 2000000000, 1};
    for (unsigned i = 0; !over; i++) {
        CHECK_EQ(runtime_set_block_profile_rate(rates[i % 6]), 0);
        if (traces != NULL)
            CHECK_EQ(i % 2 ? runtime_trace_stop() : runtime_trace_start(), 0);
        rwmutex_lock(&rw);
        rwmutex_unlock(&rw);
        cond_broadcast(&changed);
        time_sleep(100 * MICROSECOND);
    }
}

int main(int argc, char **argv)
{
    static struct pair pairs[PAIRS];
    waitgroup switching = {0};
    errno = 0;
    CHECK(runtime_profile_write("block") == -1 && errno == EINVAL); /* it has never been on */
    CHECK(waitgroup_go(&switching, switch_it,
                       argc > 1 && strcmp(argv[1], "trace") == 0 ? &pairs : NULL) > 0);
    for (int i = 0; i < PAIRS; i++) {
        pairs[i] =
            (struct pair){chan_make(sizeof(uint64_t), 0), chan_make(sizeof(uint64_t), i % 2)};
        CHECK(go(answer, &pairs[i]) > 0);
        CHECK(waitgroup_go(&all, ask, &pairs[i]) > 0);
    }
    waitgroup_wait(&all);
    over = true;
    waitgroup_wait(&switching);
    CHECK_EQ(turns, PAIRS * ROUNDS);
    return 0;
}
