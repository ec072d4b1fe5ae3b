/*
 * lockorder: finding deadlocks of mutexes that have not happened yet, in debug images (MODE=debug).
 *
 * Two goroutines that lock the same two mutexes in different orders deadlock one day. The order itself
 * can be seen on every other day: who locks B while he holds A has used the edge A → B, and a program in
 * which edges make a circle has such a day coming. So each edge is kept with the places of both locks,
 * and the first lock that closes a circle is reported, before it waits, so also when that day is today:
 *
 *     lock order: goroutine 18 holds mutex 0x80231000, locked at
 *       first+0x1c (0x8021710c)
 *     and wants mutex 0x80231008, at
 *       first+0x28 (0x80217118)
 *     lock order: goroutine 17 before held mutex 0x80231008, locked at
 *     …
 *
 * as many pairs as the circle has mutexes, two mostly. Linux' lockdep does so for classes of locks, by
 * where they are initialised; a mutex here needs no initialisation, so it is one by its address.
 *
 * L1  All tables are the lock's, but g->held, which is its goroutine's.
 * L2  A mutex is in the table while it is locked or has edges. It is forgotten when the memory that it
 *     lies in is freed (heap_check.c calls), with its edges: the next object there is another. Mutexes
 *     on stacks are not followed at all: nobody is told when a function's frame is used again.
 * L3  A mutex may be unlocked by any goroutine (sync.h). So it is the mutex's entry that says who
 *     holds it and since when, and what a goroutine believes to hold counts only if that agrees.
 * L4  An edge is made once, and the circle is looked for when it is made: so a pair is reported once.
 *
 * A try is not followed: it cannot wait, and what is wanted after one that succeeded is not seen. A
 * goroutine that locks what it holds
 * itself is left to the detector of deadlocks, since another one may unlock it. What is beyond
 * ORDER_HELD locks held at once, or finds a table full, is not followed, and that is said once.
 * newlib's own mutexes and those of contexts are left out (PINION_NO_LOCK_ORDER): their orders are
 * theirs to prove (docs/locks.md).
 *
 * In release images there is none of this: the functions of sync.h are empty there.
 */
#include "sched/lockorder.h"
#include <pinion/sync.h>

#ifdef PINION_DEBUG
#include "kernel/console.h"
#include "kernel/vm.h"
#include "sched/proc.h"
#include "sched/reach.h"
#include "sched/traceback.h"

#define BUCKETS 256
#define NONE    UINT16_MAX
#define STEPS   8 /* of a circle that is shown */

struct node {
    const mutex *m; /* NULL: free */
    int64_t holder; /* 0: nobody that is known */
    uintptr_t at;   /* where it was locked */
    uint16_t next;  /* of its bucket, or of the free ones */
    uint16_t out;   /* its first edge */
    uint16_t n_in;  /* edges to it */
    uint16_t via;   /* of a search: the edge by which it was reached */
};

struct edge {
    uint16_t from, to; /* NONE: free */
    uint16_t next;     /* of the same from, or of the free ones */
    int64_t g;         /* who used it first, … */
    uintptr_t held_at, wanted_at;
};

static struct spin lock;
REACH_KEYS static struct node nodes[ORDER_MUTEXES]; /* L1, all */
static struct edge edges[ORDER_EDGES];
static uint16_t bucket[BUCKETS], free_node, free_edge;
static uint32_t n_nodes;
static bool ready, told_full;

static void set_up(void)
{
    for (unsigned i = 0; i < BUCKETS; i++)
        bucket[i] = NONE;
    for (unsigned i = 0; i < ORDER_MUTEXES; i++)
        nodes[i].next = (uint16_t)(i + 1 < ORDER_MUTEXES ? i + 1 : NONE);
    for (unsigned i = 0; i < ORDER_EDGES; i++)
        edges[i] =
            (struct edge){.from = NONE, .next = (uint16_t)(i + 1 < ORDER_EDGES ? i + 1 : NONE)};
    ready = true;
}

static void order_lock(void)
{
    preempt_off();
    spin_lock(&lock);
    if (!ready)
        set_up();
}

static void order_unlock(void)
{
    spin_unlock(&lock);
    preempt_on();
}

/* ---- the tables ---- */

static uint16_t *bucket_of(const mutex *m)
{
    return &bucket[((uintptr_t)m >> 2) * 0x9e3779b1u >> 8 & (BUCKETS - 1)];
}

static uint16_t node_find(const mutex *m)
{
    uint16_t i = *bucket_of(m);
    while (i != NONE && nodes[i].m != m)
        i = nodes[i].next;
    return i;
}

/* NONE: the table is full. */
static uint16_t node_get(const mutex *m)
{
    uint16_t i = node_find(m), *at = bucket_of(m);
    if (i != NONE || free_node == NONE)
        return i;
    i = free_node;
    free_node = nodes[i].next;
    nodes[i] = (struct node){.m = m, .next = *at, .out = NONE};
    *at = i;
    n_nodes++;
    return i;
}

static void node_drop(uint16_t i)
{
    uint16_t *at = bucket_of(nodes[i].m);
    while (*at != i)
        at = &nodes[*at].next;
    *at = nodes[i].next;
    nodes[i].m = NULL;
    nodes[i].next = free_node;
    free_node = i;
    n_nodes--;
}

/* L2 */
static void node_drop_if_idle(uint16_t i)
{
    if (nodes[i].holder == 0 && nodes[i].out == NONE && nodes[i].n_in == 0)
        node_drop(i);
}

static void edge_drop(uint16_t e)
{
    uint16_t *at = &nodes[edges[e].from].out;
    while (*at != e)
        at = &edges[*at].next;
    *at = edges[e].next;
    nodes[edges[e].to].n_in--;
    edges[e].from = NONE;
    edges[e].next = free_edge;
    free_edge = e;
}

static bool edge_exists(uint16_t from, uint16_t to)
{
    uint16_t e = nodes[from].out;
    while (e != NONE && edges[e].to != to)
        e = edges[e].next;
    return e != NONE;
}

/* NONE: the table is full. */
static uint16_t edge_new(uint16_t from, uint16_t to, uintptr_t held_at, uintptr_t wanted_at)
{
    uint16_t e = free_edge;
    if (e == NONE)
        return e;
    free_edge = edges[e].next;
    edges[e] = (struct edge){from, to, nodes[from].out, g_self()->id, held_at, wanted_at};
    nodes[from].out = e;
    nodes[to].n_in++;
    return e;
}

/* ---- circles ---- */

/* Is there a way from one to the other? Then via tells it, backwards. Breadth first: a shortest. */
static bool leads_to(uint16_t from, uint16_t to)
{
    static uint16_t queue[ORDER_MUTEXES];
    unsigned head = 0, tail = 0;
    for (unsigned i = 0; i < ORDER_MUTEXES; i++)
        nodes[i].via = NONE;
    for (queue[tail++] = from; head < tail; head++)
        for (uint16_t e = nodes[queue[head]].out; e != NONE; e = edges[e].next) {
            uint16_t next = edges[e].to;
            if (next == from || nodes[next].via != NONE)
                continue;
            nodes[next].via = e;
            if (next == to)
                return true;
            queue[tail++] = next;
        }
    return false;
}

struct step {
    struct edge edge;
    const mutex *from, *to;
};

static void step_note(struct step *s, uint16_t e)
{
    *s = (struct step){edges[e], nodes[edges[e].from].m, nodes[edges[e].to].m};
}

/* The circle that the new edge e closes, itself first; its length, 0: none. */
static unsigned circle_of(uint16_t e, struct step step[STEPS])
{
    uint16_t begin = edges[e].to, at = edges[e].from;
    unsigned n = 0;
    if (!leads_to(begin, at))
        return 0;
    step_note(&step[n++], e);
    for (; at != begin && n < STEPS; at = edges[nodes[at].via].from)
        step_note(&step[n++], nodes[at].via);
    return n;
}

static void report(const struct step *step, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        const struct edge *e = &step[i].edge;
        kprintf("lock order: goroutine %ld %s mutex %p, locked at\n  ", (long)e->g,
                i == 0 ? "holds" : "before held", (const void *)step[i].from);
        traceback_pc(e->held_at, true);
        kprintf("and %s mutex %p, at\n  ", i == 0 ? "wants" : "wanted", (const void *)step[i].to);
        traceback_pc(e->wanted_at, true);
    }
}

static void say_full(void)
{
    if (!told_full)
        kprintf("lock order: too many mutexes or locks at once; not all are followed\n");
    told_full = true;
}

/* ---- locks and unlocks ---- */

/* Is this a goroutine that locks, and a mutex that can be followed (L2)? */
static bool is_followed(const mutex *m)
{
    const struct g *g = g_self();
    return g != g->m->g0 && (uintptr_t)m - VM_STACKS >= VM_STACKS_SIZE;
}

/* L3 */
static bool still_held(const struct g *g, const struct held *h, uint16_t *i)
{
    *i = node_find(h->m);
    return *i != NONE && nodes[*i].holder == g->id && nodes[*i].at == h->at;
}

/* Whoever holds h wants m as well. A circle's length. */
static unsigned want_after(const struct held *h, uint16_t from, mutex *m, uintptr_t at,
                           struct step step[STEPS], bool *full)
{
    uint16_t to = node_get(m), e;
    if (to == NONE) {
        *full = true;
        return 0;
    }
    if (from == to || edge_exists(from, to))
        return 0;
    e = edge_new(from, to, h->at, at);
    *full |= e == NONE;
    return e != NONE ? circle_of(e, step) : 0;
}

void mutex_wants_(mutex *m)
{
    struct g *g = g_self();
    struct step step[STEPS];
    uintptr_t at = (uintptr_t)__builtin_return_address(0);
    bool full = false;
    if (!is_followed(m))
        return;
    for (unsigned k = 0; k < g->n_held;) {
        uint16_t from;
        unsigned n = 0;
        order_lock();
        if (still_held(g, &g->held[k], &from))
            n = want_after(&g->held[k++], from, m, at, step, &full);
        else
            g->held[k] = g->held[--g->n_held];
        order_unlock();
        report(step, n);
    }
    if (full)
        say_full();
}

void mutex_has_(mutex *m)
{
    struct g *g = g_self();
    uintptr_t at = (uintptr_t)__builtin_return_address(0);
    if (!is_followed(m))
        return;
    order_lock();
    uint16_t i = g->n_held < ORDER_HELD ? node_get(m) : NONE;
    if (i != NONE) {
        nodes[i].holder = g->id;
        nodes[i].at = at;
        g->held[g->n_held++] = (struct held){m, at};
    }
    order_unlock();
    if (i == NONE)
        say_full();
}

void mutex_gives_(mutex *m)
{
    struct g *g = g_self();
    if (!is_followed(m))
        return;
    order_lock();
    uint16_t i = node_find(m);
    if (i != NONE) {
        nodes[i].holder = 0;
        node_drop_if_idle(i);
    }
    for (unsigned k = g->n_held; k-- > 0;)
        if (g->held[k].m == m)
            g->held[k] = g->held[--g->n_held];
    order_unlock();
}

static void forget(uint16_t i)
{
    while (nodes[i].out != NONE) {
        uint16_t e = nodes[i].out, to = edges[e].to;
        edge_drop(e);
        node_drop_if_idle(to);
    }
    for (uint16_t e = 0; e < ORDER_EDGES && nodes[i].n_in > 0; e++)
        if (edges[e].from != NONE && edges[e].to == i) {
            uint16_t from = edges[e].from;
            edge_drop(e);
            node_drop_if_idle(from);
        }
    if (nodes[i].m != NULL)
        node_drop(i);
}

void lockorder_forget(const void *x, size_t n)
{
    order_lock();
    for (uint16_t i = 0; n_nodes > 0 && i < ORDER_MUTEXES; i++)
        if (nodes[i].m != NULL && (uintptr_t)nodes[i].m - (uintptr_t)x < n)
            forget(i);
    order_unlock();
}
#endif
