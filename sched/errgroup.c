/*
 * errgroup: sync.h's errgroup: a wait group, and the first result that is not 0.
 *
 * What a goroutine of the group needs to know travels in a small record, which it frees before it
 * calls its function: that may end the goroutine.
 */
#include <pinion/sync.h>
#include <errno.h>
#include <stdlib.h>
#include "sched/g.h"

struct member {
    errgroup *eg;
    int (*fn)(void *);
    void *arg;
};

static void run_member(void *arg)
{
    struct member m = *(struct member *)arg;
    int none = 0;
    free(arg);
    int result = m.fn(m.arg);
    if (result != 0)
        /* relaxed, both: seen by wait through the wait group. */
        atomic_compare_exchange_strong_explicit(&m.eg->first_, &none, result, memory_order_relaxed,
                                                memory_order_relaxed);
}

int64_t errgroup_go(errgroup *eg, int (*fn)(void *), void *arg)
{
    static const struct go_attr none;
    if (fn == NULL) {
        errno = EINVAL;
        return -1;
    }
    struct member *m = malloc(sizeof(*m));
    if (m == NULL)
        return -1;
    *m = (struct member){eg, fn, arg};
    waitgroup_add(&eg->wg_, 1);
    int64_t id = g_spawn(&none, &eg->wg_, run_member, m, (uintptr_t)__builtin_return_address(0));
    if (id < 0) {
        waitgroup_done(&eg->wg_);
        free(m);
    }
    return id;
}

int errgroup_wait(errgroup *eg)
{
    waitgroup_wait(&eg->wg_);
    /* relaxed: ordered by the wait group. */
    return atomic_load_explicit(&eg->first_, memory_order_relaxed);
}
