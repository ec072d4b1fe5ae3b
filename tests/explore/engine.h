/*
 * engine: the explorer: runs the real scheduler's C on fibers, under every schedule that counts.
 *
 *     hooks.c    what the compiler calls for each access of memory (gcc -fsanitize=thread, with this
 *                runtime in place of ThreadSanitizer's)
 *     memory.c   what an atomic access may read: three memory models; location.c: where
 *     race.c     what a plain one may not: races
 *     course.c   one run: harts as fibers, who goes on, interrupts, the end
 *     search.c   which runs: a run is the list of what was chosen in it
 *     machine.c  the rest of a machine: contexts, timer, stacks, malloc, console
 *     parts.c, world.c      what the two kinds of scenario start from
 *
 * Words. A *course* is one run of a scenario. A *choice* is a moment in it at which there is more than
 * one way to go on: another hart goes on, an older value is read, a store is held back. The way 0 is
 * always the ordinary one: the same hart, the newest value, at once; any other is a *deviation*. A
 * course is made again from its deviations, `12:1,30:2`: at choice 12 the way 1, at choice 30 the way
 * 2, else 0.
 *
 * All that changes in a course is put back before the next by copying .data, .bss and the arena; what
 * the engine itself remembers from course to course lies elsewhere (KEPT).
 *
 * What it cannot see. Loads that overtake (load buffering), but where a scenario allows them. Stores of one location are ordered as they were executed (no 2+2W). Interrupts come at
 * atomic accesses, not at every instruction. Assembly: the switch is machine.c's, after arch.h's words.
 * Devices. And what no schedule within the bounds shows.
 */
#pragma once
#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "tests/explore/explore.h"

enum mode { SC, TSO, WEAK, MODES };

/* Of the engine's own: not put back. */
#define KEPT __attribute__((section("explore_kept,\"aw\",@nobits#")))

/* ---- course.c ---- */

enum hart_state { HART_NONE, HART_RUNS, HART_WAITS, HART_ENDED };

struct hart {
    enum hart_state state;
    bool masked;
    bool ipi;
    uint64_t deadline; /* of its timer; UINT64_MAX: never */
    uintptr_t tp;
    struct arch_hart *arch; /* NULL: one that takes no interrupts */
    bool begun;
    jmp_buf at;   /* where it goes on when another hart lets it */
    jmp_buf base; /* the top of its scheduler's stack */
    uintptr_t stack_top;
    void (*fn)(void *, struct arch_hart *); /* called at base */
    void *arg;
};

extern struct hart hart[HARTS_MAX];
extern unsigned n_harts;
extern unsigned self;  /* the hart that runs */
extern bool watched;   /* a course runs: accesses count */
extern bool open_;     /* its choices count: a program's boot is over */
extern uint64_t ticks; /* the clock, ns */
extern enum mode mode;
extern bool learning; /* each atomic access is a point */
extern bool tracing;  /* each step is printed */

/* One course of s under the mode. NULL: it went well; else what was wrong. */
const char *course_run(const struct scenario *s, enum mode m);
/* Before an access that others may see: here others may go on, and interrupts come. */
void course_point(uintptr_t pc);
/* Before one that only this hart makes: interrupts come. */
void course_step(uintptr_t pc);
/* Waits for another hart: others go on. With time: the clock may go on too. */
void course_pause(bool wait);
void course_trace(uintptr_t pc, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A guess has come true: a failure may have waited for it. */
void course_guessed(void);
/* What this course was based on is not so: it counts for nothing. */
_Noreturn void course_void(void);
/* All is done. Any hart. */
_Noreturn void course_end(void);
/* Goes to the top of this hart's scheduler stack. */
_Noreturn void course_to_base(void *arg, void (*fn)(void *, struct arch_hart *));
void course_hart(unsigned i, struct arch_hart *arch, uintptr_t stack_top, uintptr_t tp,
                 void (*fn)(void *, struct arch_hart *));

/* ---- search.c ---- */

/* One of n ways; 0 is the ordinary one. */
unsigned choose(unsigned n);

/* ---- memory.c ---- */

void memory_reset(void);
uint64_t memory_load(void *at, unsigned size, int order, uintptr_t pc);
void memory_store(void *at, unsigned size, uint64_t value, int order, uintptr_t pc);
typedef uint64_t change_fn(uint64_t old, uint64_t operand);
uint64_t memory_change(void *at, unsigned size, change_fn *fn, uint64_t operand, int order,
                       uintptr_t pc);
bool memory_cas(void *at, unsigned size, uint64_t *expected, uint64_t value, int order, int failure,
                uintptr_t pc);
void memory_fence(int order, uintptr_t pc);
/* Stores held back by this hart go out. */
void memory_drain(void);
void memory_drain_here(uintptr_t pc); /* … after a point, if there are any */
void memory_drain_all(void);          /* of all harts */
/* An interrupt takes along to hart `to` what this one knows; and that takes it. */
void memory_send(unsigned to);
void memory_receive(void);
/* A plain store to [at, at + n), which may be an atomic's beginning or end. */
void memory_plain(uintptr_t at, size_t n, bool write);
uint32_t memory_clock(unsigned of); /* what this hart knows of another's time; its own */
/* Are there guesses that have not come true? */
bool memory_guesses(void);
/* After a course: the locations that several harts have used get their numbers. false: no new ones. */
bool memory_settle(void);
/* Before the first course of another scenario. */
void memory_forget(void);

/* ---- race.c ---- */

enum access { PLAIN_READ, PLAIN_WRITE, ATOMIC_READ, ATOMIC_WRITE };
void race_reset(void);
void race_access(uintptr_t at, size_t n, enum access kind, uintptr_t pc);

/* ---- machine.c, parts.c, world.c ---- */

void *arena_take(size_t n);      /* zeroed; until the end of the course */
uintptr_t arena_stack(size_t n); /* its upper end */
void parts_setup(const struct scenario *s);
void world_setup(const struct scenario *s);
void snapshot_take(void); /* once, before the first course */
void snapshot_restore(void);
