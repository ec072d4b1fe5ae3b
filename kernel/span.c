/*
 * span: runs of pages with objects in them, and the way from an address to its span.
 *
 * A *span* is 2^order pages, aligned to its own size, full of objects of one class; or as many pages
 * as one *large* object needs. Whoever frees an address must know what it is. Two tables tell:
 *
 *     map     a byte a page, for all pages from the lowest of the machine to the highest
 *             ┌────┬────┬────┬────┬────┬────┬────┬────┐
 *             │  0 │  4 │ 23 │ 23 │ 63 │  0 │  0 │  0 │   0: nothing; 63: a large object begins
 *             └────┴────┴────┴────┴────┴────┴────┴────┘
 *     tracts  a pointer for each 2 MiB ──▶ 512 descriptors (struct span), one a page, of which a
 *             span uses that of its first page
 *
 * The byte alone serves the hot paths: the class says which list an object goes to, and whether one
 * can begin there at all. It is found by a subtraction, a comparison and a load, wherever a wild
 * pointer points; no other memory is touched before it is known that there is an object. The
 * descriptor is found from the class too, since a span begins at a multiple of its size; only the
 * central lists ask for it.
 *
 * What it costs. The map: 2 MiB for 8 GiB of memory, and as much for holes between banks as if they
 * were memory. It is the only thing here that is initialised, at 0.3 instructions a KiB of memory:
 * 0.3 ms for 8 GiB. Descriptors: 20 KiB for 2 MiB of memory in which there is any object, made with
 * the first span and given back with the last, so a heap that has come and gone leaves nothing.
 *
 *   S1  A page's byte is its class exactly if it belongs to a live span, or is the first of a large
 *       object; else 0. It is written by who makes the span, before any object of it is known to
 *       anyone, and by who deletes it, when all have come back.
 *   S2  A tract has descriptors while its count of spans is above 0.
 *
 * O80  Both tables are read without a lock, plainly. Who asks about an address owns the object
 *      there: it got the object from malloc, after S1, on its own hart or by way of whatever brought
 *      it the pointer from another; and the span lives until the object has come back by way of the
 *      lock of its class. So reads and writes of one byte are ordered by the hand-over of the object.
 *      A wild free reads what it reads: a byte, whose neighbours others may be writing.
 *
 * Rejected: descriptors at the start of their spans (powers of two would no longer fit, and lookups
 * would all hit the same few cache sets); a tree of tables for the map (five more instructions in
 * each free, to save a page for 16 MiB); a byte in page.c's heads, which exist (they are rubbish
 * inside free blocks, and in as many pieces as there are zones); a table in a window of addresses,
 * mapped where it is needed (no fewer instructions, and a fault for a wild free).
 */
#include "kernel/span.h"
#include <stdatomic.h>
#include <string.h>
#include "kernel/console.h"
#include "kernel/spin.h"

#define TRACT_SHIFT 9 /* pages; spans of small objects never straddle */
#define TRACT_PAGES ((size_t)1 << TRACT_SHIFT)
#define TABLE_PAGES ((TRACT_PAGES * sizeof(struct span) + PAGE_SIZE - 1) / PAGE_SIZE)

struct tract {
    struct span *span; /* by page; NULL: none */
    size_t n;          /* spans that begin in it; tract_lock */
};

struct span_map span_map;
static struct tract *tract;
static struct spin tract_lock;
static struct {
    _Atomic uint64_t mallocs, frees, bytes, total_bytes;
} large;

static _Noreturn void span_broken(const char *what, const void *x)
{
    kprintf("heap: %s: %p\n", what, x);
    __builtin_trap();
}

static void *zeroed_run(size_t bytes)
{
    void *run = page_alloc_run((bytes + PAGE_SIZE - 1) / PAGE_SIZE);
    if (run)
        memset(run, 0, bytes);
    return run;
}

bool span_init(void)
{
    struct page_bounds b = page_bounds();
    span_map.first = b.first & -TRACT_PAGES;
    span_map.pages = b.end - span_map.first;
    span_map.class = zeroed_run(span_map.pages);
    tract = zeroed_run((span_map.pages / TRACT_PAGES + 1) * sizeof *tract);
    return span_map.class != NULL && tract != NULL;
}

/* ---- Descriptors */

static inline size_t page_index(uintptr_t address)
{
    return (address >> PAGE_SHIFT) - span_map.first;
}

static inline struct span *descriptor(size_t page)
{
    return &tract[page >> TRACT_SHIFT].span[page & (TRACT_PAGES - 1)];
}

/* The descriptor of a span that begins at `base`, from now on; NULL: no memory. */
static struct span *descriptor_take(uintptr_t base, size_t pages)
{
    struct tract *t = &tract[page_index(base) >> TRACT_SHIFT];
    spin_lock(&tract_lock);
    if (!t->span)
        t->span = page_alloc_run(TABLE_PAGES);
    bool there = t->span != NULL;
    t->n += there;
    spin_unlock(&tract_lock);
    if (!there)
        return NULL;
    struct span *s = descriptor(page_index(base));
    *s = (struct span){.base = base, .pages = (uint32_t)pages};
    return s;
}

static void descriptor_give(uintptr_t base)
{
    struct tract *t = &tract[page_index(base) >> TRACT_SHIFT];
    struct span *table = NULL;
    spin_lock(&tract_lock);
    if (--t->n == 0) {
        table = t->span;
        t->span = NULL;
    }
    spin_unlock(&tract_lock);
    if (table)
        page_free_run(table, TABLE_PAGES);
}

/* ---- Spans of small objects */

struct span *span_of(const void *x, unsigned class)
{
    return descriptor(page_index((uintptr_t)x & ~(uintptr_t)size_class[class].span_mask));
}

static void map_fill(uintptr_t base, size_t pages, unsigned class)
{
    memset(&span_map.class[page_index(base)], (int)class, pages);
}

static void pages_give(uintptr_t base, size_t pages)
{
    if (pages == 1)
        page_free((void *)base);
    else
        page_free_run((void *)base, pages);
}

struct span *span_new(unsigned class)
{
    unsigned order = size_class[class].order;
    size_t pages = (size_t)1 << order;
    void *run = order == 0 ? page_alloc() : page_alloc_aligned(pages, order);
    if (!run)
        return NULL;
    struct span *s = descriptor_take((uintptr_t)run, pages);
    if (s)
        map_fill(s->base, pages, class); /* O80: before anyone has an object of it */
    else
        pages_give((uintptr_t)run, pages);
    return s;
}

void span_delete(struct span *s, unsigned class)
{
    uintptr_t base = s->base;
    size_t pages = s->pages;
    if (span_class((void *)base) != class || s->out != 0)
        span_broken("a span is deleted that is in use or is none", (void *)base);
    map_fill(base, pages, CLASS_NONE); /* O80: after all have come back */
    descriptor_give(base);
    pages_give(base, pages);
}

/* ---- Large objects */

/* relaxed, all counts: they are added up, nothing is read by them. */
static void count(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static uint64_t counted(_Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed); /* relaxed: as above */
}

void *large_new(size_t pages, unsigned order)
{
    void *run = order == 0 ? page_alloc_run(pages) : page_alloc_aligned(pages, order);
    if (!run)
        return NULL;
    if (!descriptor_take((uintptr_t)run, pages)) {
        page_free_run(run, pages);
        return NULL;
    }
    map_fill((uintptr_t)run, 1, CLASS_LARGE); /* O80: as in span_new */
    count(&large.mallocs, 1);
    count(&large.bytes, pages * PAGE_SIZE);
    count(&large.total_bytes, pages * PAGE_SIZE);
    return run;
}

size_t large_pages(const void *x)
{
    return descriptor(page_index((uintptr_t)x))->pages;
}

void large_delete(void *x)
{
    size_t pages = large_pages(x);
    map_fill((uintptr_t)x, 1, CLASS_NONE);
    descriptor_give((uintptr_t)x);
    page_free_run(x, pages);
    count(&large.frees, 1);
    count(&large.bytes, -(uint64_t)pages * PAGE_SIZE);
}

bool large_resize(void *x, size_t pages)
{
    struct span *s = descriptor(page_index((uintptr_t)x));
    size_t was = s->pages;
    if (pages > was && !page_extend_run(x, was, pages - was))
        return false;
    s->pages = (uint32_t)pages;
    if (pages < was)
        page_free_run((char *)x + pages * PAGE_SIZE, was - pages);
    else
        count(&large.total_bytes, (pages - was) * PAGE_SIZE);
    count(&large.bytes, (pages - was) * PAGE_SIZE);
    return true;
}

struct large_stats large_stats(void)
{
    return (struct large_stats){counted(&large.mallocs), counted(&large.frees),
                                counted(&large.bytes), counted(&large.total_bytes)};
}
