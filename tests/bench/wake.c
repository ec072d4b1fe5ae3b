/*
 * wake: what it costs to start a goroutine on a hart that sleeps: from before go() on one hart to
 * the first line of the goroutine on another.
 *
 * With ICOUNT=1 QEMU runs one hart at a time and its clock sums the instructions of all. So the
 * submitting hart must get out of the way at once, or what it does while it waits is counted too:
 * it sleeps in its own scheduler, where it has nothing to do, since the goroutine is for the other
 * P. Counted are: go_with on this hart and its way to sleep; there the end of WFI, the interrupt,
 * and the way from the scheduler to the goroutine.
 */
#include <pinion.h>
#include <stdio.h>
#include <stdlib.h>

#define ROUNDS 200

static int64_t arrived;
static waitgroup wg;

static void arrive(void *unused)
{
    (void)unused;
    arrived = time_now();
    waitgroup_done(&wg);
}

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

int main(void)
{
    static int64_t took[ROUNDS];
    struct runtime_sched_stats a, b;
    runtime_read_sched_stats(&a);
    for (int i = 0; i < ROUNDS; i++) {
        time_sleep(MILLISECOND); /* the other hart has gone to sleep too */
        struct go_attr there = {.affinity = UINT64_C(1) << !runtime_hart()};
        waitgroup_add(&wg, 1);
        int64_t from = time_now();
        if (go_with(&there, arrive, NULL) < 0)
            return 1;
        waitgroup_wait(&wg);
        took[i] = arrived - from;
    }
    runtime_read_sched_stats(&b);
    if (b.ipis_sent - a.ipis_sent < ROUNDS) {
        printf("CHECK FAILED wake: %llu IPIs in %d rounds\n",
               (unsigned long long)(b.ipis_sent - a.ipis_sent), ROUNDS);
        return 1;
    }
    qsort(took, ROUNDS, sizeof(took[0]), by_size);
    /* The middle half, averaged: the clock of a board may be coarser than an instruction. */
    int64_t sum = 0;
    for (int i = ROUNDS / 4; i < 3 * ROUNDS / 4; i++)
        sum += took[i];
    printf("wake of an idle hart to its first line %.1f\n", (double)sum / (ROUNDS / 2));
    return 0;
}
