/*
 * stack: slots of address space for stacks, and the pages in them.
 *
 * A goroutine gets a *slot*: 64 KiB of addresses by default, any power of two up to 64 MiB (its
 * *class*). The lowest page is a guard and never mapped. The top page is mapped when the slot is
 * handed out, so that a new goroutine does not begin with a fault; the rest comes by fault, a
 * zeroed page each, but for the page above the guard, the *spill page*: whoever faults there has used
 * up his stack, but an interrupt may put a goroutine's registers there, and so every goroutine can
 * be interrupted, however little room it has left. Anyone may cause a fault: a sender that copies into
 * a receiver's buffer grows the receiver's stack. A page more than the program needed is never
 * mapped, so an idle goroutine costs 4 KiB, not its limit.
 *
 * Slots lie in areas of 2 MiB, those in regions (stack_slot.c).
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
 * Trims happen when the pool passes its limit, when page_alloc has nothing left, and on request; how
 * they go about it is in stack_trim.c.
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
#include "kernel/stack_slot.h"
#include "kernel/stack_trim.h"

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
    size_t seen = stack_trimmed();
    do {
        bool warm = false;
        stack_probe(STACK_PROBE);
        spin_lock(&stack_slots.lock);
        struct slot slot = stack_slot_take(class, &warm);
        spin_unlock(&stack_slots.lock);
        if (!slot.area)
            continue;
        if (warm || stack_slot_grow(slot, slot_end(slot) - PAGE_SIZE) != VM_NO_MEMORY) {
            *s = (struct stack){slot_base(slot) + PAGE_SIZE, slot_end(slot)};
            return true;
        }
        spin_lock(&stack_slots.lock);
        stack_slot_put(slot);
        spin_unlock(&stack_slots.lock);
    } while (stack_trim_helped(&seen));
    return false;
}

bool stack_fill(const struct stack *s, size_t n)
{
    struct slot slot = stack_slot_live_at(s->lo);
    if (!slot.area || n > s->hi - s->lo)
        return false;
    for (uintptr_t va = s->hi - PAGE_SIZE; va + PAGE_SIZE > s->hi - n; va -= PAGE_SIZE)
        if (!vm_lookup(va) && stack_slot_grow(slot, va) == VM_NO_MEMORY)
            return false;
    return true;
}

void stack_free(struct stack *s)
{
    size_t limit = page_count_total() / 8;
    uintptr_t lo = s->lo;
    *s = (struct stack){0, 0};
    stack_probe(STACK_PROBE);
    spin_lock(&stack_slots.lock);
    struct slot slot = stack_slot_at(lo);
    bool mine = is_live(slot) && slot_base(slot) + PAGE_SIZE == lo;
    if (mine)
        stack_slot_put(slot);
    bool full = stack_slots.pooled > (limit < STACK_POOL_MAX ? limit : STACK_POOL_MAX);
    spin_unlock(&stack_slots.lock);
    if (!mine)
        stack_broken("freed what is no stack", lo);
    if (full)
        stack_trim_batch();
}

enum stack_fault stack_fault(uintptr_t addr, uintptr_t sp)
{
    struct slot slot = stack_slot_live_at(addr);
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
    size_t seen = stack_trimmed();
    do {
        if (stack_slot_grow(slot, va) != VM_NO_MEMORY)
            return STACK_GREW;
    } while (stack_trim_helped(&seen));
    while (page_spend_reserve())
        if (stack_slot_grow(slot, va) != VM_NO_MEMORY)
            return STACK_GREW_LAST;
    return STACK_NO_MEMORY;
}

bool stack_spill(uintptr_t addr)
{
    struct slot slot = stack_slot_live_at(addr);
    uintptr_t va = addr & -PAGE_SIZE;
    return slot.area && va != slot_base(slot) &&
           (vm_lookup(va) || stack_slot_grow(slot, va) != VM_NO_MEMORY);
}

size_t stack_pages_pooled(void)
{
    stack_probe(STACK_PROBE);
    spin_lock(&stack_slots.lock);
    size_t n = stack_slots.pooled;
    spin_unlock(&stack_slots.lock);
    return n;
}

size_t stack_pages(void)
{
    /* relaxed: each is exact when nothing grows and nothing is trimmed. */
    return atomic_load_explicit(&stack_slots.grown, memory_order_relaxed) - stack_trimmed();
}

void stack_trim(void)
{
    while (stack_trim_batch())
        ;
}
