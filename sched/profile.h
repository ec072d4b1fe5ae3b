/*
 * profile: where the program's time, memory and waiting went, stack by stack. See profile.c.
 */
#pragma once
#include "sched/atomic.h"
#include "sched/gmp.h"

/* A stack, and what was counted with it. */
struct stack_count {
    uint32_t next;     /* another with the same head; 0: none */
    uint32_t n;        /* of pc */
    uint64_t hash;     /* of pc */
    uint64_t count[2]; /* the kind says of what */
    uintptr_t pc[];    /* innermost first; each lies in the instruction that it is about */
};

/* Counted stacks, in a run of pages. Whoever has it says who may touch it. */
struct stacks {
    uint64_t *word; /* NULL: there is none */
    uint32_t room;  /* words */
    uint32_t used;  /* the first that are taken; there is always room for one more stack behind */
    uint64_t lost;  /* stacks without room */
};

/* Takes so many pages for it, and empties it. false: no memory. */
bool stacks_make(struct stacks *s, size_t pages);
/* The same with STACK_PROFILE_PAGES, unless it has been made: then it stays. errno. A goroutine. */
bool stacks_make_once(struct stacks *s, struct spin *lock);
void stacks_clear(struct stacks *s);
void stacks_free(struct stacks *s);
/* Where the next stack is to be written, PROFILE_DEPTH words at most, before … */
uintptr_t *stacks_next(struct stacks *s);
/* … it is counted, with its n words. What of it is known now; NULL: there is no room for it. */
struct stack_count *stacks_count(struct stacks *s, uint32_t n, uint64_t a, uint64_t b);

/* The one behind c; NULL: the first; returns NULL: that was the last. */
struct stack_count *stacks_after(const struct stacks *s, struct stack_count *c);

/*
 * Who called: each writes to pc[n …], up to PROFILE_DEPTH, and returns the new n. None of them faults,
 * whatever the stack looks like; any context.
 */
/* g, whose stack it is, from the caller of the function with this frame. */
uint32_t profile_callers(const struct g *g, uintptr_t frame, uintptr_t *pc, uint32_t n);
/* g, stopped by a trap. */
uint32_t profile_frame(const struct g *g, const struct arch_frame *f, uintptr_t *pc, uint32_t n);

/* Counts the caller's stack, the caller in it. The lock is that of s, which has been made. Preemption off. */
void stacks_count_self(struct stacks *s, struct spin *lock, uint64_t a, uint64_t b);

/* Write a profile as text (profile.c), one at a time: in this order, with as many profile_stacks as it
 * takes, whose sum is `lines`. A goroutine, preemption on. period: what a count of 1 stands for, in the
 * kind's unit; lasted: ns, 0 where there is none. */
void profile_begin(const char *kind, int64_t period);
uint32_t profile_stacks(const char *kind, const struct stacks *s);
void profile_end(const char *kind, uint32_t lines, uint64_t lost, int64_t lasted);

/* All three for one table, which is freed then. s NULL: nothing, and -1, errno ENOMEM. */
int profile_write(const char *kind, struct stacks *s, int64_t period);

/* The same for a copy, made with the lock held, of a table of STACK_PROFILE_PAGES that others go on writing
 * to. -1 and errno EINVAL: there is none. */
int profile_write_copy(const char *kind, const struct stacks *s, struct spin *lock, int64_t period);

/* From every timer interrupt of m: f is what it interrupted, NULL if that is not told. */
void cpu_profile_tick(struct m *m, const struct arch_frame *f);

/* A look at who has the harts: hz samples a second of each, by goroutine. Goroutines, preemption on. false:
 * a profile is on, or there is no memory. Then its end: each is called for the samples of each hart's,
 * more than once for a goroutine that was on several; id 0: the monitor. The scheduler's time counts as
 * that of whom the hart had before. How many
 * samples a hart could have had: one a period, but for periods that it has missed. */
bool cpu_shares_begin(int hz);
uint32_t cpu_shares_end(void (*each)(int64_t id, uint32_t n));

/* Every goroutine's stack, as of now. 0; or -1, errno ENOMEM. A goroutine, preemption on. */
int goroutine_profile_write(void);

/* An event in so many is kept; 0: the profile is off. */
extern _Atomic uint32_t mutex_profile_fraction;
static inline bool mutex_profiled(void)
{
    return load_relaxed(&mutex_profile_fraction) != 0; /* relaxed: from some moment on */
}
/* An unlock ends so many waits, which have lasted so long together, ns. Preemption off, no lock held. */
void mutex_profile_event(uint32_t waits, int64_t waited);
/* 0; or -1, errno EINVAL, it has never been on; ENOMEM. A goroutine, preemption on. */
int mutex_profile_write(void);

/* As mutex_profile_write. */
int block_profile_write(void);
