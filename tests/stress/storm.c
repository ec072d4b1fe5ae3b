/*
 * storm: everything at once. Tokens, each a goroutine, split a range among them by spawning, on
 * any P or pinned to one; each then does something at random and is ticked off. At the end each
 * has been seen once, all goroutines are gone and no page is missing.
 */
#include <errno.h>
#include "level.h"

#define WAVE 1024

static _Atomic uint32_t seen[WAVE];
static waitgroup wave;

#define MUTEXES 5
static struct {
    mutex mu;
    long count; /* mu */
} __attribute__((aligned(64))) guarded[MUTEXES];
static _Atomic long locks, deferred;

struct token {
    uint32_t rng;
    int hart; /* it is pinned to; -1: none */
};

static void stay(const struct token *t)
{
    CHECK(t->hart < 0 || runtime_hart() == t->hart, "pinned to %d, on %d", t->hart, runtime_hart());
}

/* ---- what a token may do ---- */

static void do_yield(struct token *t)
{
    for (uint32_t n = 1 + random_below(&t->rng, 8); n > 0; n--) {
        runtime_gosched();
        stay(t);
    }
}

static void do_lock(struct token *t)
{
    uint32_t which = random_below(&t->rng, MUTEXES);
    mutex_lock(&guarded[which].mu);
    stay(t);
    long n = guarded[which].count;
    if (random_below(&t->rng, 8) == 0)
        runtime_gosched();
    guarded[which].count = n + 1;
    mutex_unlock(&guarded[which].mu);
    atomic_fetch_add_explicit(&locks, 1, memory_order_relaxed); /* relaxed: a count */
}

static void do_sleep(struct token *t)
{
    int64_t d = 1 + random_skewed(&t->rng, 17), from = time_now();
    time_sleep(d);
    CHECK(time_now() - from >= d, "woke early");
}

static void add_one(void *n)
{
    ++*(long *)n;
}

/* The wait group lies on this stack and is gone as soon as the wait returns. */
static void do_join(struct token *t)
{
    waitgroup wg = {0};
    long n[4] = {0}, children = 1 + random_below(&t->rng, 4);
    for (long i = 0; i < children; i++)
        CHECK(waitgroup_go(&wg, add_one, &n[i]) > 0, "waitgroup_go failed");
    waitgroup_wait(&wg);
    for (long i = 0; i < children; i++)
        CHECK(n[i] == 1, "child %ld ran %ld times", i, n[i]);
}

static void tick_deferred(void *unused)
{
    (void)unused;
    atomic_fetch_add_explicit(&deferred, 1, memory_order_relaxed); /* relaxed: a count */
}

static void leave_early(void *panics)
{
    for (int i = 0; i < 3; i++)
        runtime_defer(tick_deferred, NULL);
    if (panics != NULL)
        runtime_panic("storm");
    runtime_goexit();
}

static void recovers(void *unused)
{
    (void)unused;
    runtime_recover(NULL, 0);
}

static void leave_in_panic(void *unused)
{
    (void)unused;
    runtime_defer(recovers, NULL);
    leave_early("panics");
}

static void do_goexit(struct token *t)
{
    waitgroup wg = {0};
    bool panics = random_below(&t->rng, 4) == 0;
    CHECK(waitgroup_go(&wg, panics ? leave_in_panic : leave_early, NULL) > 0,
          "waitgroup_go failed");
    waitgroup_wait(&wg);
}

static __attribute__((noinline)) uint32_t dig(struct token *t, uint32_t depth, uint32_t mark)
{
    volatile uint32_t here[64];
    for (uint32_t i = 0; i < 64; i++)
        here[i] = mark + i;
    if (depth == 0)
        runtime_gosched();
    uint32_t below = depth == 0 ? 0 : dig(t, depth - 1, mark * 31 + 7);
    for (uint32_t i = 0; i < 64; i++)
        CHECK(here[i] == mark + i, "a stack was overwritten at depth %lu", (unsigned long)depth);
    return below + 1;
}

/* To 48 KiB or so of the 60 there are. */
static void do_dig(struct token *t)
{
    uint32_t depth = random_skewed(&t->rng, 8) % 140;
    CHECK(dig(t, depth, t->rng) == depth + 1, "came up at another depth");
}

static void do_float(struct token *t)
{
    double a = t->rng, b = a * 0.5, c = b * 0.25;
    for (int i = 0; i < 4; i++) {
        runtime_gosched();
        a += 1.0;
        b += 0.5;
        c += 0.125;
    }
    CHECK(a * 0.5 == b && b * 0.25 == c, "floating-point registers changed");
}

static void do_errno(struct token *t)
{
    int mine = (int)(t->rng & 0xffff);
    errno = mine;
    runtime_gosched();
    CHECK(errno == mine, "errno changed");
}

static void do_nothing(struct token *t)
{
    (void)t;
}

static const struct deed {
    const char *name;
    void (*fn)(struct token *);
} deeds[] = {
    {"yield", do_yield}, {"lock", do_lock},     {"sleep", do_sleep},
    {"join", do_join},   {"goexit", do_goexit}, {"dig", do_dig},
    {"float", do_float}, {"errno", do_errno},   {"nothing", do_nothing},
};
#define DEEDS (sizeof(deeds) / sizeof(deeds[0]))

/* ---- tokens ---- */

static void token(void *range);

static void spawn_half(struct token *t, uint32_t from, uint32_t to)
{
    uint32_t harts = (uint32_t)runtime_gomaxprocs(0);
    struct go_attr attr = {.affinity = UINT64_C(1) << random_below(&t->rng, harts)};
    bool pinned = random_below(&t->rng, 4) == 0;
    uint64_t hart = pinned ? (uint64_t)__builtin_ctzll(attr.affinity) + 1 : 0;
    void *range = (void *)(uintptr_t)(hart << 48 | (uint64_t)from << 24 | to);
    CHECK((pinned ? go_with(&attr, token, range) : go(token, range)) > 0, "go failed");
}

static void token(void *range)
{
    uint64_t bits = (uintptr_t)range;
    uint32_t from = bits >> 24 & 0xffffff, to = bits & 0xffffff;
    struct token t = {.hart = (int)(bits >> 48) - 1};
    t.rng = (uint32_t)(runtime_goid() * 2654435761u) | 1;
    stay(&t);
    while (to - from > 1) {
        uint32_t middle = from + (to - from) / 2;
        spawn_half(&t, from, middle);
        from = middle;
    }
    for (int i = 0; i < 3; i++) {
        deeds[random_below(&t.rng, DEEDS)].fn(&t);
        stay(&t);
    }
    /* relaxed: read after the wait group. */
    atomic_fetch_add_explicit(&seen[from], 1, memory_order_relaxed);
    waitgroup_done(&wave);
}

static void run_wave(uint32_t *rng)
{
    struct token t = {.rng = *rng, .hart = -1};
    waitgroup_add(&wave, WAVE);
    spawn_half(&t, 0, WAVE);
    waitgroup_wait(&wave);
    *rng = t.rng;
    for (int i = 0; i < WAVE; i++) {
        CHECK(seen[i] == 1, "token %d was seen %lu times", i, (unsigned long)seen[i]);
        seen[i] = 0;
    }
}

LOOKS_ON static int32_t tick_of(uint32_t i)
{
    return sched.p[i]->tick;
}

int main(int argc, char **argv)
{
    long waves = stress_size(argc, argv, 60);
    uint32_t rng = (uint32_t)time_now() | 1, first = rng;
    level_warm_up(WAVE * 3);
    run_wave(&rng);
    size_t before = level_free();
    int64_t from = time_now();
    for (long i = 0; i < waves; i++)
        run_wave(&rng);
    int64_t took = time_now() - from;
    size_t after = level_free();
    long sum = 0;
    for (int i = 0; i < MUTEXES; i++)
        sum += guarded[i].count;
    struct runtime_sched_stats s;
    runtime_read_sched_stats(&s);
    fprintf(stderr,
            "seed %lu: %ld tokens, %lld ms, switches %llu, steals %llu, stolen %llu, wakeups %llu, "
            "timers %llu; ",
            (unsigned long)first, waves * WAVE, (long long)(took / MILLISECOND),
            (unsigned long long)s.switches, (unsigned long long)s.steals,
            (unsigned long long)s.stolen_gs, (unsigned long long)s.wakeups,
            (unsigned long long)s.timer_fires);
    fprintf(stderr, "free pages %lu, then %lu\n", (unsigned long)before, (unsigned long)after);
    CHECK(sum == locks, "%ld of %ld locks counted", sum, (long)locks);
    for (uint32_t i = 0; i < sched.n_p; i++)
        CHECK(tick_of(i) >= TICKS(1) && tick_of(i) < TICKS(GLOBAL_TICK + 2), "P%lu: tick is %ld",
              (unsigned long)i, (long)tick_of(i));
    CHECK(deferred % 3 == 0, "%ld deferred calls", (long)deferred);
    CHECK(s.ipis_sent >= s.wakeups, "%llu IPIs for %llu wakeups", (unsigned long long)s.ipis_sent,
          (unsigned long long)s.wakeups);
    CHECK(level_same(before, after), "free pages: %lu before, %lu after", (unsigned long)before,
          (unsigned long)after);
    return 0;
}
