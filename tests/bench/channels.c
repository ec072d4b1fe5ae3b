/*
 * channels: what messages and selects cost (bench.h says how); and the prime sieve.
 */
#include "bench.h"

/* ---- channels ---- */

static chan *ping, *pong;

/* Two goroutines, neither of them main, which has used floating point and pays for it. */
static void between_two(long n, void (*one)(void *), void (*other)(void *))
{
    waitgroup_add(&wg, 2);
    go(one, (void *)n);
    go(other, (void *)n);
    waitgroup_wait(&wg);
}

static uint64_t right; /* what came as it should */

static void asks(void *n)
{
    chan *to = ping, *from = pong;
    uint64_t v, good = 0;
    for (uint64_t i = 1; i <= (uint64_t)n; i++) {
        chan_send(to, &i);
        chan_recv(from, &v);
        good += v == i;
    }
    right += good;
    waitgroup_done(&wg);
}

static void answers(void *n)
{
    chan *to = pong, *from = ping;
    uint64_t v;
    for (long i = 0; i < (long)n; i++) {
        chan_recv(from, &v);
        chan_send(to, &v);
    }
    waitgroup_done(&wg);
}

/* n messages, half of them each way, with a switch each, in runs of so many. */
static void ping_pong(const char *name, long n, long run, void (*one)(void *),
                      void (*other)(void *))
{
    uint64_t was = switches();
    ping = chan_make(sizeof(uint64_t), 0);
    pong = chan_make(sizeof(uint64_t), 0);
    right = 0;
    for (long left = n; left > 0; left -= run)
        between_two(run / 2, one, other);
    check(name, right, (uint64_t)n / 2);
    check(name, switches() - was, (uint64_t)n);
    close_and_free(ping);
    close_and_free(pong);
}

static void unbuffered(long n)
{
    ping_pong("unbuffered", n, n, asks, answers);
}

static inline void in_and_out(chan *c, const uint64_t *sent, uint64_t *got)
{
    chan_send(c, sent);
    chan_recv(c, got);
}

/* Eight a turn, as for yield. */
static void buffered(long n)
{
    uint64_t was = switches(), sum = 0, got = 0;
    chan *c = chan_make(sizeof(got), 16);
    for (uint64_t i = 1; i <= (uint64_t)n; i += 8) {
        in_and_out(c, &i, &got);
        in_and_out(c, &i, &got);
        in_and_out(c, &i, &got);
        in_and_out(c, &i, &got);
        in_and_out(c, &i, &got);
        in_and_out(c, &i, &got);
        in_and_out(c, &i, &got);
        in_and_out(c, &i, &got);
        sum += got == i ? 8 : 0;
    }
    check("buffered", sum, (uint64_t)n);
    check("buffered, switches", switches() - was, 0);
    close_and_free(c);
}

static void pours(void *n)
{
    chan *to = ping;
    for (uint64_t i = 1; i <= (uint64_t)n; i++)
        chan_send(to, &i);
    waitgroup_done(&wg);
}

static void drinks(void *n)
{
    chan *from = ping;
    uint64_t v, good = 0;
    for (uint64_t i = 1; i <= (uint64_t)n; i++) {
        chan_recv(from, &v);
        good += v == i;
    }
    right = good;
    waitgroup_done(&wg);
}

static void stream(long n)
{
    uint64_t was = switches();
    ping = chan_make(sizeof(uint64_t), 128);
    between_two(n, drinks, pours);
    check("stream", right, (uint64_t)n);
    if (switches() - was < (uint64_t)n / 200)
        check("stream, switches", switches() - was, (uint64_t)n / 129);
    close_and_free(ping);
}

/* ---- select ---- */

/* As asks and answers, but both wait in a select over two channels, of which one stays silent. */
static chan *silent;

static void select_asks(void *n)
{
    chan *to = ping;
    uint64_t v, none, good = 0;
    struct select_case cases[] = {{pong, SELECT_RECV, &v, false},
                                  {silent, SELECT_RECV, &none, false}};
    for (uint64_t i = 1; i <= (uint64_t)n; i++) {
        chan_send(to, &i);
        good += chan_select(cases, 2, true) == 0 && v == i;
    }
    right += good;
    waitgroup_done(&wg);
}

static void select_answers(void *n)
{
    chan *to = pong;
    uint64_t v, none;
    struct select_case cases[] = {{ping, SELECT_RECV, &v, false},
                                  {silent, SELECT_RECV, &none, false}};
    for (long i = 0; i < (long)n; i++) {
        chan_select(cases, 2, true);
        chan_send(to, &v);
    }
    waitgroup_done(&wg);
}

/* In short runs: the end of a slice may turn the roles around for the rest of one. Then who should wait
 * finds the message there, and who sends it has to wait. */
static void select_blocked(long n)
{
    silent = chan_make(sizeof(uint64_t), 0);
    ping_pong("select", n, 500, select_asks, select_answers);
    close_and_free(silent);
}

static void select_default(long n)
{
    uint64_t v, sum = 0;
    chan *a = chan_make(sizeof(v), 1), *b = chan_make(sizeof(v), 1);
    struct select_case cases[] = {{a, SELECT_RECV, &v, false}, {b, SELECT_RECV, &v, false}};
    for (long i = 0; i < n; i++)
        sum += chan_select(cases, 2, false) == -1;
    check("select, default", sum, (uint64_t)n);
    close_and_free(a);
    close_and_free(b);
}

/* ---- the prime sieve: a goroutine a prime, which passes on what it does not divide ---- */

#define PRIMES 2000

static uint64_t received;

static void count_up(void *out)
{
    for (uint64_t i = 2;; i++)
        chan_send(out, &i);
}

struct filter {
    chan *in, *out;
    uint64_t prime;
};

static void filter(void *arg)
{
    struct filter *f = arg;
    for (uint64_t v;;) {
        chan_recv(f->in, &v);
        received++;
        if (v % f->prime != 0)
            chan_send(f->out, &v);
    }
}

/* Prints its own line: it cannot be undone, so it runs last and once. */
static void sieve(void)
{
    static struct filter filters[PRIMES];
    uint64_t prime = 0;
    int64_t from = time_now();
    chan *c = chan_make(sizeof(uint64_t), 0);
    go(count_up, c);
    for (int i = 0; i < PRIMES; i++) {
        chan_recv(c, &prime);
        received++;
        filters[i] = (struct filter){c, chan_make(sizeof(uint64_t), 0), prime};
        go(filter, &filters[i]);
        c = filters[i].out;
    }
    check("sieve", prime, 17389);
    printf("%-34s %6.1f\n", "sieve to 2000 primes, per receive",
           (double)(time_now() - from) / (double)received);
}

/* ---- the list ---- */

static const struct bench list[] = {
    {"unbuffered channel, one-way message", unbuffered},
    {"buffered send + recv, no switch", buffered},
    {"stream through a 128 buffer, per message", stream},
    {"2-way select, blocked, per message", select_blocked},
    {"select, 2 cases, default taken", select_default},
};

static const struct bench traced[] = {
    {"unbuffered channel, one-way message", unbuffered},
    {"2-way select, blocked, per message", select_blocked},
};

int main(int argc, char **argv)
{
    if (is_traced(argc, argv)) {
        bench_traced(traced, sizeof(traced) / sizeof(traced[0]));
        return 0;
    }
    bench_all(list, sizeof(list) / sizeof(list[0]));
    sieve();
    return 0;
}
