/*
 * defer: deferred calls, panics and recovery of a goroutine. See defer.c.
 */
#pragma once
#include "sched/gmp.h"

struct defer {
    struct defer *next;
    void (*fn)(void *);
    void *arg;
    bool lent; /* its memory is the caller's */
    bool last; /* behind all that are not */
};

/* As runtime_defer, with a record of the caller's, in the frame of a call that may not return. */
void defer_lend(struct defer *d, void (*fn)(void *), void *arg);
/* As that, but it runs after all that are not last, deferred now or later, and not for a panic that
 * nobody recovers. d need not lie in a frame: fn may free it. fn cannot recover. */
void defer_lend_last(struct defer *d, void (*fn)(void *), void *arg);
/* The call returns after all: d, lent before and not run, runs no more. */
void defer_take_back(const struct defer *d);

/* Runs g's deferred calls, last in first out; g is the caller. They may defer more. */
void defer_run_all(struct g *g);

#define PANIC_BYTES 256 /* of a panic's words, with the zero */

/* A panic with these words, called by the function with that frame: its caller is the first to be shown. */
_Noreturn void panic_saying(const char *words, void *frame);
/* As runtime_panic, for what the runtime has to say: print_format's conversions, without newlib's printf,
 * which a program that has no other use for it then does not carry. */
_Noreturn void sched_panic(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* From a handler: g, which f has interrupted with preemption on, calls fn, which must not return, as if its
 * next instruction were that call. false: its stack has no room, or none that is there. */
struct arch_frame;
bool defer_call(struct g *g, struct arch_frame *f, void (*fn)(void *));

/* A G that a fault has stopped panics: called by the trap as if by the faulting instruction, on the
 * G's own stack. arg: the faulting pc; wait_data and wait_reason hold address and kind. */
void panic_from_fault(void *arg);
/* As that, of one whose stack has grown by the last memory there was. */
void panic_no_stack(void *arg);
