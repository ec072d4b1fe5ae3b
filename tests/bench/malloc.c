/*
 * malloc: what malloc and free cost when four harts use them at once, against one alone.
 *
 * With ICOUNT=1 the clock counts the instructions of all harts together. First one goroutine does
 * N operations while the other harts sleep, then one on each hart does as many. Each keeps some
 * objects of sizes up to 2 KiB, replaces one at random, and now and then swaps one with a
 * box that all share, so that objects are freed where they were not made.
 *
 * Output, for tests/bench/run: "NAME FIGURE" a line: the cost of an operation with four harts, in
 * per cent of that with one.
 */
#include <pinion.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define N     100000
#define HARTS 4
#define KEEP  100
#define BOXES 16

static void *_Atomic box[BOXES];
static waitgroup wg;
static int ran_on[HARTS];

static void hammer(void *arg)
{
    void *mine[KEEP] = {NULL};
    uint32_t rng = (uint32_t)(uintptr_t)arg * 77777;
    ran_on[runtime_hart()]++;
    for (int i = 0; i < N; i++) {
        rng = rng * 1664525 + 1013904223;
        void **slot = &mine[(rng >> 24) % KEEP];
        free(*slot);
        *slot = malloc((rng >> 8) % ((rng >> 12) & 7 ? 200 : 2000));
        if (i % 16 == 0)
            /* order: acq_rel: what was written to an object goes with it. */
            *slot = atomic_exchange_explicit(&box[rng >> 28], *slot, memory_order_acq_rel);
    }
    for (int i = 0; i < KEEP; i++)
        free(mine[i]);
    waitgroup_done(&wg);
}

/* Instructions an operation, with one goroutine on each of the first n harts. */
static double cost(int n)
{
    int64_t from = time_now();
    for (intptr_t i = 0; i < n; i++) {
        struct go_attr attr = {.affinity = UINT64_C(1) << i};
        waitgroup_add(&wg, 1);
        go_with(&attr, hammer, (void *)(i + 1));
    }
    waitgroup_wait(&wg);
    return (double)(time_now() - from) / ((double)n * N);
}

int main(void)
{
    cost(HARTS); /* what is made once is there */
    double one = cost(1), four = cost(HARTS);
    for (int i = 0; i < HARTS; i++)
        if (ran_on[i] != (i == 0 ? 3 : 2)) {
            printf("CHECK FAILED malloc: %d runs on hart %d\n", ran_on[i], i);
            return 1;
        }
    printf("malloc by 4 harts, %% of by 1 %.1f\n", 100 * four / one);
    fprintf(stderr, "one %.1f four %.1f\n", one, four);
    return 0;
}
