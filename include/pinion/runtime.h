/*
 * runtime.h: looking inside. Counters are kept by each P without atomics and read while they run:
 * each is exact for a P at rest and at most a moment old for a busy one.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct runtime_sched_stats {
    uint64_t spawned;     /* goroutines started here */
    uint64_t switches;    /* times a goroutine was put on a hart */
    uint64_t preemptions; /* times one was taken off against its will */
    uint64_t steals;      /* successful steals by this P … */
    uint64_t stolen_gs;   /* … and the goroutines they brought */
    uint64_t ipis_sent;   /* inter-processor interrupts sent and received */
    uint64_t ipis_received;
    uint64_t wakeups;     /* idle harts woken to look for work */
    uint64_t parks;       /* times a hart went idle holding this P */
    uint64_t global_gets; /* goroutines taken from the global queue */
    uint64_t idle_ns;     /* time without anything to run */
    uint64_t timer_fires; /* timers that fired here */
};

/* Sums over all Ps. */
void runtime_read_sched_stats(struct runtime_sched_stats *);
/* One P's; false: there is no P of that number. */
bool runtime_read_p_stats(int p, struct runtime_sched_stats *);
