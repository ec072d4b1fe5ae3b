/*
 * preempt: preemption at random instructions.
 *
 * Each seed is a small crowd that computes, yields, locks, sleeps, spawns, prints into memory and
 * allocates, while the slice is a few microseconds long and another length each time somebody
 * thinks of it: so goroutines lose their harts at any instruction of the program, the C library and
 * the runtime. With ICOUNT=1 the same seeds give the same run.
 *
 *     ARGS="FIRST LAST"     seeds, 1 to 200; to see a failing one again, run from the same FIRST
 */
#include <stdint.h>
#include <string.h>
#include "sched/preempt.h"
#include "stress.h"

#define CROWD 10 /* for each hart */

/* Loops are so much longer where an interrupt takes thousands of instructions, signals as it is there. */
#if defined(PINION_HOST)
#define WORK 50
#else
#define WORK 1
#endif

static uint32_t seed, first;
static waitgroup end;
static mutex lock;
static volatile uint64_t guarded, guarded_twin;
static _Atomic uint64_t total;
#define HOLDS(ok)                                                                     \
    CHECK(ok,                                                                         \
          "seed %lu: %s; again: make run APP=tests/stress/preempt.c ICOUNT=1 SMP=%d " \
          "ARGS='%lu %lu' BOARD=...",                                                 \
          (unsigned long)seed, #ok, runtime_numcpu(), (unsigned long)first, (unsigned long)seed)

/* Long enough for a switch and some steps; sometimes long enough for all of them. */
static void another_slice(uint32_t *rng)
{
    preempt_slice_ns = 1500 + random_skewed(rng, 13);
}

static uint64_t mix(uint64_t x, uint32_t n)
{
    double d = (double)(x & 0xffff);
    while (n-- > 0) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        d = d * 0.5 + (double)(x >> 60);
    }
    return x ^ (uint64_t)d;
}

static void compute(uint32_t *rng)
{
    uint64_t x = random_next(rng);
    uint32_t n = random_below(rng, 400) * WORK;
    HOLDS(mix(x, n) == mix(x, n));
}

static void use_the_lock(uint32_t *rng)
{
    mutex_lock(&lock);
    uint64_t was = guarded;
    HOLDS(guarded_twin == was);
    spin_for_loops(random_below(rng, 300) * WORK);
    guarded = was + 1;
    guarded_twin = was + 1;
    mutex_unlock(&lock);
}

static void use_the_library(uint32_t *rng)
{
    char text[64] = "";
    uint32_t n = random_next(rng);
    char *copy = malloc(16 + n % 100);
    HOLDS(copy != NULL);
    snprintf(text, sizeof text, "%lu %.9g", (unsigned long)n, (double)n);
    memcpy(copy, text, 16);
    HOLDS(strtoul(text, NULL, 10) == n && memcmp(copy, text, 16) == 0);
    HOLDS((uint32_t)strtod(strchr(text, ' '), NULL) == n || n > 999999999);
    free(copy);
}

static void child(void *n)
{
    volatile char page[3000];
    page[(uintptr_t)n % sizeof page] = 1; /* a page that may not be there */
    atomic_fetch_add(&total, (uintptr_t)n);
    waitgroup_done(&end);
}

static void spawn(uint32_t *rng)
{
    uintptr_t n = random_below(rng, 1000);
    waitgroup_add(&end, 1);
    atomic_fetch_sub(&total, n);
    HOLDS(go(child, (void *)n) > 0);
}

static void live(void *which)
{
    uint32_t rng = seed * 1000003 + (uint32_t)(uintptr_t)which * 7919 + 1;
    int64_t me = runtime_goid();
    for (int i = 0; i < 12; i++) {
        another_slice(&rng);
        switch (random_below(&rng, 6)) {
        case 0: use_the_lock(&rng); break;
        case 1: use_the_library(&rng); break;
        case 2: spawn(&rng); break;
        case 3: time_sleep(random_skewed(&rng, 14)); break;
        case 4: runtime_gosched(); break;
        default: compute(&rng);
        }
        HOLDS(runtime_goid() == me);
    }
    waitgroup_done(&end);
}

static uint64_t preemptions(void)
{
    struct runtime_sched_stats s;
    runtime_read_sched_stats(&s);
    return s.preemptions;
}

int main(int argc, char **argv)
{
    uint32_t last = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 200;
    uint64_t began = preemptions();
    int n = CROWD * runtime_numcpu();
    first = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 1;
    for (seed = first; seed <= last; seed++) {
        uint64_t before = preemptions();
        waitgroup_add(&end, n);
        for (intptr_t i = 0; i < n; i++)
            HOLDS(go(live, (void *)i) > 0);
        waitgroup_wait(&end);
        HOLDS(atomic_load(&total) == 0);
        HOLDS(guarded == guarded_twin);
        printf("seed %lu: %llu preemptions, %llu locks, %lld ns\n", (unsigned long)seed,
               (unsigned long long)(preemptions() - before), (unsigned long long)guarded,
               (long long)time_now());
        fflush(stdout); /* a run that ends in a panic has said how far it came */
    }
    preempt_slice_ns = SLICE_NS;
    CHECK(preemptions() - began > 0, "nobody was preempted");
    return 0;
}
