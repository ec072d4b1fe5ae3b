/*
 * go_test: go, go_with and what can be asked about goroutines. Argument: the number of Ps that
 * pinion.gomaxprocs has set, if it has.
 *
 * With as many Ps as harts, each hart keeps the P of its own number, so runtime_hart tells on which
 * P a goroutine runs.
 */
#include <stdatomic.h>
#include "check.h"

static void nothing(void *unused)
{
    (void)unused;
}

/* ---- ids ---- */

static void main_is_goroutine_1(void)
{
    CHECK_EQ(runtime_goid(), 1);
}

static int64_t seen_id;

static void note_id(void *unused)
{
    (void)unused;
    seen_id = runtime_goid();
}

static void go_returns_the_id_that_the_goroutine_sees(void)
{
    waitgroup end = {0};
    int64_t id = waitgroup_go(&end, note_id, NULL);
    waitgroup_wait(&end);
    CHECK(id > 1);
    CHECK_EQ(seen_id, id);
}

#define SPAWNERS 8
#define EACH     500
static int64_t ids[SPAWNERS * EACH];
static waitgroup spawned;

static void count_done(void *unused)
{
    (void)unused;
    waitgroup_done(&spawned);
}

static void spawn_many(void *which)
{
    int64_t *mine = ids + (intptr_t)which * EACH;
    for (int i = 0; i < EACH; i++) {
        mine[i] = go(count_done, NULL);
        CHECK(mine[i] > 1);
    }
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void ids_are_unique(void)
{
    waitgroup_add(&spawned, SPAWNERS * EACH);
    in_parallel(SPAWNERS, spawn_many);
    waitgroup_wait(&spawned);
    qsort(ids, SPAWNERS * EACH, sizeof ids[0], by_value);
    for (int i = 1; i < SPAWNERS * EACH; i++)
        CHECK(ids[i - 1] < ids[i]);
}

static void ids_of_one_spawner_grow_body(void *done)
{
    int64_t last = 0;
    for (int i = 0; i < 200; i++) {
        int64_t id = go(nothing, NULL);
        CHECK(id > last);
        last = id;
        if (i % 10 == 0)
            runtime_gosched();
    }
    waitgroup_done(done);
}

/* Each P hands out ids of its own, so the spawner stays on one. */
static void ids_of_one_spawner_grow(void)
{
    waitgroup end = {0};
    waitgroup_add(&end, 1);
    CHECK(go_with(&(struct go_attr){.affinity = 1}, ids_of_one_spawner_grow_body, &end) > 0);
    waitgroup_wait(&end);
}

/* ---- what cannot be ---- */

#define CHECK_EINVAL(call)       \
    do {                         \
        errno = 0;               \
        CHECK_EQ(call, -1);      \
        CHECK_EQ(errno, EINVAL); \
    } while (0)

static void what_cannot_be_is_einval(void)
{
    waitgroup none = {0};
    CHECK_SOON(runtime_numgoroutine() == 1); /* those of the tests before have ended */
    CHECK_EINVAL(go(NULL, NULL));
    CHECK_EINVAL(go_with(&(struct go_attr){0}, NULL, NULL));
    CHECK_EINVAL(go_with(NULL, NULL, NULL));
    CHECK_EINVAL(go_with(&(struct go_attr){.stack_size = (64 << 20) + 1}, nothing, NULL));
    CHECK_EINVAL(go_with(&(struct go_attr){.stack_size = SIZE_MAX}, nothing, NULL));
    if (runtime_numcpu() < 64) {
        uint64_t no_p = UINT64_C(1) << runtime_numcpu();
        CHECK_EINVAL(go_with(&(struct go_attr){.affinity = no_p}, nothing, NULL));
        CHECK_EINVAL(go_with(&(struct go_attr){.affinity = ~(no_p - 1)}, nothing, NULL));
    }
    CHECK_EINVAL(waitgroup_go(&none, NULL, NULL));
    waitgroup_wait(&none); /* the count was taken back */
    CHECK_EQ(runtime_numgoroutine(), 1);
}

static void go_with_without_attributes_is_go(void)
{
    waitgroup_add(&spawned, 2);
    CHECK(go_with(NULL, count_done, NULL) > 0);
    CHECK(go_with(&(struct go_attr){0}, count_done, NULL) > 0);
    waitgroup_wait(&spawned);
}

/* ---- counts ---- */

static void numcpu_and_gomaxprocs_agree(const char *procs)
{
    int wanted = procs != NULL ? atoi(procs) : runtime_numcpu();
    printf("%s: %d harts, %d Ps\n", __func__, runtime_numcpu(), wanted);
    CHECK(runtime_numcpu() >= 1 && runtime_numcpu() <= 64);
    CHECK_EQ(runtime_gomaxprocs(0), wanted);
    CHECK_EQ(runtime_gomaxprocs(-1), wanted);
    CHECK(runtime_hart() >= 0 && runtime_hart() < runtime_numcpu());
}

static mutex gate;

static void wait_at_the_gate(void *unused)
{
    (void)unused;
    mutex_lock(&gate);
    mutex_unlock(&gate);
}

static void numgoroutine_is_exact(void)
{
    CHECK_SOON(runtime_numgoroutine() == 1);
    mutex_lock(&gate);
    for (int i = 1; i <= 300; i++) {
        CHECK(go(wait_at_the_gate, NULL) > 0);
        CHECK_EQ(runtime_numgoroutine(), 1 + i);
    }
    mutex_unlock(&gate);
    CHECK_SOON(runtime_numgoroutine() == 1);
}

/* How many run at once, at any moment of it: never more than there are Ps. One that is preempted
 * in the middle counts as running when it does not: such a round says nothing. */
static _Atomic int running, most;

static void run_along(void *unused)
{
    (void)unused;
    for (int i = 0; i < 20; i++) {
        int now = atomic_fetch_add(&running, 1) + 1, was = atomic_load(&most);
        while (was < now && !atomic_compare_exchange_weak(&most, &was, now))
            continue;
        burn(300 * MICROSECOND);
        atomic_fetch_sub(&running, 1);
        runtime_gosched();
    }
}

static void as_many_run_at_once_as_there_are_ps(void)
{
    int procs = runtime_gomaxprocs(0), best = 0;
    struct runtime_sched_stats before, after;
    for (int tries = 0; tries < 200 && best < (procs < 2 ? procs : 2); tries++) {
        atomic_store(&most, 0);
        runtime_read_sched_stats(&before);
        in_parallel(4 * procs, run_along);
        runtime_read_sched_stats(&after);
        if (after.preemptions != before.preemptions)
            continue;
        CHECK(most <= procs);
        best = most > best ? most : best;
    }
    printf("%s: at most %d of %d\n", __func__, best, procs);
    CHECK(best >= (procs < 2 ? procs : 2));
}

/* ---- affinity ---- */

static mutex shared;
static waitgroup pinned_end;

static void stay(uint64_t affinity, int64_t *visited)
{
    for (int i = 0; i < 60; i++) {
        uint64_t here = UINT64_C(1) << runtime_hart();
        CHECK((here & affinity) != 0);
        *visited |= (int64_t)here;
        switch (i % 4) {
        case 0: runtime_gosched(); break;
        case 1: time_sleep((1 + i) * MICROSECOND); break;
        case 2:
            mutex_lock(&shared);
            runtime_gosched();
            CHECK((UINT64_C(1) << runtime_hart() & affinity) != 0);
            mutex_unlock(&shared);
            break;
        case 3: apart(nothing, NULL); break;
        }
    }
}

static void stay_where_allowed(void *affinity)
{
    int64_t visited = 0;
    stay((uint64_t)(uintptr_t)affinity, &visited);
    waitgroup_done(&pinned_end);
}

static void pin(uint64_t affinity)
{
    waitgroup_add(&pinned_end, 1);
    CHECK(go_with(&(struct go_attr){.affinity = affinity, .name = "pinned"}, stay_where_allowed,
                  (void *)(uintptr_t)affinity) > 0);
}

static void a_pinned_goroutine_stays_on_its_p(void)
{
    for (int n = 0; n < 3; n++)
        for (int i = 0; i < runtime_numcpu(); i++)
            pin(UINT64_C(1) << i);
    waitgroup_wait(&pinned_end);
}

static void one_pinned_to_several_stays_on_these(void)
{
    uint64_t all = (UINT64_C(2) << (runtime_numcpu() - 1)) - 1;
    for (uint64_t mask = 1; mask <= 7; mask++) {
        if (mask & all)
            pin(mask & all);
        if ((all & ~mask) != 0)
            pin(all & ~mask);
    }
    pin(all);
    waitgroup_wait(&pinned_end);
}

/* Bits beyond the last P are ignored as long as one names a P. */
static void one_bit_that_names_a_p_is_enough(void)
{
    waitgroup_add(&pinned_end, 1);
    uint64_t mask = runtime_numcpu() < 64 ? 1 | UINT64_C(1) << 63 : 1;
    CHECK(go_with(&(struct go_attr){.affinity = mask}, stay_where_allowed, (void *)1) > 0);
    waitgroup_wait(&pinned_end);
}

static _Atomic int met;

static void meet(void *unused)
{
    (void)unused;
    atomic_fetch_add(&met, 1);
    while (atomic_load(&met) < runtime_numcpu())
        continue;
    waitgroup_done(&pinned_end);
}

/* They wait for each other without a yield, so each must have a hart of its own. */
static void every_p_can_be_reached_at_once(void)
{
    for (int round = 0; round < 5; round++) {
        atomic_store(&met, 0);
        waitgroup_add(&pinned_end, runtime_numcpu());
        for (int i = 0; i < runtime_numcpu(); i++)
            CHECK(go_with(&(struct go_attr){.affinity = UINT64_C(1) << i}, meet, NULL) > 0);
        waitgroup_wait(&pinned_end);
    }
}

/* ---- attributes of the stack ---- */

static __attribute__((noinline)) uint64_t deep(int levels)
{
    volatile char pad[1024];
    pad[0] = (char)levels;
    return levels == 0 ? 0 : deep(levels - 1) + 1 + (uint64_t)(pad[0] - (char)levels);
}

static void go_deep(void *levels)
{
    CHECK_EQ(deep((int)(intptr_t)levels), (intptr_t)levels);
    waitgroup_done(&spawned);
}

static void a_stack_is_as_large_as_was_asked(void)
{
    static const struct {
        size_t size;
        int levels; /* of a kilobyte each and a little */
    } cases[] = {{0, 40}, {1, 40}, {65536, 40}, {65537, 80}, {1 << 20, 800}, {64 << 20, 41000}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        waitgroup_add(&spawned, 1);
        CHECK(go_with(&(struct go_attr){.stack_size = cases[i].size}, go_deep,
                      (void *)(intptr_t)cases[i].levels) > 0);
        waitgroup_wait(&spawned);
    }
}

int main(int argc, char **argv)
{
    RUN(main_is_goroutine_1);
    numcpu_and_gomaxprocs_agree(argv[1]);
    RUN(go_returns_the_id_that_the_goroutine_sees);
    RUN(ids_are_unique);
    RUN(ids_of_one_spawner_grow);
    RUN(what_cannot_be_is_einval);
    RUN(go_with_without_attributes_is_go);
    RUN(numgoroutine_is_exact);
    RUN_CALM(as_many_run_at_once_as_there_are_ps);
    RUN(a_stack_is_as_large_as_was_asked);
    if (argc > 1)
        return 0; /* fewer Ps than harts: a hart's number is not its P's */
    RUN(a_pinned_goroutine_stays_on_its_p);
    RUN(one_pinned_to_several_stays_on_these);
    RUN(one_bit_that_names_a_p_is_enough);
    RUN(every_p_can_be_reached_at_once);
    return 0;
}
