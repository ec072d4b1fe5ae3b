/*
 * stack_slot: which slots there are, whose they are, and what is mapped in them.
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
 * An area is found from an address by arithmetic and two loads; one with a free slot by a list a kind
 * and class. A slot is taken from an area that has warm ones, else from one in use, else from an empty
 * one, so areas fill up and others get the chance to empty.
 */
#include "kernel/stack_slot.h"
#include "kernel/console.h"
#include "kernel/stack.h"

struct stack_slots stack_slots;

_Noreturn void stack_broken(const char *what, uintptr_t address)
{
    kprintf("stack: %s: %p\n", what, (void *)address);
    __builtin_trap();
}

/* ---- Sizes and addresses */

struct region *stack_region_of(uintptr_t address)
{
    uintptr_t offset = address - VM_STACKS;
    return offset < VM_STACKS_SIZE ? stack_slots.region[offset >> REGION_SHIFT] : NULL;
}

/* Number of the area that holds address, in its region. */
static inline size_t area_number(const struct region *r, uintptr_t address)
{
    return ((address - VM_STACKS) & (((uintptr_t)1 << REGION_SHIFT) - 1)) >> area_shift(r->class);
}

struct slot stack_slot_at(uintptr_t address)
{
    struct region *r = stack_region_of(address);
    if (!r)
        return (struct slot){NULL, 0};
    size_t n = area_number(r, address);
    struct area *a = r->records[n / RECORDS] ? &r->records[n / RECORDS][n % RECORDS] : NULL;
    if (!a || !a->base)
        return (struct slot){NULL, 0};
    return (struct slot){a, (unsigned)((address - a->base) >> slot_shift(r->class))};
}

struct slot stack_slot_live_at(uintptr_t address)
{
    stack_probe(STACK_PROBE);
    spin_lock(&stack_slots.lock);
    struct slot s = stack_slot_at(address);
    if (!is_live(s))
        s.area = NULL;
    spin_unlock(&stack_slots.lock);
    return s;
}

/* ---- Lists of areas. Under the lock. */

void stack_area_unlist(struct area *a)
{
    if (a->kind == KINDS)
        return;
    if (a->prev)
        a->prev->next = a->next;
    else
        stack_slots.list[a->kind][a->class] = a->next;
    if (a->next)
        a->next->prev = a->prev;
    a->kind = KINDS;
}

void stack_area_list(struct area *a)
{
    stack_area_unlist(a);
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
    struct area **head = &stack_slots.list[a->kind][a->class];
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
    for (struct region **r = stack_slots.region; r < stack_slots.region + REGIONS; r++) {
        if (!*r)
            vacant = vacant ? vacant : r;
        else if ((*r)->class == class && !(*r)->closing &&
                 (*r)->used < (size_t)1 << (REGION_SHIFT - area_shift(class))) {
            *base = VM_STACKS + ((uintptr_t)(r - stack_slots.region) << REGION_SHIFT);
            return *r;
        }
    }
    if (!vacant || !(*vacant = page_alloc_zero()))
        return NULL;
    (*vacant)->class = class;
    *base = VM_STACKS + ((uintptr_t)(vacant - stack_slots.region) << REGION_SHIFT);
    return *vacant;
}

static void region_close_if_unused(uintptr_t address)
{
    struct region **r = &stack_slots.region[(address - VM_STACKS) >> REGION_SHIFT];
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

void stack_area_forget(struct area *a)
{
    uintptr_t base = a->base;
    struct region *r = stack_region_of(base);
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

struct slot stack_slot_take(unsigned class, bool *warm)
{
    struct area *a = NULL;
    for (unsigned k = WARM; !a && k < KINDS; k++)
        a = stack_slots.list[k][class];
    if (!a && !(a = area_new(class)))
        return (struct slot){NULL, 0};
    *warm = a->warm != 0;
    uint32_t free = *warm ? a->warm : all_slots(class) & ~a->live;
    unsigned i = (unsigned)__builtin_ctz(free);
    a->warm &= ~(1u << i);
    a->live |= 1u << i;
    if (*warm)
        stack_slots.pooled -= pages_load(a, i);
    stack_area_list(a);
    return (struct slot){a, i};
}

void stack_slot_put(struct slot s)
{
    struct area *a = s.area;
    uint32_t n = pages_load(a, s.index);
    a->live &= ~(1u << s.index);
    if (n > 0)
        a->warm |= 1u << s.index;
    stack_slots.pooled += n;
    stack_area_list(a);
}

enum vm_map stack_slot_grow(struct slot s, uintptr_t va)
{
    void *page = page_alloc_zero();
    if (!page)
        return VM_NO_MEMORY;
    enum vm_map done = vm_map_page(va, page, VM_READ | VM_WRITE);
    if (done == VM_MAPPED) {
        /* relaxed: see pages_load; the second is for statistics. */
        atomic_fetch_add_explicit(&s.area->pages[s.index], 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&stack_slots.grown, 1, memory_order_relaxed);
    } else {
        page_free(page);
    }
    return done;
}
