/*
 * crowd: many goroutines that take each other's harts away.
 *
 * Slices are short here, and what a test waits for is counted in slices, not in time: on a slow
 * host it takes longer and is the same. A goroutine is only taken off while another waits, so each
 * loop also ends when too few are left for that.
 */
#pragma once
#include "tests/target/preempt.h"

#define SHORT (200 * MICROSECOND)

static _Atomic int unfinished; /* of the goroutines of this test */
static _Atomic uint32_t slices_of_all;

/* Runs fn(which) in n goroutines; each has to call another_turn until it says no. */
static inline void crowd(int n, void (*fn)(void *))
{
    atomic_store(&unfinished, n);
    atomic_store(&slices_of_all, 0);
    in_parallel(n, fn);
}

/* Has this goroutine not used up `wanted` slices yet, and are there others to make it lose them? */
static inline bool another_turn(uint16_t began, uint16_t wanted)
{
    uint16_t used = (uint16_t)(slices_used() - began);
    if (used < wanted && atomic_load(&unfinished) > 2 * runtime_numcpu())
        return true;
    atomic_fetch_add(&slices_of_all, used);
    atomic_fetch_sub(&unfinished, 1);
    return false;
}

static _Atomic bool enough;

static inline void spin_until_enough(void *unused)
{
    (void)unused;
    while (!atomic_load_explicit(&enough, memory_order_relaxed))
        continue;
}

/* run(n, fn), crowd or in_parallel, amid spinners, two a hart, which see to it that everybody else
 * loses its slices. */
static inline void amid_spinners(void (*run)(int, void (*)(void *)), int n, void (*fn)(void *))
{
    waitgroup end = {0};
    atomic_store(&enough, false);
    for (int i = 0; i < 2 * runtime_numcpu(); i++)
        CHECK(waitgroup_go(&end, spin_until_enough, NULL) > 0);
    run(n, fn);
    atomic_store(&enough, true);
    waitgroup_wait(&end);
}
