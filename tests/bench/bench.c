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

static void run_yield(long n, void (*fn)(void *))
{
    waitgroup_add(&wg, 2);
    go(fn, (void *)(n / 2));
    go(fn, (void *)(n / 2));
    waitgroup_wait(&wg);
}

static void yield(long n)
{
    uint64_t was = switches();
    run_yield(n, yielder);
    check("yield", switches() - was, (uint64_t)n);
}

static void yield_fp(long n)
{
    uint64_t was = switches();
    run_yield(n, yielder_fp);
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

static const struct bench {
    const char *name;
    void (*fn)(long n);
} list[] = {
    {"yield, per switch", yield},
    {"yield with FP in use, per switch", yield_fp},
    {"spawn + run + exit", spawn},
    {"mutex lock + unlock", mutex_pair},
    {"waitgroup add + done", waitgroup_pair},
    {"time_now", now},
};

static int64_t cost(void (*fn)(long), long n)
{
    int64_t from = time_now();
    fn(n);
    return time_now() - from;
}

int main(void)
{
    sleep_wake(1000);
    for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
        cost(list[i].fn, N);
        int64_t once = cost(list[i].fn, N), twice = cost(list[i].fn, 2 * N);
        printf("%-34s %6.1f\n", list[i].name, (double)(twice - once) / N);
    }
    return 0;
}
