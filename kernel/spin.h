/*
 * spin: the ticket spinlock of the kernel and the scheduler.
 *
 * Fair by construction (trap 20): harts are served in the order they took a ticket. Taken with
 * preemption off or on a scheduler stack, so the holder always goes on running. The scheduler's are
 * never taken by an interrupt handler (trap 23) and need no masking; the few that are (console,
 * irq, pages and stacks in a growth fault) say so where they are. try takes a ticket only if it would be
 * served at once: a compare-and-swap of next against serving (trap 21).
 */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "arch/arch.h"

struct spin {
    _Atomic uint32_t next;    /* the next ticket to hand out */
    _Atomic uint32_t serving; /* the ticket that holds the lock; equal to next: free */
};

static inline void spin_lock(struct spin *l)
{
    /* relaxed: a ticket carries no data; the load of serving below acquires. */
    uint32_t mine = atomic_fetch_add_explicit(&l->next, 1, memory_order_relaxed);
    /* order: acquire pairs with spin_unlock's release: the last holder's writes are visible. */
    for (unsigned n = 0; atomic_load_explicit(&l->serving, memory_order_acquire) != mine; n++)
        arch_relax(n);
}

static inline bool spin_try_lock(struct spin *l)
{
    /* order: acquire pairs with spin_unlock's release, for the case that the exchange succeeds:
     * then serving was still this value, since it never passes next. */
    uint32_t now = atomic_load_explicit(&l->serving, memory_order_acquire);
    /* relaxed: see above; a failure has taken nothing. */
    return atomic_compare_exchange_strong_explicit(&l->next, &now, now + 1, memory_order_relaxed,
                                                   memory_order_relaxed);
}

static inline void spin_unlock(struct spin *l)
{
    /* relaxed: only the holder writes serving. */
    uint32_t mine = atomic_load_explicit(&l->serving, memory_order_relaxed);
    /* order: release pairs with the acquire in spin_lock and spin_try_lock. */
    atomic_store_explicit(&l->serving, mine + 1, memory_order_release);
}
