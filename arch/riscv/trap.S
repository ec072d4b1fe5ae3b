/*
 * trap.S: every trap of a hart, on the hart's own trap stack.
 *
 * sscratch holds the top of the trap stack while the hart runs anything else, and 0 while it is in
 * a handler. So the first instruction tells the two cases apart without a free register, nothing
 * is ever stored through the interrupted sp, and a trap inside a handler cannot rewind the trap
 * stack to its top (trap 15): it goes on below and ends in trap_nested.
 *
 *     trap_sp ->  | struct arch_hart * |
 *                 | struct arch_frame  |  <- sp while the handler runs
 *                 | C frames …         |
 *
 * An interrupt's frame holds what C may lose, and what is asked of it: pc, ra, sp, s0, the status and
 * the cause. s1 … s11 C preserves: they are stored when the goroutine is taken off its hart, straight
 * to its stack (switch.S). An exception's frame is whole.
 *
 * Interrupts are masked from here to sret, which alone brings the old mask back, from SPIE
 * (trap 14). The handler runs with the thread pointer of the hart's scheduler, since the
 * interrupted one may name a goroutine that another hart has begun to run (arch_yield).
 */
#include "arch/riscv/asm.h"

    .section .text.trap, "ax", @progbits

/* ra, tp, s0 and what C may lose: t0 … t6, a0 … a7. */
.macro each_lost op
    .irp n, 1, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14, 15, 16, 17, 28, 29, 30, 31
    \op x\n, 8 * \n(sp)
    .endr
.endm
/* gp, and what C preserves: s1 … s11. */
.macro each_kept op
    .irp n, 3, 9, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27
    \op x\n, 8 * \n(sp)
    .endr
.endm

/* t2: the cause. */
.macro save_lost
    addi sp, sp, -ARCH_FRAME_SIZE
    each_lost sd
    csrr t0, sepc
    csrr t1, sstatus
    csrr t2, scause
    sd   t0, 0(sp)
    sd   t1, ARCH_FRAME_STATUS(sp)
    sd   t2, ARCH_FRAME_CAUSE(sp)
.endm
.macro save_rest
    each_kept sd
    csrr t3, stval
    sd   t3, ARCH_FRAME_TVAL(sp)
.endm

/* The interrupted sp; arguments hart and frame; the thread pointer that C expects. */
.macro enter_c
    csrrw t0, sscratch, zero
    sd   t0, 16(sp)
    ld   a0, ARCH_FRAME_SIZE(sp)        /* struct arch_hart * */
    ld   tp, ARCH_HART_SCHED_TP(a0)
    mv   a1, sp
.endm

/* Before what is loaded last: where to, and the top of the trap stack for the next. */
.macro leave_c
    ld   t0, 0(sp)
    ld   t1, ARCH_FRAME_STATUS(sp)
    csrw sepc, t0
    csrw sstatus, t1
    /* A handler's lr that found no reason for its sc would let the sc of the interrupted pair, if it
     * is to the same word, succeed on the wrong reservation (trap 18). This one ends it. */
    sc.d zero, t0, (sp)
    addi t2, sp, ARCH_FRAME_SIZE
    csrw sscratch, t2
.endm

    .balign 4
FUNC(riscv_trap_entry)
    csrrw sp, sscratch, sp
    beqz sp, nested
    save_lost
    bgez t2, exception
    enter_c
    call riscv_interrupt
    bnez a0, go_park
    leave_c
    each_lost ld
    ld   sp, 16(sp)
    sret
go_park:
    tail riscv_trap_park                /* switch.S */

exception:
    save_rest
    enter_c
    call riscv_exception
    leave_c
    each_lost ld
    each_kept ld
    ld   sp, 16(sp)
    sret

nested:
    /* A third trap would end here again and again: from now on it only stops the hart. */
    csrrw sp, sscratch, t0              /* sp: the trap stack again; sscratch: t0 */
    la   t0, stop
    csrw stvec, t0
    csrr t0, sscratch
    save_lost
    save_rest
    addi t0, sp, ARCH_FRAME_SIZE
    sd   t0, 16(sp)
    csrw sscratch, zero
    li   a0, 0
    mv   a1, sp
    call riscv_trap_nested
    .balign 4
stop:
    csrci sstatus, SSTATUS_SIE
1:  wfi
    j    1b
END(riscv_trap_entry)
