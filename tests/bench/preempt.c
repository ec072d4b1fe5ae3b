/*
 * preempt: what it costs to take a goroutine off its hart: from the timer's interrupt to the next
 * goroutine's first instruction.
 *
 * Two counters agree with ICOUNT=1: the clock, too coarse here, and the processor's own, which
 * counts each instruction: minstret on RISC-V, PMCCNTR on Arm. Goroutines read it in a loop and each
 * looks at what the last reader, whoever it was, has read. A step larger than the loop is a switch,
 * the loop's seven instructions included. The figure is the middle one: with CROWD goroutines most
 * find the next one in the hart's own queue; every CROWD-th has to fetch them from the global one.
 */
#include <pinion.h>
#include <stdio.h>
#include <stdlib.h>
#include "sched/preempt.h"

#define CROWD    5
#define SWITCHES 100
#define SLICE    (200 * MICROSECOND)
#define STEP     150  /* the loop is shorter, a switch longer */
#define TOO_LONG 5000 /* a goroutine that was stopped between reading and storing */

static volatile uint64_t last;
static volatile int n;
static uint64_t took[SWITCHES];

static inline uint64_t instructions(void)
{
    uint64_t now;
#if defined(__riscv)
    __asm__ volatile("rdinstret %0" : "=r"(now));
#else
    __asm__ volatile("mrs %0, pmccntr_el0" : "=r"(now));
#endif
    return now;
}

static void start_counter(void)
{
#if defined(__aarch64__)
    uint64_t cycles = UINT64_C(1) << 31, enable_64_bits = 1 | 1 << 6;
    __asm__ volatile(
        "msr pmccfiltr_el0, xzr\n\tmsr pmcntenset_el0, %0\n\tmsr pmcr_el0, %1\n\tisb" ::"r"(cycles),
        "r"(enable_64_bits));
#endif
}

/* Slices vary by the timer's ticks, or each reader might be stopped at the same instruction again and
 * again, perhaps one between reading and storing. */
static __attribute__((noinline)) void note_step(uint64_t step, uint64_t now)
{
    preempt_slice_ns = SLICE + (int64_t)(now % 64) * 100;
    if (step < TOO_LONG && n < SWITCHES)
        took[n++] = step;
}

static void read_on(void *end)
{
    while (n < SWITCHES) {
        uint64_t was = last, now = instructions();
        last = now;
        if (now - was > STEP)
            note_step(now - was, now);
    }
    waitgroup_done(end);
}

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

int main(void)
{
    struct runtime_sched_stats a, b;
    waitgroup end = {0};
    start_counter();
    preempt_slice_ns = SLICE;
    waitgroup_add(&end, CROWD);
    runtime_read_sched_stats(&a);
    for (int i = 0; i < CROWD; i++)
        if (go(read_on, &end) < 0)
            return 1;
    waitgroup_wait(&end);
    runtime_read_sched_stats(&b);
    /* Beginnings and ends are steps as well, and some switches are not seen: a few. */
    uint64_t did = b.preemptions - a.preemptions;
    if (did < SWITCHES - 2 * CROWD || did > 2 * SWITCHES) {
        printf("CHECK FAILED preempt: %llu preemptions\n", (unsigned long long)did);
        return 1;
    }
    preempt_slice_ns = SLICE_NS;
    qsort(took, SWITCHES, sizeof(took[0]), by_size);
    printf("preemption, interrupt to next goroutine %.1f\n", (double)took[SWITCHES / 2]);
    return 0;
}
