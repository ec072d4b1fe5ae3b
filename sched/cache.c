/*
 * cache: what makes malloc cheap: free objects of each class that a P has to itself.
 *
 * The life of an object's memory, and who may touch it:
 *
 *     page heap ──▶ span ──▶ chain in a ──▶ free ──▶ the program, from ──▶ freed ──▶ chain in a ─▶ …
 *      page.c      central     central    of a P     malloc to free      of a P      central
 *      {lock}      {lock}      {lock}     {owner}    {whoever has        {owner}     {lock}
 *                                                     the pointer}
 *
 * Two chains a class. malloc pops from `free`, free pushes on `freed`; when `free` is empty, `freed`
 * takes its place; when `freed` is full, a batch, it goes to the central list as it is. So chains are
 * never walked nor counted, what moves between harts is a batch for one visit to a lock, and neither
 * malloc nor free asks how many there are: free counts `room` down, malloc counts nothing.
 *
 *          free ──▶ a ──▶ b ──▶ c                   malloc: a
 *          freed ─▶ x ──▶ y            room 30      free(z): z ──▶ x ──▶ y, room 29
 *
 * An object that is freed elsewhere than it was made simply changes hands: it goes to the cache of
 * the P that frees it, for the next malloc there, and if that P frees more than it makes, by batches
 * to the central list, where the P that makes more than it frees finds them. Its span hears of it
 * only if the central list has too many chains. No object is ever "remote", and no hart writes to a
 * line that another allocates from, except the objects themselves.
 *
 *   M1  A cache is its P's owner's (I3 of gmp.h). No lock, no atomic; it travels with the P.
 *   M2  `free` and `freed` are chains of objects of the list's class, and of nobody else's.
 *   M3  freed has batch - room objects, so a full one is a whole batch.
 *
 * Not to be preempted. The fast paths of malloc and free (malloc.c) are a dozen instructions between
 * the look at m->p and the last store, and may not lose their hart in between. They could count
 * preempt_off up and down; that is a fifth of their length. Instead their code lies in a part of the
 * image, .text.unbroken, that interrupts respect: an interrupt that finds the pc there leaves word,
 * as it does when it finds preempt_off above 0 (preempt.c; O81), and the functions look for that word
 * on their way out, like preempt_on. So, for the code in that part:
 *
 *   M4  It calls nothing but as its last act (a jump out of the part); what it needs is inline. And
 *       it is inlined nowhere itself: a copy elsewhere would be ordinary code.
 *   M5  It uses no stack. (It may fault only on a bad pointer, which is then a fault of the runtime:
 *       a free object that the program has written to.)
 *
 * The word may come between the look and the return: then it is a goroutine's that is not there any
 * more, or honoured at the next look; and if there is none, the slice is found to be over at the
 * next one's end.
 *
 * How much lies idle here: two batches a class, 16 KiB (64 KiB for the largest), and only of classes
 * that this P has used. When memory is out, malloc.c empties the caches of all Ps; of those that run
 * by stopping the world. What we rejected for that: a flag that each P would see at its next visit
 * (it may be long until then, and the one who is out of memory cannot wait); a lock on each cache.
 *
 * Also rejected: a cache a hart rather than a P (a hart without a P has no business here, and the
 * world's stopper would have to ask); one list with a count (three instructions more in malloc, to
 * know what nobody asks); handing objects back to the P that made them (a message for each object,
 * to save memory that is as good here as there).
 */
#include "sched/cache.h"
#include <string.h>
#include "kernel/central.h"
#include "kernel/page.h"
#include "sched/gmp.h"
#include "sched/heap_check.h"

#define CACHES (sizeof(sched.p) / sizeof(sched.p[0])) /* at most */

bool heap_watched;

/* CLASS_NONE has no objects to take, and no address begins one if `begins` is 0. */
void cache_short_cuts(struct cache *c, bool on)
{
    on = on && !heap_watched;
    c->short_cuts = on;
    for (unsigned n = 0; n <= TINY_MAX / GRAIN; n++)
        c->list_for[n] = &c->list[on ? size_class_tiny[n] : CLASS_NONE];
    for (unsigned class = 1; class <= n_size_classes; class ++)
        c->list[class].begins = on ? size_class[class].inverse : 0;
}

bool cache_make(struct p *p)
{
    struct cache *c = page_alloc();
    if (c == NULL)
        return false;
    memset(c, 0, sizeof(*c));
    c->map = span_map;
    for (unsigned class = 1; class <= n_size_classes; class ++) {
        c->list[class].room = c->list[class].batch = size_class[class].batch;
        c->list[class].mask = size_class[class].span_mask;
    }
    cache_short_cuts(c, !HEAP_CHECK);
    p->cache = c;
    return true;
}

void *cache_take(struct cache *c, unsigned class)
{
    void *x = cache_take_kept(c, class);
    if (x == NULL && central_take(class, &c->list[class].free) > 0)
        x = cache_take_kept(c, class);
    return x;
}

void cache_put(struct cache *c, unsigned class, void *x)
{
    struct cache_list *l = &c->list[class];
    if (l->room == 0)
        central_give(class, cache_take_freed(c, class), l->batch); /* M3 */
    *(void **)x = l->freed;
    l->freed = x;
    l->room--;
}

/* ---- emptying and counting ---- */

/* No chain is longer than a batch, unless it bites its own tail: an object freed twice. */
static unsigned chain_length(unsigned class, void *const *x)
{
    unsigned n = 0;
    for (; x != NULL; x = *x)
        if (++n > size_class[class].batch)
            central_broken(x, class);
    return n;
}

static void chain_flush(unsigned class, void *chain)
{
    if (chain != NULL)
        central_give(class, chain, chain_length(class, chain));
}

void cache_flush(struct cache *c)
{
    for (unsigned class = 1; class <= n_size_classes; class ++) {
        struct cache_list *l = &c->list[class];
        void *chain = l->free;
        l->free = NULL;
        chain_flush(class, chain);
        chain_flush(class, cache_take_freed(c, class));
    }
}

bool cache_holds(const struct cache *c)
{
    const volatile struct cache_list *l = c->list;
    for (unsigned class = 1; class <= n_size_classes; class ++)
        if (l[class].free != NULL || l[class].freed != NULL)
            return true;
    return false;
}

void cache_flush_all(void)
{
    for (uint32_t i = 0; i < CACHES && sched.p[i] != NULL; i++)
        cache_flush(sched.p[i]->cache);
    central_trim();
}

uint64_t cache_frees(unsigned class)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < CACHES && sched.p[i] != NULL; i++) {
        const struct cache *c = sched.p[i]->cache;
        n += c->frees[class] + c->list[class].batch - c->list[class].room;
    }
    return n;
}
