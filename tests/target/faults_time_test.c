// link: -Wl,--wrap=page_alloc,--wrap=page_alloc_run,--wrap=page_alloc_aligned,--wrap=page_extend_run,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=memalign,--wrap=aligned_alloc,--wrap=free,--wrap=heap_malloc,--wrap=heap_calloc,--wrap=heap_realloc,--wrap=heap_aligned,--wrap=heap_free
/*
 * faults_time_test: calls for timers, Ps and pools, refused memory (refusals.h).
 */
#include "tests/target/refusals.h"

/* ---- timers ---- */

static struct timer_node filling[4096];
static uint32_t n_filling;

/* The first P's heap has no place left, or no memory yet. */
static void fill_timers(void)
{
    struct timers *h = &sched.p[0]->timers;
    faults_pause();
    preempt_off();
    for (n_filling = 0; h->n < h->cap; n_filling++)
        CHECK(timer_add(&filling[n_filling], time_now() + HOUR), "timer_add failed");
    preempt_on();
    faults_resume();
}

static void empty_timers(void)
{
    preempt_off();
    while (n_filling > 0)
        CHECK(timer_del(&filling[--n_filling]), "timer_del failed");
    preempt_on();
}

static bool one_more_timer(void)
{
    fill_timers();
    timer *t = time_after_func(HOUR, nothing, NULL);
    bool good = told_so(t == NULL);
    timer_free(t);
    empty_timers();
    return good;
}

CALL(time_after_func_among_many, 2)
{
    return one_more_timer();
}

CALL(time_after_func_among_many_with_one_in_the_pool, 1)
{
    faults_pause();
    timer_free(time_after_func(HOUR, nothing, NULL));
    return one_more_timer();
}

CALL(timer_reset_of_a_stopped_one_among_many, 1)
{
    faults_pause();
    timer *t = time_after_func(HOUR, nothing, NULL);
    timer_stop(t);
    fill_timers();
    errno = 0;
    CHECK(!timer_reset(t, HOUR), "it was stopped");
    bool good = told_so(errno != 0);
    CHECK(timer_stop(t) == good, "queued without memory, or not with it");
    timer_free(t);
    empty_timers();
    return good;
}

/* Due while there is no memory for its goroutine; it runs when there is. */
CALL(function_of_a_timer, 1)
{
    faults_pause();
    ran = 0;
    timer *t = time_after_func(HOUR, count_run, NULL);
    CHECK(t != NULL, "time_after_func failed");
    faults_resume();
    timer_reset(t, 0); /* needs none: it was queued */
    time_sleep(3 * MILLISECOND);
    faults_pause();
    SOON(ran == 1);
    timer_free(t);
    return true;
}

CALL_WITHOUT_MEMORY(sleep_and_reset_of_a_queued_timer, 1)
{
    faults_pause();
    timer *t = time_after_func(HOUR, nothing, NULL);
    fill_timers();
    int64_t from = time_now();
    time_sleep(2 * MILLISECOND);
    CHECK(time_now() - from >= 2 * MILLISECOND, "woken too early");
    CHECK(timer_reset(t, 2 * HOUR) && timer_stop(t), "not queued any more");
    faults_pause();
    timer_free(t);
    empty_timers();
    return true;
}

/* ---- the number of Ps ---- */

static void hold_timers(void *stop)
{
    static timer *t[300];
    for (int i = 0; i < 300; i++)
        if (stop == NULL)
            CHECK((t[i] = time_after_func(HOUR, nothing, NULL)) != NULL, "no timer");
        else
            timer_free(t[i]);
    ran++;
}

static void on_the_last_p(void (*fn)(void *), void *arg)
{
    struct go_attr attr = {.affinity = UINT64_C(1) << (runtime_gomaxprocs(0) - 1)};
    ran = 0;
    CHECK(go_with(&attr, fn, arg) > 0, "go_with failed");
    SOON(ran == 1);
}

CALL_OF_HARTS(fewer_ps_with_many_timers, 1, 2)
{
    int old = runtime_gomaxprocs(0);
    faults_pause();
    on_the_last_p(hold_timers, NULL);
    faults_resume();
    errno = 0;
    CHECK(runtime_gomaxprocs(1) == old, "not the old number");
    bool good = told_so(errno != 0);
    CHECK(runtime_gomaxprocs(0) == (good ? 1 : old), "neither all done nor nothing");
    faults_pause();
    runtime_gomaxprocs(old);
    on_the_last_p(hold_timers, &ran);
    return good;
}

/* ---- pools ---- */

static _Atomic long dropped;

static void count_drop(void *unused)
{
    (void)unused;
    dropped++;
}

/* Without memory to remember it, it goes to drop. */
CALL_KEEPS(first_put_into_a_pool, 1)
{
    static pool fresh[64];
    static int used;
    pool *p = &fresh[used++ % 64];
    dropped = 0;
    p->drop = count_drop;
    pool_put(p, &dropped);
    faults_pause();
    bool kept = pool_get(p) == &dropped;
    CHECK(kept == (dropped == 0), "%ld dropped", dropped);
    return kept;
}

static pool counting = {.drop = count_drop};

CALL(put_many_into_a_pool, 2)
{
    long got = 0;
    dropped = 0;
    for (int i = 0; i < 40; i++)
        pool_put(&counting, &filling[i]);
    faults_pause();
    while (pool_get(&counting) != NULL)
        got++;
    CHECK(got + dropped == 40, "%ld back, %ld dropped", got, dropped);
    return dropped == 0;
}

static void *new_block(void)
{
    return malloc(100);
}

CALL(get_from_a_pool, 1)
{
    static pool p = {.new = new_block, .drop = free};
    void *x = pool_get(&p);
    bool good = told_so(x == NULL);
    pool_put(&p, x);
    return good;
}

/* No timer for the next trim: it is held at once. */
CALL_WITHOUT_MEMORY(trims_without_a_timer, 2)
{
    fill_timers();
    dropped = 0;
    pool_put(&counting, &dropped);
    CHECK(dropped == 1, "neither dropped nor to be dropped");
    CHECK(pool_get(&counting) == NULL, "dropped and kept");
    faults_pause();
    empty_timers();
    pool_put(&counting, &dropped);
    CHECK(trim_now(), "nobody has set the timer");
    SOON(runtime_numgoroutine() == 2);
    CHECK(dropped == 1 && trim_now(), "not a victim, or not for long");
    SOON(dropped == 2);
    return true;
}

int main(void)
{
    refuse_all();
    return 0;
}
