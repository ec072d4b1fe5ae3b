/*
 * trap: what a trap of a RISC-V hart was, told to the kernel.
 *
 * trap.S tells interrupts, which go to trap_timer, trap_software and trap_external, from exceptions. Of these, one is ours:
 * the first floating-point instruction of a goroutine, see switch.S. It shows as an illegal
 * instruction while sstatus.FS is off, so the unit is turned on and the instruction repeated; a
 * truly illegal one comes back with the unit on and is then reported. Firmware that does not
 * delegate illegal instructions (OpenSBI) hands them on to us after its own look.
 */
#include "arch/arch.h"

#define INTERRUPT_SOFTWARE 1
#define INTERRUPT_TIMER    5
#define INTERRUPT_EXTERNAL 9

/* trap.S calls these. */
arch_leaver *riscv_interrupt(struct arch_hart *hart, struct arch_frame *f);
void riscv_exception(struct arch_hart *hart, struct arch_frame *f);
_Noreturn void riscv_trap_nested(struct arch_hart *hart, struct arch_frame *f);

static bool fp_first_use(struct arch_hart *hart, struct arch_frame *f)
{
    if ((f->status & SSTATUS_FS) != 0 || f->x[4] == hart->sched_tp)
        return false;
    uint8_t *flags = (uint8_t *)(f->x[4] - ARCH_CONTEXT_SIZE - ARCH_G_FLAGS);
    *flags |= ARCH_FLAG_FP;
    /* The rounding mode and the flags of whoever had the unit last are not this goroutine's. */
    __asm__ volatile("csrs sstatus, %0\n\tfscsr zero" ::"r"(SSTATUS_FS_INITIAL));
    f->status |= SSTATUS_FS_INITIAL;
    return true;
}

static enum trap_fault fault_kind(uint64_t cause)
{
    switch (cause) {
    case CAUSE_FETCH_ACCESS:
    case CAUSE_LOAD_ACCESS:
    case CAUSE_STORE_ACCESS:
    case CAUSE_FETCH_PAGE:
    case CAUSE_LOAD_PAGE:
    case CAUSE_STORE_PAGE: return FAULT_ACCESS;
    case CAUSE_ILLEGAL: return FAULT_ILLEGAL;
    case CAUSE_MISALIGNED_FETCH:
    case CAUSE_MISALIGNED_LOAD:
    case CAUSE_MISALIGNED_STORE: return FAULT_ALIGN;
    case CAUSE_BREAKPOINT: return FAULT_BREAKPOINT;
    default: return FAULT_OTHER;
    }
}

/* A leaf but for its end: no frame. */
__attribute__((optimize("omit-frame-pointer"))) arch_leaver *riscv_interrupt(struct arch_hart *hart,
                                                                             struct arch_frame *f)
{
    switch (f->cause & ~SCAUSE_INTERRUPT) {
    case INTERRUPT_TIMER: return trap_timer(hart, f);
    case INTERRUPT_SOFTWARE: return trap_software(hart, f);
    case INTERRUPT_EXTERNAL: return trap_external(hart, f);
    }
    trap_fault(hart, f, FAULT_OTHER, 0); /* nothing else is enabled */
    return NULL;
}

/* Nobody serves arch_semihost, and its breakpoint comes to us: it is refused. */
static bool semihost_refused(struct arch_frame *f)
{
    extern char riscv_semihost_break[];
    if (f->x[0] != (uintptr_t)riscv_semihost_break)
        return false;
    f->x[0] += 4;
    f->x[10] = UINTPTR_MAX;
    return true;
}

void riscv_exception(struct arch_hart *hart, struct arch_frame *f)
{
    if (f->cause == CAUSE_BREAKPOINT && semihost_refused(f))
        return;
    if (f->cause == CAUSE_ILLEGAL && fp_first_use(hart, f))
        return;
    trap_fault(hart, f, fault_kind(f->cause), f->tval);
}

/* Nothing but floating point uses its registers here, and in a handler nobody may: the unit is mostly
 * off. */
void arch_trap_call(void (*fn)(void *), void *arg)
{
    fn(arg);
}

void riscv_trap_nested(struct arch_hart *hart, struct arch_frame *f)
{
    trap_nested(hart, f);
}

void arch_hart_init(struct arch_hart *hart)
{
    extern char riscv_trap_entry[], fp_resume[];
    hart->port = (uintptr_t)fp_resume;
    *(struct arch_hart **)hart->trap_sp = hart;
    __asm__ volatile("csrw stvec, %0" ::"r"(riscv_trap_entry));
    __asm__ volatile("csrw sscratch, %0" ::"r"(hart->trap_sp));
    __asm__ volatile("csrc sstatus, %0" ::"r"(SSTATUS_FS));
}
