/*
 * relax: a wait for another hart that has become long.
 *
 * On silicon a pause would do. But an emulator may give each hart a thread of the host, and then a
 * hart that spins takes the processor from the one it waits for: with more harts than processors,
 * each hand-over of a ticket lock costs a time slice of the host. Or it runs the harts in turns,
 * and the turn of one that spins lasts until its next timer. So here the hart really sleeps, for
 * RELAX_HZ-th of a second: its own timer, brought forward, ends the wfi while interrupts are
 * masked, and is put back; what came due meanwhile is pending then.
 *
 * What the timer was set for is read back from it (Sstc), or remembered where firmware sets it.
 */
#include "arch/arch.h"

#define RELAX_HZ 25000

static uint64_t relax_ticks;

uint64_t arch_ticks_hz(uint64_t from_tree)
{
    relax_ticks = from_tree / RELAX_HZ;
    return from_tree;
}

/* Until a hart has set itself up no interrupt would end its wfi. */
static bool timer_enabled(void)
{
    uintptr_t sie;
    __asm__("csrr %0, sie" : "=r"(sie));
    return sie & SIE_STIE;
}

/* What this hart's timer is set for. */
static uint64_t timer_ticks(void)
{
    uint64_t cmp;
    if (!riscv_has_sstc)
        return riscv_this_hart()->nap;
    __asm__ volatile("csrr %0, %1" : "=r"(cmp) : "i"(CSR_STIMECMP));
    return cmp;
}

void riscv_relax_slow(void)
{
    if (!timer_enabled())
        return;
    uintptr_t was = arch_irq_save();
    uint64_t cmp = timer_ticks(), until = arch_ticks() + relax_ticks;
    if (until < cmp)
        arch_timer_set(until);
    arch_wait();
    arch_timer_set(cmp);
    arch_irq_restore(was);
}
