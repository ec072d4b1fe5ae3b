/*
 * procs: the number of Ps changes at random while goroutines are spawned, sleep, yield, lock, and
 * some are pinned. Nothing is lost and nothing hangs.
 *
 *     ARGS="CHANGES [exact]"     exact: time is counted in instructions, and no change may take LATE
 */
#include "stress.h"

#define WORKERS 24
#define LATE    MILLISECOND

static _Atomic bool stop;
static _Atomic long spawned, ended, slept, rounds;
static mutex lock;
static long under_lock;
static int64_t longest;

static void child(void *unused)
{
    (void)unused;
    atomic_fetch_add(&ended, 1);
}

static void work(void *arg)
{
    uint32_t rng = (uint32_t)(uintptr_t)arg * 2654435761u + 1;
    while (!atomic_load(&stop)) {
        rng ^= rng << 13, rng ^= rng >> 17, rng ^= rng << 5;
        switch (rng % 5) {
        case 0:
            if (go(child, NULL) > 0)
                atomic_fetch_add(&spawned, 1);
            break;
        case 1: {
            int64_t due = time_now() + rng % 300 * MICROSECOND;
            time_sleep(rng % 300 * MICROSECOND);
            CHECK(time_now() >= due, "woke early");
            atomic_fetch_add(&slept, 1);
            break;
        }
        case 2:
            mutex_lock(&lock);
            under_lock++;
            mutex_unlock(&lock);
            break;
        case 3:
            runtime_entersyscall();
            for (volatile uint32_t i = 0; i < rng % 2000; i++)
                ;
            runtime_exitsyscall();
            break;
        default: runtime_gosched(); break;
        }
        atomic_fetch_add(&rounds, 1);
    }
}

int main(int argc, char **argv)
{
    long changes = argc > 1 ? atol(argv[1]) : 500;
    int cpus = runtime_numcpu();
    waitgroup end = {0};
    uint32_t rng = 12345;
    int now = runtime_gomaxprocs(0);

    for (uintptr_t i = 0; i < WORKERS; i++) {
        struct go_attr attr = {.affinity = i % 4 == 0 ? UINT64_C(1) << i % cpus : 0};
        int64_t id =
            i % 4 == 0 ? go_with(&attr, work, (void *)i) : waitgroup_go(&end, work, (void *)i);
        CHECK(id > 0, "no memory");
    }
    for (long i = 0; i < changes; i++) {
        rng ^= rng << 13, rng ^= rng >> 17, rng ^= rng << 5;
        int next = 1 + (int)(rng % 8);
        int64_t from = time_now();
        int old = runtime_gomaxprocs(next);
        int64_t took = time_now() - from;
        longest = took > longest ? took : longest;
        CHECK(old == now, "was %d, not %d", old, now);
        now = next < cpus ? next : cpus;
        CHECK(runtime_gomaxprocs(0) == now, "is not %d", now);
        if (rng >> 16 & 1)
            runtime_gosched();
        else if (rng >> 17 & 1)
            time_sleep(50 * MICROSECOND);
    }
    atomic_store(&stop, true);
    waitgroup_wait(&end);
    int64_t until = time_now() + PATIENCE;
    while (runtime_numgoroutine() > 1) {
        CHECK(time_now() < until, "%d goroutines are left", runtime_numgoroutine() - 1);
        time_sleep(MILLISECOND);
    }
    CHECK(atomic_load(&spawned) == atomic_load(&ended), "%ld spawned, %ld ended",
          atomic_load(&spawned), atomic_load(&ended));
    CHECK(argc < 3 || longest <= LATE, "a change took %lld ns", (long long)longest);
    struct runtime_sched_stats s;
    runtime_read_sched_stats(&s);
    fprintf(
        stderr,
        "%ld changes, the longest %lld us; %ld rounds, %ld spawned, %ld slept, %llu preemptions\n",
        changes, (long long)(longest / MICROSECOND), atomic_load(&rounds), atomic_load(&spawned),
        atomic_load(&slept), (unsigned long long)s.preemptions);
    return 0;
}
