/*
 * sleepers: thousands of goroutines sleep for random times; none wakes early, and all wake.
 */
#include "level.h"
#include "sched/pool.h"

#define SLEEPERS 3000
#define NAPS     5

static _Atomic int64_t latest;
static _Atomic long woke;

static void sleeper(void *seed)
{
    uint32_t rng = (uint32_t)(uintptr_t)seed * 2654435761u | 1;
    for (int i = 0; i < NAPS; i++) {
        int64_t d = 1 + random_skewed(&rng, 28); /* to 268 ms */
        int64_t from = time_now();
        time_sleep(d);
        int64_t late = time_now() - from - d;
        CHECK(late >= 0, "slept %lld ns too little of %lld", (long long)-late, (long long)d);
        int64_t most = latest;
        while (late > most && !atomic_compare_exchange_weak(&latest, &most, late))
            ;
    }
    atomic_fetch_add(&woke, 1);
}

static void all(long n, bool pinned)
{
    waitgroup wg = {0};
    int harts = runtime_gomaxprocs(0);
    for (long i = 0; i < n; i++) {
        if (pinned) {
            struct go_attr attr = {.affinity = UINT64_C(1) << (i % harts)};
            CHECK(go_with(&attr, sleeper, (void *)(i + 1)) > 0, "go_with failed");
        } else {
            CHECK(waitgroup_go(&wg, sleeper, (void *)(i + 1)) > 0, "waitgroup_go failed");
        }
    }
    waitgroup_wait(&wg);
    int64_t until = time_now() + PATIENCE;
    while (woke != n) {
        CHECK(time_now() < until, "%ld of %ld woke", (long)woke, n);
        time_sleep(MILLISECOND);
    }
    woke = 0;
}

int main(int argc, char **argv)
{
    long n = stress_size(argc, argv, SLEEPERS);
    level_warm_up(n);
    for (int pinned = 0; pinned < 2; pinned++) {
        int64_t from = time_now();
        latest = 0;
        all(n, pinned);
        fprintf(stderr, "%ld %ssleepers, %d times each: %lld ms, the latest woke %lld us late\n", n,
                pinned ? "pinned " : "", NAPS, (long long)((time_now() - from) / MILLISECOND),
                (long long)(latest / MICROSECOND));
    }
    level_trim();
    for (uint32_t i = 0; i < sched.n_p; i++)
        CHECK(timers_none_but(sched.p[i], &pool_timer), "P%lu has timers left", (unsigned long)i);
    return 0;
}
