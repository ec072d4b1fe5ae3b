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
 *
 * With the word "traced" it is another figure: what an event adds to an operation when it is noted. Each
 * operation is measured with the trace off, then with it on; what it costs more is divided by the records
 * that the rings of the hart have got more, whatever they are about.
 */
#pragma once
#include <pinion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "sched/preempt.h"
#include "sched/trace.h"

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

/* ---- the same, traced ---- */

/* Records so far, those of interrupt handlers too: the one hart's. */
static inline int64_t events(void)
{
    return (int64_t)(trace_written(&sched.m[0]->trace[0]) + trace_written(&sched.m[0]->trace[1]));
}

/* What so many more of an operation cost, and how many events they are. (More than elsewhere: some go by
 * dice, and an event is a small part of them.) */
#define MANY (8 * N)
struct bench_more {
    int64_t cost, events;
};

static inline struct bench_more more(void (*fn)(long))
{
    cost(fn, N);
    int64_t a = events(), single = cost(fn, MANY);
    int64_t b = events(), twice = cost(fn, 2 * MANY);
    return (struct bench_more){twice - single, events() - b - (b - a)};
}

static inline void bench_traced(const struct bench *list, size_t count)
{
    preempt_slice_ns = HOUR; /* the end of a slice is no matter of the trace's */
    for (size_t i = 0; i < count; i++) {
        struct bench_more off = more(list[i].fn);
        runtime_trace_start();
        struct bench_more on = more(list[i].fn);
        runtime_trace_stop();
        check("events without a trace", (uint64_t)off.events, 0);
        check("events", on.events < MANY / 4 ? 0 : MANY, MANY);
        printf("an event traced, of: %-34s %6.1f\n", list[i].name,
               (double)(on.cost - off.cost) / (double)on.events);
    }
}

/* What the program's words ask for. */
static inline bool is_traced(int argc, char **argv)
{
    return argc > 1 && strcmp(argv[1], "traced") == 0;
}
