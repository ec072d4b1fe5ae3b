/*
 * sync_pool_test: what a pool gives back, what it drops and when.
 *
 *     sync_pool_test            trims are the runtime's own function, called here
 *     sync_pool_test by_itself  trims come every two minutes, with ICOUNT=1, where these pass quickly
 *     sync_pool_test deadlock   one that is to be reported although a trim is due in two minutes
 */
#include <stdatomic.h>
#include "check.h"
#include "sched/config.h"
#include "sched/pool.h"

static _Atomic int made, dropped;

struct thing {
    int value;
    _Atomic int in_use;
};

static void *make(void)
{
    atomic_fetch_add(&made, 1);
    return calloc(1, sizeof(struct thing));
}

static void drop(void *x)
{
    atomic_fetch_add(&dropped, 1);
    free(x);
}

static void begin(void)
{
    atomic_store(&made, 0);
    atomic_store(&dropped, 0);
}

static void a_pool_gives_back_what_was_put(void)
{
    static pool p = {.new = make, .drop = drop};
    begin();
    struct thing *t = pool_get(&p);
    CHECK_EQ(made, 1);
    t->value = 77;
    pool_put(&p, t);
    CHECK_EQ(((struct thing *)pool_get(&p))->value, 77); /* as it was left */
    CHECK_EQ(made, 1);
    pool_put(&p, NULL); /* nothing */
    free(t);
}

static void a_pool_without_new_gives_null(void)
{
    static pool p;
    int x;
    CHECK(pool_get(&p) == NULL);
    pool_put(&p, &x);
    CHECK(pool_get(&p) == &x);
    CHECK(pool_get(&p) == NULL);
}

static void a_pool_holds_any_number(void)
{
    static pool p;
    static char object[5000];
    static bool seen[5000];
    for (int i = 0; i < 5000; i++)
        pool_put(&p, &object[i]);
    for (int i = 0; i < 5000; i++) {
        char *x = pool_get(&p);
        CHECK(x != NULL && !seen[x - object]);
        seen[x - object] = true;
    }
    CHECK(pool_get(&p) == NULL);
}

static pool stolen_from;

static void put_many(void *object)
{
    for (int i = 0; i < 100; i++)
        pool_put(&stolen_from, (char *)object + i);
}

/* All but the last put: that one is for its own hart alone. */
static void other_harts_steal_what_is_shared(void)
{
    static char object[100];
    uint64_t last = UINT64_C(1) << (runtime_gomaxprocs(0) - 1);
    CHECK(go_with(&(struct go_attr){.affinity = last}, put_many, object) > 0);
    CHECK_SOON(runtime_numgoroutine() == 1);
    for (int i = 0; i < 99; i++)
        CHECK(pool_get(&stolen_from) != NULL);
}

static void what_lies_unused_through_two_trims_is_dropped(void)
{
    static pool p = {.new = make, .drop = drop};
    begin();
    void *x[10];
    for (int i = 0; i < 10; i++)
        x[i] = pool_get(&p);
    for (int i = 0; i < 10; i++)
        pool_put(&p, x[i]);
    pool_trim();
    CHECK_EQ(dropped, 0);
    x[0] = pool_get(&p); /* a victim, saved */
    CHECK_EQ(made, 10);
    pool_put(&p, x[0]);
    pool_trim();
    CHECK_EQ(dropped, 9);
    pool_trim();
    CHECK_EQ(dropped, 10);
    pool_trim();
    CHECK_EQ(dropped, 10);
}

static void without_drop_everything_is_kept(void)
{
    static pool p;
    static char object[20];
    for (int i = 0; i < 20; i++)
        pool_put(&p, &object[i]);
    for (int i = 0; i < 5; i++)
        pool_trim();
    for (int i = 0; i < 20; i++)
        CHECK(pool_get(&p) != NULL);
    CHECK(pool_get(&p) == NULL);
}

static int refusals;

static void *make_if_dropped(void)
{
    return dropped > 0 ? calloc(1, 8) : (refusals++, NULL);
}

static void when_memory_is_short_pools_are_trimmed(void)
{
    static pool rich = {.drop = drop}, poor = {.new = make_if_dropped};
    begin();
    pool_put(&rich, calloc(1, 8));
    CHECK(pool_get(&poor) == NULL); /* a trim makes a victim of it, … */
    CHECK(pool_get(&poor) != NULL); /* … the next one drops it */
    CHECK_EQ(dropped, 1);
    CHECK_EQ(refusals, 3);
}

static void *make_none(void)
{
    return NULL;
}

static pool scarce = {.new = make_none, .drop = drop};

static void put_one(void *unused)
{
    (void)unused;
    burn(300 * MICROSECOND); /* so that all harts come by */
    pool_put(&scarce, calloc(1, 8));
}

static void nobody_is_refused_what_another_hart_has_put_by(void)
{
    void *x[16];
    begin();
    in_parallel(16, put_one);
    for (int i = 0; i < 16; i++)
        CHECK((x[i] = pool_get(&scarce)) != NULL);
    CHECK(pool_get(&scarce) == NULL);
    for (int i = 0; i < 16; i++)
        free(x[i]);
    CHECK_EQ(dropped, 0);
}

/* ---- by itself ---- */

#define PERIOD ((duration)POOL_TRIM_NS)

static uint64_t timer_fires(void)
{
    struct runtime_sched_stats s;
    runtime_read_sched_stats(&s);
    return s.timer_fires;
}

static void put_ten(pool *p)
{
    void *x[10];
    for (int i = 0; i < 10; i++)
        x[i] = pool_get(p);
    for (int i = 0; i < 10; i++)
        pool_put(p, x[i]);
}

static void sleep_until(int64_t when)
{
    time_sleep(when - time_now());
}

static pool thrice = {.new = make, .drop = drop};

static void unused_for_two_periods_it_is_dropped(void)
{
    for (int round = 0; round < 3; round++) { /* each begins with places asleep */
        begin();
        int64_t start = time_now();
        put_ten(&thrice);
        sleep_until(start + 2 * PERIOD - SECOND);
        CHECK_EQ(dropped, 0);
        sleep_until(start + 2 * PERIOD + SECOND);
        CHECK_EQ(dropped, 10);
        CHECK_EQ(runtime_numgoroutine(), 1);
    }
}

static void with_nothing_in_any_pool_nobody_is_woken(void)
{
    uint64_t fires = timer_fires();
    time_sleep(10 * HOUR);
    CHECK_EQ(timer_fires() - fires, 1);
}

static void a_pool_in_use_keeps_its_objects(void)
{
    static pool p = {.new = make, .drop = drop};
    begin();
    put_ten(&p);
    for (int i = 0; i < 100; i++) {
        put_ten(&p);
        time_sleep(PERIOD / 7);
    }
    CHECK_EQ(made, 10);
    CHECK_EQ(dropped, 0);
    sleep_until(time_now() + 2 * PERIOD);
    CHECK_EQ(dropped, 10);
}

/* Out of the pool while the last trim went by, put by the fast way into a place that nobody watches. */
static void what_comes_back_late_is_dropped_in_time_too(void)
{
    static pool p = {.new = make, .drop = drop};
    begin();
    put_ten(&p);
    void *x = pool_get(&p);
    time_sleep(3 * PERIOD);
    CHECK_EQ(dropped, 9);
    uint64_t fires = timer_fires();
    time_sleep(3 * PERIOD);
    CHECK_EQ(timer_fires() - fires, 1);
    pool_put(&p, x);
    time_sleep(3 * PERIOD);
    CHECK_EQ(dropped, 10);
}

static chan *dropped_objects;

static void drop_into_channel(void *x)
{
    chan_send(dropped_objects, &x);
}

static void drop_may_block(void)
{
    static pool p = {.new = make, .drop = drop_into_channel};
    dropped_objects = chan_make(sizeof(void *), 0);
    put_ten(&p);
    time_sleep(3 * PERIOD);
    CHECK_EQ(runtime_numgoroutine(), 2);
    for (int i = 0; i < 10; i++) {
        void *x;
        chan_recv(dropped_objects, &x);
        free(x);
    }
    time_sleep(SECOND);
    CHECK_EQ(runtime_numgoroutine(), 1);
    chan_free(dropped_objects);
}

static void nothing(void *unused)
{
    (void)unused;
}

/* Timers that were freed are a pool of the runtime's own. */
static void deadlock_with_filled_pools(void)
{
    static pool p = {.new = make, .drop = drop};
    mutex m = {0};
    put_ten(&p);
    timer_free(time_after_func(HOUR, nothing, NULL));
    mutex_lock(&m);
    mutex_lock(&m);
}

static void by_itself(void)
{
    RUN(unused_for_two_periods_it_is_dropped);
    RUN(with_nothing_in_any_pool_nobody_is_woken);
    RUN(a_pool_in_use_keeps_its_objects);
    RUN(what_comes_back_late_is_dropped_in_time_too);
    RUN(drop_may_block);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "by_itself") == 0) {
        by_itself();
        return 0;
    }
    if (argc > 1)
        deadlock_with_filled_pools();
    /* Under chaos main goes from P to P, and what it put last is its old P's alone. */
    RUN_CALM(a_pool_gives_back_what_was_put);
    RUN_CALM(a_pool_without_new_gives_null);
    RUN_CALM(a_pool_holds_any_number);
    RUN(other_harts_steal_what_is_shared);
    RUN_CALM(what_lies_unused_through_two_trims_is_dropped);
    RUN_CALM(without_drop_everything_is_kept);
    RUN_CALM(when_memory_is_short_pools_are_trimmed);
    RUN(nobody_is_refused_what_another_hart_has_put_by);
    return 0;
}
