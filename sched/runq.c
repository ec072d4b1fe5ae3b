/*
 * runq: the parts of a P's queue that are too long to be inline, see runq.h for the picture.
 *
 * Why a ring with a compare-and-swap on head for the owner too, not a Chase-Lev deque: the owner
 * must take the oldest, not the newest, or a goroutine that spawns starves the rest. Then owner
 * and thieves meet at the same end, every take is one compare-and-swap, and a thief may take many
 * at once: it copies the slots first and moves head over all of them afterwards (R2).
 *
 * Stealing half, told as a protocol between thief T and owner O:
 *
 *   T1  h = head (acquire)                  later reads are not before this one
 *   T2  t = tail (acquire, O1)              slots [h, t) and the Gs in them are visible
 *   T3  n = (t - h) - (t - h) / 2           the oldest half, rounded up
 *   T4  copy slots [h, h + n)
 *   T5  head: h -> h + n by CAS (release, O2) fails if O or another thief took one: from T1
 *
 * O may fill slots only up to head + RUNQ_SIZE, so between T4 and T5 a copied slot is rewritten
 * only if head has moved, and then T5 fails. n > RUNQ_SIZE / 2 means that T1 and T2 saw different
 * times (R3).
 *
 * runnext is a pointer by itself. The owner exchanges it on each put; a thief takes it only in its
 * last round, only when the ring is empty, and only after giving the owner RUNNEXT_GRACE_NS to
 * run it: mostly it is the other half of a conversation and about to run right there.
 *
 * The inbox is a stack of Gs pushed with one compare-and-swap by anyone, at any instruction, and
 * taken whole by an exchange; taking whole, it knows no ABA. It is reversed when taken, so that it
 * is first in, first out.
 */
#include "sched/runq.h"
#include "kernel/clock.h"
#include "sched/global.h"
#include "sched/proc.h"
#include "sched/trace.h"

uint32_t runq_len(struct runq *q)
{
    /* relaxed: O18: a number for people. */
    uint32_t h = load_relaxed(&q->ring.head);
    uint32_t t = load_relaxed(&q->ring.tail);       /* relaxed: as above */
    uint32_t next = load_relaxed(&q->next) != NULL; /* relaxed: too */
    return (t - h <= RUNQ_SIZE ? t - h : 0) + next;
}

/*
 * A G may move from runnext to the ring while we look (the owner kicks it out), so reading one
 * after the other could miss it. tail moves with each such kick: if it stood still around the read
 * of runnext, all three were seen as of one moment.
 */
bool runq_empty(struct runq *q)
{
    for (;;) {
        /* O3: acquire keeps the three reads in this order. */
        uint32_t h = load_acquire(&q->ring.head);
        uint32_t t = load_acquire(&q->ring.tail); /* O3: as above */
        struct g *next = load_acquire(&q->next);  /* O3: as above */
        /* relaxed: ordered by the acquires before it. */
        if (t == load_relaxed(&q->ring.tail))
            return h == t && next == NULL;
    }
}

/* Moves half of the full ring and g to the global queue. false: a thief made room meanwhile. */
static bool runq_overflow(struct p *p, struct g *g)
{
    struct runq *q = &p->runq;
    struct g *batch[RUNQ_SIZE / 2 + 1];
    /* O2: acquire as in runq_put. */
    uint32_t h = load_acquire(&q->ring.head);
    /* relaxed: the owner's own. */
    uint32_t n = (load_relaxed(&q->ring.tail) - h) / 2;
    if (n != RUNQ_SIZE / 2)
        return false;
    for (uint32_t i = 0; i < n; i++)
        /* relaxed: own stores. */
        batch[i] = g_of(load_relaxed(&q->slot[(h + i) % RUNQ_SIZE]));
    /* O2: release as in runq_get. relaxed: a failure took nothing. */
    if (!cas_release(&q->ring.head, &h, h + n))
        return false;
    batch[n] = g;
    for (uint32_t i = 0; i < n; i++)
        batch[i]->link = batch[i + 1];
    batch[n]->link = NULL;
    if (__builtin_expect(p->watched, 0))
        trace_m(g_self()->m, 0, n, TRACE_WHAT(TRACE_SPILL, 0, p->id));
    global_put_batch(batch[0], batch[n], n + 1);
    return true;
}

void runq_put_tail(struct p *p, struct g *g)
{
    while (!runq_put(&p->runq, g))
        if (runq_overflow(p, g))
            return;
}

_Atomic uint32_t runq_share = UINT32_MAX;

/* Copies the oldest half of victim's ring into mine's free slots from tail t on, T1 to T5. */
static uint32_t runq_grab(struct runq *mine, uint32_t at, struct runq *victim)
{
    for (;;) {
        /* O2: acquire: T1 before T2; it also pairs with takers' release so that n is sane. */
        uint32_t h = load_acquire(&victim->ring.head);
        /* O1: acquire pairs with the release of tail in runq_put and arch_yield. */
        uint32_t t = load_acquire(&victim->ring.tail);
        uint32_t n = (t - h) - (t - h) / 2;
#if PINION_TRAP == 34 /* T2 before T1: head may have passed t, and t - h is 4294967295 */
        clock_window();
        h = load_acquire(&victim->ring.head); /* order: as above */
        n = t - h < RUNQ_SIZE ? (t - h) - (t - h) / 2 : RUNQ_SIZE / 2;
#endif
        if (n == 0)
            return 0;
        if (n > RUNQ_SIZE / 2)
            continue;
        /* relaxed: a number, and any will do. */
        n = ((n - 1) & load_relaxed(&runq_share)) + 1;
        for (uint32_t i = 0; i < n; i++) {
            /* relaxed: ordered by O1 before and by the swap after. */
            uintptr_t tp = load_relaxed(&victim->slot[(h + i) % RUNQ_SIZE]);
            /* relaxed: published by our own tail. */
            store_relaxed(&mine->slot[(at + i) % RUNQ_SIZE], tp);
        }
        /* O2: release: the copies are made before the owner may reuse the slots; acquire is had
         * at T1 and T2. relaxed: a failure starts over. */
        if (cas_release(&victim->ring.head, &h, h + n))
            return n;
    }
}

/* Gives the owner time to run its runnext; false: it did, or work came up meanwhile. */
static bool runnext_left_alone(struct p *victim, struct g *g)
{
    int64_t until = clock_ns() + RUNNEXT_GRACE_NS;
    for (unsigned n = 0; clock_ns() < until; n++) {
        /* relaxed: a hint; the exchange decides. */
        if (load_relaxed(&victim->runq.next) != g)
            return false;
        arch_relax(0);
    }
    return true;
}

static struct g *runnext_steal(struct p *victim)
{
    /* relaxed: a hint; the exchange decides. */
    struct g *g = load_relaxed(&victim->runq.next);
    if (g == NULL || !runnext_left_alone(victim, g))
        return NULL;
    /* O1: acquire pairs with the release in runq_put_next. */
    if (!cas_acquire(&victim->runq.next, &g, NULL))
        return NULL;
    return g;
}

struct g *runq_steal(struct p *mine, struct p *victim, bool runnext, uint32_t *n)
{
    struct runq *q = &mine->runq;
    /* relaxed: the owner's own. */
    uint32_t t = load_relaxed(&q->ring.tail);
    (void)load_acquire(&q->ring.head); /* O2: our slots are free to write, as in runq_put */
    *n = runq_grab(q, t, &victim->runq);
    if (*n == 0) {
        struct g *g = runnext ? runnext_steal(victim) : NULL;
        *n = g != NULL;
        return g;
    }
    /* relaxed: own store. The newest of the catch runs, the others queue. */
    struct g *g = g_of(load_relaxed(&q->slot[(t + *n - 1) % RUNQ_SIZE]));
    if (*n > 1)
        /* O1: release pairs with the next thief's acquire of tail. */
        store_release(&q->ring.tail, t + *n - 1);
    return g;
}

void inbox_put(struct p *p, struct g *_Atomic *box, struct g *g)
{
    /* relaxed: a first guess for the swap. */
    struct g *top = load_relaxed(box);
    do {
        g->link = top;
        /* O4: release pairs with inbox_take's acquire: g's fields and link. relaxed: try again. */
    } while (!cas_release(box, &top, g));
    /* O4: release: the bit is set after the push, so an owner that clears the bit (acquire) and
     * then takes the inbox takes this push. */
    atomic_fetch_or_explicit(&p->attention, ATTN_INBOX, memory_order_release);
}

struct g *inbox_take(struct g *_Atomic *box)
{
    /* O4: acquire pairs with inbox_put's release. */
    struct g *g = atomic_exchange_explicit(box, NULL, memory_order_acquire);
    struct g *first = NULL;
    while (g != NULL) {
        struct g *older = g->link;
        g->link = first;
        first = g;
        g = older;
    }
    return first;
}
