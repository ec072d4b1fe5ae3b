/*
 * explore: what a scenario is written with.
 *
 *     static void owner(void)  { runq_put(&p->runq, g); }
 *     static void thief(void)  { got = runq_steal(...); }
 *     static void check(void)  { EXPECT(got != NULL, "nobody has it"); }
 *     SCENARIO(a_name_that_is_a_sentence, .setup = …, .hart = {owner, thief}, .check = check);
 *
 * A *parts* scenario has a function for each hart, which calls functions of sched/ directly. A
 * *program* has a main instead: the scheduler is booted on `harts` harts and runs it as goroutine 1. The
 * course is over when every function, or main, has returned; setup and check run alone, unwatched.
 *
 * A scenario runs from the same memory each time: its statics, and what setup makes, are put back.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "sched/gmp.h"

#define HARTS_MAX 3

struct scenario {
    const char *name;
    void (*setup)(void);
    void (*hart[HARTS_MAX])(void); /* parts */
    void (*main)(void *);          /* program; the argument is NULL */
    unsigned harts;                /* of a program: default 2 */
    void (*check)(void);
    bool may_sleep;   /* it is over, too, when no hart would ever wake up again: check tells */
    bool not_weak;    /* rests on more than C11's orders promise: not under the weak model */
    unsigned sampled; /* percent of the usual number of courses; 0: 100 */
};

void explore_add(const struct scenario *s);
#define SCENARIO(name_, ...)                                                       \
    static const struct scenario scenario_##name_ = {.name = #name_, __VA_ARGS__}; \
    __attribute__((constructor)) static void add_##name_(void)                     \
    {                                                                              \
        explore_add(&scenario_##name_);                                            \
    }                                                                              \
    _Static_assert(sizeof(#name_) < 80, "a name is to fit in a line")

/* This schedule has failed: ends it. Any hart, and check. */
_Noreturn void explore_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
#define EXPECT(ok, ...)                                     \
    do {                                                    \
        if (!(ok))                                          \
            explore_fail("expected " #ok ": " __VA_ARGS__); \
    } while (0)

/* Relaxed loads of the n bytes at `at` may be late, in the weak model: memory.c. From setup. */
void explore_late(void *at, size_t n);

/* ---- for parts ---- */

/* Hart i of a scenario of parts: a P in the hands of an M, in its scheduler's context. */
struct p *part_p(unsigned i);
struct m *part_m(unsigned i);
/* Hart i has been sent an interrupt that it has not taken. */
bool part_interrupted(unsigned i);
/* A goroutine that never runs, made by setup or check; its number n below 16 is its id. */
struct g *part_g(unsigned n);
/* It may be run after all, once: fn(g), which ends in arch_leave. From setup. */
void part_runs(struct g *g, void (*fn)(void *));
/* Goroutines may be made; they take part_g(0) … (14). From setup. */
void part_has_goroutines(void);
/* This hart, on its scheduler's stack, runs those that are queued with it, or globally; when it finds none it
 * calls fn instead. For last. */
void part_runs_all(void (*fn)(void));
/* Writes to what a goroutine takes along, as its run would; and reads it, as a resumption would. */
void part_saves(struct g *g, uint64_t value);
uint64_t part_resumes(struct g *g);

/* ---- console.c, for scenarios of the monitor: setup calls sched_console first ---- */

/* c is typed; the UART interrupts this hart. Any context. */
void console_type(int c);
/* c is typed, and its interrupt is yet to come. */
void console_put(int c);
/* So many of the keys have been read. */
unsigned console_taken(void);
/* So often have all goroutines been printed. */
unsigned console_dumps(void);
