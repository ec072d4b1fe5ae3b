/*
 * sleepers: 100,000 goroutines sleep at once, each as long as it likes up to a second; or as many as
 * the first argument says. Shows: what a sleeping goroutine costs, and that none wakes early. Each has
 * a stack of its own, a page at first, so run it with MEM=1G or so.
 */
#include <pinion.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

static _Atomic long awake, early;
static _Atomic int64_t latest;

static void sleep_once(void *arg)
{
    uint32_t dice = (uint32_t)(uintptr_t)arg * 2654435761u;
    duration d = 1 + (int64_t)dice % SECOND;
    int64_t from = time_now();
    time_sleep(d);
    int64_t late = time_now() - from - d, most = latest;
    if (late < 0)
        atomic_fetch_add(&early, 1);
    while (late > most && !atomic_compare_exchange_weak(&latest, &most, late))
        continue;
    atomic_fetch_add(&awake, 1);
}

int main(int argc, char **argv)
{
    long n = argc > 1 ? atol(argv[1]) : 100000;
    waitgroup wg = {0};
    int64_t from = time_now();
    for (long i = 1; i <= n; i++)
        if (waitgroup_go(&wg, sleep_once, (void *)i) < 0)
            runtime_panic("go: out of memory after %ld goroutines", i - 1);
    printf("%ld goroutines after %lld ms\n", n, (long long)((time_now() - from) / MILLISECOND));
    waitgroup_wait(&wg);
    printf("%ld awake after %lld ms, %ld too early, the latest %lld us late\n", awake,
           (long long)((time_now() - from) / MILLISECOND), early,
           (long long)(latest / MICROSECOND));
    return early > 0;
}
