/*
 * atomic: the plainest atomic loads and stores, for the hot paths.
 *
 * They are C11's relaxed load and store, release store and acquire load of a word that is written
 * atomically elsewhere. Compilers do badly by the relaxed ones: GCC before 14 makes an exchange of
 * a store on RISC-V, and on no instruction set does it fold the address into the access. A
 * volatile access of an aligned word is one load or store on all ours, which is what relaxed asks
 * for; and C11's fences order it as they order a relaxed atomic. On the host, where the
 * sanitizers watch, the C11 operations are used as they are.
 *
 * Each use says why its order is enough, as for memory_order_….
 */
#pragma once
#include <stdatomic.h>

/*
 * For functions that look at other harts' counters while these go on counting: plain words, each
 * written by one hart alone, without an order. What is read is a moment old, and whole, since an
 * aligned word is read at once; nothing hangs on it. ThreadSanitizer is told not to mind.
 */
#define LOOKS_ON __attribute__((no_sanitize("thread")))

#if defined(__riscv) || (defined(__aarch64__) && !defined(PINION_HOST))
/* The type of what lies there, without _Atomic: only an lvalue that is converted loses it. */
#define plain_type_(at)          __typeof__(atomic_load_explicit(at, memory_order_relaxed))
#define load_relaxed(at)         (*(const volatile plain_type_(at) *)(at))
#define store_relaxed(at, value) (*(volatile plain_type_(at) *)(at) = (value))
#else
#define load_relaxed(at)         atomic_load_explicit(at, memory_order_relaxed)
#define store_relaxed(at, value) atomic_store_explicit(at, value, memory_order_relaxed)
#endif

/*
 * A swap that acquires does so when it fails, too. GCC before 14 for RISC-V gives the lr the order of
 * the failure, and the sc that of the success; but an acquire on the sc alone orders nothing (manual,
 * A extension: "SC.aq"). With both the lr has it, at no cost.
 */
#define cas_acquire(at, seen, value)                                               \
    atomic_compare_exchange_strong_explicit(at, seen, value, memory_order_acquire, \
                                            memory_order_acquire)
/* The same for loops: it may fail for no reason. */
#define cas_acquire_weak(at, seen, value)                                        \
    atomic_compare_exchange_weak_explicit(at, seen, value, memory_order_acquire, \
                                          memory_order_acquire)

#if defined(__riscv)
/*
 * No load-acquire and store-release instructions: fences, as table A.6 of the manual has them. GCC
 * before 14 fences devices too, and a compare-and-swap whose failure needs no order loses its
 * release altogether; so both are spelled out.
 */
#define fence_(before, after) __asm__ volatile("fence " before ", " after ::: "memory")
#define load_acquire(at)                          \
    __extension__({                               \
        plain_type_(at) seen_ = load_relaxed(at); \
        fence_("r", "rw");                        \
        seen_;                                    \
    })
#define store_release(at, value)  \
    do {                          \
        fence_("rw", "w");        \
        store_relaxed(at, value); \
    } while (0)
/* The full fence of the store-buffering races: stores before it, loads after it. */
#define fence_full() fence_("rw", "rw")
#define cas_release(at, seen, value)                                                   \
    __extension__({                                                                    \
        fence_("rw", "w");                                                             \
        atomic_compare_exchange_strong_explicit(at, seen, value, memory_order_relaxed, \
                                                memory_order_relaxed);                 \
    })
#define cas_acq_rel(at, seen, value)                                                   \
    __extension__({                                                                    \
        fence_("rw", "w");                                                             \
        atomic_compare_exchange_strong_explicit(at, seen, value, memory_order_acquire, \
                                                memory_order_acquire);                 \
    })
#else
#define load_acquire(at)         atomic_load_explicit(at, memory_order_acquire)
#define store_release(at, value) atomic_store_explicit(at, value, memory_order_release)
#define fence_full()             atomic_thread_fence(memory_order_seq_cst)
#define cas_release(at, seen, value)                                               \
    atomic_compare_exchange_strong_explicit(at, seen, value, memory_order_release, \
                                            memory_order_relaxed)
#define cas_acq_rel(at, seen, value)                                               \
    atomic_compare_exchange_strong_explicit(at, seen, value, memory_order_acq_rel, \
                                            memory_order_acquire)
#endif
