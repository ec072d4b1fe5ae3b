/*
 * runq: a P's run queue: the ring, runnext and the inbox.
 *
 *          head                     tail
 *           │ oldest                 │ next free
 *     ┌───┬─▼─┬───┬───┬───┬───┬───┬──▼┬───┐        ┌─────────┐
 *     │   │ a │ b │ c │ d │ e │ f │   │   │        │ runnext │ jumps the queue
 *     └───┴───┴───┴───┴───┴───┴───┴───┴───┘        └─────────┘
 *       thieves and the owner take here │ only the owner puts here
 *
 * A slot holds a G's thread pointer, which is what the switch wants, rather than its address.
 * head and tail are free-running 32-bit numbers; slot i is slot[i % RUNQ_SIZE]; tail - head is the
 * length, also when either has wrapped.
 *
 * R1  Only the owner writes tail and the slots in [tail, head + RUNQ_SIZE).
 * R2  head moves only by compare-and-swap, from the value that the taker read before it read the
 *     slots it takes. A swap that succeeds proves that the slots were still its own to take: no
 *     one reuses a slot before head has passed it. (The number would have to wrap through 2^32
 *     takes between a thief's read and its swap to fool it.)
 * R3  0 ≤ tail - head ≤ RUNQ_SIZE in the owner's eyes. A thief that reads head, then tail, may see
 *     more, when both moved in between; it looks again.
 *
 * Orders: O1, tail's release after the slot (and the G's context) is written, pairs with a taker's
 * acquire of tail. O2, head's release by a taker after it has read the slots, pairs with the
 * owner's acquire of head before it writes a slot again.
 */
#pragma once
#include "sched/atomic.h"
#include "sched/gmp.h"

/* The slot of number i. The compiler is kept from taking the address apart: it does worse. */
static inline _Atomic uintptr_t *runq_slot(struct runq *q, uint32_t i)
{
    char *at = (char *)q + i % RUNQ_SIZE * sizeof(q->slot[0]);
    __asm__("" : "+r"(at));
    return (_Atomic uintptr_t *)(at + offsetof(struct runq, slot));
}

/* Owner. Puts g at the tail; false: the ring is full and nothing has happened. */
static inline bool runq_put(struct runq *q, struct g *g)
{
    /* O2: acquire pairs with the release of runq_get and runq_grab: their reads of the slot are done. */
    uint32_t h = load_acquire(&q->ring.head);
    /* relaxed: the owner alone writes tail. */
    uint32_t t = load_relaxed(&q->ring.tail);
    if (__builtin_expect(t - h >= RUNQ_SIZE, 0))
        return false;
    /* relaxed: published by tail below. */
    store_relaxed(runq_slot(q, t), g_tp(g));
    /* O1: release pairs with the acquire of tail in runq_grab. */
    store_release(&q->ring.tail, t + 1);
    return true;
}

/* Owner. The oldest, or NULL. */
static inline struct g *runq_get(struct runq *q)
{
    /* relaxed: the owner wrote these slots itself; the swap below orders against thieves. */
    uint32_t h = load_relaxed(&q->ring.head);
    for (;;) {
        /* relaxed: the owner alone writes tail. */
        if (h == load_relaxed(&q->ring.tail))
            return NULL;
        /* relaxed: own store. */
        struct g *g = g_of(load_relaxed(runq_slot(q, h)));
        /* O2: release: our read of the slot is done before a later owner of this P, which acquires
         * head in runq_put, may write it. relaxed: on failure only the number matters. */
        if (cas_release(&q->ring.head, &h, h + 1))
            return g;
    }
}

/* Anyone. Goroutines queued, runnext too; a moment old. */
uint32_t runq_len(struct runq *q);
/* Anyone. Nothing in ring or runnext at one moment during the call. */
bool runq_empty(struct runq *q);

/*
 * Owner. g runs next; who was to run next goes to the tail. Full: half of the ring and that one
 * move to the global queue.
 */
static inline void runq_put_next(struct p *p, struct g *g)
{
    void runq_put_tail(struct p *, struct g *);
    /* O1: release: a thief that takes g from runnext by its acquiring exchange sees its context. */
    struct g *kicked = atomic_exchange_explicit(&p->runq.next, g, memory_order_release);
    if (kicked != NULL && !runq_put(&p->runq, kicked))
        runq_put_tail(p, kicked);
}
/* Owner. At the tail; full: half of the ring and g move to the global queue in one lock hold. */
void runq_put_tail(struct p *p, struct g *g);
/* Owner. Takes runnext. */
static inline struct g *runq_take_next(struct runq *q)
{
    /* relaxed: mostly empty, then no exchange is needed; it is our own slot to fill. */
    if (load_relaxed(&q->next) == NULL)
        return NULL;
    /* O3: release pairs with the acquire of next in runq_empty: who sees it empty sees what we put
     * at the tail before, so the queue never looks empty while a goroutine yields to its runnext. */
    return atomic_exchange_explicit(&q->next, NULL, memory_order_release);
}

/* The bits that may be set in one less than what a thief takes: all, unless chaos says otherwise. */
extern _Atomic uint32_t runq_share;
/*
 * A thief, owner of `mine`. Moves the oldest half (rounded up) of victim's ring to its own, empty,
 * ring and returns one of them to run; *n is how many came. With runnext set an otherwise empty
 * victim's runnext is taken. NULL: nothing there.
 */
struct g *runq_steal(struct p *mine, struct p *victim, bool runnext, uint32_t *n);

/*
 * Anyone, interrupt handlers too. Pushes g on box, p's inbox or pinbox, and sets p's attention; it
 * runs when p's owner, or for the inbox a thief, next looks.
 */
void inbox_put(struct p *p, struct g *_Atomic *box, struct g *g);
/* All of it, oldest first, linked by link. */
struct g *inbox_take(struct g *_Atomic *box);
