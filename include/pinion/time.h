/*
 * time.h: time since boot, monotonic, in nanoseconds. Go's counterpart: package time.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

typedef int64_t duration; /* nanoseconds */

#define NANOSECOND  ((duration)1)
#define MICROSECOND (1000 * NANOSECOND)
#define MILLISECOND (1000 * MICROSECOND)
#define SECOND      (1000 * MILLISECOND)
#define MINUTE      (60 * SECOND)
#define HOUR        (60 * MINUTE)

/* Nanoseconds since boot; never goes back, not even between harts. */
int64_t time_now(void);

/* Parks this goroutine for at least d. d ≤ 0 returns at once; a d past the end of time is cut. */
void time_sleep(duration d);

/*
 * ---- timers ----
 *
 * A timer fires once, when its time has come: it calls a function, or there is a value to receive
 * from its channel, with chan_recv, chan_try_recv or in a select. Semantics are those of Go 1.23.
 *
 * The value is an int64_t, the time at which the timer fired: the moment it was set for, which is
 * never later than the moment it is received. It stays until somebody takes it. Who receives gets
 * the value of the present setting only: once timer_stop, timer_reset, ticker_stop or ticker_reset
 * has returned there is nothing left of the one before, whether it had fired or not.
 *
 * The channel is one to receive from. chan_len and chan_cap say 0. A send panics, "reflect: send on
 * recv-only channel", in a select "reflect.Select: SendDir case using recv-only channel", and so
 * does chan_close, "reflect: close of receive-only channel": in Go none of them compiles. Of several
 * receivers the first to come gets the value; the others wait on, for the next tick, or for what a
 * reset brings. Who waits while the timer is stopped, or has fired for another, waits until a
 * reset; if there is nobody to do that, it is a deadlock and is reported as one.
 *
 * A timer with a channel takes time on no hart while nobody waits for it, ticking or not; nor is it
 * a hope that would keep the report of a deadlock back.
 *
 * There is no collector: each is to be freed, by the function that goes with it, which stops it
 * first. The channel goes with it; while goroutines wait on it, "panic: free of channel with
 * waiters", and nothing has happened.
 */

struct chan;

/* Go: time.Timer. To be made by the functions below: the others panic when they meet another. */
typedef struct timer {
    struct chan *c;          /* NULL: it has a function */
    struct alarm *alarm_;    /* sched/alarm.c's */
    struct timechan *times_; /* sched/timechan.c's */
} timer;

/* The channel of a timer that fires after d, or at once if d ≤ 0. It has no other handle: chan_free
 * stops it. NULL: errno ENOMEM. */
struct chan *time_after(duration d);

/* As time_after; the channel is c. NULL: errno ENOMEM. */
timer *time_new_timer(duration d);

/*
 * After d, or at once if d ≤ 0, calls fn(arg) in a goroutine of its own; if none can be made at that
 * moment, as soon as one can. NULL: errno ENOMEM, or EINVAL (fn is NULL).
 */
timer *time_after_func(duration d, void (*fn)(void *), void *arg);

/*
 * With a function: true: it will not fire any more; false: it has fired (fn may not have ended, or
 * begun) or was stopped before. With a channel: true: it was to fire, or had fired and nobody had
 * received the value, which is gone; false: somebody had, or it was stopped before. So of each
 * setting either the value is received or one stop or reset says true, never both.
 */
bool timer_stop(timer *);

/* Fires d from now, whether it has fired before or not. The result is timer_stop's. With a function,
 * errno is ENOMEM if there is no memory for it, which takes a timer that is not queued: then it is
 * stopped. With a channel it cannot fail; who waits on it waits for the new time. */
bool timer_reset(timer *, duration d);

/* Stops it and gives its memory back. NULL is fine. */
void timer_free(timer *);

/*
 * ---- tickers ----
 *
 * A ticker fires every d, the first time d from now. The value is as a timer's, so of one that is
 * received late it says when it was due. At most one tick waits to be received: those that come due
 * meanwhile are dropped, and the next is the next whole number of d after the one received. So a
 * ticker never drifts, and a receiver that is late is not served a crowd of old ticks.
 */

/* Go: time.Ticker. */
typedef struct ticker {
    struct chan *c;
    struct timechan *times_; /* sched/timechan.c's */
} ticker;

/* NULL: errno ENOMEM. d ≤ 0: "panic: non-positive interval for NewTicker". */
ticker *time_new_ticker(duration d);

/* No more ticks, until a reset; one that was not received is gone. Does nothing to a ticker of zeros. */
void ticker_stop(ticker *);

/* Ticks every d, the first time d from now. d ≤ 0: "panic: non-positive interval for Ticker.Reset"; a
 * ticker of zeros: "panic: time: Reset called on uninitialized Ticker". */
void ticker_reset(ticker *, duration d);

/* Stops it and gives its memory back. NULL is fine, and zeros. */
void ticker_free(ticker *);
