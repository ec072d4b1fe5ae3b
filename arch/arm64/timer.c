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

/* Which interrupts reach a hart is the GIC's to say, and it has said so by now. */
void arch_timer_init(bool has_sstc)
{
    struct arch_hart *hart;
    (void)has_sstc;
    arch_timer_set(UINT64_MAX);
    __asm__("mrs %0, tpidr_el1" : "=r"(hart));
    hart->nap = true; /* arm64_relax_slow may sleep */
}

/*
 * A wait for another hart that has become long. wfe would do on silicon, where the event stream
 * that start.S turns on ends it. But an emulator that gives each hart a thread of the host makes
 * nothing of wfe, and a hart that spins there takes the processor from the one it waits for: with
 * more harts than processors, each hand-over of a ticket lock then costs a time slice of the host.
 * So we really sleep, for RELAX_HZ-th of a second: this hart's own timer, brought forward, ends the
 * wfi, with interrupts masked, and is put back; a timer or interrupt that came due meanwhile is
 * still pending then. Before the timer's interrupt is let through nothing would end the wfi.
 */
#define RELAX_HZ 25000
void arm64_relax_slow(void)
{
    const struct arch_hart *hart;
    uint64_t cval, ctl, hz;
    __asm__ volatile("mrs %0, tpidr_el1" : "=r"(hart));
    if (!hart->nap) {
        __asm__ volatile("wfe" ::: "memory");
        return;
    }
    uintptr_t was = arch_irq_save();
    __asm__ volatile("mrs %0, cntv_cval_el0\n\tmrs %1, cntv_ctl_el0\n\tmrs %2, cntfrq_el0"
                     : "=r"(cval), "=r"(ctl), "=r"(hz));
    uint64_t until = arch_ticks() + hz / RELAX_HZ;
    if ((ctl & 1) == 0 || until < cval)
        arch_timer_set(until);
    arch_wait();
    __asm__ volatile("msr cntv_ctl_el0, %1\n\tmsr cntv_cval_el0, %0\n\tisb" ::"r"(cval), "r"(ctl)
                     : "memory");
    arch_irq_restore(was);
}
