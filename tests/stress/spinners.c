/*
 * spinners: goroutines that never call anything, three for each P, and a sleeper among them.
 *
 * Each must get its share of the harts, and the sleeper must wake: at all in any mode, and within
 * LATE of its time where time is counted in instructions. With several harts the shares are counted
 * in slices, which are the scheduler's; what a hart gets done in one is the host's.
 *
 *     ARGS="MILLISECONDS LEAST MOST"     shares in percent of the fair one
 */
#include "stress.h"

#define SPINNERS 3 /* for each P */
#define LATE     MILLISECOND

static struct spinner {
    uint64_t turns;
    uint16_t slices;
} spinner[64 * SPINNERS];
static _Atomic bool stop;
static int64_t worst_lateness, wakes;

/* Nothing here is a call, a lock or a system register. */
static void spin(void *arg)
{
    struct spinner *me = arg;
    volatile uint64_t *n = &me->turns;
    const volatile uint16_t *slices = &g_self()->slices;
    uint16_t before = *slices;
    /* relaxed: a flag, nothing is read behind it. */
    while (!atomic_load_explicit(&stop, memory_order_relaxed))
        ++*n;
    me->slices = (uint16_t)(*slices - before);
}

struct shares {
    uint64_t least, most; /* percent of the fair one */
};

static struct shares shares(int n, bool by_turns)
{
    uint64_t sum = 0, least = UINT64_MAX, most = 0;
    for (int i = 0; i < n; i++) {
        uint64_t x = by_turns ? spinner[i].turns : spinner[i].slices;
        sum += x;
        least = x < least ? x : least;
        most = x > most ? x : most;
    }
    return (struct shares){least * n * 100 / sum, most * n * 100 / sum};
}

static void sleep_and_wake(void *unused)
{
    (void)unused;
    while (!atomic_load(&stop)) {
        int64_t due = time_now() + MILLISECOND;
        time_sleep(MILLISECOND);
        int64_t late = time_now() - due;
        worst_lateness = late > worst_lateness ? late : worst_lateness;
        wakes++;
    }
}

int main(int argc, char **argv)
{
    int64_t length = (argc > 1 ? atoll(argv[1]) : 500) * MILLISECOND;
    uint64_t least = argc > 2 ? strtoul(argv[2], NULL, 10) : 50;
    uint64_t most = argc > 3 ? strtoul(argv[3], NULL, 10) : 150;
    bool exact = argc > 4;
    int n = SPINNERS * runtime_gomaxprocs(0);
    waitgroup end = {0};
    struct runtime_sched_stats s;

    for (int i = 0; i < n; i++)
        waitgroup_go(&end, spin, &spinner[i]);
    waitgroup_go(&end, sleep_and_wake, NULL);
    int64_t began = time_now();
    time_sleep(length);
    int64_t took = time_now() - began;
    atomic_store(&stop, true);
    waitgroup_wait(&end);

    struct shares turns = shares(n, true), slices = shares(n, false);
    struct shares judged = exact ? turns : slices;
    runtime_read_sched_stats(&s);
    fprintf(
        stderr,
        "%d spinners, %lld ms: turns %llu to %llu %%, slices %llu to %llu %%, %llu preemptions, "
        "%lld wakes, at worst %lld us late\n",
        n, (long long)(took / MILLISECOND), (unsigned long long)turns.least,
        (unsigned long long)turns.most, (unsigned long long)slices.least,
        (unsigned long long)slices.most, (unsigned long long)s.preemptions, (long long)wakes,
        (long long)(worst_lateness / MICROSECOND));
    CHECK(judged.least >= least && judged.most <= most, "shares are unfair");
    CHECK(s.preemptions > 0, "nobody was preempted");
    CHECK(wakes > 0, "the sleeper never woke");
    CHECK(!exact || worst_lateness <= LATE, "the sleeper was late");
    return 0;
}
