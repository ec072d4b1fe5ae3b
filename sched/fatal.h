/*
 * fatal: the end of a run that went wrong. Go's three words: throw, we are broken; fatal, the
 * program did what cannot be survived; panic, which a deferred call may recover (defer.c).
 */
#pragma once
#include "sched/atomic.h"
#include "sched/gmp.h"

/* Stops all other harts and takes the console over. The second caller never returns. */
void fatal_begin(void);
/* After the words: this goroutine's traceback, from the caller of the function whose frame it is
 * (__builtin_frame_address(0), with fault as for traceback_here); then the end, status 2. */
_Noreturn void fatal_end(void *frame, bool fault);
/* The same of g, which a trap stopped at f; the failure is the runtime's own. */
_Noreturn void fatal_frame(struct g *g, const struct arch_frame *f);
/* "fatal error: WHAT", this goroutine's traceback, the end. Not recoverable. */
_Noreturn void fatal(const char *what);
/* All asleep; live goroutines are left. */
_Noreturn void fatal_deadlock(int64_t live);
/* g, stopped at f, has outgrown its stack, or there was no page for it (why). */
_Noreturn void fatal_stack(struct g *g, struct arch_frame *f, bool no_memory);
/* Ends the run with status: the other harts stop, then the machine. */
_Noreturn void sched_exit(int status);
/* The interrupt handler's part: stops this hart if the run has ended. */
void fatal_halt(struct m *m, struct arch_frame *f);
static inline void fatal_check_halt(struct m *m, struct arch_frame *f)
{
    /* relaxed: fatal_halt acquires. */
    const struct m *by = load_relaxed(&sched.halting);
    if (__builtin_expect(by != NULL && by != m, 0))
        fatal_halt(m, f);
}
