/*
 * preempt: taking a goroutine off its hart at any instruction. See preempt.c.
 */
#pragma once
#include "sched/atomic.h"
#include "sched/gmp.h"
#include "sched/proc.h"

/* How long a slice is, SLICE_NS. Tests make it short and change it at random, so that preemptions
 * land at all kinds of instructions. */
extern _Atomic int64_t preempt_slice_ns;

/* This hart has just queued work behind what runs: sees to it that it ends in time. Its M's own,
 * preemption off. On a scheduler stack it does nothing: slice_check follows. */
void slice_start(struct m *m);
static inline void slice_ensure(struct m *m)
{
    /* relaxed: its own word; the interrupt handler that changes it starts the slice anew itself. */
    if (__builtin_expect(!atomic_load_explicit(&m->slice_on, memory_order_relaxed), 0))
        slice_start(m);
}
/* This hart's scheduler has chosen what runs next: as slice_ensure, if anyone else waits. */
void slice_check(struct m *m);
/* m has another P, in the middle of a turn: its slice begins anew. */
void slice_restart(struct m *m);
/* m has no goroutine to run, or another's turn begins: no slice either. */
void slice_stop(struct m *m);
/* m's blocking section has ended on the P that it began with. As slice_check, but the slice that the section
 * has broken off (slice_kept), if there was one, goes on. */
void slice_resume(struct m *m);
/* Work was put on the global queue: harts without a slice are told. */
void slice_notify(void);

/* Does pc lie in malloc's and free's part of the image, where nobody is preempted? See cache.c. */
extern char __text_held_start[], __text_unbroken_start[], __text_unbroken_end[];
static inline bool preempt_unbroken(uintptr_t pc)
{
    return pc >= (uintptr_t)__text_unbroken_start && pc < (uintptr_t)__text_unbroken_end;
}

/* There, or in the switch, or beside it: the two lie together, so that one look tells. */
static inline bool preempt_held(uintptr_t pc)
{
    return pc >= (uintptr_t)__text_held_start && pc < (uintptr_t)__text_unbroken_end;
}

/* The earliest time for which m's comparator must be set, p's timers included. */
static inline int64_t preempt_deadline(struct m *m, struct p *p)
{
    /* relaxed: T1 of timer.c; slice_on is our own. */
    int64_t first = load_relaxed(&p->timers.first);
    if (m->p == NULL || !load_relaxed(&m->slice_on)) /* relaxed: as above */
        return first;
    return first < m->slice_end ? first : m->slice_end;
}
/* From m's timer interrupt: the slice may be over, timers may be due. */
void preempt_on_timer(struct m *m, int64_t now);
/* From m's IPI. */
void preempt_on_ipi(struct m *m);
/* From m's timer interrupt, for chaos: what runs is taken off, wherever it is, if it can be just now; or
 * a look that the scheduler was to have is put off until the next timer interrupt. m has a P. */
void preempt_at_random(struct m *m);
void preempt_not_yet(struct m *m);
/* What runs on m is to let the scheduler look as soon as it turns preemption on; its own call. */
void preempt_soon(struct m *m);
/* Last in every interrupt: takes the interrupted goroutine off if that is wanted (arch/arch.h). */
arch_leaver *preempt_on_trap_exit(struct m *m, struct arch_frame *f);
