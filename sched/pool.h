/*
 * pool: trimming of sync.h's pools.
 */
#pragma once

/*
 * Every pool with a drop gives up what has lain unused since the trim before last. Calls drop, so
 * only from a goroutine that may block. To be called every POOL_TRIM_NS, or when memory is short.
 */
void pool_trim(void);
