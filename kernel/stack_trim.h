/*
 * stack_trim: dead stacks give their pages back. For stack.c. See stack_trim.c.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

/* One batch. false: there was nothing to trim. No lock is held. */
bool stack_trim_batch(void);

/* Stack pages that trims have given back, ever. */
size_t stack_trimmed(void);
/*
 * After a failure for want of memory: is it worth another try? Trims, and looks whether anyone has
 * trimmed since *seen, for another hart's trim may be what left us nothing to find. Every true has
 * cost the pool a page, so tries end.
 */
bool stack_trim_helped(size_t *seen);
