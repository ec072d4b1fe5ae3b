/*
 * timechan: the channels of time.h's timers and tickers: what channels and selects ask them, and
 * what is done to a timer that has one. Rules and reasons are in timechan.c.
 */
#pragma once
#include <pinion/time.h>
#include <stdbool.h>
#include <stdint.h>

struct chan;

/* ---- of a channel of kind CHAN_TIMES that is locked ---- */

/* Is there a value for who comes along now? */
bool timechan_due(struct chan *);
/* Takes it; false: there is none. */
bool timechan_take(struct chan *, int64_t *fired);
/*
 * Somebody is about to queue as a receiver: sees to it that he is woken. false: no memory for that,
 * he must not wait. A receiver that wakes with ok false has to look again.
 */
bool timechan_arm(struct chan *);
/* A receiver has left the queue unserved. */
void timechan_left(struct chan *);

/* ---- Goroutines ---- */

/* chan_free's: only what time_after made may be freed so. */
void timechan_free_channel(struct chan *);

/* Of a timer with a channel: as time.h's functions of these names. */
bool timechan_stop(struct timechan *);
bool timechan_reset(struct timechan *, duration d);
void timechan_free(struct timechan *);
