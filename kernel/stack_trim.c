/*
 * stack_trim: dead stacks give their pages back.
 *
 * A trim is a protocol, for other harts must not be stopped for all of it:
 *
 *   1. {lock} Pick areas with warm slots; those slots are gone now, nobody can take them. An area
 *      with nothing live goes as a whole; a region all of whose areas go is closing, and gets no
 *      new ones.
 *   2. {no lock} Unmap the pages, then the tables of whole areas, then those of closing regions.
 *      All of it hangs on a chain through the pages' own first words: they still have addresses of
 *      their own in the identity map.
 *   3. {no lock} One shootdown. Before it, a hart may still translate through what was unmapped.
 *   4. {no lock} The chain goes back to page_free. Not before 3.
 *   5. {lock} The slots are cold, whole areas are forgotten. Not before 3 either: a slot that were
 *      handed out in between could be reached through its old pages.
 *
 * Invariants I1 to I6 are stack.c's.
 */
#include "kernel/stack_trim.h"
#include "arch/arch.h"
#include "kernel/stack.h"
#include "kernel/stack_slot.h"

#define TRIM_PAGES 1024 /* a batch, about */

struct scrap { /* in the first word of a page that waits for its shootdown */
    struct scrap *next;
};

static struct spin trim_lock;
static _Atomic size_t trimmed; /* stack pages that trims have given back, ever */

/* ---- The steps. Under trim_lock. */

/* The warm slots of an area are gone, all its slots if none is live. Returns the pages they hold. */
static size_t area_leave(struct area *a)
{
    size_t n = 0;
    stack_area_unlist(a);
    for (uint32_t w = a->warm; w; w &= w - 1)
        n += pages_load(a, (unsigned)__builtin_ctz(w));
    a->gone = a->warm;
    a->warm = 0;
    if (a->live == 0) {
        struct region *r = stack_region_of(a->base);
        a->gone = all_slots(a->class);
        r->closing = ++r->leaving == r->used;
    }
    stack_slots.pooled -= n;
    return n;
}

static inline bool area_is_whole(const struct area *a)
{
    return a->gone == all_slots(a->class);
}

/* Step 1: a chain of areas that leave. */
static struct area *trim_pick(void)
{
    struct area *chain = NULL, *a;
    size_t n = 0;
    spin_lock(&stack_slots.lock);
    for (unsigned class = 0; class < CLASSES; class ++)
        while (n < TRIM_PAGES &&
               ((a = stack_slots.list[WARM][class]) || (a = stack_slots.list[EMPTY][class]))) {
            n += 1 + area_leave(a);
            a->next = chain;
            chain = a;
        }
    spin_unlock(&stack_slots.lock);
    return chain;
}

static inline void scrap_add(struct scrap **scraps, void *page)
{
    struct scrap *s = page;
    if (!s)
        return;
    s->next = *scraps;
    *scraps = s;
}

/* Step 2 for one slot. Stacks are mapped from the top: the search ends when all pages are found. */
static size_t slot_unmap(struct slot s, struct scrap **scraps)
{
    uint32_t n = pages_load(s.area, s.index);
    uintptr_t va = slot_end(s);
    for (uint32_t left = n; left > 0;) {
        va -= PAGE_SIZE;
        if (va <= slot_base(s))
            stack_broken("pages of a dead stack are missing", va);
        void *page = vm_unmap_page(va);
        left -= page != NULL;
        scrap_add(scraps, page);
    }
    /* relaxed: see pages_load; the slot is ours until the lock is taken again. */
    atomic_store_explicit(&s.area->pages[s.index], 0, memory_order_relaxed);
    return n;
}

/* Step 2. Returns the number of stack pages. */
static size_t trim_unmap(struct area *chain, struct scrap **scraps)
{
    const uintptr_t table_size = (uintptr_t)1 << AREA_SHIFT;
    size_t n = 0;
    for (struct area *a = chain; a; a = a->next) {
        for (uint32_t g = a->gone; g; g &= g - 1)
            n += slot_unmap((struct slot){a, (unsigned)__builtin_ctz(g)}, scraps);
        uintptr_t end = a->base + ((uintptr_t)1 << area_shift(a->class));
        for (uintptr_t va = a->base; area_is_whole(a) && va < end; va += table_size)
            scrap_add(scraps, vm_unmap_table(va, 1));
    }
    /* `closing` is ours to read: only trims write it. */
    for (struct area *a = chain; a; a = a->next)
        if (area_is_whole(a) && stack_region_of(a->base)->closing)
            scrap_add(scraps, vm_unmap_table(a->base, 2));
    return n;
}

/* Step 5. */
static void trim_return(struct area *a)
{
    spin_lock(&stack_slots.lock);
    for (struct area *next; a; a = next) {
        next = a->next;
        if (area_is_whole(a)) {
            stack_area_forget(a);
        } else {
            a->gone = 0;
            stack_area_list(a);
        }
    }
    spin_unlock(&stack_slots.lock);
}

/* ---- A trim */

bool stack_trim_batch(void)
{
    struct scrap *scraps = NULL;
    stack_probe(STACK_PROBE);
    spin_lock(&trim_lock);
    struct area *chain = trim_pick();
    if (chain) {
        size_t n = trim_unmap(chain, &scraps);
        if (scraps)
            vm_flush_all();
        for (struct scrap *next; scraps; scraps = next) {
            next = scraps->next;
            page_free(scraps);
        }
        trim_return(chain);
        /* relaxed: a hint to try again; the pages themselves go through page.c's lock. */
        atomic_fetch_add_explicit(&trimmed, n, memory_order_relaxed);
    }
    spin_unlock(&trim_lock);
    return chain != NULL;
}

bool stack_trim_helped(size_t *seen)
{
    stack_trim_batch();
    /* relaxed: see stack_trim_batch. */
    size_t now = atomic_load_explicit(&trimmed, memory_order_relaxed);
    bool more = now != *seen;
    *seen = now;
    return more;
}

size_t stack_trimmed(void)
{
    /* relaxed: see stack_trim_batch. */
    return atomic_load_explicit(&trimmed, memory_order_relaxed);
}
