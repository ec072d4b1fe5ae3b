/*
 * sync_pool_test: what a pool gives back, what it drops and when. The trims are the runtime's own
 * function, called here instead of every two minutes.
 */
#include <stdatomic.h>
#include "check.h"
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

int main(void)
{
    RUN(a_pool_gives_back_what_was_put);
    RUN(a_pool_without_new_gives_null);
    RUN(a_pool_holds_any_number);
    RUN(other_harts_steal_what_is_shared);
    RUN(what_lies_unused_through_two_trims_is_dropped);
    RUN(without_drop_everything_is_kept);
    RUN(when_memory_is_short_pools_are_trimmed);
    return 0;
}
