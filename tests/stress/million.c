/*
 * million: a million goroutines run through, in waves, spawned on all harts at once; afterwards
 * no goroutine and no page is missing.
 */
#include "level.h"

#define WAVE 2048

static _Atomic long ran;
static waitgroup wave;

static void one(void *unused)
{
    (void)unused;
    /* relaxed: a count, read after the wait group. */
    atomic_fetch_add_explicit(&ran, 1, memory_order_relaxed);
    waitgroup_done(&wave);
}

/* More than a ring holds, without a break: half of it overflows into the global queue. */
static void spawner(void *share)
{
    long n = (long)share;
    for (long i = 0; i < n; i++)
        CHECK(go(one, NULL) > 0, "go failed");
    waitgroup_done(&wave);
}

static long run_wave(long n)
{
    long harts = runtime_gomaxprocs(0), share = n / harts;
    waitgroup_add(&wave, (int)(share * harts + harts));
    for (long i = 0; i < harts; i++) {
        struct go_attr attr = {.affinity = UINT64_C(1) << i};
        CHECK(go_with(i % 2 == 0 ? &attr : NULL, spawner, (void *)share) > 0, "go_with failed");
    }
    waitgroup_wait(&wave);
    return share * harts;
}

int main(int argc, char **argv)
{
    long total = stress_size(argc, argv, 1000000), sent = 0;
    level_warm_up(WAVE + 64);
    run_wave(WAVE);
    run_wave(WAVE);
    size_t before = level_free();
    ran = 0;
    int64_t from = time_now();
    while (sent < total)
        sent += run_wave(WAVE);
    int64_t took = time_now() - from;
    size_t after = level_free();
    struct runtime_sched_stats s;
    runtime_read_sched_stats(&s);
    fprintf(stderr, "%ld ran in %lld ms, steals %llu, stolen %llu, global %llu, wakeups %llu; ",
            (long)ran, (long long)(took / MILLISECOND), (unsigned long long)s.steals,
            (unsigned long long)s.stolen_gs, (unsigned long long)s.global_gets,
            (unsigned long long)s.wakeups);
    fprintf(stderr, "free pages %lu, then %lu\n", (unsigned long)before, (unsigned long)after);
    CHECK(ran == sent, "%ld of %ld ran", (long)ran, sent);
    CHECK(level_same(before, after), "free pages: %lu before, %lu after", (unsigned long)before,
          (unsigned long)after);
    CHECK(s.ipis_sent >= s.wakeups, "%llu IPIs for %llu wakeups", (unsigned long long)s.ipis_sent,
          (unsigned long long)s.wakeups);
    return 0;
}
