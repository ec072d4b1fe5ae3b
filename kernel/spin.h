/*
 * spin: the spinlock of the kernel and the scheduler: cheap alone, fair in company.
 *
 *     word   ┌──────────────────────────┬──────┐     next, serving: the queue of those who found it
 *            │ harts in the queue       │ held │     taken, by tickets
 *            └──────────────────────────┴──────┘
 *              bits 8 … 31                byte 0
 *
 * Who wants it sets the lowest bit and looks at what was there. 0: it was free and nobody waited,
 * and is ours; unlock clears the lowest byte, a plain store. Else the newcomer queues: if it has set
 * the bit in a moment in which nobody held the lock but somebody waited, it clears it again, for it
 * may not pass (trap 20). Then it counts itself in, takes a ticket, and when that is served it alone
 * tries for the bit. So harts get the lock in the order of their tickets, and a newcomer gets it only
 * if there are none.
 *
 * Taken with preemption off or on a scheduler stack, so the holder always goes on running. The
 * scheduler's are never taken by an interrupt handler (trap 23) and need no masking; the few that
 * are (console, irq, pages and stacks in a growth fault) say so where they are. try succeeds only if
 * the lock is free and nobody waits (trap 21).
 */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "arch/arch.h"

#define SPIN_HELD   1u
#define SPIN_WAITER 0x100u

struct spin {
    _Atomic uint32_t word;
    _Atomic uint32_t next;    /* the next ticket to hand out */
    _Atomic uint32_t serving; /* the ticket whose owner gets the lock next */
};

/* The word's lowest byte: both instruction sets are little-endian, and a store of a byte beside an
 * atomic addition to the word is atomic too. */
static inline _Atomic uint8_t *spin_held(struct spin *l)
{
    return (_Atomic uint8_t *)(void *)&l->word;
}

/* Sets the bit; what was there before. */
static inline uint32_t spin_claim(struct spin *l)
{
    /* O6: acquire pairs with the release of spin_unlock: the last holder's writes are visible. */
    return atomic_fetch_or_explicit(&l->word, SPIN_HELD, memory_order_acquire);
}

static inline void spin_unlock(struct spin *l)
{
#if defined(__riscv)
    /* O6: release pairs with the acquire of spin_claim. GCC before 14 makes a full fence and an
     * exchange of C11's store; this is the manual's (table A.6). */
    __asm__ volatile("fence rw, w" ::: "memory");
    *(volatile uint8_t *)spin_held(l) = 0;
#else
    /* O6: release pairs with the acquire of spin_claim. */
    atomic_store_explicit(spin_held(l), 0, memory_order_release);
#endif
}

/* Gives back a bit that was not free to be taken: word is what spin_claim has found. */
static inline void spin_decline(struct spin *l, uint32_t word)
{
    if ((word & SPIN_HELD) == 0)
        spin_unlock(l);
}

/*
 * What is compiled for size shares one spin_queue in the image: the linker takes the first and drops the
 * rest. Elsewhere each file has its own, for the compiler then knows what it leaves alone.
 */
#ifdef __OPTIMIZE_SIZE__
#define SPIN_QUEUE __attribute__((noinline, cold, weak))
#else
#define SPIN_QUEUE static __attribute__((noinline, cold, unused))
#endif
SPIN_QUEUE void spin_queue(struct spin *l, uint32_t word);

/* The lock was not free: word is what spin_claim has found. */
SPIN_QUEUE void spin_queue(struct spin *l, uint32_t word)
{
    spin_decline(l, word);
    /* relaxed: whoever claims from now on sees that somebody waits; it carries nothing else. */
    atomic_fetch_add_explicit(&l->word, SPIN_WAITER, memory_order_relaxed);
    /* relaxed: tickets carry no data; the claim acquires. */
    uint32_t mine = atomic_fetch_add_explicit(&l->next, 1, memory_order_relaxed);
    /* relaxed: the same. */
    for (unsigned n = 0; atomic_load_explicit(&l->serving, memory_order_relaxed) != mine; n++)
        arch_relax(n);
    /* relaxed: a look, so that the word is not written all the time. */
    for (unsigned n = 0; atomic_load_explicit(spin_held(l), memory_order_relaxed) != 0 ||
                         (spin_claim(l) & SPIN_HELD) != 0;
         n++)
        arch_relax(n);
    /* relaxed, both: held is held, and the next one's claim will say so. */
    atomic_fetch_sub_explicit(&l->word, SPIN_WAITER, memory_order_relaxed);
    atomic_store_explicit(&l->serving, mine + 1, memory_order_relaxed);
}

static inline void spin_lock(struct spin *l)
{
    uint32_t word = spin_claim(l);
    if (__builtin_expect(word != 0, 0))
        spin_queue(l, word);
}

static inline bool spin_try_lock(struct spin *l)
{
    uint32_t word = spin_claim(l);
    if (__builtin_expect(word != 0, 0))
        spin_decline(l, word);
    return word == 0;
}
