/*
 * chunk: descriptors of goroutines, and the memory they are carved from.
 */
#pragma once
#include "sched/atomic.h"
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
/* Bytes from a struct g to the end of its thread-local block, and a few. */
size_t g_bytes(void);
/* Is g a goroutine, and neither dead nor a scheduler's context? */
LOOKS_ON static inline __attribute__((always_inline)) bool g_lives(const struct g *g)
{
    return g->status != G_DEAD && g->id != 0;
}
/*
 * A walk over all descriptors, in no order, those of the dead too; NULL: that was the last. While
 * others run only after chunk_keep: then from anywhere, and it may be left and gone on with at any
 * time. Who is made meanwhile may be missed.
 */
struct g_walk {
    struct chunk *chunk;
    uint32_t i;
};
void g_walk_begin(struct g_walk *w);
struct g *g_walk_next(struct g_walk *w);
/* From now on the memory of descriptors is not given back. Boot. */
void chunk_keep(void);
/* Is there a descriptor at g? Nobody else runs. */
bool g_known(const struct g *g);
/* Calls fn for every G that is not dead; nobody else may run. */
void g_each(void (*fn)(struct g *, void *), void *arg);
