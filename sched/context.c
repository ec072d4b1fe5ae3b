/*
 * context: trees of contexts, through which one word goes down: stop.
 *
 *            background                  static; never ends, and remembers no children
 *           ┌────┴─────┐
 *        server       cron               down: a list in the parent (children, next, at)
 *       ┌──┴────┐                        up:   parent, constant, with a reference
 *    req 1    req 2
 *
 * A context *ends* once: its cause is written down and its channel, done, is closed, which wakes
 * who waits for it. It is *linked* while it is in its parent's list. A cancel, a deadline and a
 * free all end a context and everything below it; they come from any number of goroutines at once.
 *
 *   X1  why, timer and children of a context change only with its lock held; a child's next and at
 *       with its parent's.
 *   X2  A parent's lock goes before its child's. One goroutine may hold those of a whole path down.
 *   X3  A context that has not ended is linked. One that is linked and has ended will be taken out
 *       by who ended it, before he lets go of his reference. (But for children of the background,
 *       which never ends and so need not know them.)
 *   X4  Who ends a context keeps its lock until all below it have ended. So whoever has got the
 *       lock and finds that it has ended knows that nobody is at work below. That is why a cancel
 *       that comes second may return at once, and has kept its promise.
 *   X5  References: its maker's, until context_free; each child's, until that child's memory goes;
 *       and its set timer's, which belongs to the goroutine that the timer makes, or to who has
 *       stopped it in time. The last one out frees the memory, then drops its own on the parent.
 *   X6  Nothing is allocated or freed with a lock held: short of memory, pools are trimmed, and a
 *       program's own drop function may do anything, cancel this tree too.
 *
 * The walk down. Trees may be deep, so it neither recurses nor takes memory: it goes down by
 * locking the first child, which it takes out of the list, and up by unlocking; parent is the way
 * back. The path is its stack, and the locks on it are held anyway (X4). They are mutexes: ten
 * thousand contexts take a millisecond, for which the walker stays preemptible and those who wait,
 * sleep.
 *
 * A walk against free of a child. W walks, has the parent's lock, finds child c linked, takes it
 * out and then locks it. F frees c: it locks c, to end it, and lets go of its reference in the end.
 * Is c still there when W locks it, and until W has unlocked it?
 *   – W is first: F waits until W has unlocked c, which is the last W does with it.
 *   – F is first, and ends c: then it wants the parent's lock, to take c out (X3), and W has that.
 *     F finds c taken out, but W is through with c then.
 *   – F finds that c has ended. If a walk did it, W is past c (X3: c is not linked). If c's
 *     deadline did, or is about to take c out, it has its own reference (X5) and wants the parent's
 *     lock too: as before.
 * (That another goroutine cancels c while F frees it is ruled out: free is the last call.)
 *
 * A child's birth against a cancel of the parent. It locks the parent. Either that has not ended:
 * the child is linked, and whoever ends the parent later finds it. Or it has: the child ends at
 * birth, with the parent's cause.
 *
 * Its deadline against a cancel. Both lock c, the first leaves the cause. Who ends c stops the
 * timer; if he is in time, no goroutine will come for the timer's reference, and it is his to drop.
 * While it is being made no lock is held (X6), and c may end, by this very timer even: then who has
 * ended it did not know the timer, and set_timer, which finds that out with the lock, stops it.
 *
 * Values and deadlines are constant, so to look them up takes no lock: parents stay as long as
 * their children do, freed or not.
 *
 * Rejected: one lock for a whole tree: all that a server does hangs on one root, and each request
 * would go through its lock. Go's recursion: goroutines' stacks here do not grow to 10,000 frames.
 * A channel made when it is first asked for, as Go does: that can fail, and a context whose done
 * says NULL for lack of memory is never seen to end; so it is part of the structure. A timer node
 * that fires on the scheduler's stack instead of a timer with a goroutine: nobody sleeps for a lock
 * there.
 */
#define PINION_NO_LOCK_ORDER /* lockorder.c */
#include <pinion/context.h>
#include <errno.h>
#include <pinion/go.h>
#include <pinion/sync.h>
#include <stdlib.h>
#include "sched/chan.h"
#include "sched/defer.h"

struct context {
    struct chan done; /* a lock of its own */

    /* Constant. */
    context *parent; /* NULL: the background */
    const void *key; /* NULL: no value */
    void *value;
    int64_t deadline; /* the earliest from here up; none: INT64_MAX */
    bool has_deadline;

    mutex lock;

    /* lock (X1). */
    const char *why; /* it has ended; without the lock: only after done is seen closed (O70) */
    timer *timer;    /* the deadline's, unless a parent's comes first or all is over */
    context *children;

    /* The parent's lock (X1). */
    context *next;
    context **at; /* what points to it; NULL: not linked */

    _Atomic uint32_t refs; /* X5; the background's are not counted */
};

static const char canceled[] = "context canceled";
static const char deadline_exceeded[] = "context deadline exceeded";

static context background = {.deadline = INT64_MAX};

/* ---- references ---- */

static inline bool is_background(const context *c)
{
    return c->parent == NULL;
}

static void keep(context *c)
{
    /* relaxed: the caller has a reference, or the lock that who has one is waiting for. */
    if (!is_background(c))
        atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
}

/* true: it was the last. */
static bool drop(context *c)
{
    /* O71: release: what was done with c; acquire: the last one has seen what all others did. */
    return atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) == 1;
}

/* Nothing is locked. A long chain whose last one goes, goes in a loop. */
static void let_go(context *c)
{
    while (!is_background(c) && drop(c)) {
        context *parent = c->parent;
        timer_free(c->timer);
        free(c);
        c = parent;
    }
}

/* ---- the parent's list; the parent is locked ---- */

static void link_child(context *parent, context *c)
{
    c->next = parent->children;
    c->at = &parent->children;
    if (c->next != NULL)
        c->next->at = &c->next;
    parent->children = c;
}

static void unlink_child(context *c)
{
    *c->at = c->next;
    if (c->next != NULL)
        c->next->at = c->at;
    c->at = NULL;
}

/* ---- the end ---- */

/* Takes back a timer that nobody else knows, or that c, which has ended, leaves behind. The caller
 * has another reference, or the lock that who has one is waiting for. */
static void stop_timer(context *c)
{
    if (c->timer != NULL && timer_stop(c->timer)) {
        bool last = drop(c); /* X5: the timer's */
        ASSERT(!last, "context: the reference of a timer was the last");
    }
}

/* c, which has not ended, ends. It is locked, or nobody knows it yet. */
static void end_one(context *c, const char *why)
{
    c->why = why;
    chan_close(&c->done); /* O70 */
    stop_timer(c);
}

/* All below top end; it has, and is locked before and after. */
static void end_below(context *top, const char *why)
{
    for (context *c = top, *child;;) {
        if ((child = c->children) != NULL) {
            unlink_child(child);
            mutex_lock(&child->lock);
            if (child->why == NULL) {
                end_one(child, why);
                c = child;
            } else {
                mutex_unlock(&child->lock); /* O72: by itself, and all below it (X4) */
            }
        } else if (c != top) {
            context *up = c->parent;
            mutex_unlock(&c->lock); /* O72: the walk's last access to c */
            c = up;
        } else {
            return;
        }
    }
}

/* X3: c has ended. */
static void leave_parent(context *c)
{
    context *parent = c->parent;
    if (is_background(parent))
        return;
    mutex_lock(&parent->lock);
    if (c->at != NULL)
        unlink_child(c);
    mutex_unlock(&parent->lock);
}

/* When it returns, c and all below have ended, by this call or by others. The caller has a
 * reference. */
static void end_tree(context *c, const char *why)
{
    mutex_lock(&c->lock); /* O72: even if it has ended */
    bool first = c->why == NULL;
    if (first) {
        end_one(c, why);
        end_below(c, why);
    }
    mutex_unlock(&c->lock);
    if (first)
        leave_parent(c);
}

/* ---- birth ---- */

/* A child of parent that parent does not know yet. NULL: errno says why. */
static context *child_new(context *parent)
{
    if (parent == NULL)
        sched_panic("cannot create context from nil parent");
    context *c = calloc(1, sizeof(*c));
    if (c == NULL) {
        errno = ENOMEM;
        return NULL;
    }
    chan_init(&c->done, 0, 0);
    c->parent = parent;
    c->deadline = parent->deadline;
    c->has_deadline = parent->has_deadline;
    keep(parent);
    store_relaxed(&c->refs, 1); /* relaxed: nobody knows it yet */
    return c;
}

/* Makes c known to its parent. Returns c. */
static context *join_parent(context *c)
{
    context *parent = c->parent;
    if (is_background(parent))
        return c;
    mutex_lock(&parent->lock);
    if (parent->why == NULL)
        link_child(parent, c);
    else
        end_one(c, parent->why);
    mutex_unlock(&parent->lock);
    return c;
}

/* ---- deadlines ---- */

/* In the timer's goroutine, with the timer's reference. */
static void deadline_over(void *arg)
{
    end_tree(arg, deadline_exceeded); /* O73: whether or not its timer is noted yet */
    let_go(arg);
}

/* Sets c's timer. false: no memory. */
static bool set_timer(context *c)
{
    keep(c);
    timer *t = time_after_func(c->deadline - time_now(), deadline_over, c);
    if (t == NULL) {
        drop(c);
        return false;
    }
    mutex_lock(&c->lock);
    c->timer = t;
    bool late = c->why != NULL;
    mutex_unlock(&c->lock);
    if (late)
        stop_timer(c); /* O73: the second look */
    return true;
}

/* ---- context.h ---- */

context *context_background(void)
{
    return &background;
}

context *context_with_cancel(context *parent)
{
    context *c = child_new(parent);
    return c != NULL ? join_parent(c) : NULL;
}

context *context_with_deadline(context *parent, int64_t when)
{
    context *c = child_new(parent);
    if (c == NULL)
        return NULL;
    bool first = when < c->deadline;
    if (first)
        c->deadline = when;
    c->has_deadline = true;
    join_parent(c);
    if (c->deadline <= time_now()) {
        end_tree(c, deadline_exceeded);
    } else if (first && context_err(c) == NULL && !set_timer(c)) {
        context_free(c);
        errno = ENOMEM;
        return NULL;
    }
    return c;
}

context *context_with_timeout(context *parent, duration d)
{
    int64_t when;
    if (__builtin_add_overflow(time_now(), d, &when))
        when = INT64_MAX;
    return context_with_deadline(parent, when);
}

context *context_with_value(context *parent, const void *key, void *value)
{
    if (parent != NULL && key == NULL)
        sched_panic("nil key");
    context *c = child_new(parent);
    if (c == NULL)
        return NULL;
    c->key = key;
    c->value = value;
    return join_parent(c);
}

void context_cancel(context *c)
{
    if (!is_background(c))
        end_tree(c, canceled);
}

void context_free(context *c)
{
    if (c == NULL || is_background(c))
        return;
    end_tree(c, canceled);
    let_go(c);
}

chan *context_done(context *c)
{
    return is_background(c) ? NULL : &c->done;
}

const char *context_err(context *c)
{
    return chan_seen_closed(&c->done) ? c->why : NULL; /* O70 */
}

bool context_deadline(context *c, int64_t *when)
{
    if (c->has_deadline && when != NULL)
        *when = c->deadline;
    return c->has_deadline;
}

void *context_value(context *c, const void *key)
{
    while (c->key != key && !is_background(c))
        c = c->parent;
    return c->key == key ? c->value : NULL;
}
