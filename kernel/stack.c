/*
 * stack: slots of address space for stacks, and the pages in them.
 *
 * A goroutine gets a *slot*: 64 KiB of addresses by default, any power of two up to 64 MiB (its
 * *class*). The lowest page is a guard and never mapped. The top page is mapped when the slot is
 * handed out, so that a new goroutine does not begin with a fault; the rest comes by fault, a
 * zeroed page each, but for the page above the guard, the *spill page*: whoever faults there has used
 * up his stack, but an interrupt may put a goroutine's registers there, and so every goroutine can
 * be interrupted, however little room it has left. Anyone may cause one: a sender that copies into a receiver's buffer grows the
 * receiver's stack. A page more than the program needed is never mapped, so an idle goroutine
 * costs 4 KiB, not its limit.
 *
 *     window    | region 1 GiB: one class | region | ... 128 of them, opened as needed
 *     region    | area | area | ...
 *     area      | slot | slot | ...       2 MiB, what one page table serves: 32 slots of 64 KiB;
 *                                         or one large slot, with all its tables
 *
 * The area is the unit of bookkeeping: one record of 256 bytes, 8 a slot, with a bit or a count for
 * each slot. 16 records fill a page, a region has its own page that finds them, and each of these
 * pages is given back when nothing in it is used: after the last goroutine has ended, and a trim,
 * page_count_free is to the page what it was before the first.
 *
 * A slot's states, as bits of its area:
 *
 *     cold    no bit; nothing mapped          -> live    [stack_alloc] {lock}
 *     live    somebody's stack                -> warm    [stack_free] {lock}
 *     warm    free, its pages still mapped    -> live    [stack_alloc] {lock}
 *                                             -> gone    [trim_pick] {lock}
 *     gone    its pages are being unmapped    -> cold    [trim_return] {lock}
 *
 * Warm slots are the pool: reusing one costs no page, no table entry and no fault, up to the depth
 * that the last owner reached. The price of the pool is memory, so it has a limit; and the price of
 * unmapping is a shootdown, an interruption of every hart, so a *trim* unmaps many pages for one.
 * Trims happen when the pool passes its limit, when page_alloc has nothing left, and on request.
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
 * Invariants:
 *
 *   I1  No page of a slot is mapped or unmapped but by the owner of its state: while it is live, by
 *       whoever faults in it or fills it; while it is gone, by the trim. Cold slots have none.
 *   I2  pages[i] is the number of pages mapped in slot i; exact when the slot is warm. Faults in one
 *       live slot may happen on several harts, hence the atomic.
 *   I3  `pooled` is the sum of pages[] over warm slots.
 *   I4  An area is on the list of its kind (warm, cold, empty) if it has a free slot and no gone
 *       one, else on none.
 *   I5  One trim at a time (trim_lock), so a gone slot has one owner and a closing region too.
 *   I6  Locks in this order: trim_lock, lock, page.c's. The fault handler may take all three, so the
 *       rule of kernel/page.h holds for all: probe first, with preemption off, deep enough for the
 *       locks inside too, and touch nothing under them that is mapped on demand, a caller's struct
 *       stack among it. trim_lock is held
 *       during a shootdown: that waits for firmware or hardware, never for another hart to take an
 *       interrupt that it may have masked, for it may be spinning for trim_lock in its handler.
 *
 * What a guard page can't see: a function with a frame of more than a page may step over it and
 * into the neighbour's top page. -fstack-clash-protection makes such functions touch each page on
 * the way down; without it nothing here notices, unless the scheduler compares sp with the bounds.
 * A fault with sp itself in the guard page counts as overflow, whatever the address was.
 *
 * Rejected: guard pages of 64 KiB (they'd halve the number of stacks in the window); unmapping at
 * stack_free (one shootdown for each goroutine that ends); a list of free slots (its links need
 * memory a slot, and cannot say when an area is empty); stacks that are copied to grow, as Go's
 * (C has pointers into them).
 */
#include "kernel/stack.h"
#include "arch/arch.h"
#include "kernel/console.h"
#include "kernel/page.h"
#include "kernel/spin.h"
#include "kernel/vm.h"

#define SLOT_SHIFT   16 /* of class 0 */
#define CLASSES      11 /* 64 KiB ... 64 MiB */
#define AREA_SHIFT   21 /* of small classes; a large slot is an area of its own */
#define AREA_SLOTS   32 /* at most */
#define REGION_SHIFT 30
#define REGIONS      (VM_STACKS_SIZE >> REGION_SHIFT)
#define REGION_AREAS ((size_t)1 << (REGION_SHIFT - AREA_SHIFT)) /* at most */
#define RECORDS      16                                         /* areas' records a page */
#define TRIM_PAGES   1024                                       /* a batch, about */
#define STACK_PROBE  (1024 + PAGE_PROBE) /* of both locks: page.c's is taken under them */

enum kind { WARM, COLD, EMPTY, KINDS }; /* has a warm slot; has live and cold ones; all are cold */

struct area {
    struct area *next, *prev;  /* list of its kind and class; next alone: chain of a trim */
    uintptr_t base;            /* its first address; 0: the record is not in use */
    uint32_t live, warm, gone; /* a bit a slot */
    uint8_t class;
    uint8_t kind; /* whose list it is on; KINDS: none */
    _Atomic uint32_t pages[AREA_SLOTS];
};
_Static_assert(sizeof(struct area) * RECORDS <= PAGE_SIZE, "a page holds the records of 16 areas");

struct region {
    unsigned class;
    unsigned used;                   /* areas */
    unsigned leaving;                /* those of them that a trim has picked as a whole */
    bool closing;                    /* all of them: no new area */
    uint64_t map[REGION_AREAS / 64]; /* a bit an area: in use */
    struct area *records[REGION_AREAS / RECORDS]; /* pages of records, as needed */
    uint8_t n_records[REGION_AREAS / RECORDS];    /* records in use in each */
};
_Static_assert(sizeof(struct region) <= PAGE_SIZE, "a region's bookkeeping is one page");

struct slot {
    struct area *area; /* NULL: there is none */
    unsigned index;
};

struct scrap { /* in the first word of a page that waits for its shootdown */
    struct scrap *next;
};

static struct spin lock; /* protects all below, and regions and areas but for pages[] (I2) */
static struct region *region[REGIONS];
static struct area *list[KINDS][CLASSES];
static size_t pooled;

static struct spin trim_lock;
static _Atomic size_t trimmed; /* stack pages that trims have given back, ever */
static _Atomic size_t grown;   /* that have been mapped, ever */

static _Noreturn void stack_broken(const char *what, uintptr_t address)
{
    kprintf("stack: %s: %p\n", what, (void *)address);
    __builtin_trap();
}

/* ---- Sizes and addresses */

static inline unsigned slot_shift(unsigned class)
{
    return SLOT_SHIFT + class;
}

static inline unsigned area_shift(unsigned class)
{
    return slot_shift(class) > AREA_SHIFT ? slot_shift(class) : AREA_SHIFT;
}

/* A bit for each slot of an area. */
static inline uint32_t all_slots(unsigned class)
{
    unsigned n = 1u << (area_shift(class) - slot_shift(class));
    return (uint32_t)(((uint64_t)1 << n) - 1);
}

static inline uintptr_t slot_base(struct slot s)
{
    return s.area->base + ((uintptr_t)s.index << slot_shift(s.area->class));
}

static inline uintptr_t slot_end(struct slot s)
{
    return slot_base(s) + ((uintptr_t)1 << slot_shift(s.area->class));
}

static inline struct region *region_of(uintptr_t address)
{
    uintptr_t offset = address - VM_STACKS;
    return offset < VM_STACKS_SIZE ? region[offset >> REGION_SHIFT] : NULL;
}

/* Number of the area that holds address, in its region. */
static inline size_t area_number(const struct region *r, uintptr_t address)
{
    return ((address - VM_STACKS) & (((uintptr_t)1 << REGION_SHIFT) - 1)) >> area_shift(r->class);
}

static struct slot slot_at(uintptr_t address)
{
    struct region *r = region_of(address);
    if (!r)
        return (struct slot){NULL, 0};
    size_t n = area_number(r, address);
    struct area *a = r->records[n / RECORDS] ? &r->records[n / RECORDS][n % RECORDS] : NULL;
    if (!a || !a->base)
        return (struct slot){NULL, 0};
    return (struct slot){a, (unsigned)((address - a->base) >> slot_shift(r->class))};
}

static inline bool is_live(struct slot s)
{
    return s.area && s.area->live >> s.index & 1;
}

/* The slot in use at address, or none. Takes the lock: areas come and go. */
static struct slot slot_live_at(uintptr_t address)
{
    stack_probe(STACK_PROBE);
    spin_lock(&lock);
    struct slot s = slot_at(address);
    if (!is_live(s))
        s.area = NULL;
    spin_unlock(&lock);
    return s;
}

/* ---- Lists of areas. Under the lock. */

static void area_unlist(struct area *a)
{
    if (a->kind == KINDS)
        return;
    if (a->prev)
        a->prev->next = a->next;
    else
        list[a->kind][a->class] = a->next;
    if (a->next)
        a->next->prev = a->prev;
    a->kind = KINDS;
}

/* Puts an area in front of the list where its bits say it belongs (I4). */
static void area_list(struct area *a)
{
    area_unlist(a);
    if (a->gone)
        return;
    if (a->warm)
        a->kind = WARM;
    else if (a->live == 0)
        a->kind = EMPTY;
    else if (a->live != all_slots(a->class))
        a->kind = COLD;
    else
        return;
    struct area **head = &list[a->kind][a->class];
    a->prev = NULL;
    a->next = *head;
    if (*head)
        (*head)->prev = a;
    *head = a;
}

/* ---- Regions and areas come and go. Under the lock. */

static void *page_alloc_zero(void)
{
    void *page = page_alloc();
    if (page)
        page_zero(page);
    return page;
}

/* A region of this class with room for one more area, opened if need be. */
static struct region *region_with_room(unsigned class, uintptr_t *base)
{
    struct region **vacant = NULL;
    for (struct region **r = region; r < region + REGIONS; r++) {
        if (!*r)
            vacant = vacant ? vacant : r;
        else if ((*r)->class == class && !(*r)->closing &&
                 (*r)->used < (size_t)1 << (REGION_SHIFT - area_shift(class))) {
            *base = VM_STACKS + ((uintptr_t)(r - region) << REGION_SHIFT);
            return *r;
        }
    }
    if (!vacant || !(*vacant = page_alloc_zero()))
        return NULL;
    (*vacant)->class = class;
    *base = VM_STACKS + ((uintptr_t)(vacant - region) << REGION_SHIFT);
    return *vacant;
}

static void region_close_if_unused(uintptr_t address)
{
    struct region **r = &region[(address - VM_STACKS) >> REGION_SHIFT];
    if ((*r)->used == 0) {
        page_free(*r);
        *r = NULL;
    }
}

/* The lowest area that is not in use; there is one. */
static size_t area_vacant(const struct region *r)
{
    size_t w = 0;
    while (r->map[w] == UINT64_MAX)
        w++;
    return 64 * w + (size_t)__builtin_ctzl(~r->map[w]);
}

static struct area *area_new(unsigned class)
{
    uintptr_t base;
    struct region *r = region_with_room(class, &base);
    if (!r)
        return NULL;
    size_t n = area_vacant(r);
    if (!r->records[n / RECORDS] && !(r->records[n / RECORDS] = page_alloc_zero())) {
        region_close_if_unused(base);
        return NULL;
    }
    r->map[n / 64] |= (uint64_t)1 << n % 64;
    r->n_records[n / RECORDS]++;
    r->used++;
    struct area *a = &r->records[n / RECORDS][n % RECORDS];
    a->base = base + (n << area_shift(class));
    a->class = (uint8_t) class;
    a->kind = KINDS;
    return a;
}

/* Forgets an area that has gone as a whole: nothing in it is mapped. */
static void area_forget(struct area *a)
{
    uintptr_t base = a->base;
    struct region *r = region_of(base);
    size_t n = area_number(r, base);
    a->base = 0;
    a->gone = 0;
    r->map[n / 64] &= ~((uint64_t)1 << n % 64);
    r->used--;
    r->leaving--;
    if (--r->n_records[n / RECORDS] == 0) {
        page_free(r->records[n / RECORDS]);
        r->records[n / RECORDS] = NULL;
    }
    region_close_if_unused(base);
}

/* ---- Slots */

static inline uint32_t pages_load(const struct area *a, unsigned i)
{
    /* relaxed: a count. Whoever needs it exact got the slot by way of the lock (I2). */
    return atomic_load_explicit(&a->pages[i], memory_order_relaxed);
}

/* Takes a free slot, a warm one if there is one: *warm. Under the lock. */
static struct slot slot_take(unsigned class, bool *warm)
{
    struct area *a = NULL;
    for (unsigned k = WARM; !a && k < KINDS; k++)
        a = list[k][class];
    if (!a && !(a = area_new(class)))
        return (struct slot){NULL, 0};
    *warm = a->warm != 0;
    uint32_t free = *warm ? a->warm : all_slots(class) & ~a->live;
    unsigned i = (unsigned)__builtin_ctz(free);
    a->warm &= ~(1u << i);
    a->live |= 1u << i;
    if (*warm)
        pooled -= pages_load(a, i);
    area_list(a);
    return (struct slot){a, i};
}

/* A live slot is free again. Under the lock. */
static void slot_put(struct slot s)
{
    struct area *a = s.area;
    uint32_t n = pages_load(a, s.index);
    a->live &= ~(1u << s.index);
    if (n > 0)
        a->warm |= 1u << s.index;
    pooled += n;
    area_list(a);
}

/* Maps a fresh page at va, which lies in the live slot s. */
static enum vm_map slot_grow(struct slot s, uintptr_t va)
{
    void *page = page_alloc_zero();
    if (!page)
        return VM_NO_MEMORY;
    enum vm_map done = vm_map_page(va, page, VM_READ | VM_WRITE);
    if (done == VM_MAPPED) {
        /* relaxed: see pages_load; the second is for statistics. */
        atomic_fetch_add_explicit(&s.area->pages[s.index], 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&grown, 1, memory_order_relaxed);
    } else {
        page_free(page);
    }
    return done;
}

/* ---- Trims. Under trim_lock; steps 1 to 5 as above. */

/* The warm slots of an area are gone, all its slots if none is live. Returns the pages they hold. */
static size_t area_leave(struct area *a)
{
    size_t n = 0;
    area_unlist(a);
    for (uint32_t w = a->warm; w; w &= w - 1)
        n += pages_load(a, (unsigned)__builtin_ctz(w));
    a->gone = a->warm;
    a->warm = 0;
    if (a->live == 0) {
        struct region *r = region_of(a->base);
        a->gone = all_slots(a->class);
        r->closing = ++r->leaving == r->used;
    }
    pooled -= n;
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
    spin_lock(&lock);
    for (unsigned class = 0; class < CLASSES; class ++)
        while (n < TRIM_PAGES && ((a = list[WARM][class]) || (a = list[EMPTY][class]))) {
            n += 1 + area_leave(a);
            a->next = chain;
            chain = a;
        }
    spin_unlock(&lock);
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
        if (area_is_whole(a) && region_of(a->base)->closing)
            scrap_add(scraps, vm_unmap_table(a->base, 2));
    return n;
}

/* Step 5. */
static void trim_return(struct area *a)
{
    spin_lock(&lock);
    for (struct area *next; a; a = next) {
        next = a->next;
        if (area_is_whole(a)) {
            area_forget(a);
        } else {
            a->gone = 0;
            area_list(a);
        }
    }
    spin_unlock(&lock);
}

/* false: there was nothing to trim. */
static bool trim_batch(void)
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

/*
 * After a failure for want of memory: is it worth another try? Trims, and looks whether anyone has
 * trimmed since *seen, for another hart's trim may be what left us nothing to find. Every true has
 * cost the pool a page, so tries end.
 */
static bool trim_helped(size_t *seen)
{
    trim_batch();
    /* relaxed: see trim_batch. */
    size_t now = atomic_load_explicit(&trimmed, memory_order_relaxed);
    bool more = now != *seen;
    *seen = now;
    return more;
}

static size_t trim_seen(void)
{
    /* relaxed: see trim_batch. */
    return atomic_load_explicit(&trimmed, memory_order_relaxed);
}

/* ---- Stacks */

static unsigned class_of(size_t size)
{
    unsigned class = 0;
    while (((size_t)1 << slot_shift(class)) < size)
        class ++;
    return class;
}

bool stack_alloc(struct stack *s, size_t size)
{
    if (size > STACK_SIZE_MAX)
        return false;
    unsigned class = class_of(size);
    size_t seen = trim_seen();
    do {
        bool warm = false;
        stack_probe(STACK_PROBE);
        spin_lock(&lock);
        struct slot slot = slot_take(class, &warm);
        spin_unlock(&lock);
        if (!slot.area)
            continue;
        if (warm || slot_grow(slot, slot_end(slot) - PAGE_SIZE) != VM_NO_MEMORY) {
            *s = (struct stack){slot_base(slot) + PAGE_SIZE, slot_end(slot)};
            return true;
        }
        spin_lock(&lock);
        slot_put(slot);
        spin_unlock(&lock);
    } while (trim_helped(&seen));
    return false;
}

bool stack_fill(const struct stack *s, size_t n)
{
    struct slot slot = slot_live_at(s->lo);
    if (!slot.area || n > s->hi - s->lo)
        return false;
    for (uintptr_t va = s->hi - PAGE_SIZE; va + PAGE_SIZE > s->hi - n; va -= PAGE_SIZE)
        if (!vm_lookup(va) && slot_grow(slot, va) == VM_NO_MEMORY)
            return false;
    return true;
}

void stack_free(struct stack *s)
{
    size_t limit = page_count_total() / 8;
    uintptr_t lo = s->lo;
    *s = (struct stack){0, 0};
    stack_probe(STACK_PROBE);
    spin_lock(&lock);
    struct slot slot = slot_at(lo);
    bool mine = is_live(slot) && slot_base(slot) + PAGE_SIZE == lo;
    if (mine)
        slot_put(slot);
    bool full = pooled > (limit < STACK_POOL_MAX ? limit : STACK_POOL_MAX);
    spin_unlock(&lock);
    if (!mine)
        stack_broken("freed what is no stack", lo);
    if (full)
        trim_batch();
}

enum stack_fault stack_fault(uintptr_t addr, uintptr_t sp)
{
    struct slot slot = slot_live_at(addr);
    if (!slot.area)
        return STACK_NOT_MINE;
    uintptr_t va = addr & -PAGE_SIZE, guard = slot_base(slot), program = guard + 2 * PAGE_SIZE;
    if (va == guard || (sp & -PAGE_SIZE) == guard)
        return STACK_OVERFLOW;
    /* Another hart was faster, or this one remembered that the entry was invalid. */
    if (vm_lookup(va)) {
        arch_tlb_fence(va);
        return STACK_GREW;
    }
    if (va < program || (sp >= guard && sp < program))
        return STACK_OVERFLOW;
    size_t seen = trim_seen();
    do {
        if (slot_grow(slot, va) != VM_NO_MEMORY)
            return STACK_GREW;
    } while (trim_helped(&seen));
    while (page_spend_reserve())
        if (slot_grow(slot, va) != VM_NO_MEMORY)
            return STACK_GREW_LAST;
    return STACK_NO_MEMORY;
}

bool stack_spill(uintptr_t addr)
{
    struct slot slot = slot_live_at(addr);
    uintptr_t va = addr & -PAGE_SIZE;
    return slot.area && va != slot_base(slot) &&
           (vm_lookup(va) || slot_grow(slot, va) != VM_NO_MEMORY);
}

size_t stack_pages_pooled(void)
{
    stack_probe(STACK_PROBE);
    spin_lock(&lock);
    size_t n = pooled;
    spin_unlock(&lock);
    return n;
}

size_t stack_pages(void)
{
    /* relaxed: each is exact when nothing grows and nothing is trimmed. */
    return atomic_load_explicit(&grown, memory_order_relaxed) - trim_seen();
}

void stack_trim(void)
{
    while (trim_batch())
        ;
}
