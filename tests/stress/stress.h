/*
 * stress: what the stress tests share.
 *
 * A stress test is a program for a board that ends with 0 if all it checked held. Its first
 * argument, if any, multiplies its work. A check that fails, and a wait that does not end, show
 * the scheduler's own state before they end the run with 1: a hang is a finding, and the queues
 * say where it is.
 */
#pragma once
#include <pinion.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "sched/gmp.h"
#include "sched/proc.h"
#include "sched/runq.h"

/* A wait that has lasted longer is a hang. Hosts are slow and shared: seconds, not milliseconds. */
#ifndef PATIENCE
#define PATIENCE (30 * SECOND)
#endif

/* relaxed, all here: a look at a machine that stands still, or a guess at one that does not. */
static inline void stress_show(void)
{
    fprintf(stderr, "idle_m %llx idle_p %llx spinning %ld global %lu\n",
            (unsigned long long)load_relaxed(&sched.idle_m),
            (unsigned long long)load_relaxed(&sched.idle_p), (long)load_relaxed(&sched.spinning),
            (unsigned long)load_relaxed(&sched.global_n));
    for (uint32_t i = 0; i < sched.n_m; i++) {
        struct p *p = sched.p[i];
        struct m *m = sched.m[i];
        fprintf(stderr,
                "P%lu status %lx M%ld queued %lu attention %lx inbox %d pinbox %d pinned %d "
                "first timer %lld | M%lu P%ld spinning %d next_p %d self_wake %lu armed %lld\n",
                (unsigned long)i, (unsigned long)load_relaxed(&p->status),
                p->m != NULL ? (long)p->m->id : -1L, (unsigned long)runq_len(&p->runq),
                (unsigned long)load_relaxed(&p->attention), load_relaxed(&p->inbox) != NULL,
                load_relaxed(&p->pinbox) != NULL, p->pinned_head != NULL,
                (long long)load_relaxed(&p->timers.first), (unsigned long)i,
                m->p != NULL ? (long)m->p->id : -1L, m->spinning, load_relaxed(&m->next_p) != NULL,
                (unsigned long)load_relaxed(&m->self_wake), (long long)m->armed);
    }
}

static inline _Noreturn void __attribute__((format(printf, 3, 4)))
stress_fail(const char *file, int line, const char *what, ...)
{
    va_list args;
    va_start(args, what);
    fprintf(stderr, "FAIL %s:%d at %lld ns: ", file, line, (long long)time_now());
    vfprintf(stderr, what, args);
    fprintf(stderr, "\n");
    va_end(args);
    stress_show();
    exit(1);
}

#define CHECK(ok, ...)                                    \
    do {                                                  \
        if (!(ok))                                        \
            stress_fail(__FILE__, __LINE__, __VA_ARGS__); \
    } while (0)

/* Waits for cond without giving this hart away, not at the end of a slice either: only another one can
 * bring it about. */
#define SPIN_UNTIL(cond, ...)               \
    do {                                    \
        preempt_off();                      \
        SPIN_HERE_UNTIL(cond, __VA_ARGS__); \
    } while (0)

/* The same from where the caller has switched preemption off, which this switches on again. */
#define SPIN_HERE_UNTIL(cond, ...)                                     \
    do {                                                               \
        bool late_ = false;                                            \
        int64_t until_ = 0;                                            \
        for (unsigned n_ = 1; !(cond) && !late_; n_++)                 \
            if (n_ % 4096 == 0) {                                      \
                until_ = until_ == 0 ? time_now() + PATIENCE : until_; \
                late_ = time_now() >= until_;                          \
            }                                                          \
        preempt_on();                                                  \
        CHECK(!late_, __VA_ARGS__);                                    \
    } while (0)

/* Numbers that look random; each goroutine has a state of its own, not 0. */
static inline uint32_t random_next(uint32_t *state)
{
    uint32_t x = *state;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return *state = x;
}

static inline uint32_t random_below(uint32_t *state, uint32_t n)
{
    return (uint32_t)((uint64_t)random_next(state) * n >> 32);
}

/* A time that is short mostly and sometimes long: any power of two up to 2^bits is as likely. */
static inline uint32_t random_skewed(uint32_t *state, unsigned bits)
{
    return random_next(state) >> (32 - 1 - random_below(state, bits));
}

static inline void spin_for_loops(uint32_t n)
{
    while (n-- > 0)
        __asm__ volatile("" ::: "memory");
}

/* The test's size: n, times the program's first argument. */
static inline long stress_size(int argc, char **argv, long n)
{
    long factor = argc > 1 ? atol(argv[1]) : 1;
    return factor > 0 ? n * factor : n / -factor;
}
