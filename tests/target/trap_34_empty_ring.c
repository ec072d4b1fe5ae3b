/*
 * trap_34_empty_ring: a thief that meets an empty queue finds nothing in it (trap 34).
 *
 * main starts goroutines, a few at a time, and its hart runs them at once while the others try to
 * steal them: so the ring runs empty again and again under the eyes of thieves. A thief whose numbers
 * of head and tail are of different times could count 2^32 - 1 in an empty ring, and take goroutines
 * that have run and ended long ago. Each must run once.
 */
#include "tests/stress/stress.h"
#include "sched/chaos.h"

#define FEW 6

static _Atomic uint32_t ran[FEW];

static void run_once(void *which)
{
    /* relaxed: a count; the waitgroup orders it. */
    atomic_fetch_add_explicit(&ran[(uintptr_t)which], 1, memory_order_relaxed);
}

int main(void)
{
    uint32_t rounds = chaos_on ? 500 : 100000; /* a round is a hundred times as long there */
    for (uint32_t round = 1; round <= rounds; round++) {
        waitgroup end = {0};
        for (uintptr_t i = 0; i < FEW; i++)
            CHECK(waitgroup_go(&end, run_once, (void *)i) > 0, "waitgroup_go failed");
        waitgroup_wait(&end);
        for (uintptr_t i = 0; i < FEW; i++)
            CHECK(ran[i] == round, "goroutine %lu of round %lu has run %ld times", (unsigned long)i,
                  (unsigned long)round, (long)(ran[i] - (round - 1)));
    }
    return 0;
}
