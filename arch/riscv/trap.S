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
 * Interrupts are masked from here to sret, which alone brings the old mask back, from SPIE
 * (trap 14). The handler runs with the thread pointer of the hart's scheduler, since the
 * interrupted one may name a goroutine that another hart has begun to run (arch_yield).
 */
#include "arch/riscv/asm.h"

    .section .text.trap, "ax", @progbits

.macro each_general op
    .irp n, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    \op x\n, 8 * \n(sp)
    .endr
.endm

.macro save_frame
    addi sp, sp, -ARCH_FRAME_SIZE
    sd   x1, 8(sp)
    each_general sd
    csrr t0, sepc
    csrr t1, sstatus
    csrr t2, scause
    csrr t3, stval
    sd   t0, 0(sp)
    sd   t1, ARCH_FRAME_STATUS(sp)
    sd   t2, ARCH_FRAME_CAUSE(sp)
    sd   t3, ARCH_FRAME_TVAL(sp)
.endm

    .balign 4
FUNC(riscv_trap_entry)
    csrrw sp, sscratch, sp
    beqz sp, nested
    save_frame
    csrrw t0, sscratch, zero
    sd   t0, 16(sp)                     /* the interrupted sp */
    ld   a0, ARCH_FRAME_SIZE(sp)        /* struct arch_hart * */
    ld   tp, ARCH_HART_SCHED_TP(a0)
    mv   a1, sp
    call riscv_trap
    ld   t0, 0(sp)
    ld   t1, ARCH_FRAME_STATUS(sp)
    csrw sepc, t0
    csrw sstatus, t1
    /* A handler's lr that found no reason for its sc would let the sc of the interrupted pair, if it
     * is to the same word, succeed on the wrong reservation (trap 18). This one ends it. */
    sc.d zero, t0, (sp)
    addi t2, sp, ARCH_FRAME_SIZE
    csrw sscratch, t2
    ld   x1, 8(sp)
    each_general ld
    ld   sp, 16(sp)
    sret

nested:
    /* A third trap would end here again and again: from now on it only stops the hart. */
    csrrw sp, sscratch, t0              /* sp: the trap stack again; sscratch: t0 */
    la   t0, stop
    csrw stvec, t0
    csrr t0, sscratch
    save_frame
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
