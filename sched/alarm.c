/*
 * alarm: time.h's timers with a function, and which kind of timer it is that is stopped, reset or
 * freed. Those with a channel are in timechan.c.
 *
 * An alarm's goroutine is started while its heap is locked (begin, see timer.c). So a timer_stop that
 * says true took it back in time, one that says false comes after the goroutine exists, and nothing
 * of the alarm is touched afterwards: timer_free may give its memory back at once (O29). Go's timers have
 * a lock each for that, which firing takes too; here firing takes one lock only, the heap's.
 *
 * The alarm's own lock keeps two resets apart, that neither queues what the other has queued. To
 * stop it, or to fire it, is the heap's business alone.
 *
 * Stopped alarms are kept in a pool: to make one costs no malloc mostly.
 */
#include <errno.h>
#include <pinion/go.h>
#include <pinion/sync.h>
#include <pinion/time.h>
#include <stdlib.h>
#include "sched/atomic.h"
#include "sched/chaos.h"
#include "sched/defer.h"
#include "sched/g.h"
#include "sched/proc.h"
#include "sched/timechan.h"
#include "sched/timer.h"

struct alarm {
    struct timer_node node; /* the heap's, while it is queued */
    timer public;           /* constant */
    void (*fn)(void *);     /* constant */
    void *arg;              /* constant */
    struct spin lock;       /* held by reset */
};

static void *alarm_new(void)
{
    return calloc(1, sizeof(struct alarm));
}

static pool alarms = {.new = alarm_new, .drop = free};

/* On a scheduler stack, the heap locked. */
static bool begin_fn(struct timer_node *node)
{
    static const struct go_attr none;
    struct alarm *a = (struct alarm *)node;
    return !chaos_refusal() && g_spawn(&none, NULL, a->fn, a->arg, (uintptr_t)time_after_func) > 0;
}

/* a, if there is one, is not wanted after all. */
static __attribute__((noinline)) timer *fail(struct alarm *a, int error)
{
    if (a != NULL)
        pool_put(&alarms, a);
    errno = error;
    return NULL;
}

HOT timer *time_after_func(duration d, void (*fn)(void *), void *arg)
{
    struct alarm *a = fn != NULL ? pool_get(&alarms) : NULL;
    if (a == NULL)
        return fail(NULL, fn != NULL ? ENOMEM : EINVAL);
    a->node.begin = begin_fn;
    a->public.alarm_ = a;
    a->fn = fn;
    a->arg = arg;
    int64_t when = timer_deadline(clock_ns(), d);
    preempt_off();
    bool queued = timer_add(&a->node, when);
    preempt_on();
    return queued ? &a->public : fail(a, ENOMEM);
}

/* ---- which kind it is ---- */

static __attribute__((noinline)) bool stop_other(timer *t)
{
    if (t->times_ == NULL)
        sched_panic("time: Stop called on uninitialized Timer");
    return timechan_stop(t->times_);
}

static __attribute__((noinline)) bool reset_other(timer *t, duration d)
{
    if (t->times_ == NULL)
        sched_panic("time: Reset called on uninitialized Timer");
    return timechan_reset(t->times_, d);
}

static __attribute__((noinline)) void free_other(timer *t)
{
    if (t->times_ == NULL)
        sched_panic("time: Stop called on uninitialized Timer");
    timechan_free(t->times_);
}

HOT bool timer_stop(timer *t)
{
    struct alarm *a = t->alarm_;
    if (__builtin_expect(a == NULL, 0))
        return stop_other(t);
    preempt_off();
    bool active = timer_del(&a->node);
    preempt_on();
    return active;
}

bool timer_reset(timer *t, duration d)
{
    struct alarm *a = t->alarm_;
    if (a == NULL)
        return reset_other(t, d);
    int64_t when = timer_deadline(clock_ns(), d);
    preempt_off();
    spin_lock(&a->lock);
    bool active = timer_del(&a->node);
    bool queued = timer_add(&a->node, when);
    spin_unlock(&a->lock);
    preempt_on();
    if (!queued)
        errno = ENOMEM;
    return active;
}

static __attribute__((noinline)) void stop_and_free(struct alarm *a)
{
    timer_stop(&a->public);
    pool_put(&alarms, a);
}

HOT void timer_free(timer *t)
{
    if (t == NULL)
        return;
    struct alarm *a = t->alarm_;
    if (__builtin_expect(a == NULL, 0))
        free_other(t);
    /* relaxed: whoever stopped it has returned, or is this goroutine. One that has fired may still
     * be in the hands of who fired it; the heap's lock waits for that. */
    else if (load_relaxed(&a->node.index) != TIMER_NOT_QUEUED)
        stop_and_free(a);
    else
        pool_put(&alarms, a);
}
