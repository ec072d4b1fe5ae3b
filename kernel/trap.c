/*
 * trap: interrupts and faults on their way from the port to whom they concern.
 *
 * An interrupt is acknowledged first and its cause looked for afterwards (traps 1 and 2): one that
 * comes while we look is delivered again. On Arm all of them arrive as external and the GIC tells
 * them apart. We take one a trap: mostly there is one, and the next comes as soon as the mask is off.
 *
 * A load or store into a stack's unmapped part is the stack growing (stack.c) and nobody hears of
 * it. A fetch is never that.
 */
#include "kernel/trap.h"
#include "kernel/clock.h"
#include "kernel/console.h"
#include "kernel/irq.h"
#include "kernel/power.h"

static void ipi_came(struct arch_hart *hart, struct arch_frame *f)
{
    sched_trap_ipi(hart, f);
#if PINION_TRAP == 2 /* acknowledges behind the look: what came since goes with it */
    clock_window();
    irq_poll(sched_hart_no(hart));
#endif
}

arch_leaver *trap_timer(struct arch_hart *hart, struct arch_frame *f)
{
    sched_trap_timer(hart, f);
    return sched_trap_exit(hart, f);
}

arch_leaver *trap_software(struct arch_hart *hart, struct arch_frame *f)
{
    irq_software();
    ipi_came(hart, f);
    return sched_trap_exit(hart, f);
}

arch_leaver *trap_external(struct arch_hart *hart, struct arch_frame *f)
{
    switch (irq_external(sched_hart_no(hart))) {
    case IRQ_TIMER: sched_trap_timer(hart, f); break;
    case IRQ_IPI: ipi_came(hart, f); break;
    case IRQ_NONE:
    case IRQ_DEVICE: break;
    }
    return sched_trap_exit(hart, f);
}

void trap_fault(struct arch_hart *hart, struct arch_frame *f, enum trap_fault kind, uintptr_t addr)
{
    enum stack_fault stack = STACK_NOT_MINE;
    /* The address of a refused fetch is in the instruction, in its second half if that lies in
     * another page. The page is there then, and to look for it would be to try for ever. */
    bool fetch = addr - arch_frame_pc(f) < 4;
    if (kind == FAULT_ACCESS && !fetch)
        stack = stack_fault(addr, arch_frame_sp(f));
    if (stack != STACK_GREW)
        sched_trap_fault(hart, f, kind, addr, stack);
}

void trap_nested(struct arch_hart *hart, struct arch_frame *f)
{
    (void)hart;
    console_panic_mode();
    kprintf("fatal error: trap in a trap handler\n");
    arch_frame_print(f);
    power_off(2);
}
