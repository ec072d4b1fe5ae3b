/*
 * wake: what it costs to make a goroutine run on a hart that sleeps: from before the send that
 * makes it ready, on one hart, to its next line on another.
 *
 * With ICOUNT=1 QEMU runs one hart at a time and its clock sums the instructions of all. So the
 * sender must get out of the way at once, or what it does while it waits is counted too: it waits
 * for an interrupt by hand, which the receiver causes when it has noted the time.
 */
#include <pinion.h>
#include <stdio.h>
#include <stdlib.h>

#define ROUNDS     200
#define CLOCK_TICK 100 /* ns */

static _Atomic int64_t arrived;
static chan *there, *back;

static void receiver(void *unused)
{
    (void)unused;
    for (;;) {
        chan_recv(there, NULL);
        int64_t now = time_now();
        atomic_store(&arrived, now);
        chan_send(back, NULL);
    }
}

/* Is bound to the sender's hart: to make it ready is to interrupt that. */
static void waker(void *unused)
{
    (void)unused;
    for (;;)
        chan_recv(back, NULL);
}

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/*
 * The mean. A board's clock may be coarser than an instruction, at worst 100 ns: then a round is measured a
 * tick too short or too long, and the mean is right while the median, or that of the middle half, is the
 * tick which is more frequent. Rounds further from the median are left out: something else has come between.
 */
static double typical(int64_t took[ROUNDS])
{
    int64_t sum = 0;
    int n = 0;
    qsort(took, ROUNDS, sizeof(took[0]), by_size);
    for (int i = 0; i < ROUNDS; i++)
        if (llabs(took[i] - took[ROUNDS / 2]) <= CLOCK_TICK) {
            sum += took[i];
            n++;
        }
    return (double)sum / n;
}

int main(void)
{
    static int64_t took[ROUNDS];
    struct runtime_sched_stats a, b;
    struct go_attr here = {.affinity = UINT64_C(1) << runtime_hart()};
    struct go_attr other = {.affinity = UINT64_C(1) << !runtime_hart()};
    int hart = runtime_hart();
    there = chan_make(0, 0);
    back = chan_make(0, 0);
    if (go_with(&here, waker, NULL) < 0 || go_with(&other, receiver, NULL) < 0)
        return 1;
    runtime_read_sched_stats(&a);
    for (int i = 0; i < ROUNDS; i++) {
        do
            time_sleep(MILLISECOND); /* the other hart has gone to sleep */
        while (runtime_hart() != hart);
        atomic_store(&arrived, 0);
        int64_t from = time_now();
        chan_send(there, NULL);
        while (atomic_load(&arrived) == 0)
            __asm__ volatile("wfi");
        took[i] = atomic_load(&arrived) - from;
    }
    runtime_read_sched_stats(&b);
    if (b.ipis_sent - a.ipis_sent < ROUNDS) {
        printf("CHECK FAILED wake: %llu IPIs in %d rounds\n",
               (unsigned long long)(b.ipis_sent - a.ipis_sent), ROUNDS);
        return 1;
    }
    printf("wake of an idle hart to its first line %.1f\n", typical(took));
    return 0;
}
