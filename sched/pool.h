/*
 * pool: trimming of sync.h's pools.
 */
#pragma once
#include "sched/timer.h"

/* The timer of the next trim. It is the runtime's own: it wakes none of the program's goroutines. */
extern struct timer_node pool_timer;
/* How long after a pool was filled it goes, ns: POOL_TRIM_NS. Tests have their own. */
extern int64_t pool_trim_ns;

/*
 * Every pool with a drop gives up what has lain unused since the trim before last. Calls drop, so
 * only from a goroutine that may block. It comes by itself, pool_trim_ns after a pool was used for the
 * first time since the last one, and as long as there is something to give up; or when memory is
 * short.
 */
void pool_trim(void);
