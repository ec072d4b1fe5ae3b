/*
 * timer: the generic timer's virtual half (D11.2): CNTVCT_EL0, one counter for all harts, and a
 * comparator in each. Virtual, because a hypervisor leaves that one to us; start.S makes its offset
 * 0 when we come through EL2 ourselves.
 */
#include "arch/arch.h"

uint64_t arch_ticks_hz(uint64_t from_tree)
{
    uint64_t hz;
    __asm__("mrs %0, cntfrq_el0" : "=r"(hz));
    return from_tree != 0 ? from_tree : hz;
}

/* Which interrupts reach a hart is the GIC's to say. */
void arch_timer_init(bool has_sstc)
{
    (void)has_sstc;
    arch_timer_set(UINT64_MAX);
}
