/*
 * level: is memory back where it was? Counts free pages after every P has given up what it keeps.
 */
#pragma once
#include "stress.h"
#include "kernel/page.h"
#include "kernel/stack.h"
#include "sched/g.h"

static inline void level_trim_here(void *wg)
{
    preempt_off();
    g_trim();
    preempt_on();
    waitgroup_done(wg);
}

/*
 * Makes every P give up its dead goroutines' stacks, and waits until main is alone. The goroutines
 * that do it have stacks of another size than the default, which no P keeps; so nothing is left
 * that would hold on to a page table here in one run and there in the next.
 */
static inline void level_trim(void)
{
    waitgroup wg = {0};
    int n = runtime_gomaxprocs(0);
    for (int i = 0; i < n; i++) {
        struct go_attr attr = {.affinity = UINT64_C(1) << i, .stack_size = 2 * STACK_DEFAULT};
        waitgroup_add(&wg, 1);
        CHECK(go_with(&attr, level_trim_here, &wg) > 0, "go_with failed");
    }
    waitgroup_wait(&wg);
    /* A goroutine is counted as gone a moment before its stack is: so the others must sleep too. */
    int64_t until = time_now() + PATIENCE;
    while (runtime_numgoroutine() != 1 ||
           (uint32_t)__builtin_popcountll(load_relaxed(&sched.idle_m)) + 1 != sched.n_m) {
        CHECK(time_now() < until, "%d goroutines are left", runtime_numgoroutine());
        time_sleep(MILLISECOND);
    }
    preempt_off();
    stack_trim();
    preempt_on();
}

/* Pages that nobody uses. */
static inline size_t level_free(void)
{
    level_trim();
    return page_count_free() + stack_pages_pooled();
}

static inline void level_nap(void *wg)
{
    time_sleep(20 * MILLISECOND);
    waitgroup_done(wg);
}

static inline void level_deferred(void *unused)
{
    (void)unused;
}

static inline void level_wait(void *gate)
{
    for (int i = 0; i < 4; i++)
        runtime_defer(level_deferred, NULL);
    mutex_lock(gate);
    mutex_unlock(gate);
}

/* Makes what is made once: timer heaps, a heap for malloc (a panic formats its message with newlib,
 * which allocates for the goroutine that does so), records of deferred calls, and descriptors for
 * `alive` goroutines beyond what each P may keep for itself. */
static inline void level_warm_up(int alive)
{
    waitgroup wg = {0};
    static mutex gate;
    int n = runtime_gomaxprocs(0);
    free(malloc(1 << 20));
    for (int i = 0; i < n; i++) {
        struct go_attr attr = {.affinity = UINT64_C(1) << i};
        waitgroup_add(&wg, alive);
        for (int k = 0; k < alive; k++)
            CHECK(go_with(&attr, level_nap, &wg) > 0, "go_with failed");
        waitgroup_wait(&wg);
    }
    mutex_lock(&gate);
    for (int i = 0; i < alive + n * (int)(GFREE_MAX + 2); i++)
        CHECK(waitgroup_go(&wg, level_wait, &gate) > 0, "waitgroup_go failed");
    mutex_unlock(&gate);
    waitgroup_wait(&wg);
}
