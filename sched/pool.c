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
 *
 * When trims come. Go's come with its collector. Here a timer starts a goroutine for each, since drop
 * is the program's own code and may block. A tick every two minutes for ever would be simple, but a
 * machine that is idle should stay asleep: the timer is set only while there is something to trim.
 * put and get should not have to say so each time; they need not, for a trim leaves each place
 * *asleep*: last holds the address of the pool's own places, which is nobody's object. put finds last
 * taken, get finds that what it got is no object, and both go the slow way, which sets the timer. From
 * then on last is as it always was, until the next trim: the price is one slow call a hart and trim.
 *
 *   P1  A place where an object can be is awake, or a victim is in it. (Objects come in by way of
 *       last, which wakes it, or by shared, to which nobody pushes before last is awake.)
 *   P2  If any place of a pool with a drop is awake, or has a victim, then the timer is set, or its
 *       goroutine has yet to begin, or somebody is on the slow way and about to set it. (O75)
 *   P3  `watched` is 1 from before the timer is set until its goroutine begins. Who swaps it from 0
 *       sets the timer, so it is never in two heaps.
 *
 * Without memory for the timer the trim is held at once, and the next after it, until there is nothing
 * left to wait for. So what is put then goes to drop: memory is short.
 *
 * The timer lies in a P's heap like any other, so it moves with the P's timers, wakes an idle hart,
 * and waits when there is no memory for its goroutine. It wakes nobody of the program: idle.c does
 * not count it when it looks for a deadlock. sysmon, whose duty it is by its name, would not do: here
 * that is a spare hart's and ends when no section is left.
 */
#include "sched/pool.h"
#include <pinion/sync.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include "kernel/clock.h"
#include "sched/atomic.h"
#include "sched/g.h"
#include "sched/proc.h"

#define SHELF_FIRST 8u /* objects */

/* A ring of objects, of a size that is a power of two, or 0. */
struct shelf {
    void **slot;
    uint32_t oldest, n, cap;
};

struct pool_place_ {
    void *_Atomic last; /* anyone, by exchange and swap; the pool's first place: it is asleep */
    struct spin lock;   /* the rest */
    struct shelf shared, victims;
    void *last_victim;
} __attribute__((aligned(64)));

/* In front of a pool's places; the pool points behind it, to save who looks for his an addition. */
struct head {
    struct head *next; /* constant once it is in the list */
    void (*drop)(void *);
} __attribute__((aligned(64)));

static struct head *_Atomic heads;

static struct pool_place_ *places_of(struct head *h)
{
    return (struct pool_place_ *)(h + 1);
}

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

static void place_lock(struct pool_place_ *at)
{
    preempt_off();
    spin_lock(&at->lock);
}

static void place_unlock(struct pool_place_ *at)
{
    spin_unlock(&at->lock);
    preempt_on();
}

/* ---- places ---- */

/* Everything a goroutine does here is right in any place: mine is only the nearest. */
static inline struct pool_place_ *my_place(struct pool_place_ *first)
{
    return &first[g_self()->m->id];
}

static struct head *head_new(void (*drop)(void *))
{
    size_t size = sizeof(struct head) + sched.n_m * sizeof(struct pool_place_);
    struct head *h = memalign(_Alignof(struct head), size);
    if (h == NULL)
        return NULL;
    memset(h, 0, size);
    h->drop = drop;
    struct pool_place_ *first = places_of(h);
    for (uint32_t i = 0; drop != NULL && i < sched.n_m; i++)
        store_relaxed(&first[i].last, first); /* relaxed: nobody else knows it */
    return h;
}

static struct pool_place_ *places_new(pool *p)
{
    struct head *h = head_new(p->drop);
    struct pool_place_ *other = NULL;
    if (h == NULL)
        return NULL;
    /* O28: acq_rel: h is filled; or another was quicker, and we read what it filled. */
    if (!cas_acq_rel(&p->places_, &other, places_of(h))) {
        free(h);
        return other;
    }
    /* relaxed: the swap decides. */
    h->next = load_relaxed(&heads);
    /* O28: release pairs with the acquire in trim_all. relaxed: again. */
    while (!cas_release(&heads, &h->next, h))
        continue;
    return places_of(h);
}

/* ---- the timer ---- */

int64_t pool_trim_ns = POOL_TRIM_NS;

static _Atomic uint32_t watched; /* 1: see P3 */

static void trim_when_due(void *unused)
{
    (void)unused;
    /* O75: release: the timer is out of the heap for who swaps this; and before trim_place's. */
    store_release(&watched, 0);
    pool_trim();
}

/* On a scheduler stack, the heap locked. */
static bool begin_trim(struct timer_node *t)
{
    static const struct go_attr attr = {.name = "pool trim"};
    (void)t;
    return g_spawn(&attr, NULL, trim_when_due, NULL, 0) > 0;
}

struct timer_node pool_timer = {.begin = begin_trim};

/* false: no memory. */
static bool set_timer(void)
{
    uint32_t no = 0;
    /* O75: relaxed: ordered by the swap of last, or by nothing if there is none to wake. acquire
     * pairs with the release in trim_when_due. */
    if (load_relaxed(&watched) || !cas_acquire(&watched, &no, 1))
        return true;
    preempt_off();
    bool queued = timer_add(&pool_timer, timer_deadline(clock_ns(), pool_trim_ns));
    preempt_on();
    if (!queued)
        store_release(&watched, 0); /* O75: release, as in trim_when_due */
    return queued;
}

/* Somebody has been at a pool, and perhaps the first since the last trim. */
static void watch(void)
{
    if (!set_timer())
        pool_trim();
}

/* ---- put ---- */

/* Puts x into at, of the places that begin with first, if it sleeps. at is locked. */
static bool wake(struct pool_place_ *at, struct pool_place_ *first, void *x)
{
    void *asleep = first;
    /* O75: acquire: watched is as the trim left it. O28: release. */
    return cas_acq_rel(&at->last, &asleep, x);
}

/* Into last or shared; grows that outside of the lock, for it may take time. false: no memory. */
static bool push(struct pool_place_ *at, struct pool_place_ *first, void *x)
{
    void **slot = NULL;
    uint32_t cap = 0;
    for (;;) {
        place_lock(at);
        if (slot != NULL && at->shared.cap < cap)
            slot = shelf_move(&at->shared, slot, cap);
        bool done = wake(at, first, x) || shelf_push(&at->shared, x);
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

static __attribute__((noinline)) void put_slow(pool *p, struct pool_place_ *first, void *x)
{
    if (x == NULL)
        return;
    if (first == NULL)
        first = places_new(p);
    bool kept = first != NULL && push(my_place(first), first, x);
    if (p->drop == NULL)
        return;
    if (kept)
        watch();
    else
        p->drop(x);
}

HOT void pool_put(pool *p, void *x)
{
    void *none = NULL;
    /* O28: acquire pairs with the swap in places_new. */
    struct pool_place_ *first = load_acquire(&p->places_);
    /* O28: release pairs with the acquire of last: what was done to x goes with it. */
    if (__builtin_expect(first == NULL || !cas_release(&my_place(first)->last, &none, x), 0))
        put_slow(p, first, x);
}

/* ---- get ---- */

static void *newest(struct pool_place_ *at)
{
    return shelf_newest(&at->shared);
}

static void *oldest(struct pool_place_ *at)
{
    return shelf_oldest(&at->shared);
}

static void *victim(struct pool_place_ *at)
{
    void *x = at->last_victim;
    at->last_victim = NULL;
    return x != NULL ? x : shelf_newest(&at->victims);
}

/* What take finds in the places from the from-th to before the to-th, our own being the 0th. */
static void *look(struct pool_place_ *first, uint32_t from, uint32_t to,
                  void *(*take)(struct pool_place_ *))
{
    uint32_t mine = g_self()->m->id;
    void *x = NULL;
    for (uint32_t i = from; i < to && x == NULL; i++) {
        struct pool_place_ *at = &first[(mine + i) % sched.n_m];
        place_lock(at);
        x = take(at);
        place_unlock(at);
    }
    return x;
}

/* Without memory all pools are trimmed, and it is tried once more. The trim has made victims of what
 * other harts had put by for themselves, so in the end one of these may do. */
static void *make(pool *p, struct pool_place_ *first)
{
    if (p->new == NULL)
        return NULL;
    void *x = p->new ();
    if (x == NULL) {
        pool_trim();
        x = p->new ();
    }
    return x == NULL && first != NULL ? look(first, 0, sched.n_m, victim) : x;
}

static __attribute__((noinline)) void *get_slow(pool *p, struct pool_place_ *first)
{
    void *x = NULL;
    if (first != NULL) {
        x = look(first, 0, 1, newest);
        if (x == NULL)
            x = look(first, 1, sched.n_m, oldest);
        if (x == NULL)
            x = look(first, 0, sched.n_m, victim);
        if (p->drop != NULL)
            watch();
    }
    return x != NULL ? x : make(p, first);
}

HOT void *pool_get(pool *p)
{
    /* O28: acquire pairs with the swap in places_new. */
    struct pool_place_ *first = load_acquire(&p->places_);
    if (__builtin_expect(first != NULL, 1)) {
        /* O28: acquire pairs with the release in pool_put. O75: and with the trim's. */
        void *x = atomic_exchange_explicit(&my_place(first)->last, NULL, memory_order_acquire);
        if (__builtin_expect(x != NULL && x != first, 1))
            return x;
    }
    return get_slow(p, first);
}

/* ---- trimming ---- */

/* true: there are victims. */
static bool trim_place(struct pool_place_ *at, struct pool_place_ *first, void (*drop)(void *))
{
    place_lock(at);
    struct shelf old = at->victims;
    void *old_last = at->last_victim;
    at->victims = at->shared;
    at->shared = (struct shelf){NULL, 0, 0, 0};
    /* O28: acquire. O75: release: who wakes the place sees that nobody watches, if nobody does. */
    void *last = atomic_exchange_explicit(&at->last, first, memory_order_acq_rel);
    at->last_victim = last != first ? last : NULL;
    bool victims = at->last_victim != NULL || at->victims.n > 0;
    void **unused = NULL;
    if (at->victims.n == 0) {
        unused = at->victims.slot;
        at->victims = at->shared;
    }
    place_unlock(at);
    if (old_last != NULL)
        drop(old_last);
    for (void *x; (x = shelf_oldest(&old)) != NULL;)
        drop(x);
    free(old.slot);
    free(unused);
    return victims;
}

static bool trim_all(void)
{
    bool victims = false;
    /* O28: acquire pairs with the release in places_new. */
    for (struct head *h = load_acquire(&heads); h != NULL; h = h->next)
        for (uint32_t i = 0; i < sched.n_m && h->drop != NULL; i++)
            victims |= trim_place(&places_of(h)[i], places_of(h), h->drop);
    return victims;
}

void pool_trim(void)
{
    while (trim_all() && !set_timer())
        continue;
}
