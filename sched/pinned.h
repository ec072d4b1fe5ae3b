/*
 * pinned: the queue of a P's goroutines that thieves may not have. See pinned.c. All but pinned_home
 * are the owner's of p, preemption off or on its scheduler stack; or the stopper's.
 */
#pragma once
#include "sched/atomic.h"
#include "sched/gmp.h"

/* A goroutine with GF_APART is about on p: its schedules are out of the ordinary. */
static inline void pinned_note(struct p *p)
{
    /* relaxed: the owner's own word to itself; atomic only because others set other bits. */
    atomic_fetch_or_explicit(&p->attention, ATTN_PINNED, memory_order_relaxed);
}

/* g, with GF_APART and runnable, goes to where it may run: p, another P, or its own hart. */
void pinned_enqueue(struct p *p, struct g *g);
/* Behind p's others. */
void pinned_put(struct p *p, struct g *g);
/* Before p's others: an interruption does not cost it its turn. */
void pinned_put_back(struct p *p, struct g *g);
/* p's next, or NULL. */
static inline struct g *pinned_get(struct p *p)
{
    struct g *g = p->pinned_head;
    if (g != NULL) {
        p->pinned_head = g->link;
        if (p->pinned_head == NULL)
            p->pinned_tail = NULL;
    }
    return g;
}

/* The pinned Gs of from, which is to go, to other Ps. The world is stopped. */
void pinned_move(struct p *from);
/* A P that g may run on. */
struct p *pinned_home(struct g *g);
