/*
 * timechan: the channels of timers and tickers.
 *
 * Words. A setting is what a timer was made with, or was reset to: a time, when, and for a ticker a
 * period. It is *due* from when on, until its value is received, or it is stopped or reset.
 *
 * Go's timer channel is a channel with room for one value, which the timer puts there when it fires;
 * to keep stale values out, stopping and resetting lock the timer, the sending and the channel, count
 * settings, and drain the buffer. Here there is no buffer. The value of a setting is its time, known
 * beforehand, so that a timer is due says all that a value in a buffer would say:
 *
 *     receive    when ≤ now: the value is when, and the setting is used up; else waits
 *     stop       when = never              true if it was not never already
 *     reset      when = the new time       the same
 *
 * All three are a few instructions with the channel locked. A stale value cannot be received, for
 * there is no place where one could be. And nothing has to happen when a timer comes due that nobody
 * waits for: no interrupt, no hart woken, no entry in a heap. Only who blocks needs to be woken:
 *
 *     receiver                           a hart that fires (timer.c)
 *     locks; not due; queues the node
 *     in its P's heap, and itself
 *     with the channel; context saved
 *     unlocks, by its commit
 *                                        takes the node out of the heap, unlocks that
 *                                        locks the channel; due: takes the receiver out,
 *                                        the setting is used up; unlocks
 *     returns the value          ◀──     copies it, g_ready
 *
 *   N1  when, period, armed are the channel's lock's; so is who may touch the node, but for the heap.
 *   N2  armed: the node is in a heap, or in the hands of a hart that fires it and has yet to get the
 *       channel's lock, which is when armed ends. Once timer_del has said false of an armed node it
 *       is in such hands, and no heap's, until then.
 *   N3  While somebody waits and the timer is not stopped, it is armed. While nobody waits, or is a
 *       select that has been served elsewhere and has yet to leave, its node is in no heap.
 *   N4  A node that fires says no more than: look. What there is to do is found under the channel's
 *       lock: a stop or a reset may have come first, or the last receiver gone.
 *
 * The order of locks. Who stops, resets, or blocks holds the channel's lock and takes the heap's
 * inside. Firing has let go of the heap before it takes the channel's, so there is no way round. That
 * leaves a moment in which the node is in nobody's heap and its memory must stay (N2): who frees it
 * waits until the hart in question has come and gone (O60). That is some hundred instructions of a
 * hart that is on a scheduler stack and wants nothing but the lock which is let go meanwhile; as
 * with a spinlock that is held. With begin, as alarms do it, the heap would stay locked and there
 * would be no such moment; but begin may not take a channel's lock, which is held around the heap's.
 * To try it only and come back later would make a timer late whenever somebody looks at its channel.
 *
 * A due setting is for the receiver that waits longest, if one waits, also while the hart that is to
 * fire has not come yet: who comes along meanwhile does not pass (C3).
 *
 * A ticker's setting is used up by going on to the next time that lies ahead: when plus a whole
 * number of periods. Ticks that nobody has received are passed over in the same step; they never
 * were anywhere.
 *
 * Memory. A node needs a place in a heap, which may have to grow, and none of those who queue it
 * could say that there was no memory for that: a receive, a select, a tick for which two wait, a
 * reset. So who finds none does not wait, but lets others run and looks again, as time_sleep does;
 * and those who wait already are sent away to do so: woken with ok false, which on a channel that
 * cannot be closed means that.
 */
#include "sched/timechan.h"
#include <errno.h>
#include <pinion/go.h>
#include <pinion/sync.h>
#include <stdlib.h>
#include "sched/chan.h"
#include "sched/defer.h"
#include "sched/timer.h"

struct timechan {
    struct chan chan; /* first: a channel of this kind is one of these */

    /* The channel's lock. */
    struct timer_node node;
    int64_t when;    /* CLOCK_NEVER: stopped, or received */
    duration period; /* 0: a timer */
    bool armed;

    /* Constant from one allocation to the next. */
    bool bare; /* time_after's: there is neither of these, and chan_free frees it */
    union {
        timer timer;
        ticker ticker;
    } public;
};

static inline struct timechan *of_chan(struct chan *c)
{
    return (struct timechan *)c;
}

/* ---- its node, the channel locked ---- */

/* false: no memory. */
static bool arm(struct timechan *t)
{
    if (!t->armed && t->when != CLOCK_NEVER)
        t->armed = timer_add(&t->node, t->when);
    return t->armed || t->when == CLOCK_NEVER;
}

static void disarm(struct timechan *t)
{
    if (t->armed && timer_del(&t->node))
        t->armed = false;
}

/* There is a new time for those who wait, if any do. Returns whom to send away (chan_send_away). */
static struct chan_waiter *arm_for_those_who_wait(struct timechan *t)
{
    struct chan_waiter *away = NULL;
    if (chan_first(&t->chan.receivers) != NULL && !arm(t))
        chan_take_all(&t->chan.receivers, &away);
    return away;
}

/* The setting, due at now, has been received. */
static void use_up(struct timechan *t, int64_t now)
{
    t->when = t->period == 0
                  ? CLOCK_NEVER
                  : timer_deadline(t->when + (now - t->when) / t->period * t->period, t->period);
}

/* On a scheduler stack. */
static void fire(struct timer_node *node)
{
    struct timechan *t = node->arg;
    struct chan *c = &t->chan;
    struct chan_waiter *w = NULL;
    spin_lock(&c->lock);
    t->armed = false; /* O60: what follows is done before the lock goes */
    int64_t fired = t->when, now = clock_ns();
    if (fired <= now && (w = chan_queue_take(&c->receivers)) != NULL)
        use_up(t, now);
    struct chan_waiter *away = arm_for_those_who_wait(t);
    spin_unlock(&c->lock);
    if (w != NULL) {
        chan_copy(w->elem, &fired, sizeof(fired));
        w->ok = true;
        g_ready(w->g);
    }
    chan_send_away(away);
}

/* ---- what channels ask ---- */

bool timechan_due(struct chan *c)
{
    return of_chan(c)->when <= clock_ns() && !chan_somebody_waits(&c->receivers);
}

bool timechan_take(struct chan *c, int64_t *fired)
{
    struct timechan *t = of_chan(c);
    int64_t now = clock_ns();
    if (t->when > now || chan_somebody_waits(&c->receivers))
        return false;
    *fired = t->when;
    use_up(t, now);
    return true;
}

bool timechan_arm(struct chan *c)
{
    return arm(of_chan(c));
}

void timechan_left(struct chan *c)
{
    if (chan_first(&c->receivers) == NULL)
        disarm(of_chan(c));
}

/* ---- its life ---- */

static void *timechan_new(void)
{
    struct timechan *t = calloc(1, sizeof(*t));
    if (t != NULL) {
        t->chan.kind = CHAN_TIMES;
        t->chan.elem_size = sizeof(int64_t);
        t->node.fire = fire;
        t->node.arg = t;
    }
    return t;
}

static pool timechans = {.new = timechan_new, .drop = free};

/* Nobody else knows it yet. */
static struct timechan *make(duration d, duration period)
{
    struct timechan *t = pool_get(&timechans);
    if (t == NULL) {
        errno = ENOMEM;
        return NULL;
    }
    t->when = timer_deadline(clock_ns(), d);
    t->period = period;
    t->bare = false;
    return t;
}

/* A new setting. true: the one before has not been received and will not be. */
static bool set(struct timechan *t, int64_t when, duration period)
{
    chan_lock(&t->chan);
    bool active = t->when != CLOCK_NEVER;
    t->when = when;
    t->period = period;
    disarm(t);
    struct chan_waiter *away = arm_for_those_who_wait(t);
    spin_unlock(&t->chan.lock);
    chan_send_away(away);
    preempt_on();
    return active;
}

/* false: somebody waits; nothing has happened. */
static bool end(struct timechan *t)
{
    chan_lock(&t->chan);
    bool alone = chan_first(&t->chan.receivers) == NULL;
    if (alone) {
        t->when = CLOCK_NEVER;
        disarm(t);
        for (unsigned n = 0; t->armed; n++) { /* O60: a hart has the node in hand */
            spin_unlock(&t->chan.lock);
            arch_relax(n);
            spin_lock(&t->chan.lock);
        }
    }
    chan_unlock(&t->chan);
    return alone;
}

void timechan_free(struct timechan *t)
{
    if (!end(t))
        chan_panic_waiters();
    pool_put(&timechans, t);
}

void timechan_free_channel(struct chan *c)
{
    if (!of_chan(c)->bare)
        sched_panic("free of a timer's channel");
    timechan_free(of_chan(c));
}

bool timechan_stop(struct timechan *t)
{
    return set(t, CLOCK_NEVER, 0);
}

bool timechan_reset(struct timechan *t, duration d)
{
    return set(t, timer_deadline(clock_ns(), d), 0);
}

/* ---- time.h's ---- */

chan *time_after(duration d)
{
    struct timechan *t = make(d, 0);
    if (t == NULL)
        return NULL;
    t->bare = true;
    return &t->chan;
}

timer *time_new_timer(duration d)
{
    struct timechan *t = make(d, 0);
    if (t == NULL)
        return NULL;
    t->public.timer = (timer){.c = &t->chan, .times_ = t};
    return &t->public.timer;
}

ticker *time_new_ticker(duration d)
{
    if (d <= 0)
        sched_panic("non-positive interval for NewTicker");
    struct timechan *t = make(d, d);
    if (t == NULL)
        return NULL;
    t->public.ticker = (ticker){.c = &t->chan, .times_ = t};
    return &t->public.ticker;
}

void ticker_stop(ticker *t)
{
    if (t->times_ != NULL)
        timechan_stop(t->times_);
}

void ticker_reset(ticker *t, duration d)
{
    if (d <= 0)
        sched_panic("non-positive interval for Ticker.Reset");
    if (t->times_ == NULL)
        sched_panic("time: Reset called on uninitialized Ticker");
    set(t->times_, timer_deadline(clock_ns(), d), d);
}

void ticker_free(ticker *t)
{
    if (t != NULL && t->times_ != NULL)
        timechan_free(t->times_);
}
