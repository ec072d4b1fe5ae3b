/*
 * reach: which goroutines can still be woken. See reach.c.
 */
#pragma once
#include <stdbool.h>
#include "sched/config.h"

/* Of a variable that is all zeroes at first: the addresses of objects in it do not keep these in use. */
#define REACH_KEYS __attribute__((section(".bss.pinion.keys")))

#if REACH
/* Sets GF_UNREACHABLE on each goroutine that waits and that no pointer leads to. false: it cannot be told.
 * Once in a run; the stopper of the world. */
bool reach_find(void);
#else
static inline bool reach_find(void)
{
    return true; /* of nobody */
}
#endif
