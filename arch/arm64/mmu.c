/*
 * mmu: page tables in use, and what has to be told to TLBs and caches.
 *
 * Data and instruction caches need nothing for mappings: an address has one physical place and one
 * memory type as long as it is mapped, and Arm's data caches do not alias. Instruction caches need
 * nothing either, since nobody writes instructions after start.S, which has invalidated them.
 */
#include "arch/arch.h"

/* Above so many pages, forgetting everything is cheaper than one broadcast for each. */
#define SHOOTDOWN_PAGES 128
#define PAGE_SHIFT      12
#define TLBI_VA_MASK    0xfffffffffff /* VA[55:12] */

/*
 * The change of table and address space is one register write, see mmu.S for why that is enough.
 * dsb: the tables' stores are visible to the walks that follow. The second run on a hart changes
 * nothing.
 */
void arch_mmu_enable(uintptr_t root)
{
    __asm__ volatile("dsb ishst\n\t"
                     "msr ttbr0_el1, %0\n\t"
                     "isb\n\t"
                     "tlbi vmalle1\n\t"
                     "dsb nsh\n\t"
                     "isb" ::"r"(root)
                     : "memory");
}

/*
 * The first dsb: other harts' walks see the invalid entries before their TLBs forget the old ones;
 * the second: all of them have forgotten, and have finished the accesses that used them.
 */
void arch_tlb_shootdown(uintptr_t va, size_t n)
{
    uintptr_t first = va >> PAGE_SHIFT;
    bool all = n > (size_t)SHOOTDOWN_PAGES << PAGE_SHIFT;
    uintptr_t end = all ? first : (va + n + (1 << PAGE_SHIFT) - 1) >> PAGE_SHIFT;

    __asm__ volatile("dsb ishst" ::: "memory");
    if (all)
        __asm__ volatile("tlbi vmalle1is" ::: "memory");
    else
        for (uintptr_t page = first; page < end; page++)
            __asm__ volatile("tlbi vaae1is, %0" ::"r"(page & TLBI_VA_MASK) : "memory");
    __asm__ volatile("dsb ish\n\tisb" ::: "memory");
}

void arm64_cache_clean(const void *at, size_t n)
{
    uint64_t ctr;
    __asm__("mrs %0, ctr_el0" : "=r"(ctr));
    uintptr_t line = (uintptr_t)4 << (ctr >> 16 & 15);

    for (uintptr_t p = (uintptr_t)at & -line; p < (uintptr_t)at + n; p += line)
        __asm__ volatile("dc cvac, %0" ::"r"(p) : "memory");
    __asm__ volatile("dsb sy" ::: "memory");
}
