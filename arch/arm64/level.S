/*
 * level.S: from the exception level that firmware left us at down to EL1.
 *
 *   unsigned arm64_to_el1(void);   returns, at EL1t with everything masked, the level it came from
 *
 * No memory is touched, so it serves every hart at any stage. x9 … x11 are lost.
 *
 * EL2 is the rule on boards: firmware means us to be free to be a hypervisor. We give EL1 all of
 * the processor and leave nothing behind; no EL2 code of ours stays, so HVC goes nowhere from then
 * on (psci.c refuses it).
 *
 * EL3 means that nobody was there before us: no PSCI either. We go to *Secure* EL1. Non-secure
 * would need a monitor that stays behind: every interrupt of a GIC comes up in Secure group 0, and
 * only Secure code may move it or raise the priority mask of each core. In Secure state a GICv2
 * looks just like one without security, and no bus filter is in our way. EL2 does not take part
 * in Secure state (SCR_EL3.EEL2 = 0).
 */
#include "arch/arm64/asm.h"

/* SPSR: EL1t, DAIF masked. */
#define SPSR_EL1T 0x3c4
/* SCTLR_EL1 with its bits that are always 1 in Armv8.0, MMU and caches off, little-endian. */
#define SCTLR_OFF 0x30d00800

/* ST: Secure EL1 keeps its timer; RW: EL1 is AArch64; SMD: SMC is undefined; two RES1 bits. */
#define SCR_SECURE (1 << 11 | 1 << 10 | 1 << 7 | 3 << 4)
#define HCR_RW (1 << 31)
/* CPTR_EL2: its RES1 bits; no trap of floating point. */
#define CPTR_EL2_OPEN 0x33ff
/* CNTHCTL_EL2: EL1 may use the physical counter and timer as well. */
#define CNTHCTL_OPEN 3

/* The GIC's registers by number: an assembler for plain Armv8.0 may not know the names. */
#define ICC_SRE_EL2 S3_4_C12_C9_5
#define ICC_SRE_EL3 S3_6_C12_C12_5
#define ICH_HCR_EL2 S3_4_C12_C11_0
#define ICC_SRE_OPEN 0xf /* system registers, here and for lower levels; no bypass */
#define CPUECTLR S3_1_C15_C2_1
#define CPUECTLR_SMPEN 0x40

FUNC(arm64_to_el1)
    msr  daifset, #0xf
    mrs  x0, CurrentEL
    lsr  x0, x0, #2
    cmp  x0, #2
    b.eq from_el2
    b.hi from_el3
    msr  spsel, #0
    ret

from_el3:
    /*
     * Cortex-A53, A35, A57, A72 and A73 take part in coherency only once SMPEN is set, before the MMU
     * is on (their manuals, CPUECTLR_EL1). Elsewhere the register may not exist.
     */
    mrs  x9, midr_el1
    lsr  w10, w9, #24
    cmp  w10, #0x41                     /* Arm */
    b.ne 1f
    ubfx w9, w9, #4, #12
    mov  w10, #0xd03
    cmp  w9, w10
    mov  w10, #0xd04
    ccmp w9, w10, #4, ne
    mov  w10, #0xd07
    ccmp w9, w10, #4, ne
    mov  w10, #0xd08
    ccmp w9, w10, #4, ne
    mov  w10, #0xd09
    ccmp w9, w10, #4, ne
    b.ne 1f
    mrs  x9, CPUECTLR
    orr  x9, x9, #CPUECTLR_SMPEN
    msr  CPUECTLR, x9
1:  mrs  x9, id_aa64pfr0_el1
    ubfx x9, x9, #24, #4
    cbz  x9, 2f
    mov  x9, #ICC_SRE_OPEN
    msr  ICC_SRE_EL3, x9
2:  msr  cptr_el3, xzr
    msr  mdcr_el3, xzr
    ldr  x9, =SCR_SECURE
    msr  scr_el3, x9
    ldr  x9, =SCTLR_OFF
    msr  sctlr_el1, x9
    mov  x9, #SPSR_EL1T
    msr  spsr_el3, x9
    msr  elr_el3, x30
    isb
    eret

from_el2:
    mov  x9, #HCR_RW
    msr  hcr_el2, x9
    isb
    mrs  x9, id_aa64pfr0_el1
    ubfx x9, x9, #24, #4
    cbz  x9, 1f
    mov  x9, #ICC_SRE_OPEN
    msr  ICC_SRE_EL2, x9
    isb
    mrs  x9, ICC_SRE_EL2                /* stays 0 where EL3 forbids it: a GICv2 view */
    tbz  x9, #0, 1f
    msr  ICH_HCR_EL2, xzr
1:  mov  x9, #CNTHCTL_OPEN
    msr  cnthctl_el2, x9
    msr  cntvoff_el2, xzr
    mov  x9, #CPTR_EL2_OPEN
    msr  cptr_el2, x9
    msr  hstr_el2, xzr
    msr  vttbr_el2, xzr
    /* MDCR_EL2: no debug traps, and all event counters to EL1 (HPMN = their number). */
    mrs  x10, id_aa64dfr0_el1
    ubfx x10, x10, #8, #4
    mov  x9, #0
    cbz  x10, 2f
    cmp  x10, #0xf
    b.eq 2f
    mrs  x9, pmcr_el0
    ubfx x9, x9, #11, #5
2:  msr  mdcr_el2, x9
    mrs  x9, midr_el1
    msr  vpidr_el2, x9
    mrs  x9, mpidr_el1
    msr  vmpidr_el2, x9
    ldr  x9, =SCTLR_OFF
    msr  sctlr_el1, x9
    mov  x9, #SPSR_EL1T
    msr  spsr_el2, x9
    msr  elr_el2, x30
    isb
    eret
    .ltorg
END(arm64_to_el1)
