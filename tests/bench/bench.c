/*
 * bench: what it costs to yield, to start a goroutine, to lock and to wait, and timers. channels.c has
 * the rest; bench.h says how.
 */
#include "bench.h"

/* ---- yield ---- */

static volatile double sink;

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

/* ---- timers ---- */

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

#define SLEEPERS 1000

/* All sleep for 1 ms, again and again: the heap holds most of them, and mostly somebody is due. The
 * time asleep is not counted. */
static void sleeper(void *n)
{
    for (long i = (long)n; i > 0; i--)
        time_sleep(MILLISECOND);
    waitgroup_done(&wg);
}

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

/* One whose hart falls asleep each time: the rest of what a hart and a P do. (What an interrupt handler
 * notes falls into the time asleep.) Few: the emulator takes its time over each. */
static void sleeper_alone(long n)
{
    struct runtime_sched_stats a, b;
    runtime_read_sched_stats(&a);
    for (long i = 0; i < n; i += 20)
        time_sleep(10 * MICROSECOND);
    runtime_read_sched_stats(&b);
    check("sleeper alone", b.timer_fires - a.timer_fires, (uint64_t)n / 20);
    idle_total += b.idle_ns - a.idle_ns;
}

/* ---- the list ---- */

static const struct bench list[] = {
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
};

/* Not the 1000 sleepers: how many are due at once depends on how long things take, traced or not. */
static const struct bench traced[] = {
    {"yield, per switch", yield},
    {"yield with FP in use, per switch", yield_fp},
    {"spawn + run + exit", spawn},
    {"mutex contended, per lock", mutex_contended},
    {"cond ping-pong, per signal", cond_ping_pong},
    {"sleep + wake, one sleeper", sleeper_alone},
};

int main(int argc, char **argv)
{
    sleep_wake(1000);
    if (is_traced(argc, argv))
        bench_traced(traced, sizeof(traced) / sizeof(traced[0]));
    else
        bench_all(list, sizeof(list) / sizeof(list[0]));
    return 0;
}
