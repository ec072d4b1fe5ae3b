/*
 * trap.S: every exception of a hart, on the hart's own trap stack.
 *
 * Goroutines, the scheduler and boot all run in EL1t, on SP_EL0. An exception turns the processor
 * to SP_EL1, the trap stack, and to the first group of the vectors below, and handlers run in that
 * mode, EL1h, to the end. So the interrupted sp is never stored through, and a trap inside a
 * handler shows by itself: it comes through the second group, which goes on below the first frame
 * instead of at the top of the stack (trap 15).
 *
 *     trap_sp ->  | struct arch_frame |  <- sp while the handler runs
 *                 | C frames …        |
 *
 * DAIF is masked by the processor on entry and comes back from SPSR_EL1 by the eret alone; nothing
 * in between touches it (trap 14). The eret also clears the exclusive monitor (B2.9.2): a load
 * exclusive before the interrupt and a store exclusive after it never make a pair (trap 18).
 *
 * The frame of an exception holds all of the processor's state. An interrupt's is stored in part
 * only, for most of them go back to where they came from:
 *
 *     x0 … x19, x28 … x30, sp, pc, pstate, tp    at once: C may lose them, or asks for them
 *     x20 … x27, the rest that C preserves       when the goroutine is taken off its hart,
 *     q0 … q31, fpcr, fpsr                       straight to its stack
 *
 * The second and third hold because the C of the rooms is compiled without vector registers
 * (isa.mk), and what is not, the handler of a device or a function of the C library, is called by
 * way of arch_trap_call. tests/vectors_test.py looks for what might break that.
 *
 * The handler runs with the thread pointer of the hart's scheduler, since the interrupted one may
 * name a goroutine that another hart has begun to run (arch_yield).
 */
#include "arch/arm64/asm.h"

/* Of the frame at sp what the handler of an interrupt does not preserve. */
.macro lost_pairs op
    \op x2, x3, [sp, #ARCH_FRAME_X + 16]
    \op x4, x5, [sp, #ARCH_FRAME_X + 32]
    \op x6, x7, [sp, #ARCH_FRAME_X + 48]
    \op x8, x9, [sp, #ARCH_FRAME_X + 64]
    \op x10, x11, [sp, #ARCH_FRAME_X + 80]
    \op x12, x13, [sp, #ARCH_FRAME_X + 96]
    \op x14, x15, [sp, #ARCH_FRAME_X + 112]
    \op x16, x17, [sp, #ARCH_FRAME_X + 128]
    \op x18, x19, [sp, #ARCH_FRAME_X + 144]
    \op x28, x29, [sp, #ARCH_FRAME_X + 224]
.endm

/* x30 and where it was interrupted. x1 … x4 are lost; x4 is the thread pointer, for the caller. */
.macro save_state
    mrs  x1, sp_el0
    mrs  x2, elr_el1
    mrs  x3, spsr_el1
    mrs  x4, tpidr_el0
    stp  x30, x1, [sp, #ARCH_FRAME_X + 8 * 30]
    stp  x2, x3, [sp, #ARCH_FRAME_PC]
.endm

.macro save_frame
    sub  sp, sp, #ARCH_FRAME_SIZE
    stp  x0, x1, [sp, #ARCH_FRAME_X]
    x_pairs stp, sp
    save_state
    mrs  x5, fpcr
    mrs  x6, fpsr
    str  x4, [sp, #ARCH_FRAME_TP]
    stp  x5, x6, [sp, #ARCH_FRAME_FPCR]
    q_pairs stp, sp
.endm

/* The cause of an exception must be read before another one can overwrite it. */
.macro save_cause
    mrs  x1, esr_el1
    mrs  x2, far_el1
    stp  x1, x2, [sp, #ARCH_FRAME_ESR]
.endm

/* Arguments hart and frame; the thread pointer that C expects; the end of the chain. */
.macro enter_c
    mrs  x0, tpidr_el1
    ldr  x1, [x0, #ARCH_HART_SCHED_TP]
    msr  tpidr_el0, x1
    mov  x1, sp
    mov  x29, #0
.endm

.macro vector target
    .balign 128
    b    \target
.endm

    .section .text.trap, "ax", %progbits
    .balign 2048
    .globl arm64_vectors
arm64_vectors:
    /* From EL1t: what we run. */
    vector trap_sync
    vector trap_irq
    vector trap_fiq
    vector trap_sync                    /* SError; ESR_EL1 says so */
    /* From EL1h: a handler. */
    vector nested
    vector nested
    vector nested
    vector nested
    /* From EL0, in both instruction sets: nothing runs there. */
    .rept 8
    vector nested
    .endr
    .balign 128

FUNC(trap_irq)
    sub  sp, sp, #ARCH_FRAME_SIZE
    stp  x0, x1, [sp, #ARCH_FRAME_X]
    lost_pairs stp
    save_state
    stp  x4, xzr, [sp, #ARCH_FRAME_TP]  /* and ESR: no exception */
    enter_c
    bl   trap_external
    cbnz x0, arm64_trap_park            /* switch.S */
    ldp  x2, x3, [sp, #ARCH_FRAME_PC]
    ldr  x4, [sp, #ARCH_FRAME_TP]
    ldr  x30, [sp, #ARCH_FRAME_X + 8 * 30]
    msr  elr_el1, x2
    msr  spsr_el1, x3
    msr  tpidr_el0, x4
    lost_pairs ldp
    ldp  x0, x1, [sp, #ARCH_FRAME_X]
    add  sp, sp, #ARCH_FRAME_SIZE
    eret
END(trap_irq)

FUNC(trap_sync)
    save_frame
    save_cause
    enter_c
    bl   arm64_trap
trap_return:
    load_state sp
    ldr  x2, [sp, #ARCH_FRAME_TP]
    msr  sp_el0, x1
    msr  tpidr_el0, x2
    q_pairs ldp, sp
    x_pairs ldp, sp
    ldp  x0, x1, [sp, #ARCH_FRAME_X]
    add  sp, sp, #ARCH_FRAME_SIZE
    eret
END(trap_sync)

/* Nothing here is a FIQ. ESR_EL1 says nothing of it: all ones is no cause there is. */
FUNC(trap_fiq)
    save_frame
    mov  x2, #-1
    stp  x2, xzr, [sp, #ARCH_FRAME_ESR]
    enter_c
    bl   arm64_trap
    b    trap_return
END(trap_fiq)

/*
 * A trap within a handler. hart->port counts: 0 before, then the hart's own address, then that
 * plus 1. TPIDRRO_EL0, which is nobody's, holds x0 meanwhile.
 *
 *   first   goes on below the present frame and tells
 *   second  (the telling failed, or the trap stack has no room left, so that not even the frame of
 *           the first could be stored) tells on a stack of last resort; x1 and x2 are lost. Two
 *           harts that come here at once garble each other's words, no more.
 *   third   only stops the hart
 */
FUNC(nested)
    msr  tpidrro_el0, x0
    mrs  x0, tpidr_el1
    ldr  x0, [x0, #ARCH_HART_PORT]
    cbnz x0, 1f
    mrs  x0, tpidr_el1
    str  x0, [x0, #ARCH_HART_PORT]
    mrs  x0, tpidrro_el0
    save_frame
    add  x2, sp, #ARCH_FRAME_SIZE
    b    2f
1:  tbnz x0, #0, 3f
    mrs  x0, tpidr_el1
    add  x1, x0, #1
    str  x1, [x0, #ARCH_HART_PORT]
    mov  x2, sp
    address x1, last_stack_top
    mov  sp, x1
    mrs  x0, tpidrro_el0
    save_frame
    ldr  x2, [sp, #ARCH_FRAME_X + 8 * 2]
2:  str  x2, [sp, #ARCH_FRAME_SP]
    save_cause
    enter_c
    bl   arm64_trap_nested
3:  wfi                                 /* everything is masked since the exception */
    b    3b
END(nested)

/*
 * void arch_trap_call(void (*fn)(void *), void *arg): with all that fn may lose and an interrupt has
 * not stored in a frame of its own, and the FPCR that C expects.
 */
FUNC(arch_trap_call)
    sub  sp, sp, #ARCH_FRAME_SIZE
    mrs  x9, fpcr
    mrs  x10, fpsr
    stp  x29, x30, [sp, #ARCH_FRAME_X]
    stp  x9, x10, [sp, #ARCH_FRAME_FPCR]
    q_pairs stp, sp
    mov  x29, sp
    msr  fpcr, xzr
    mov  x9, x0
    mov  x0, x1
    blr  x9
    q_pairs ldp, sp
    ldp  x9, x10, [sp, #ARCH_FRAME_FPCR]
    ldp  x29, x30, [sp, #ARCH_FRAME_X]
    msr  fpcr, x9
    msr  fpsr, x10
    add  sp, sp, #ARCH_FRAME_SIZE
    ret
END(arch_trap_call)

/* void arm64_trap_stack(uintptr_t top): SP_EL1, which EL1t cannot name. */
FUNC(arm64_trap_stack)
    msr  spsel, #1
    mov  sp, x0
    msr  spsel, #0
    ret
END(arm64_trap_stack)

    .bss
    .balign 16
    .space ARM64_LAST_STACK
last_stack_top:
