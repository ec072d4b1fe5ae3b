/*
 * page: physical memory by pages of 4 KiB, one at a time or in runs.
 *
 * Words. A *zone* is one piece of usable memory: a bank of the tree less the image, the reserved
 * ranges and page zero. A *block* is a free piece of 2^k pages that starts at a multiple of its
 * size: the classic buddy system. A *run* is what page_alloc_run hands out: n pages, any n.
 *
 *     zone: | heads | ............ pages ............ |
 *
 *     blocks, by order:   0: []-[]-[]     1: []     2:     3: []-[] ...      <- buddies merge here
 *
 *     in front of them:   loose: page -> page -> page                        <- page_free
 *                         fresh: [next ........ end)                         <- one block, cut up
 *                                                                            -> page_alloc
 *
 * Single pages are the hot path: a stack grows by one at a fault, with interrupts masked. They
 * come from the list of loose pages or off the front of the fresh block, and go to the loose list.
 * Both are a handful of instructions. Blocks are cut when loose and fresh are empty, once in up to
 * 512 pages, and merged when more than LOOSE_MAX pages are loose: then page_free works its way up
 * the orders, a bounded walk that mostly ends at once. A run that finds no block first gives loose
 * and fresh pages back to the blocks, so those never stand in its way.
 *
 * Initialising costs the same at any size of memory: a zone becomes at most two blocks an order,
 * and no page is touched but the first of each block. The buddy system keeps one byte a page, its
 * order + 1 if the page is the head of a free block. These bytes lie at the start of the zone, one
 * page of them for every 16 MiB, and are not cleared. They need not be:
 *
 *   I1  heads[p] is exact where page p is the first of a free block or is not in a free block.
 *       Inside a free block it is whatever it was. Nobody reads it there: a buddy of the same
 *       size, and the first page behind a free block or a run in use, are never inside one.
 *   I2  Every page of a zone is in exactly one place: a block, loose, fresh, or a caller's.
 *       n_free + n_kept is the number of the first three.
 *   I3  Two free buddies of one zone and order do not both exist: they have been merged.
 *
 * A few of the free pages are no caller's: the *reserve*, n_kept of them, any. When memory has run
 * out, a goroutine whose stack must grow is to panic, and not the program; and to panic, to run
 * deferred calls and to print takes stack. So a growth that has failed spends some of the reserve,
 * three pages at a time, a page and two tables for it; another hart may be quicker to take them,
 * then more are spent. What is freed next goes to the reserve again, until it is full.
 *
 * A block of the next power of two is not the only place where n pages may lie. When there is none
 * and merging has brought none about, the zones are swept once from end to end for adjacent blocks
 * that hold n pages together. So NULL from page_alloc_run means that there is no such piece, not
 * that it is badly aligned. The sweep is linear in memory; the caller wants a large part of it. A run
 * that must be aligned comes from a block; when everything is merged, 2^k pages that are aligned to
 * their size and free are part of one.
 *
 * Locking. One ticket lock. Two things could go wrong with a lock that the fault handler takes too
 * (it runs with interrupts masked on the hart's trap stack, when a goroutine touches a new page of
 * its stack), so:
 *
 *   I4  Whoever holds the lock has touched all the stack it needs (stack_probe in page.h), and
 *       nothing else it touches is mapped on demand: blocks, heads and this file's variables are
 *       in the identity map. So the holder does not fault, and the fault handler never meets the
 *       lock held by the context that it interrupted.
 *   I5  Whoever holds the lock goes on running: goroutines come with preemption off, and interrupt
 *       handlers, which may interrupt the holder, allocate only where they have interrupted a
 *       goroutine whose preemption is on. So every wait for it ends.
 *   I6  It is the innermost lock: nothing is locked or waited for while it is held.
 *
 * Rejected: a bitmap searched for runs (single pages then cost a search); a list threaded through
 * all pages at the start (it touches 8 GiB to boot a board that uses 8 MiB of it); merging at each
 * page_free (a stack that ends and one that begins would merge and cut the same block for ever).
 * Caches per P come with the allocator; they refill here.
 */
#include "kernel/page.h"
#include "kernel/console.h"
#include "kernel/machine.h"
#include "kernel/spin.h"
#include "kernel/vm.h"

#define ORDERS        36   /* blocks of up to 2^35 pages, 128 TiB */
#define FRESH_ORDER   9    /* cut at most 2 MiB for single pages at a time */
#define LOOSE_MAX     1024 /* single pages kept unmerged */
#define ZONES_MAX     (MACHINE_MAX_BANKS + MACHINE_MAX_RESERVED + 2)
#define SPEND_AT_ONCE 3 /* of the reserve: a page, and tables of two levels */
#define ZONE_MIN      4 /* pages; smaller scraps are not worth their bookkeeping */

/* Page numbers are physical addresses without their last 12 bits. */
typedef uintptr_t pfn;

struct block {
    struct block *next, *prev; /* ring of its order; a loose page uses next alone */
};

struct zone {
    pfn first, end; /* its pages, without those that hold heads */
    uint8_t *heads; /* heads[p - first], I1 */
};

/* Written by page_init alone, read by all later. */
static struct zone zones[ZONES_MAX];
static unsigned n_zones;
static size_t n_total;

/* Under the lock. */
static struct spin lock;
static struct block ring[ORDERS]; /* sentinels of the rings of free blocks */
static uint64_t nonempty;         /* bit k: ring[k] has a block */
static struct block *loose;
static size_t n_loose;
static pfn fresh, fresh_end;
static size_t n_free;       /* that page_alloc may give */
static size_t n_kept, keep; /* that it may not, and how many these are to be */

static _Noreturn void page_broken(const char *what, const void *page)
{
    kprintf("page: %s: %p\n", what, page);
    __builtin_trap();
}

static inline pfn page_number(const void *page)
{
    return (uintptr_t)page >> PAGE_SHIFT;
}

static inline void *page_address(pfn p)
{
    return (void *)(p << PAGE_SHIFT);
}

static struct zone *zone_of(pfn p)
{
    for (struct zone *z = zones; z < zones + n_zones; z++)
        if (p >= z->first && p < z->end)
            return z;
    page_broken("not an allocatable page", page_address(p));
}

static inline pfn min_pfn(pfn a, pfn b)
{
    return a < b ? a : b;
}

/* The largest block that may start at p and ends at or before end. p < end. */
static unsigned order_at(pfn p, pfn end)
{
    unsigned fits = 63 - (unsigned)__builtin_clzl(end - p);
    unsigned aligned = (unsigned)__builtin_ctzl(p | (pfn)1 << (ORDERS - 1));
    return fits < aligned ? fits : aligned;
}

/* ---- Blocks. All under the lock. */

static void block_link(struct zone *z, pfn p, unsigned order)
{
    struct block *b = page_address(p);
    b->next = ring[order].next;
    b->prev = &ring[order];
    b->next->prev = b;
    ring[order].next = b;
    nonempty |= (uint64_t)1 << order;
    z->heads[p - z->first] = (uint8_t)(order + 1);
}

/* Its head stays as it is, for the caller to overwrite or to leave inside a larger block (I1). */
static void block_unlink(pfn p, unsigned order)
{
    struct block *b = page_address(p);
    b->next->prev = b->prev;
    b->prev->next = b->next;
    if (ring[order].next == &ring[order])
        nonempty &= ~((uint64_t)1 << order);
}

/* Gives a block back, merged with its buddy as often as the buddy is free (I3). */
static void block_free(struct zone *z, pfn p, unsigned order)
{
    if (z->heads[p - z->first] != 0)
        page_broken("freed twice", page_address(p));
    for (; order + 1 < ORDERS; order++) {
        pfn size = (pfn)1 << order;
        pfn buddy = p ^ size;
        if (buddy < z->first || buddy + size > z->end || z->heads[buddy - z->first] != order + 1)
            break;
        block_unlink(buddy, order);
        p = min_pfn(p, buddy);
    }
    block_link(z, p, order);
}

/* Gives [p, end) of one zone back, as the fewest blocks. */
static void blocks_free(struct zone *z, pfn p, pfn end)
{
    while (p < end) {
        unsigned order = order_at(p, end);
        block_free(z, p, order);
        p += (pfn)1 << order;
    }
}

/*
 * Pages [p, end) leave the blocks: their heads become exact (I1). The compiler must not make a
 * call of memset from this loop: the C library's uses vector registers, and we may be in a trap.
 */
static void heads_clear(struct zone *z, pfn p, pfn end)
{
    for (volatile uint8_t *h = &z->heads[p - z->first]; p < end; p++)
        *h++ = 0;
}

/* Takes n pages off the front of a block of at least as many. The rest stays free. */
static pfn block_take(struct zone *z, pfn p, unsigned order, size_t n)
{
    pfn end = p + ((pfn)1 << order);
    block_unlink(p, order);
    heads_clear(z, p, p + n);
    /* The rest, largest first: it has no free buddies to merge with, being cut from one block. */
    while (order > 0 && end > p + n) {
        order--;
        pfn half = end - ((pfn)1 << order);
        if (half >= p + n) {
            block_link(z, half, order);
            end = half;
        }
    }
    return p;
}

/* The smallest block of at least 2^order pages: its order, or -1. */
static int block_find(unsigned order)
{
    uint64_t fit = order < ORDERS ? nonempty >> order : 0;
    return fit ? (int)order + __builtin_ctzl(fit) : -1;
}

/* ---- Loose and fresh pages. All under the lock. */

/* Takes a block as the fresh one. false: there is no memory at all. */
static bool fresh_refill(void)
{
    int found = block_find(0);
    if (found < 0)
        return false;
    unsigned order = (unsigned)found;
    pfn p = page_number(ring[order].next);
    size_t n = (size_t)1 << (order < FRESH_ORDER ? order : FRESH_ORDER);
    fresh = block_take(zone_of(p), p, order, n);
    fresh_end = fresh + n;
    return true;
}

/* Gives every loose and fresh page back to the blocks. */
static void singles_drain(void)
{
    while (loose) {
        pfn p = page_number(loose);
        loose = loose->next;
        block_free(zone_of(p), p, 0);
    }
    n_loose = 0;
    if (fresh < fresh_end)
        blocks_free(zone_of(fresh), fresh, fresh_end);
    fresh = fresh_end = 0;
}

/* ---- Runs. All under the lock. */

/* The smallest block that holds n pages. */
static inline unsigned order_of(size_t n)
{
    return n == 1 ? 0 : 64 - (unsigned)__builtin_clzl(n - 1);
}

/* The front of a block of 2^order pages or more, which are n or more. */
static void *run_from_block(size_t n, unsigned order)
{
    int found = block_find(order);
    if (found < 0)
        return NULL;
    pfn p = page_number(ring[found].next);
    return page_address(block_take(zone_of(p), p, (unsigned)found, n));
}

/* Adjacent blocks of one zone that hold n pages together: their first page, or 0. */
static pfn zone_sweep(const struct zone *z, size_t n)
{
    pfn start = z->first;
    for (pfn p = z->first; p < z->end;) {
        uint8_t head = z->heads[p - z->first];
        if (head == 0) {
            start = ++p;
            continue;
        }
        p += (pfn)1 << (head - 1);
        if (p - start >= n)
            return start;
    }
    return 0;
}

/* Takes n pages from the adjacent blocks that start at p. */
static void *run_from_blocks(struct zone *z, pfn first, size_t n)
{
    pfn p = first, end = first + n;
    while (p < end) {
        unsigned order = z->heads[p - z->first] - 1u;
        pfn size = (pfn)1 << order;
        block_take(z, p, order, min_pfn(size, end - p));
        p += size;
    }
    return page_address(first);
}

/* The same, after giving everything a chance to merge. */
static void *run_from_any_block(size_t n, unsigned order)
{
    void *run = run_from_block(n, order);
    if (!run) {
        singles_drain();
        run = run_from_block(n, order);
    }
    return run;
}

static void *run_find(size_t n)
{
    void *run = run_from_any_block(n, order_of(n));
    for (struct zone *z = zones; !run && z < zones + n_zones; z++) {
        pfn first = zone_sweep(z, n);
        if (first)
            run = run_from_blocks(z, first, n);
    }
    return run;
}

/* ---- Initialising */

/* Adds pages [p, end). Their bytes for heads come off the front. */
static void zone_add(pfn p, pfn end)
{
    if (end - p < ZONE_MIN || n_zones == ZONES_MAX)
        return;
    struct zone *z = &zones[n_zones++];
    size_t meta = (end - p + PAGE_SIZE - 1) >> PAGE_SHIFT;
    z->heads = page_address(p);
    z->first = p + meta;
    z->end = end;
    /* Block by block and without block_free: it would ask for heads that are not exact yet. */
    for (p = z->first; p < end;) {
        unsigned order = order_at(p, end);
        block_link(z, p, order);
        p += (pfn)1 << order;
    }
    n_free += end - z->first;
    n_total += end - z->first;
}

/*
 * Adds [p, end) less the holes from number i on. A hole cuts off what lies before it, which only
 * later holes can cut further; so one pass over the holes does, in whatever order they are.
 */
static void zones_add(pfn p, pfn end, const struct range *hole, unsigned n)
{
    for (; n > 0 && p < end; hole++, n--) {
        pfn from = hole->base >> PAGE_SHIFT; /* outwards: pages that are reserved in part */
        pfn to = ((range_end(hole) - 1) >> PAGE_SHIFT) + 1;
        if (hole->size == 0 || to <= p || from >= end)
            continue;
        if (from > p)
            zones_add(p, from, hole + 1, n - 1);
        p = to;
    }
    if (p < end)
        zone_add(p, end);
}

/* Boot hart, once, before anything is allocated. */
void page_init(const struct machine *m, uintptr_t image_start, uintptr_t image_end)
{
    struct range hole[MACHINE_MAX_RESERVED + 2];
    unsigned n = 0;
    hole[n++] = (struct range){0, PAGE_SIZE};
    hole[n++] = (struct range){image_start, image_end - image_start};
    for (unsigned i = 0; i < m->n_reserved && i < MACHINE_MAX_RESERVED; i++)
        hole[n++] = m->reserved[i];

    lock = (struct spin){0};
    for (unsigned k = 0; k < ORDERS; k++)
        ring[k].next = ring[k].prev = &ring[k];
    nonempty = 0;
    loose = NULL;
    n_zones = 0;
    n_loose = n_free = n_total = n_kept = keep = 0;
    fresh = fresh_end = 0;
    for (unsigned i = 0; i < m->n_banks; i++) {
        struct range b = vm_bank(&m->bank[i]);
        zones_add((b.base + PAGE_SIZE - 1) >> PAGE_SHIFT, (b.base + b.size) >> PAGE_SHIFT, hole, n);
    }
}

/* ---- Pages */

/* The reserve first. */
static inline void count_freed(size_t n)
{
    size_t missing = keep - n_kept;
    if (__builtin_expect(missing > n, 0))
        missing = n;
    n_kept += missing;
    n_free += n - missing;
}

void page_reserve(size_t n)
{
    spin_lock(&lock);
    keep = n < n_free ? n : n_free;
    n_kept = keep;
    n_free -= keep;
    n_total -= keep;
    spin_unlock(&lock);
}

bool page_spend_reserve(void)
{
    stack_probe(PAGE_PROBE);
    spin_lock(&lock);
    size_t n = n_kept < SPEND_AT_ONCE ? n_kept : SPEND_AT_ONCE;
    n_kept -= n;
    n_free += n;
    spin_unlock(&lock);
    return n > 0;
}

static inline void *take_one(void)
{
    void *page = loose;
    if (page != NULL) {
        loose = loose->next;
        n_loose--;
    } else if (fresh < fresh_end || fresh_refill()) {
        page = page_address(fresh++);
    }
    return page;
}

void *page_alloc(void)
{
    void *page = NULL;
    stack_probe(PAGE_PROBE);
    spin_lock(&lock);
    if (n_free > 0) {
        page = take_one();
        n_free -= page != NULL;
    }
    spin_unlock(&lock);
    return page;
}

void page_free(void *page)
{
    if ((uintptr_t)page & (PAGE_SIZE - 1) || page == NULL)
        page_broken("freed what is no page", page);
    stack_probe(PAGE_PROBE);
    spin_lock(&lock);
    if (n_loose < LOOSE_MAX) {
        struct block *b = page;
        b->next = loose;
        loose = b;
        n_loose++;
    } else {
        pfn p = page_number(page);
        block_free(zone_of(p), p, 0);
    }
    count_freed(1);
    spin_unlock(&lock);
}

void *page_alloc_run(size_t n)
{
    if (n == 0)
        return NULL;
    stack_probe(PAGE_PROBE);
    spin_lock(&lock);
    void *run = n <= n_free ? run_find(n) : NULL;
    if (run)
        n_free -= n;
    spin_unlock(&lock);
    return run;
}

void *page_alloc_aligned(size_t n, unsigned order)
{
    if (n == 0)
        return NULL;
    if (order < order_of(n))
        order = order_of(n);
    stack_probe(PAGE_PROBE);
    spin_lock(&lock);
    void *run = n <= n_free ? run_from_any_block(n, order) : NULL;
    if (run)
        n_free -= n;
    spin_unlock(&lock);
    return run;
}

/* Pages from p on that are free, up to n: by whole blocks, which begin at p if any does (I1). */
static bool free_from(const struct zone *z, pfn p, size_t n)
{
    pfn end = p + n;
    if (end > z->end)
        return false;
    while (p < end && z->heads[p - z->first] != 0)
        p += (pfn)1 << (z->heads[p - z->first] - 1);
    return p >= end;
}

bool page_extend_run(void *first, size_t n, size_t more)
{
    stack_probe(PAGE_PROBE);
    spin_lock(&lock);
    pfn end = page_number(first) + n;
    struct zone *z = zone_of(end - 1);
    bool is_free = more <= n_free && free_from(z, end, more);
    if (!is_free && more <= n_free) {
        singles_drain();
        is_free = free_from(z, end, more);
    }
    if (is_free) {
        run_from_blocks(z, end, more);
        n_free -= more;
    }
    spin_unlock(&lock);
    return is_free;
}

void page_free_run(void *first, size_t n)
{
    pfn p = page_number(first);
    if (n == 0)
        return;
    stack_probe(PAGE_PROBE);
    spin_lock(&lock);
    struct zone *z = zone_of(p);
    if (n > z->end - p || (uintptr_t)first & (PAGE_SIZE - 1))
        page_broken("freed what is no run", first);
    blocks_free(z, p, p + n);
    count_freed(n);
    spin_unlock(&lock);
}

void page_zero(void *page)
{
    /* volatile: not a call of memset, see heads_clear; eight stores a round. */
    volatile uint64_t *w = page;
    for (volatile uint64_t *end = w + PAGE_SIZE / sizeof *w; w < end; w += 8) {
        w[0] = 0;
        w[1] = 0;
        w[2] = 0;
        w[3] = 0;
        w[4] = 0;
        w[5] = 0;
        w[6] = 0;
        w[7] = 0;
    }
}

size_t page_count_free(void)
{
    stack_probe(PAGE_PROBE);
    spin_lock(&lock);
    size_t n = n_free;
    spin_unlock(&lock);
    return n;
}

size_t page_count_total(void)
{
    return n_total;
}

struct page_bounds page_bounds(void)
{
    struct page_bounds b = {UINTPTR_MAX, 0};
    for (const struct zone *z = zones; z < zones + n_zones; z++) {
        b.first = min_pfn(b.first, z->first);
        b.end = z->end > b.end ? z->end : b.end;
    }
    return b;
}
