/*
 * check: what the programs in this folder share. A program is a row of small tests, each a function
 * whose name is a sentence; it exits 0 when all holds, else it says what did not and exits 1.
 */
#pragma once
#include <errno.h>
#include <pinion.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "sched/chaos.h"

/* Runs one test and says its name first, so that a run that hangs has said where. */
#define RUN(test) (printf("%s\n", #test), fflush(stdout), test())

/* The same, but not under chaos: it asserts an order, a time or a count that chaos takes away. */
#define RUN_CALM(test) (chaos_on ? (void)printf("%s: not under chaos\n", #test) : (void)RUN(test))

#define CHECK(condition)                                         \
    do {                                                         \
        if (!(condition))                                        \
            check_failed_(__FILE__, __LINE__, #condition, 0, 0); \
    } while (0)

/* For whole numbers: shows both. */
#define CHECK_EQ(a, b)                                                          \
    do {                                                                        \
        long long a_ = (long long)(a), b_ = (long long)(b);                     \
        if (a_ != b_)                                                           \
            check_failed_(__FILE__, __LINE__, #a " is %lld, not %lld", a_, b_); \
    } while (0)

/* For text: shows both. */
#define CHECK_STR(a, b)                                                                    \
    do {                                                                                   \
        const char *a_ = (a), *b_ = (b);                                                   \
        if (strcmp(a_, b_) != 0) {                                                         \
            printf("\"%s\" is not \"%s\"\n", a_, b_);                                      \
            check_failed_(__FILE__, __LINE__, "text that is not what it should be", 0, 0); \
        }                                                                                  \
    } while (0)

/* For what is to come true soon, such as a goroutine's end after its last words. */
#define CHECK_SOON(condition)                                                   \
    do {                                                                        \
        int64_t until_ = time_now() + 10 * SECOND;                              \
        while (!(condition)) {                                                  \
            if (time_now() > until_)                                            \
                check_failed_(__FILE__, __LINE__, #condition " in 10 s", 0, 0); \
            time_sleep(100 * MICROSECOND);                                      \
        }                                                                       \
    } while (0)

static inline _Noreturn void check_failed_(const char *file, int line, const char *what,
                                           long long a, long long b)
{
    char text[256];
    snprintf(text, sizeof text, what, a, b);
    printf("%s:%d: goroutine %lld on hart %d: wrong: %s\n", file, line, (long long)runtime_goid(),
           runtime_hart(), text);
    exit(1);
}

/* Runs fn(arg) in a goroutine of its own until it has ended. */
static inline void apart(void (*fn)(void *), void *arg)
{
    waitgroup end = {0};
    CHECK(waitgroup_go(&end, fn, arg) > 0);
    waitgroup_wait(&end);
}

struct check_doomed_ {
    void (*fn)(void *);
    void *arg;
    char said[128];
};

static inline void check_keep_words_(void *doomed)
{
    struct check_doomed_ *d = doomed;
    CHECK(runtime_recover(d->said, sizeof(d->said)));
}

static inline void check_run_doomed_(void *doomed)
{
    struct check_doomed_ *d = doomed;
    runtime_defer(check_keep_words_, d);
    d->fn(d->arg);
}

/* Runs fn(arg) in a goroutine of its own, which must panic, and returns its words, until the next. */
static inline const char *panic_of(void (*fn)(void *), void *arg)
{
    static struct check_doomed_ d;
    d = (struct check_doomed_){fn, arg, ""};
    apart(check_run_doomed_, &d);
    return d.said;
}

/* Starts n goroutines fn(0) … fn(n - 1) and waits for their ends. */
static inline void in_parallel(int n, void (*fn)(void *))
{
    waitgroup end = {0};
    for (intptr_t i = 0; i < n; i++)
        CHECK(waitgroup_go(&end, fn, (void *)i) > 0);
    waitgroup_wait(&end);
}

/* Keeps its hart busy for d: no yield, no park. */
static inline void burn(duration d)
{
    int64_t until = time_now() + d;
    while (time_now() < until)
        continue;
}
