/*
 * lockorder: in debug images, the order in which goroutines lock mutexes. See lockorder.c; what tells
 * it of locks and unlocks is inline in <pinion/sync.h>.
 */
#pragma once
#include <stddef.h>
#include "sched/gmp.h"

#ifdef PINION_DEBUG
/* What lies in [x, x + n) is freed: mutexes there are forgotten. Preemption on or off. */
void lockorder_forget(const void *x, size_t n);
/* g begins its life and holds nothing. */
static inline void lockorder_begin(struct g *g)
{
    g->n_held = 0;
}
#else
static inline void lockorder_begin(struct g *g)
{
    (void)g;
}
#endif
