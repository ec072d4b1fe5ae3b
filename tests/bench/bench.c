/*
 * bench: instructions an operation, on one hart, under QEMU's instruction counter.
 *
 * With ICOUNT=1 an instruction takes one virtual nanosecond, so the clock counts instructions. Each
 * operation runs N times and 2 N times; the difference over N is its cost, free of set-up and of
 * the clock's own price. Everything is run once before, so that what is made once (stacks, pages)
 * is there.
 *
 * A benchmark that did not do what it says is worse than none: each checks counters, and a wrong
 * one prints CHECK FAILED and ends the run with 1.
 *
 * Output, for tests/bench/run: "NAME TENTHS" a line.
 */
#include <pinion.h>
#include <stdio.h>
#include <stdlib.h>

#define N 20000

static uint64_t switches(void)
{
    struct runtime_sched_stats s;
    runtime_read_sched_stats(&s);
    return s.switches;
}

static uint64_t spawned(void)
{
    struct runtime_sched_stats s;
    runtime_read_sched_stats(&s);
    return s.spawned;
}

static void check(const char *name, uint64_t did, uint64_t want)
{
    if (did < want || did > want + want / 100 + 10) {
        printf("CHECK FAILED %s: %llu of what should be %llu\n", name, (unsigned long long)did,
               (unsigned long long)want);
        exit(1);
    }
}

/* ---- yield ---- */

static volatile double sink;
static waitgroup wg;

/* Eight a turn, so that the loop itself hardly counts. */
static void yield_times(long n)
{
    for (; n > 0; n -= 8) {
        runtime_gosched();
        runtime_gosched();
        runtime_gosched();
        runtime_gosched();
        runtime_gosched();
        runtime_gosched();
        runtime_gosched();
        runtime_gosched();
    }
}

static void yielder(void *n)
{
    yield_times((long)n);
    waitgroup_done(&wg);
}

static void yielder_fp(void *n)
{
    sink = (double)(long)n * 1.5;
    yield_times((long)n);
    waitgroup_done(&wg);
}

static void run_pair(long n, void (*fn)(void *))
{
    waitgroup_add(&wg, 2);
    go(fn, (void *)(n / 2));
    go(fn, (void *)(n / 2));
    waitgroup_wait(&wg);
}

static void yield(long n)
{
    uint64_t was = switches();
    run_pair(n, yielder);
    check("yield", switches() - was, (uint64_t)n);
}

static void yield_fp(long n)
{
    uint64_t was = switches();
    run_pair(n, yielder_fp);
    check("yield_fp", switches() - was, (uint64_t)n);
}

/* ---- spawn ---- */

static void nothing(void *unused)
{
    (void)unused;
}

/* main spawns and lets it run; main's own turn is a yield, counted by itself above, so here the
 * spawned ones are run in batches, and main yields once for 32. */
static void spawn(long n)
{
    uint64_t was = spawned();
    for (long i = 0; i < n; i += 32) {
        for (long k = 0; k < 32; k++)
            go(nothing, NULL);
        runtime_gosched();
    }
    check("spawn", spawned() - was, (uint64_t)n);
}

/* ---- sync ---- */

static mutex mu;

static void mutex_pair(long n)
{
    static long counted;
    counted = 0;
    for (long i = 0; i < n; i++) {
        mutex_lock(&mu);
        counted++;
        mutex_unlock(&mu);
    }
    check("mutex", (uint64_t)counted, (uint64_t)n);
}

static void waitgroup_pair(long n)
{
    static waitgroup w;
    for (long i = 0; i < n; i++) {
        waitgroup_add(&w, 1);
        waitgroup_done(&w);
    }
    waitgroup_wait(&w);
}

/* A mutex that others hold most of the time: each lock finds it taken, since the holder yields. */
static void contender(void *n)
{
    for (long i = (long)n; i > 0; i--) {
        mutex_lock(&mu);
        runtime_gosched();
        mutex_unlock(&mu);
    }
    waitgroup_done(&wg);
}

static void mutex_contended(long n)
{
    uint64_t was = switches();
    run_pair(n, contender);
    uint64_t did = switches() - was; /* two a lock: to one that finds it taken, and back */
    check("mutex_contended", did < (uint64_t)n * 3 / 2 ? 0 : (uint64_t)n, (uint64_t)n);
}

static rwmutex rw;

static void rwmutex_pair(long n)
{
    static long counted;
    counted = 0;
    for (long i = 0; i < n; i++) {
        rwmutex_rlock(&rw);
        counted++;
        rwmutex_runlock(&rw);
    }
    check("rwmutex", (uint64_t)counted, (uint64_t)n);
    if (!rwmutex_try_lock(&rw))
        check("rwmutex readers", 1, 0);
    rwmutex_unlock(&rw);
}

static cond turn_changed = {.l = &mu};
static long turn;

/* Each signal wakes the other, which finds that it is its turn. */
static void cond_player(void *n)
{
    mutex_lock(&mu);
    for (long i = (long)n; i > 0; i--) {
        long mine = ++turn;
        cond_signal(&turn_changed);
        while (turn == mine && i > 1)
            cond_wait(&turn_changed);
    }
    mutex_unlock(&mu);
    waitgroup_done(&wg);
}

static void cond_ping_pong(long n)
{
    uint64_t was = switches();
    turn = 0;
    run_pair(n, cond_player);
    check("cond", (uint64_t)turn, (uint64_t)n);
    check("cond switches", switches() - was, (uint64_t)n);
}

static long calls;

static void call(void *unused)
{
    (void)unused;
    calls++;
}

static void once_pair(long n)
{
    static once o;
    for (long i = 0; i < n; i += 8) {
        once_do(&o, call, NULL);
        once_do(&o, call, NULL);
        once_do(&o, call, NULL);
        once_do(&o, call, NULL);
        once_do(&o, call, NULL);
        once_do(&o, call, NULL);
        once_do(&o, call, NULL);
        once_do(&o, call, NULL);
    }
    check("once", (uint64_t)calls, 1);
}

static semaphore sem;

static void semaphore_pair(long n)
{
    static long counted;
    counted = 0;
    semaphore_init(&sem, 3);
    for (long i = 0; i < n; i++) {
        semaphore_acquire(&sem, 2);
        counted++;
        semaphore_release(&sem, 2);
    }
    check("semaphore", (uint64_t)counted, (uint64_t)n);
    if (!semaphore_try_acquire(&sem, 3))
        check("semaphore left", 1, 0);
}

static long made;

static void *make(void)
{
    static long object;
    made++;
    return &object;
}

static void pool_pair(long n)
{
    static pool objects = {.new = make};
    for (long i = 0; i < n; i++)
        pool_put(&objects, pool_get(&objects));
    check("pool", (uint64_t)made, 1);
}

/* ---- channels ---- */

static chan *ping, *pong;

static void close_and_free(chan *c)
{
    chan_close(c);
    chan_free(c);
}

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

/* ---- time ---- */

static void now(long n)
{
    int64_t last = time_now();
    for (long i = 0; i < n; i++)
        last = time_now();
    (void)last;
}

static void sleep_wake(long n)
{
    struct runtime_sched_stats a, b;
    runtime_read_sched_stats(&a);
    for (long i = 0; i < n; i += 100)
        time_sleep(MICROSECOND);
    runtime_read_sched_stats(&b);
    check("sleep", b.timer_fires - a.timer_fires, (uint64_t)(n + 99) / 100);
}

/* ---- the list ---- */

static void timer_pair(long n)
{
    struct runtime_sched_stats a, b;
    runtime_read_sched_stats(&a);
    for (long i = 0; i < n; i++) {
        timer *t = time_after_func(HOUR, call, NULL);
        if (!timer_stop(t))
            check("timer stop", 1, 0);
        timer_free(t);
    }
    runtime_read_sched_stats(&b);
    check("timer", b.timer_fires - a.timer_fires, 0);
}

static void channel_timer_pair(long n)
{
    for (long i = 0; i < n; i++) {
        timer *t = time_new_timer(HOUR);
        if (!timer_stop(t))
            check("channel timer stop", 1, 0);
        timer_free(t);
    }
}

/* What most selects with a time limit do: the message comes. */
static void select_in_time(long n)
{
    uint64_t v = 1, sum = 0;
    chan *c = chan_make(sizeof(v), 1);
    for (long i = 0; i < n; i++) {
        chan *limit = time_after(HOUR);
        struct select_case cases[] = {{c, SELECT_RECV, &v, false},
                                      {limit, SELECT_RECV, NULL, false}};
        chan_send(c, &v);
        sum += chan_select(cases, 2, true) == 0;
        chan_free(limit);
    }
    check("select in time", sum, (uint64_t)n);
    close_and_free(c);
}

#define SLEEPERS 1000

/* All sleep for 1 ms, again and again: the heap holds most of them, and mostly somebody is due. The
 * time asleep is not counted. */
static void sleeper(void *n)
{
    for (long i = (long)n; i > 0; i--)
        time_sleep(MILLISECOND);
    waitgroup_done(&wg);
}

static uint64_t idle_total;

static void sleepers(long n)
{
    struct runtime_sched_stats a, b;
    runtime_read_sched_stats(&a);
    waitgroup_add(&wg, SLEEPERS);
    for (int i = 0; i < SLEEPERS; i++)
        go(sleeper, (void *)(n / SLEEPERS));
    waitgroup_wait(&wg);
    runtime_read_sched_stats(&b);
    check("sleepers", b.timer_fires - a.timer_fires, (uint64_t)n);
    idle_total += b.idle_ns - a.idle_ns;
}

/* ---- the list ---- */

static const struct bench {
    const char *name;
    void (*fn)(long n);
} list[] = {
    {"yield, per switch", yield},
    {"yield with FP in use, per switch", yield_fp},
    {"spawn + run + exit", spawn},
    {"mutex lock + unlock", mutex_pair},
    {"mutex contended, per lock", mutex_contended},
    {"rwmutex read lock + unlock", rwmutex_pair},
    {"cond ping-pong, per signal", cond_ping_pong},
    {"once fast path", once_pair},
    {"semaphore acquire + release", semaphore_pair},
    {"pool get + put", pool_pair},
    {"waitgroup add + done", waitgroup_pair},
    {"timer create + stop", timer_pair},
    {"timer with a channel, create + stop", channel_timer_pair},
    {"sleep + wake, 1000 sleepers", sleepers},
    {"select with a time limit, in time", select_in_time},
    {"time_now", now},
    {"unbuffered channel, one-way message", unbuffered},
    {"buffered send + recv, no switch", buffered},
    {"stream through a 128 buffer, per message", stream},
    {"2-way select, blocked, per message", select_blocked},
    {"select, 2 cases, default taken", select_default},
};

static int64_t cost(void (*fn)(long), long n)
{
    int64_t from = time_now();
    idle_total = 0;
    fn(n);
    return time_now() - from - (int64_t)idle_total;
}

int main(void)
{
    sleep_wake(1000);
    for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
        cost(list[i].fn, N);
        int64_t single = cost(list[i].fn, N), twice = cost(list[i].fn, 2 * N);
        printf("%-34s %6.1f\n", list[i].name, (double)(twice - single) / N);
    }
    sieve();
    return 0;
}
