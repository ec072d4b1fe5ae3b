/*
 * timechan: timers and tickers with channels, while they fire: stop against fire, reset against fire,
 * several receivers, tickers against stop, and free at once. Of each setting of a timer the value is
 * received once or one stop or reset has said true: so the sums must come out even, to the last one.
 */
#include "stress.h"

#define WORKERS   8
#define RECEIVERS 6

static long rounds;
static waitgroup over;

static void start(void (*fn)(void *), int n)
{
    for (intptr_t i = 0; i < n; i++)
        CHECK(waitgroup_go(&over, fn, (void *)i) > 0, "waitgroup_go failed");
}

static uint32_t seed_of(void *which)
{
    static _Atomic uint32_t run;
    return (++run * 977 + (uint32_t)(uintptr_t)which) * 2654435761u | 1;
}

static void pass_time(uint32_t *rng)
{
    switch (random_below(rng, 4)) {
    case 0: time_sleep(random_below(rng, 60 * MICROSECOND)); break;
    case 1: spin_for_loops(random_below(rng, 20000)); break;
    case 2: runtime_gosched(); break;
    }
}

static struct select_case from(chan *c, int64_t *v)
{
    return (struct select_case){c, SELECT_RECV, v, false};
}

/* ---- a timer of one's own: what stop and reset say, and no stale value ---- */

struct setting {
    timer *t;
    int64_t not_before; /* the value of this setting is no less */
    bool pending;       /* neither received nor taken back */
};

static void set(struct setting *s, duration d)
{
    int64_t now = time_now();
    bool said = timer_reset(s->t, d);
    CHECK(said == s->pending, "reset said %d", said);
    s->not_before = now + d;
    s->pending = true;
}

static void took(struct setting *s, int64_t v)
{
    CHECK(s->pending, "received twice");
    CHECK(v >= s->not_before, "%lld ns too early: stale", (long long)(s->not_before - v));
    CHECK(v <= time_now(), "from the future");
    s->pending = false;
}

static void stop(struct setting *s)
{
    bool said = timer_stop(s->t);
    CHECK(said == s->pending, "stop said %d", said);
    s->pending = false;
    CHECK(!chan_try_recv(s->t->c, NULL, NULL), "a value after stop");
}

/* Whichever of the two comes first. */
static void wait_for_it_or(struct setting *s, duration d)
{
    int64_t v;
    chan *other = time_after(d);
    struct select_case cases[] = {from(s->t->c, &v), from(other, NULL)};
    if (chan_select(cases, 2, true) == 0)
        took(s, v);
    chan_free(other);
}

static void stop_and_reset_against_fire(void *which)
{
    uint32_t rng = seed_of(which);
    struct setting s = {.t = time_new_timer(HOUR), .pending = true};
    int64_t v;
    for (long i = 0; i < rounds; i++) {
        pass_time(&rng);
        switch (random_below(&rng, 6)) {
        case 0: stop(&s); break;
        case 1:
        case 2: set(&s, random_below(&rng, 60 * MICROSECOND)); break;
        case 3:
            if (chan_try_recv(s.t->c, &v, NULL))
                took(&s, v);
            break;
        case 4: wait_for_it_or(&s, random_below(&rng, 60 * MICROSECOND)); break;
        case 5:
            set(&s, random_below(&rng, 60 * MICROSECOND));
            chan_recv(s.t->c, &v);
            took(&s, v);
        }
    }
    stop(&s);
    timer_free(s.t);
}

/* ---- one timer, several receivers, several who stop and reset it ---- */

static timer *shared;
static chan *quit;
static _Atomic long settings, received, taken_back; /* of timers: see share_a_timer */

static bool receive_one(chan *c, uint32_t *rng)
{
    int64_t v;
    struct select_case cases[] = {from(c, &v), from(quit, NULL), from(NULL, NULL)};
    if (random_below(rng, 4) == 0) {
        if (chan_try_recv(c, &v, NULL))
            received++;
        return true;
    }
    if (chan_select(cases, 2 + (int)random_below(rng, 2), true) != 0)
        return false;
    CHECK(v <= time_now(), "from the future");
    received++;
    return true;
}

static void receive_until_quit(void *c)
{
    uint32_t rng = seed_of(c);
    while (receive_one(c, &rng))
        pass_time(&rng);
}

static void stop_and_reset_shared(void *which)
{
    uint32_t rng = seed_of(which);
    for (long i = 0; i < rounds; i++) {
        pass_time(&rng);
        if (random_below(&rng, 4) == 0) {
            taken_back += timer_stop(shared);
        } else {
            settings++;
            taken_back += timer_reset(shared, random_below(&rng, 30 * MICROSECOND));
        }
    }
}

/* Runs fn in four goroutines beside RECEIVERS that receive from c. */
static void against_receivers(void (*fn)(void *), chan *c)
{
    waitgroup receivers = {0};
    quit = chan_make(0, 0);
    for (int i = 0; i < RECEIVERS; i++)
        CHECK(waitgroup_go(&receivers, receive_until_quit, c) > 0, "waitgroup_go failed");
    start(fn, 4);
    waitgroup_wait(&over);
    chan_close(quit);
    waitgroup_wait(&receivers);
    chan_free(quit);
}

static void share_a_timer(void)
{
    settings = 1;
    shared = time_new_timer(0);
    against_receivers(stop_and_reset_shared, shared->c);
    taken_back += timer_stop(shared);
    CHECK(settings == received + taken_back, "%ld settings, %ld received, %ld taken back",
          (long)settings, (long)received, (long)taken_back);
    fprintf(stderr, "%ld settings, %ld received\n", (long)settings, (long)received);
    timer_free(shared);
}

/* ---- one ticker: each tick goes to one of those who receive ---- */

#define PERIOD (20 * MICROSECOND)
static ticker *ticks;
#define PLACES 65536
static _Atomic long seen[PLACES]; /* the last tick received of those that belong here */

static void receive_ticks(void *which)
{
    uint32_t rng = seed_of(which);
    int64_t v, last = 0;
    for (long i = 0; i < rounds; i++) {
        struct select_case cases[] = {from(ticks->c, &v), from(NULL, NULL)};
        switch (random_below(&rng, 3)) {
        case 0: chan_select(cases, 2, true); break;
        case 1: chan_recv(ticks->c, &v); break;
        case 2:
            if (!chan_try_recv(ticks->c, &v, NULL))
                continue;
        }
        CHECK(v > last && v <= time_now(), "tick %lld after %lld", (long long)v, (long long)last);
        long n = (long)(v / PERIOD);
        CHECK(atomic_exchange(&seen[n % PLACES], n) != n, "tick %ld received twice", n);
        last = v;
        if (random_below(&rng, 4) == 0)
            pass_time(&rng);
    }
}

static void share_a_ticker(void)
{
    ticks = time_new_ticker(PERIOD);
    CHECK(ticks != NULL, "no memory");
    start(receive_ticks, RECEIVERS);
    waitgroup_wait(&over);
    ticker_free(ticks);
}

/* ---- a ticker against stop and reset ---- */

static void stop_and_reset_ticker(void *which)
{
    uint32_t rng = seed_of(which);
    for (long i = 0; i < rounds; i++) {
        pass_time(&rng);
        if (random_below(&rng, 2) == 0)
            ticker_stop(ticks);
        else
            ticker_reset(ticks, 1 + random_below(&rng, 20 * MICROSECOND));
    }
}

static void stop_a_ticker(void)
{
    ticks = time_new_ticker(PERIOD);
    against_receivers(stop_and_reset_ticker, ticks->c);
    ticker_stop(ticks);
    CHECK(!chan_try_recv(ticks->c, NULL, NULL), "a tick after stop");
    time_sleep(PERIOD);
    CHECK(!chan_try_recv(ticks->c, NULL, NULL), "a tick long after stop");
    ticker_reset(ticks, PERIOD);
    chan_recv(ticks->c, NULL);
    ticker_free(ticks);
}

/* ---- free at once: a select that is served otherwise leaves a timer that fires just then ---- */

static void talk(void *line)
{
    uint32_t rng = seed_of(line);
    for (long i = 0; i < rounds; i++) {
        spin_for_loops(random_below(&rng, 5000));
        chan_send(line, NULL);
        pass_time(&rng);
    }
    chan_close(line);
}

static _Atomic long timeouts, messages;

static void free_against_fire(void *which)
{
    uint32_t rng = seed_of(which);
    chan *line = chan_make(0, 0);
    waitgroup talker = {0};
    bool open = true;
    CHECK(waitgroup_go(&talker, talk, line) > 0, "waitgroup_go failed");
    while (open) {
        duration d = 1 + random_below(&rng, 40 * MICROSECOND);
        uint32_t kind = random_below(&rng, 3);
        timer *t = kind == 0 ? time_new_timer(d) : NULL;
        ticker *k = kind == 1 ? time_new_ticker(d) : NULL;
        chan *c = t != NULL ? t->c : k != NULL ? k->c : time_after(d);
        int64_t v;
        struct select_case cases[] = {from(line, NULL), from(c, &v)};
        if (chan_select(cases, 2, true) == 1)
            timeouts++;
        else if ((open = cases[0].ok))
            messages++;
        if (t != NULL)
            timer_free(t);
        else if (k != NULL)
            ticker_free(k);
        else
            chan_free(c);
    }
    waitgroup_wait(&talker);
    chan_free(line);
}

int main(int argc, char **argv)
{
    rounds = stress_size(argc, argv, 400);
    start(stop_and_reset_against_fire, WORKERS);
    waitgroup_wait(&over);
    share_a_timer();
    share_a_ticker();
    stop_a_ticker();
    start(free_against_fire, WORKERS);
    waitgroup_wait(&over);
    CHECK(messages == WORKERS * rounds, "%ld messages", (long)messages);
    fprintf(stderr, "%ld timeouts, %ld messages\n", (long)timeouts, (long)messages);
    return 0;
}
