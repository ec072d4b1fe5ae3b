/*
 * freeze: all other harts stand still where they are, for somebody who wants to look.
 */
#pragma once
#include "sched/atomic.h"
#include "sched/gmp.h"

/*
 * Holds every other hart in its interrupt handler until freeze_end, wherever it was: it may have
 * any lock of the scheduler, so the caller takes none in between. One at a time; a second caller
 * waits, and is held itself meanwhile. A hart that does not answer for HALT_WAIT_NS (interrupts
 * masked) is left out. The caller has preemption off and interrupts on.
 */
void freeze_begin(void);
/* The same, but false if another has its turn, and with interrupts masked: for a handler, which has stack
 * enough. */
bool freeze_try(void);
void freeze_end(void);
/* Makes sure of the stack that printing a traceback takes: before other harts are stopped. */
void stack_reserve(void);
/* Is m to stand still? */
extern struct m *_Atomic freezer; /* whose turn it is; NULL: nobody's */
static inline bool freeze_wanted(const struct m *m)
{
    /* relaxed: freeze_here acquires. */
    struct m *by = load_relaxed(&freezer);
    return by != NULL && by != m;
}
/* The interrupt handler's part. */
void freeze_here(struct m *m, struct arch_frame *f);
static inline void freeze_check(struct m *m, struct arch_frame *f)
{
    if (__builtin_expect(freeze_wanted(m), 0))
        freeze_here(m, f);
}
