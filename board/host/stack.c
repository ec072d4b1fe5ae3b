/*
 * stack: slots of address space for stacks; Linux maps their pages when they are touched.
 *
 * Slots of a class, a power of two from 64 KiB, are cut from areas of addresses that are reserved
 * with nothing in them. The lowest page of a slot is its guard. A page that is merely protected would
 * be a mapping of its own, and a process may have 65530 of these; so the guard is a mark in the page
 * table (MADV_GUARD_INSTALL, Linux 6.13), and where Linux knows no such mark it is protected, which
 * allows some thirty thousand stacks.
 *
 *     area:   | guard | slot 0 ……… | guard | slot 1 ……… | … | records of the slots |
 *
 * Free slots are in lists: *warm* ones keep the pages that their last owner touched, as on a board; a
 * trim gives these pages back to Linux, and the slots are *cold*.
 *
 * A slot that is live or warm has a page of page.c's, which nobody touches: so stacks are counted among
 * the machine's memory, one page each, and a test that refuses pages refuses stacks.
 */
#include "kernel/stack.h"
#include <stdatomic.h>
#include <sys/mman.h>
#include "kernel/page.h"
#include "kernel/spin.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif

#define CLASSES   11 /* from STACK_SIZE_MIN up; a size beyond STACK_SIZE_MAX is refused */
#define AREA_SIZE ((size_t)256 << 20)
#define AREAS     1024

struct slot {
    struct slot *next;
    uintptr_t base;
    void *page; /* NULL: cold */
};

struct area {
    uintptr_t base;
    unsigned class;
    struct slot *slots; /* all of it */
};

static struct spin lock; /* all below */
static struct {
    struct slot *warm, *cold;
    struct area *newest;
    size_t fresh; /* slots of it that were never used begin here */
} classes[CLASSES];
static size_t live, pooled; /* slots that are taken; warm ones */

/* Written under the lock, before n_areas; the fault handler reads them without it. */
static struct area areas[AREAS];
static _Atomic unsigned n_areas;

static size_t stride(unsigned class)
{
    return STACK_SIZE_MIN << class;
}

static unsigned class_of(size_t size)
{
    unsigned class = 0;
    while (STACK_SIZE_MIN << class < size)
        class ++;
    return class;
}

/* NULL: addr is in none. */
static const struct area *area_at(uintptr_t addr)
{
    /* order: acquire pairs with the release in add_area. */
    unsigned n = atomic_load_explicit(&n_areas, memory_order_acquire);
    for (unsigned i = 0; i < n; i++)
        if (addr - areas[i].base < AREA_SIZE)
            return &areas[i];
    return NULL;
}

static size_t slot_number(const struct area *a, uintptr_t addr)
{
    return (addr - a->base) / stride(a->class);
}

/* ---- under the lock ---- */

static struct slot *pop(struct slot **list)
{
    struct slot *s = *list;
    if (s != NULL)
        *list = s->next;
    return s;
}

static void push(struct slot **list, struct slot *s)
{
    s->next = *list;
    *list = s;
}

static bool add_area(unsigned class)
{
    /* relaxed: under the lock. */
    unsigned n = atomic_load_explicit(&n_areas, memory_order_relaxed);
    size_t records = AREA_SIZE / stride(class) * sizeof(struct slot);
    if (n == AREAS)
        return false;
    void *at = mmap(NULL, AREA_SIZE + records, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED)
        return false;
    madvise(at, AREA_SIZE, MADV_NOHUGEPAGE); /* a stack is a page or two */
    areas[n] = (struct area){(uintptr_t)at, class, (struct slot *)((uintptr_t)at + AREA_SIZE)};
    classes[class].newest = &areas[n];
    classes[class].fresh = 0;
    /* order: release pairs with the acquire in area_at. */
    atomic_store_explicit(&n_areas, n + 1, memory_order_release);
    return true;
}

/* QEMU's user mode says yes to any advice, and does nothing: so the first mark must refuse a page. */
static bool mark(uintptr_t base)
{
    static enum { UNKNOWN, KNOWN, NONE } marks;
    bool done = marks != NONE && madvise((void *)base, PAGE_SIZE, MADV_GUARD_INSTALL) == 0;
    if (marks == UNKNOWN)
        marks = done && madvise((void *)base, PAGE_SIZE, MADV_POPULATE_READ) != 0 ? KNOWN : NONE;
    return done && marks == KNOWN;
}

static bool guard(uintptr_t base)
{
    return mark(base) || mprotect((void *)base, PAGE_SIZE, PROT_NONE) == 0;
}

/* A slot that was never used, or NULL. */
static struct slot *cut(unsigned class)
{
    const struct area *a = classes[class].newest;
    if ((a == NULL || classes[class].fresh == AREA_SIZE / stride(class)) && !add_area(class))
        return NULL;
    a = classes[class].newest;
    struct slot *s = &a->slots[classes[class].fresh];
    s->base = a->base + classes[class].fresh * stride(class);
    if (!guard(s->base))
        return NULL;
    classes[class].fresh++;
    return s;
}

/* ---- */

/* A free slot, warm if there is one. NULL: there is none. */
static struct slot *take(unsigned class)
{
    spin_lock(&lock);
    struct slot *s = pop(&classes[class].warm);
    pooled -= s != NULL;
    if (s == NULL && (s = pop(&classes[class].cold)) == NULL)
        s = cut(class);
    live += s != NULL;
    spin_unlock(&lock);
    return s;
}

static void give_cold(struct slot *s, unsigned class)
{
    spin_lock(&lock);
    push(&classes[class].cold, s);
    live--;
    spin_unlock(&lock);
}

static bool get_page(struct slot *s)
{
    if (s->page == NULL && (s->page = page_alloc()) == NULL) {
        stack_trim();
        s->page = page_alloc();
    }
    return s->page != NULL;
}

bool stack_alloc(struct stack *s, size_t size)
{
    if (size > STACK_SIZE_MAX)
        return false;
    unsigned class = class_of(size);
    struct slot *slot = take(class);
    if (slot == NULL)
        return false;
    if (!get_page(slot)) {
        give_cold(slot, class);
        return false;
    }
    *s = (struct stack){slot->base + PAGE_SIZE, slot->base + stride(class)};
    return true;
}

/* Linux maps even what a signal's frame needs. */
bool stack_fill(const struct stack *s, size_t n)
{
    return n <= s->hi - s->lo;
}

void stack_free(struct stack *s)
{
    const struct area *a = area_at(s->lo);
    size_t limit = page_count_total() / 8;
    spin_lock(&lock);
    push(&classes[a->class].warm, &a->slots[slot_number(a, s->lo)]);
    live--;
    bool full = ++pooled > (limit < STACK_POOL_MAX ? limit : STACK_POOL_MAX);
    spin_unlock(&lock);
    *s = (struct stack){0, 0};
    if (full)
        stack_trim();
}

/* What is not the guard is there, or is when it is touched. */
enum stack_fault stack_fault(uintptr_t addr, uintptr_t sp)
{
    const struct area *a = area_at(addr);
    if (a == NULL)
        return STACK_NOT_MINE;
    uintptr_t base = a->base + slot_number(a, addr) * stride(a->class);
    return addr - base < PAGE_SIZE || sp - base < PAGE_SIZE ? STACK_OVERFLOW : STACK_GREW;
}

bool stack_spill(uintptr_t addr)
{
    return stack_fault(addr, addr) == STACK_GREW;
}

size_t stack_pages(void)
{
    spin_lock(&lock);
    size_t n = live + pooled;
    spin_unlock(&lock);
    return n;
}

size_t stack_pages_pooled(void)
{
    spin_lock(&lock);
    size_t n = pooled;
    spin_unlock(&lock);
    return n;
}

/* Gives the pages of a class's warm slots back. The slots are nobody's meanwhile. */
static void trim_class(unsigned class)
{
    size_t n = 0;
    struct slot *last = NULL;
    spin_lock(&lock);
    struct slot *gone = classes[class].warm;
    classes[class].warm = NULL;
    for (struct slot *s = gone; s != NULL; s = s->next, n++)
        last = s;
    pooled -= n;
    spin_unlock(&lock);
    if (last == NULL)
        return;
    for (struct slot *s = gone; s != NULL; s = s->next) {
        madvise((void *)(s->base + PAGE_SIZE), stride(class) - PAGE_SIZE, MADV_DONTNEED);
        page_free(s->page);
        s->page = NULL;
    }
    spin_lock(&lock);
    last->next = classes[class].cold;
    classes[class].cold = gone;
    spin_unlock(&lock);
}

void stack_trim(void)
{
    for (unsigned class = 0; class < CLASSES; class ++)
        trim_class(class);
}
