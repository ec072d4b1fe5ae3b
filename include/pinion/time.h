/*
 * time.h: time since boot, monotonic, in nanoseconds. Go's counterpart: package time.
 */
#pragma once
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
