/*
 * tree: a fork-join tree of 100,000 goroutines spreads over all Ps: each runs at least 10 % at 4.
 */
#include "stress.h"

static struct {
    _Atomic long n;
} __attribute__((aligned(64))) by_hart[64];

/* One node of a tree of n: a little work, two halves of the rest, and a wait for them. */
static void node(void *size)
{
    long rest = (long)size - 1;
    /* relaxed: a count, read when all is over. */
    atomic_fetch_add_explicit(&by_hart[runtime_hart()].n, 1, memory_order_relaxed);
    spin_for_loops(2000);
    waitgroup wg = {0};
    if (rest > 1)
        CHECK(waitgroup_go(&wg, node, (void *)(rest / 2)) > 0, "waitgroup_go failed");
    if (rest > 0)
        CHECK(waitgroup_go(&wg, node, (void *)(rest - rest / 2)) > 0, "waitgroup_go failed");
    waitgroup_wait(&wg);
}

int main(int argc, char **argv)
{
    long size = stress_size(argc, argv, 100000), sum = 0;
    int harts = runtime_gomaxprocs(0);
    int64_t from = time_now();
    waitgroup wg = {0};
    waitgroup_go(&wg, node, (void *)size);
    waitgroup_wait(&wg);
    fprintf(stderr, "%lld ms:", (long long)((time_now() - from) / MILLISECOND));
    for (int i = 0; i < harts; i++) {
        sum += by_hart[i].n;
        fprintf(stderr, " %ld", (long)by_hart[i].n);
    }
    fprintf(stderr, "\n");
    CHECK(sum == size, "%ld of %ld ran", sum, size);
    for (int i = 0; i < harts; i++)
        CHECK(by_hart[i].n * harts * 10 >= size * 4, "P%d ran only %ld of %ld", i,
              (long)by_hart[i].n, size);
    return 0;
}
