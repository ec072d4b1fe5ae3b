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
#pragma once
#include <pinion.h>
#include <stdio.h>
#include <stdlib.h>

#define N 20000

static inline uint64_t switches(void)
{
    struct runtime_sched_stats s;
    runtime_read_sched_stats(&s);
    return s.switches;
}

static inline uint64_t spawned(void)
{
    struct runtime_sched_stats s;
    runtime_read_sched_stats(&s);
    return s.spawned;
}

static inline void check(const char *name, uint64_t did, uint64_t want)
{
    if (did < want || did > want + want / 100 + 10) {
        printf("CHECK FAILED %s: %llu of what should be %llu\n", name, (unsigned long long)did,
               (unsigned long long)want);
        exit(1);
    }
}

static waitgroup wg; /* whom an operation waits for */

static inline void run_pair(long n, void (*fn)(void *))
{
    waitgroup_add(&wg, 2);
    go(fn, (void *)(n / 2));
    go(fn, (void *)(n / 2));
    waitgroup_wait(&wg);
}

static inline void close_and_free(chan *c)
{
    chan_close(c);
    chan_free(c);
}

/* ---- the list of a program ---- */

struct bench {
    const char *name;
    void (*fn)(long n);
};

static uint64_t idle_total; /* time asleep, which is not counted */

static inline int64_t cost(void (*fn)(long), long n)
{
    int64_t from = time_now();
    idle_total = 0;
    fn(n);
    return time_now() - from - (int64_t)idle_total;
}

static inline void bench_all(const struct bench *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        cost(list[i].fn, N);
        int64_t single = cost(list[i].fn, N), twice = cost(list[i].fn, 2 * N);
        printf("%-34s %6.1f\n", list[i].name, (double)(twice - single) / N);
    }
}
