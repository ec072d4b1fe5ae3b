/*
 * ticker: a ticker of 1 ms beside three goroutines that never call anything, on one hart whose time
 * is counted in instructions. The receiver has some work with each tick, and keeps up, so it must get
 * every one, soon after it is due; also when its work meets the end of a spinner's slice.
 *
 *     ARGS="MILLISECONDS MEDIAN WORST"     for so long; the lateness that may be, in microseconds
 */
#include "stress.h"

#define PERIOD MILLISECOND

static _Atomic bool stop;

/* Nothing here is a call, a lock or a system register. */
static void spin(void *turns)
{
    volatile uint64_t *n = turns;
    /* relaxed: a flag, nothing is read behind it. */
    while (!atomic_load_explicit(&stop, memory_order_relaxed))
        ++*n;
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    long n = argc > 1 ? atol(argv[1]) : 1000;
    int64_t median = (argc > 2 ? atoll(argv[2]) : 50) * MICROSECOND;
    int64_t worst = (argc > 3 ? atoll(argv[3]) : 1000) * MICROSECOND;
    static uint64_t turns[3];
    uint32_t rng = 1;
    int64_t *late = calloc((size_t)n, sizeof(*late)), v, last;
    waitgroup end = {0};
    for (int i = 0; i < 3; i++)
        CHECK(waitgroup_go(&end, spin, &turns[i]) > 0, "waitgroup_go failed");
    ticker *t = time_new_ticker(PERIOD);
    CHECK(late != NULL && t != NULL, "no memory");
    last = time_now();
    for (long i = 0; i < n; i++) {
        CHECK(chan_recv(t->c, &v), "the ticker's channel is closed");
        late[i] = time_now() - v;
        CHECK(i == 0 ? v >= last : v == last + PERIOD, "tick %ld comes %lld ns after the last", i,
              (long long)(v - last));
        last = v;
        spin_for_loops(random_skewed(&rng, 15));
    }
    atomic_store(&stop, true);
    waitgroup_wait(&end);
    ticker_free(t);
    for (int i = 0; i < 3; i++)
        CHECK(turns[i] > 0, "spinner %d never ran", i);
    qsort(late, (size_t)n, sizeof(*late), by_value);
    printf("%ld ticks, none lost; late: median %lld ns, 99%% %lld ns, worst %lld ns\n", n,
           (long long)late[n / 2], (long long)late[n * 99 / 100], (long long)late[n - 1]);
    CHECK(late[0] >= 0, "a tick came early");
    CHECK(late[n / 2] <= median && late[n - 1] <= worst, "too late");
    free(late);
    return 0;
}
