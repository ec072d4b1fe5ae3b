/*
 * chunk: the memory of descriptors. Layout of one:
 *
 *     chunk    struct g              tp                thread-local block
 *     ┌──────┬────────────┬─────────▼┬───────────────────────────────┐
 *     │ home │ …          │ context  │ (16 bytes on Arm) .tdata .tbss │
 *     └──────┴────────────┴──────────┴───────────────────────────────┘
 *
 * The thread-local block is as large as the program's _Thread_local variables; none: nothing. It
 * is written anew at each start. The thread pointer has the alignment, which leaves room in front of
 * the struct for the way home: it costs nothing.
 *
 * A chunk is a few pages cut into descriptors, with a list of those that nobody uses. It is *open*
 * if it has such, *empty* if it has no others. One that is empty goes back to page.c, but for a few:
 * a program that has had a million goroutines has not got their memory for ever. (Go keeps it: its
 * stack scans and its profiles may look at a G at any time. Here a G is looked at by who has it in
 * hand, and by tracebacks while nobody else runs.)
 *
 * D1  A descriptor in a chunk's list is dead, has no stack, and nobody else knows it. So a chunk
 *     all of whose descriptors are there is nobody's.
 * D2  Open and empty chunks are on the list of their kind, full ones on none. Lock.
 * D3  All chunks are on a list that tracebacks walk without the lock: their hart has stopped all
 *     others, at any instruction. To link and to unlink is one store each, and what is unlinked is
 *     given back afterwards.
 * D4  After chunk_keep nothing is unlinked any more. Then who walks the list while others run, from an
 *     interrupt handler for instance, finds descriptors for ever where they were, live or dead.
 *
 * A take prefers open chunks to empty ones, so that empty ones stay so.
 */
#include "sched/chunk.h"
#include <string.h>
#include "kernel/page.h"
#include "sched/atomic.h"
#include "sched/config.h"

/* The link: the image of the thread-local block, and its sizes as absolute symbols. */
extern char __tdata_start[], __tdata_size[], __tls_size[], __tls_align[];

#define CHUNK_PAGES 4 /* or more, if the thread-local block is large */

struct chunk {
    struct chunk *_Atomic next;  /* D3; lock to write */
    struct chunk *_Atomic *back; /* what points to it there; lock */
    struct chunk *link, **at;    /* D2; lock */
    struct g *free;              /* D1; lock */
    uint32_t n_free;             /* lock */
    uint32_t n;                  /* constant */
    uintptr_t first;             /* its first G; constant */
};

static struct {
    size_t tls_at; /* offset of the block from the thread pointer */
    size_t stride; /* from one G to the next */
    size_t align;  /* of the thread pointer */
    size_t pages;  /* of a chunk */
    struct chunk *_Atomic all;
    struct spin lock;
    struct chunk *open, *empty; /* lock */
    uint32_t n_empty;           /* lock */
    bool keep;                  /* D4; written at boot */
} gs;

static size_t tls_size; /* of the thread-local block, bytes */

static size_t round_up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

static struct chunk **home(struct g *g)
{
    return (struct chunk **)g - 1;
}

/* A symbol's value. The compiler thinks that nothing lies at address 0. */
static size_t value(const char *symbol)
{
    __asm__("" : "+r"(symbol));
    return (size_t)symbol;
}

bool chunk_init(void)
{
    size_t tls_align = value(__tls_align);
    tls_size = value(__tls_size);
    gs.align = tls_align > 64 ? tls_align : 64;
    gs.tls_at = round_up(ARCH_TLS_OFFSET, tls_align > 0 ? tls_align : 1);
    size_t block = tls_size == 0 ? 0 : gs.tls_at + tls_size;
    gs.stride = round_up(sizeof(struct chunk *) + sizeof(struct g) + block, gs.align);
    gs.pages = CHUNK_PAGES;
    while (gs.pages * PAGE_SIZE < sizeof(struct chunk) + gs.align + gs.stride)
        gs.pages *= 2;
    return tls_size != 0;
}

void chunk_tls_init(struct g *g)
{
    char *block = (char *)g_tp(g) + gs.tls_at;
    size_t data = value(__tdata_size);
    memcpy(block, __tdata_start, data);
    memset(block + data, 0, tls_size - data);
}

size_t g_bytes(void)
{
    return gs.stride;
}

/* ---- lists ---- */

static void list_put(struct chunk **list, struct chunk *c)
{
    c->link = *list;
    c->at = list;
    if (c->link != NULL)
        c->link->at = &c->link;
    *list = c;
}

static void list_remove(struct chunk *c)
{
    *c->at = c->link;
    if (c->link != NULL)
        c->link->at = c->at;
}

static void all_put(struct chunk *c)
{
    /* relaxed: under the lock. */
    struct chunk *next = load_relaxed(&gs.all);
    store_relaxed(&c->next, next); /* relaxed: as above */
    c->back = &gs.all;
    if (next != NULL)
        next->back = &c->next;
    /* O17: release pairs with the acquire in g_walk_begin: the chunk is filled. */
    store_release(&gs.all, c);
}

static void all_remove(struct chunk *c)
{
    /* relaxed, both: D3. */
    struct chunk *next = load_relaxed(&c->next);
    store_relaxed(c->back, next); /* relaxed: as above */
    if (next != NULL)
        next->back = c->back;
}

/* ---- chunks ---- */

static void put_free(struct chunk *c, struct g *g)
{
    g->link = c->free;
    c->free = g;
    c->n_free++;
}

/* Cuts a new chunk, empty. NULL: no memory. */
static struct chunk *carve_locked(void)
{
    struct chunk *c = page_alloc_run(gs.pages);
    if (c == NULL)
        return NULL;
    memset(c, 0, gs.pages * PAGE_SIZE);
    uintptr_t end = (uintptr_t)c + gs.pages * PAGE_SIZE;
    c->first = round_up((uintptr_t)(c + 1) + sizeof(struct chunk *) + sizeof(struct g), gs.align) -
               sizeof(struct g);
    for (uintptr_t at = c->first; at + gs.stride - sizeof(struct chunk *) <= end;
         at += gs.stride, c->n++) {
        struct g *g = (struct g *)at;
        *home(g) = c;
        g->status = G_DEAD;
        put_free(c, g);
    }
    all_put(c);
    list_put(&gs.empty, c);
    gs.n_empty++;
    return c;
}

struct g *chunk_take(void)
{
    struct g *g = NULL;
    spin_lock(&gs.lock);
    struct chunk *c = gs.open;
    if (c == NULL && (c = gs.empty) == NULL)
        c = carve_locked();
    if (c != NULL) {
        bool was_empty = c->n_free == c->n;
        g = c->free;
        c->free = g->link;
        c->n_free--;
        if (was_empty || c->n_free == 0)
            list_remove(c);
        if (was_empty && c->n_free > 0)
            list_put(&gs.open, c);
        gs.n_empty -= was_empty;
    }
    spin_unlock(&gs.lock);
    return g;
}

static void give_locked(struct g *g)
{
    struct chunk *c = *home(g);
    put_free(c, g);
    if (c->n_free > 1)
        list_remove(c);
    bool empty = c->n_free == c->n;
    list_put(empty ? &gs.empty : &gs.open, c);
    gs.n_empty += empty;
}

/* Takes the empty chunks but `keep` out of the lists; they are linked by link. */
static struct chunk *condemn_locked(uint32_t keep)
{
    struct chunk *gone = NULL;
    while (gs.n_empty > keep && !gs.keep) {
        struct chunk *c = gs.empty;
        list_remove(c);
        all_remove(c);
        c->link = gone;
        gone = c;
        gs.n_empty--;
    }
    return gone;
}

static void give_back(struct chunk *gone)
{
    for (struct chunk *next; gone != NULL; gone = next) {
        next = gone->link;
        page_free_run(gone, gs.pages);
    }
}

void chunk_give(struct g *list)
{
    spin_lock(&gs.lock);
    for (struct g *next; list != NULL; list = next) {
        next = list->link;
        give_locked(list);
    }
    struct chunk *gone = condemn_locked(CHUNKS_SPARE);
    spin_unlock(&gs.lock);
    give_back(gone);
}

void chunk_trim(void)
{
    spin_lock(&gs.lock);
    struct chunk *gone = condemn_locked(0);
    spin_unlock(&gs.lock);
    give_back(gone);
}

void chunk_keep(void)
{
    gs.keep = true;
}

void g_walk_begin(struct g_walk *w)
{
    /* O17: acquire pairs with the release in all_put. */
    w->chunk = load_acquire(&gs.all);
    w->i = 0;
}

struct g *g_walk_next(struct g_walk *w)
{
    while (w->chunk != NULL && w->i == w->chunk->n) {
        /* relaxed: D3. */
        w->chunk = load_relaxed(&w->chunk->next);
        w->i = 0;
    }
    return w->chunk != NULL ? (struct g *)(w->chunk->first + w->i++ * gs.stride) : NULL;
}

LOOKS_ON bool g_known(const struct g *g)
{
    uintptr_t at = (uintptr_t)g;
    /* O17: acquire pairs with the release in all_put. */
    struct chunk *c = load_acquire(&gs.all);
    /* relaxed: D3. */
    for (; c != NULL; c = load_relaxed(&c->next))
        if (at >= c->first && at - c->first < c->n * gs.stride)
            return (at - c->first) % gs.stride == 0;
    return false;
}

LOOKS_ON void g_each(void (*fn)(struct g *, void *), void *arg)
{
    struct g_walk w;
    g_walk_begin(&w);
    for (struct g *g; (g = g_walk_next(&w)) != NULL;)
        if (g_lives(g))
            fn(g, arg);
}
