/*
 * orders: the vocabulary of docs/memory-order.md, a function each, for tests/orders_test.py to look at
 * what the compiler makes of it. As a program it sees to it that each does what its name says.
 */
#include <pinion/sync.h>
#include "kernel/spin.h"
#include "sched/atomic.h"
#include "tests/target/check.h"

typedef _Atomic uint32_t word;

/* Each stays a function of its own. */
#define WORD static __attribute__((noipa))

WORD uint32_t do_load_relaxed(word *at)
{
    return load_relaxed(at);
}

WORD void do_store_relaxed(word *at, uint32_t value)
{
    store_relaxed(at, value);
}

WORD uint32_t do_load_acquire(word *at)
{
    return load_acquire(at);
}

WORD uint32_t do_c11_load_acquire(word *at)
{
    return atomic_load_explicit(at, memory_order_acquire);
}

WORD void do_store_release(word *at, uint32_t value)
{
    store_release(at, value);
}

WORD void do_c11_store_release(word *at, uint32_t value)
{
    atomic_store_explicit(at, value, memory_order_release);
}

WORD uint32_t do_exchange_acquire(word *at, uint32_t value)
{
    return atomic_exchange_explicit(at, value, memory_order_acquire);
}

WORD uint32_t do_exchange_release(word *at, uint32_t value)
{
    return atomic_exchange_explicit(at, value, memory_order_release);
}

WORD uint32_t do_add_acq_rel(word *at, uint32_t value)
{
    return atomic_fetch_add_explicit(at, value, memory_order_acq_rel);
}

WORD uint32_t do_add_seq_cst(word *at, uint32_t value)
{
    return atomic_fetch_add_explicit(at, value, memory_order_seq_cst);
}

WORD bool do_cas_acquire(word *at, uint32_t seen, uint32_t value)
{
    return cas_acquire(at, &seen, value);
}

WORD bool do_cas_acquire_weak(word *at, uint32_t seen, uint32_t value)
{
    return cas_acquire_weak(at, &seen, value);
}

WORD bool do_cas_acquire_public(word *at, uint32_t seen, uint32_t value)
{
    return pinion_cas_acquire_(at, &seen, value);
}

WORD bool do_cas_release(word *at, uint32_t seen, uint32_t value)
{
    return cas_release(at, &seen, value);
}

WORD bool do_cas_release_public(word *at, uint32_t seen, uint32_t value)
{
    return pinion_cas_release_(at, &seen, value);
}

WORD bool do_cas_acq_rel(word *at, uint32_t seen, uint32_t value)
{
    return cas_acq_rel(at, &seen, value);
}

WORD void do_fence_full(word *a, word *b)
{
    store_relaxed(a, 1);
    fence_full();
    store_relaxed(b, 1);
}

WORD void do_c11_fence(word *a, word *b)
{
    store_relaxed(a, 1);
    atomic_thread_fence(memory_order_seq_cst);
    store_relaxed(b, 1);
}

WORD uint32_t do_spin_claim(struct spin *lock)
{
    return spin_claim(lock);
}

WORD void do_spin_unlock(struct spin *lock)
{
    spin_unlock(lock);
}

WORD void do_io_barrier(word *memory, word *device)
{
    store_relaxed(memory, 1);
    arch_io_barrier();
    store_relaxed(device, 1);
}

static void values_are_what_was_stored(void)
{
    static word a;
    CHECK_EQ((do_store_relaxed(&a, 1), do_load_relaxed(&a)), 1);
    CHECK_EQ((do_store_release(&a, 2), do_load_acquire(&a)), 2);
    CHECK_EQ((do_c11_store_release(&a, 3), do_c11_load_acquire(&a)), 3);
    CHECK_EQ(do_exchange_acquire(&a, 4), 3);
    CHECK_EQ(do_exchange_release(&a, 5), 4);
    CHECK_EQ(do_add_acq_rel(&a, 6), 5);
    CHECK_EQ(do_add_seq_cst(&a, 7), 11);
    CHECK_EQ(a, 18);
}

static void a_swap_swaps_what_it_expects_only(void)
{
    static bool (*const swaps[])(word *, uint32_t, uint32_t) = {
        do_cas_acquire, do_cas_acquire_weak,   do_cas_acquire_public,
        do_cas_release, do_cas_release_public, do_cas_acq_rel};
    for (unsigned i = 0; i < sizeof swaps / sizeof swaps[0]; i++) {
        static word a;
        a = 7;
        CHECK(!swaps[i](&a, 6, 8) && a == 7);
        while (!swaps[i](&a, 7, 8))
            CHECK_EQ(a, 7); /* it may have failed for no reason */
        CHECK_EQ(a, 8);
    }
}

static void a_lock_that_is_claimed_and_unlocked_is_free(void)
{
    static struct spin lock;
    CHECK_EQ(do_spin_claim(&lock), 0);
    CHECK_EQ(do_spin_claim(&lock), SPIN_HELD);
    do_spin_unlock(&lock);
    CHECK_EQ(lock.word, 0);
}

static void fences_let_both_stores_through(void)
{
    static word a, b;
    static void (*const fences[])(word *, word *) = {do_fence_full, do_c11_fence, do_io_barrier};
    for (unsigned i = 0; i < sizeof fences / sizeof fences[0]; i++) {
        a = b = 0;
        fences[i](&a, &b);
        CHECK(a == 1 && b == 1);
    }
}

int main(void)
{
    RUN(values_are_what_was_stored);
    RUN(a_swap_swaps_what_it_expects_only);
    RUN(a_lock_that_is_claimed_and_unlocked_is_free);
    RUN(fences_let_both_stores_through);
    return 0;
}
