/*
 * chunk: descriptors of goroutines, and the memory they are carved from.
 */
#pragma once
#include "sched/gmp.h"

/* Boot: sizes of the thread-local block from the link. true: there is one. */
bool chunk_init(void);
/* A dead G without a stack, or NULL: no memory. Preemption off. */
struct g *chunk_take(void);
/* Takes back a list of such, linked by link. Preemption off. */
void chunk_give(struct g *list);
/* Gives back the pages of all chunks that nobody uses. Preemption off. */
void chunk_trim(void);
/* Writes g's thread-local block anew. */
void chunk_tls_init(struct g *g);
/* Calls fn for every G that is not dead; nobody else may run. */
void g_each(void (*fn)(struct g *, void *), void *arg);
