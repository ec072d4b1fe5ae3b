/*
 * cache: each P's own free objects. See cache.c. All of a cache belongs to the owner of its P (I3):
 * the M that holds it, preemption off, or the stopper while the world is stopped.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "kernel/size_class.h"
#include "kernel/span.h"

struct p;

/* One class's. 32 bytes, so that a shift finds it. */
struct cache_list {
    void *free;      /* a chain: what malloc takes from */
    void *freed;     /* a chain: what has been freed since free was filled, batch - room objects */
    uint32_t room;   /* for so many more */
    uint32_t batch;  /* constant, like the next two: of struct size_class; … */
    uint32_t mask;   /* span_mask */
    uint32_t begins; /* inverse; 0 for what is no class: then no address is an object's */
};

struct cache {
    struct span_map map;                               /* a copy */
    bool short_cuts;                                   /* are there? */
    struct cache_list *list_for[TINY_MAX / GRAIN + 1]; /* of the smallest class for n GRAINs */
    struct cache_list list[CLASS_MAX];
    uint64_t frees[CLASS_MAX]; /* objects that came through freed and have left it */
};
_Static_assert(sizeof(struct cache_list) == 32, "a list is found by a shift of its class");
_Static_assert(sizeof(struct cache) <= PAGE_SIZE, "a cache is a page");

/* p's cache, empty. Boot. false: no memory. */
bool cache_make(struct p *p);
/* false: from now on every malloc and free of p's owner takes the long way, where it can be looked
 * at (a debug image, a profile, a test that makes allocations fail). Its owner. */
void cache_short_cuts(struct cache *c, bool on);
/* A heap profile looks at all objects: there are no short cuts on any P. Written, once, with the world
 * stopped. */
extern bool heap_watched;
/* The freed objects, which are somebody else's from now on. */
static inline void *cache_take_freed(struct cache *c, unsigned class)
{
    struct cache_list *l = &c->list[class];
    void *chain = l->freed;
    c->frees[class] += l->batch - l->room;
    l->freed = NULL;
    l->room = l->batch;
    return chain;
}

/* An object that c has; NULL: it has none. */
static inline void *cache_take_kept(struct cache *c, unsigned class)
{
    struct cache_list *l = &c->list[class];
    void *x = l->free != NULL ? l->free : cache_take_freed(c, class);
    if (x != NULL)
        l->free = *(void **)x;
    return x;
}

/* The same, or one of a batch from the central list; NULL: no memory. */
void *cache_take(struct cache *c, unsigned class);
/* An object comes back, whether there is room for it or not. */
void cache_put(struct cache *c, unsigned class, void *x);
/* Is x what was freed last of its class on this P? Then it is not to be freed. Of any P: a moment ago. */
static inline bool cache_freed_last(const struct cache *c, unsigned class, const void *x)
{
    return x == ((const volatile struct cache_list *)c->list)[class].freed;
}
/* All it has goes to the central lists. */
void cache_flush(struct cache *c);
/* Has it anything? Also of another P, to see whether it is worth to ask: as of a moment ago. */
bool cache_holds(const struct cache *c);
/* Every P's, and the central lists too: what no object is in are free pages. The world is stopped. */
void cache_flush_all(void);
/* Objects of the class that have been freed on any P, ever. The world is stopped. */
uint64_t cache_frees(unsigned class);
