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

/* ---- timers ---- */

struct chan;

/* Go: time.Timer. To be made by the functions below: the others panic when they meet another. */
typedef struct timer {
    struct chan *c;
    struct alarm *alarm_; /* sched/time.c's */
} timer;

/*
 * After d, or at once if d ≤ 0, calls fn(arg) in a goroutine of its own; if none can be made at that
 * moment, as soon as one can. NULL: errno ENOMEM, or EINVAL (fn is NULL).
 */
timer *time_after_func(duration d, void (*fn)(void *), void *arg);

/* true: it will not fire any more. false: it has fired (fn may not have ended, or begun) or was
 * stopped before. */
bool timer_stop(timer *);

/* Fires d from now, whether it has fired before or not. true: it was still to fire. errno is ENOMEM if
 * there is no memory for it, which takes a timer that is not queued: then it is stopped. */
bool timer_reset(timer *, duration d);

/* Stops it and gives its memory back. NULL is fine. */
void timer_free(timer *);
