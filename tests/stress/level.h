/*
 * level: is memory back where it was? Counts free pages after every P has given up what it keeps.
 */
#pragma once
#include "stress.h"
#include "kernel/page.h"
#include "kernel/stack.h"
#include "sched/chaos.h"
#include "sched/g.h"
#include "sched/malloc.h"
#include "sched/timer.h"

static inline void level_trim_here(void *wg)
{
    preempt_off();
    g_trim();
    preempt_on();
    waitgroup_done(wg);
}

/* Waits until main is alone. A goroutine is counted as gone a moment before its stack is: so the other
 * harts must sleep too. */
static inline void level_alone(void)
{
    int64_t until = time_now() + PATIENCE;
    while (runtime_numgoroutine() != 1 ||
           (uint32_t)__builtin_popcountll(load_relaxed(&sched.idle_m)) + 1 != sched.n_m) {
        CHECK(time_now() < until, "%d goroutines are left", runtime_numgoroutine());
        time_sleep(MILLISECOND);
    }
}

/*
 * Makes every P give up its dead goroutines' stacks, with main alone before and after. The goroutines
 * that do it have stacks of another size than the default, which no P keeps; so nothing is left
 * that would hold on to a page table here in one run and there in the next.
 */
static inline void level_trim(void)
{
    waitgroup wg = {0};
    int n = runtime_gomaxprocs(0);
    level_alone();
    for (int i = 0; i < n; i++) {
        struct go_attr attr = {.affinity = UINT64_C(1) << i, .stack_size = 2 * STACK_DEFAULT};
        waitgroup_add(&wg, 1);
        CHECK(go_with(&attr, level_trim_here, &wg) > 0, "go_with failed");
    }
    waitgroup_wait(&wg);
    level_alone();
    heap_trim();
}

/* Pages that nobody uses. */
static inline size_t level_free(void)
{
    level_trim();
    return page_count_free() + stack_pages_pooled();
}

/* Are these as many? Under chaos main, taken off where it stands deepest, may have come to another page of
 * its stack. */
static inline bool level_same(size_t before, size_t after)
{
    return before - after + chaos_on <= 2 * (size_t)chaos_on;
}

/* Room for `alive` timers on the P it runs on. */
static inline void level_timers(void *alive)
{
    long n = (long)alive;
    struct timer_node *nodes = calloc((size_t)n, sizeof(*nodes));
    CHECK(nodes != NULL, "calloc failed");
    preempt_off();
    for (long i = 0; i < n; i++)
        CHECK(timer_add(&nodes[i], time_now() + HOUR), "timer_add failed");
    for (long i = 0; i < n; i++)
        CHECK(timer_del(&nodes[i]), "timer_del failed");
    preempt_on();
    free(nodes);
}

static inline void level_deferred(void *unused)
{
    (void)unused;
}

struct level_gate {
    mutex mu;
    waitgroup here, gone;
};

static inline void level_wait(void *arg)
{
    struct level_gate *gate = arg;
    for (int i = 0; i < 4; i++)
        runtime_defer(level_deferred, NULL);
    waitgroup_done(&gate->here);
    mutex_lock(&gate->mu);
    mutex_unlock(&gate->mu);
}

/* Makes what is made once: timer heaps, records of deferred calls, and descriptors for `alive`
 * goroutines beyond what each P may keep for itself. */
static inline void level_warm_up(long alive)
{
    static struct level_gate gate;
    int harts = runtime_gomaxprocs(0);
    for (int i = 0; i < harts; i++) {
        struct go_attr attr = {.affinity = UINT64_C(1) << i};
        CHECK(go_with(&attr, level_timers, (void *)alive) > 0, "go_with failed");
    }
    long n = alive + harts * (long)(GFREE_MAX + 2);
    mutex_lock(&gate.mu);
    waitgroup_add(&gate.here, (int)n);
    for (long i = 0; i < n; i++)
        CHECK(waitgroup_go(&gate.gone, level_wait, &gate) > 0, "waitgroup_go failed");
    waitgroup_wait(&gate.here);
    mutex_unlock(&gate.mu);
    waitgroup_wait(&gate.gone);
}
