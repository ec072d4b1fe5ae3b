/*
 * pool: sync.h's pool.
 *
 * Each hart has a place of its own in each pool:
 *
 *      last     shared                    victims
 *     ┌───┐   ┌───┬───┬───┬───┬───┐     ┌───┬───┐ ┌───┐
 *     │ x │   │ a │ b │ c │ d │   │     │ p │ q │ │ r │
 *     └───┘   └─▲─┴───┴───┴─▲─┴───┘     └───┴───┘ └───┘
 *               thieves     its own hart  what was in the other two at the last trim
 *
 * put fills last, else pushes on shared; get empties last, else pops the newest of shared, else takes
 * the oldest of another hart's, else a victim, its own first, else makes a new one. last is one atomic
 * word, so that both common cases are one exchange or swap, without a lock and without turning
 * preemption off: which hart we are on is only a preference, and to be wrong about it for a moment
 * costs a cache line. It also lets a trim take from a hart that never comes by again. Go keeps the
 * private slot plain, pins the goroutine to its P, and trims with the world stopped.
 *
 * shared is a ring under a spinlock that its own hart mostly takes alone, and that is held for a few
 * loads and stores. Go's is a lock-free chain of rings; it saves the owner a lock that nobody contends
 * for at the price of its most delicate queue.
 *
 * A trim makes victims of what is there and drops the victims of before. So what goes has not been
 * asked for during a whole round.
 *
 * Places are made at the first put, for all harts, and live for ever: a trim finds them by a list
 * from which nothing is taken out, whatever becomes of the pool.
 */
#include "sched/pool.h"
#include <pinion/sync.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include "sched/atomic.h"
#include "sched/gmp.h"
#include "sched/proc.h"

#define SHELF_FIRST 8u /* objects */

/* A ring of objects, of a size that is a power of two, or 0. */
struct shelf {
    void **slot;
    uint32_t oldest, n, cap;
};

struct place {
    void *_Atomic last; /* anyone, by exchange and swap */
    struct spin lock;   /* the rest */
    struct shelf shared, victims;
    void *last_victim;
} __attribute__((aligned(64)));

struct pool_block_ {
    struct pool_block_ *next; /* constant once it is in the list */
    void (*drop)(void *);
    struct place place[];
};

static struct pool_block_ *_Atomic blocks;

/* ---- shelves, their place locked ---- */

static bool shelf_push(struct shelf *s, void *x)
{
    if (s->n == s->cap)
        return false;
    s->slot[(s->oldest + s->n++) & (s->cap - 1)] = x;
    return true;
}

static void *shelf_newest(struct shelf *s)
{
    return s->n == 0 ? NULL : s->slot[(s->oldest + --s->n) & (s->cap - 1)];
}

static void *shelf_oldest(struct shelf *s)
{
    if (s->n == 0)
        return NULL;
    s->n--;
    return s->slot[s->oldest++ & (s->cap - 1)];
}

/* Moves into slot[cap], which is larger. Returns what to free. */
static void **shelf_move(struct shelf *s, void **slot, uint32_t cap)
{
    void **old = s->slot;
    for (uint32_t i = 0; i < s->n; i++)
        slot[i] = old[(s->oldest + i) & (s->cap - 1)];
    *s = (struct shelf){slot, 0, s->n, cap};
    return old;
}

static void place_lock(struct place *at)
{
    preempt_off();
    spin_lock(&at->lock);
}

static void place_unlock(struct place *at)
{
    spin_unlock(&at->lock);
    preempt_on();
}

/* ---- places ---- */

/* Everything a goroutine does here is right in any place: mine is only the nearest. */
static inline struct place *my_place(struct pool_block_ *b)
{
    return &b->place[g_self()->m->id];
}

static struct pool_block_ *block_new(pool *p)
{
    size_t size = sizeof(struct pool_block_) + sched.n_m * sizeof(struct place);
    struct pool_block_ *b = memalign(_Alignof(struct pool_block_), size), *other = NULL;
    if (b == NULL)
        return NULL;
    memset(b, 0, size);
    b->drop = p->drop;
    /* order: acq_rel: b is filled; or another was quicker, and we read what it filled. */
    if (!cas_acq_rel(&p->block_, &other, b)) {
        free(b);
        return other;
    }
    /* relaxed: the swap decides. */
    b->next = atomic_load_explicit(&blocks, memory_order_relaxed);
    /* order: release pairs with the acquire in pool_trim. relaxed: again. */
    while (!cas_release(&blocks, &b->next, b))
        continue;
    return b;
}

/* ---- put ---- */

/* Pushes x on shared; grows that outside of the lock, for it may take time. false: no memory. */
static bool push(struct place *at, void *x)
{
    void **slot = NULL;
    uint32_t cap = 0;
    for (;;) {
        place_lock(at);
        if (slot != NULL && at->shared.cap < cap)
            slot = shelf_move(&at->shared, slot, cap);
        bool done = shelf_push(&at->shared, x);
        cap = at->shared.cap == 0 ? SHELF_FIRST : 2 * at->shared.cap;
        place_unlock(at);
        free(slot);
        if (done)
            return true;
        slot = malloc(cap * sizeof(*slot));
        if (slot == NULL)
            return false;
    }
}

static __attribute__((noinline)) void put_slow(pool *p, struct pool_block_ *b, void *x)
{
    if (x == NULL)
        return;
    if (b == NULL)
        b = block_new(p);
    if ((b == NULL || !push(my_place(b), x)) && p->drop != NULL)
        p->drop(x);
}

HOT void pool_put(pool *p, void *x)
{
    void *none = NULL;
    /* order: acquire pairs with the swap in block_new. */
    struct pool_block_ *b = load_acquire(&p->block_);
    /* order: release pairs with the acquire of last: what was done to x goes with it. */
    if (__builtin_expect(b == NULL || !cas_release(&my_place(b)->last, &none, x), 0))
        put_slow(p, b, x);
}

/* ---- get ---- */

static void *steal(struct pool_block_ *b)
{
    uint32_t mine = g_self()->m->id;
    void *x = NULL;
    for (uint32_t i = 1; i < sched.n_m && x == NULL; i++) {
        struct place *at = &b->place[(mine + i) % sched.n_m];
        place_lock(at);
        x = shelf_oldest(&at->shared);
        place_unlock(at);
    }
    return x;
}

static void *take_victim(struct pool_block_ *b)
{
    uint32_t mine = g_self()->m->id;
    void *x = NULL;
    for (uint32_t i = 0; i < sched.n_m && x == NULL; i++) {
        struct place *at = &b->place[(mine + i) % sched.n_m];
        place_lock(at);
        x = at->last_victim;
        at->last_victim = NULL;
        if (x == NULL)
            x = shelf_newest(&at->victims);
        place_unlock(at);
    }
    return x;
}

/* Without memory all pools are trimmed, and it is tried once more. */
static void *make(pool *p)
{
    if (p->new == NULL)
        return NULL;
    void *x = p->new ();
    if (x == NULL) {
        pool_trim();
        x = p->new ();
    }
    return x;
}

static __attribute__((noinline)) void *get_slow(pool *p, struct pool_block_ *b)
{
    void *x = NULL;
    if (b != NULL) {
        struct place *at = my_place(b);
        place_lock(at);
        x = shelf_newest(&at->shared);
        place_unlock(at);
        if (x == NULL)
            x = steal(b);
        if (x == NULL)
            x = take_victim(b);
    }
    return x != NULL ? x : make(p);
}

HOT void *pool_get(pool *p)
{
    /* order: acquire pairs with the swap in block_new. */
    struct pool_block_ *b = load_acquire(&p->block_);
    if (__builtin_expect(b != NULL, 1)) {
        /* order: acquire pairs with the release in pool_put. */
        void *x = atomic_exchange_explicit(&my_place(b)->last, NULL, memory_order_acquire);
        if (__builtin_expect(x != NULL, 1))
            return x;
    }
    return get_slow(p, b);
}

/* ---- trimming ---- */

static void trim_place(struct place *at, void (*drop)(void *))
{
    place_lock(at);
    struct shelf old = at->victims;
    void *old_last = at->last_victim;
    at->victims = at->shared;
    at->shared = (struct shelf){NULL, 0, 0, 0};
    /* order: acquire pairs with the release in pool_put. */
    at->last_victim = atomic_exchange_explicit(&at->last, NULL, memory_order_acquire);
    place_unlock(at);
    if (old_last != NULL)
        drop(old_last);
    for (void *x; (x = shelf_oldest(&old)) != NULL;)
        drop(x);
    free(old.slot);
}

void pool_trim(void)
{
    /* order: acquire pairs with the release in block_new. */
    struct pool_block_ *b = load_acquire(&blocks);
    for (; b != NULL; b = b->next)
        for (uint32_t i = 0; i < sched.n_m && b->drop != NULL; i++)
            trim_place(&b->place[i], b->drop);
}
