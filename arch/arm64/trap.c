/*
 * trap: what an exception of an AArch64 hart was, told to the kernel.
 *
 * Interrupts do not come by here: trap.S calls trap_external itself, and the GIC's driver tells
 * timer, IPI and device apart. What does is synchronous exceptions and SErrors, sorted by the
 * exception class in ESR_EL1 (D24.2.40). A hart that has no struct m yet is reported with hart
 * NULL, as a nested trap: there is nobody to recover.
 */
#include "arch/arch.h"

/* Exception classes. */
#define EC_UNKNOWN           0x00
#define EC_FP_ACCESS         0x07
#define EC_ILLEGAL_STATE     0x0e
#define EC_SVC               0x15
#define EC_HVC               0x16
#define EC_SMC               0x17
#define EC_SYSREG            0x18
#define EC_SVE               0x19
#define EC_FETCH_ABORT_LOWER 0x20
#define EC_FETCH_ABORT       0x21
#define EC_PC_ALIGN          0x22
#define EC_DATA_ABORT_LOWER  0x24
#define EC_DATA_ABORT        0x25
#define EC_SP_ALIGN          0x26
#define EC_BREAKPOINT_LOWER  0x30 /* to EC_BRK: the debug exceptions */
#define EC_BRK               0x3c

#define ESR_EC(esr)     ((esr) >> 26 & 0x3f)
#define ESR_FAR_INVALID 0x400 /* FnV: external aborts may not know their address */
#define ESR_STATUS(esr) ((esr)&0x3f)
#define STATUS_ALIGN    0x21

/* trap.S and start.S. */
extern struct arch_hart arm64_boot_hart;
void arm64_trap_stack(uintptr_t top);
void arm64_trap(struct arch_hart *hart, struct arch_frame *f);
_Noreturn void arm64_trap_nested(struct arch_hart *hart, struct arch_frame *f);

static enum trap_fault fault_kind(const struct arch_frame *f)
{
    switch (ESR_EC(f->esr)) {
    case EC_UNKNOWN:
    case EC_FP_ACCESS:
    case EC_ILLEGAL_STATE:
    case EC_SVC:
    case EC_HVC:
    case EC_SMC:
    case EC_SYSREG:
    case EC_SVE: return FAULT_ILLEGAL;
    case EC_DATA_ABORT: return ESR_STATUS(f->esr) == STATUS_ALIGN ? FAULT_ALIGN : FAULT_ACCESS;
    case EC_FETCH_ABORT: return FAULT_ACCESS;
    case EC_PC_ALIGN:
    case EC_SP_ALIGN: return FAULT_ALIGN;
    case EC_BREAKPOINT_LOWER ... EC_BRK: return FAULT_BREAKPOINT;
    default: return FAULT_OTHER;
    }
}

/* FAR_EL1 is defined for aborts and misaligned pcs only; else the instruction is the address. */
static uintptr_t fault_address(const struct arch_frame *f)
{
    switch (ESR_EC(f->esr)) {
    case EC_DATA_ABORT:
    case EC_FETCH_ABORT: return f->esr & ESR_FAR_INVALID ? 0 : f->far;
    case EC_PC_ALIGN: return f->far;
    case EC_SP_ALIGN: return f->sp;
    default: return f->pc;
    }
}

/* Nobody serves arch_semihost, and its instruction comes to us: it is refused. */
static bool semihost_refused(struct arch_frame *f)
{
    extern char arm64_semihost_hlt[];
    if (f->pc != (uintptr_t)arm64_semihost_hlt)
        return false;
    f->pc += 4;
    f->x[0] = UINTPTR_MAX;
    return true;
}

void arm64_trap(struct arch_hart *hart, struct arch_frame *f)
{
    if (hart == &arm64_boot_hart)
        trap_nested(NULL, f);
    if (ESR_EC(f->esr) == EC_UNKNOWN && semihost_refused(f))
        return;
    trap_fault(hart, f, fault_kind(f), fault_address(f));
}

void arm64_trap_nested(struct arch_hart *hart, struct arch_frame *f)
{
    trap_nested(hart == &arm64_boot_hart ? NULL : hart, f);
}

/* From here on SErrors are let through: there is somebody to tell. */
void arch_hart_init(struct arch_hart *hart)
{
    hart->port = 0;
    __asm__ volatile("msr tpidr_el1, %0" ::"r"(hart) : "memory");
    arm64_trap_stack(hart->trap_sp);
    __asm__ volatile("msr daifclr, #4" ::: "memory");
}
