/*
 * switch.S: from one goroutine to the next.
 *
 *   void arch_yield(uintptr_t next_tp, struct arch_hart *hart, struct arch_ring *ring, uint32_t h,
 *                   uint32_t new_tail);
 *   void arch_park(void *arg, struct arch_hart *hart, void (*fn)(void *, struct arch_hart *));
 *   _Noreturn void arch_leave(void *arg, struct arch_hart *, void (*fn)(void *, struct arch_hart *));
 *   _Noreturn void arch_resume(uintptr_t tp);
 *
 * These are plain calls, so only what the calling convention preserves is saved: ra, sp, s0 … s11,
 * into the struct arch_context that ends at tp. gp is one for all. The scheduler's own context is
 * never saved: whoever goes to its stack starts at the top of it. What takes a goroutine off in an
 * interrupt, and the way back from that, stands below them.
 *
 * Floating point. fs0 … fs11 would double the price for goroutines that never use them, so the
 * unit is off (sstatus.FS) until a goroutine's first floating-point instruction traps; trap.c then
 * sets ARCH_FLAG_FP for the rest of its life. Leaving such a goroutine puts fs0 … fs11 and fcsr on
 * its stack and turns the unit off again; its saved ra is fp_resume, which undoes this. So a
 * goroutine without floating point pays two instructions, for the look at its own flag, and
 * nothing when it comes back. Between two that both have the flag, the unit stays on.
 */
#include "arch/riscv/asm.h"

#define CTX(off) (off - ARCH_CONTEXT_SIZE)

    .section .text.arch_switch, "ax", @progbits

.macro each_saved op, base, at
    \op ra, \at + ARCH_CONTEXT_RA(\base)
    \op sp, \at + ARCH_CONTEXT_SP(\base)
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
    \op s\n, \at + ARCH_CONTEXT_S + 8 * \n(\base)
    .endr
.endm

.macro each_fp_saved op
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
    \op fs\n, 8 * \n - ARCH_FP_SIZE(sp)
    .endr
.endm

.macro each_fp op
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    \op f\n, ARCH_FRAME_SIZE + 8 * \n(sp)
    .endr
.endm

/* fs0 … fs11, fcsr and the real ra go below the stack pointer, which no trap ever writes to (traps
 * have a stack of their own); ra becomes fp_resume, which \hart has at hand. Clobbers t0. */
.macro fp_push hart
    each_fp_saved fsd
    frcsr t0
    sd   t0, ARCH_FP_FCSR - ARCH_FP_SIZE(sp)
    sd   ra, ARCH_FP_RA - ARCH_FP_SIZE(sp)
    ld   ra, ARCH_HART_PORT(\hart)
.endm

.macro fp_pop
    each_fp_saved fld
    ld   t0, ARCH_FP_FCSR - ARCH_FP_SIZE(sp)
    fscsr t0
    ld   ra, ARCH_FP_RA - ARCH_FP_SIZE(sp)
.endm

FUNC(arch_switch_begin)
END(arch_switch_begin)

/*
 * a0 next's tp   a1 hart   a2 ring   a3 h   a4 new tail
 */
FUNC(arch_yield)
    lbu  t1, CTX(-ARCH_G_FLAGS)(tp)
    bnez t1, yield_fp
    each_saved sd, tp, -ARCH_CONTEXT_SIZE
publish:
    /*
     * O1: the context, and the slot filled before, must be visible to whoever takes this goroutine
     * from the ring: runq_steal's acquire of tail, on another hart, reads this store.
     */
    fence rw, w
    sw   a4, ARCH_RING_TAIL(a2)
    /*
     * O2: release: who sees the new head sees our read of the slot done, and the new tail. No
     * acquire: what is in our own ring was acquired when it was put there.
     */
    addiw t0, a3, 1
1:  lr.w t1, (a2)
    bne  t1, a3, lost
    sc.w.rl t1, t0, (a2)
    bnez t1, 1b
    li   t0, ARCH_G_RUNNING
    sh   t0, CTX(-ARCH_G_WORD)(a0)
    sd   a1, CTX(-ARCH_G_HART)(a0)
    mv   tp, a0
    each_saved ld, tp, -ARCH_CONTEXT_SIZE
    ret
lost:
    ld   sp, ARCH_HART_SCHED_SP(a1)
    ld   tp, ARCH_HART_SCHED_TP(a1)
    li   s0, 0
    mv   a0, a1
    li   ra, 0
    tail arch_yield_lost
yield_fp:
    fp_push a1
    mv   t2, ra
    each_saved sd, tp, -ARCH_CONTEXT_SIZE
    lbu  t1, CTX(-ARCH_G_FLAGS)(a0)
    bnez t1, yield_fp_fp
    li   t0, SSTATUS_FS
    csrc sstatus, t0
    j    publish
yield_fp_fp:
    fence rw, w                         /* O1, as above */
    sw   a4, ARCH_RING_TAIL(a2)
    addiw t0, a3, 1
1:  lr.w t1, (a2)                    /* O2, as above */
    bne  t1, a3, lost_fp
    sc.w.rl t1, t0, (a2)
    bnez t1, 1b
    li   t0, ARCH_G_RUNNING
    sh   t0, CTX(-ARCH_G_WORD)(a0)
    sd   a1, CTX(-ARCH_G_HART)(a0)
    mv   tp, a0
    each_saved ld, tp, -ARCH_CONTEXT_SIZE
    bne  ra, t2, yield_fp_foreign       /* it was preempted: a whole frame waits */
    fp_pop
    ret
yield_fp_foreign:
    li   t0, SSTATUS_FS
    csrc sstatus, t0
    ret
lost_fp:
    li   t0, SSTATUS_FS
    csrc sstatus, t0
    j    lost
END(arch_yield)

/*
 * a0 arg   a1 hart   a2 fn
 */
FUNC(arch_leave)
    lbu  t1, CTX(-ARCH_G_FLAGS)(tp)
    beqz t1, leave_go
    li   t1, SSTATUS_FS
    csrc sstatus, t1
    j    leave_go
END(arch_leave)
FUNC(arch_park)
    lbu  t1, CTX(-ARCH_G_FLAGS)(tp)
    bnez t1, park_fp
park_save:
    each_saved sd, tp, -ARCH_CONTEXT_SIZE
leave_go:
    ld   sp, ARCH_HART_SCHED_SP(a1)
    ld   tp, ARCH_HART_SCHED_TP(a1)
    li   s0, 0
    li   ra, 0
    jr   a2
END(arch_park)
park_fp:
    fp_push a1
    li   t0, SSTATUS_FS
    csrc sstatus, t0
    j    park_save

FUNC(arch_resume)
    mv   tp, a0
    each_saved ld, tp, -ARCH_CONTEXT_SIZE
    ret
END(arch_resume)

/* Resumption of a goroutine with floating point. */
FUNC(fp_resume)
    li   t0, SSTATUS_FS_INITIAL
    csrs sstatus, t0
    fp_pop
    ret
END(fp_resume)

/*
 * Resumption of a preempted goroutine: sp is its struct arch_frame. Whatever was in the registers
 * comes back, floating point too, by way of a return from a trap that was long ago; interrupts
 * are masked from the first csr that this return uses to the return itself.
 */
FUNC(riscv_frame_resume)
    lbu  t0, CTX(-ARCH_G_FLAGS)(tp)
    beqz t0, 1f
    li   t0, SSTATUS_FS_INITIAL
    csrs sstatus, t0
    each_fp fld
    ld   t0, ARCH_FRAME_SIZE + 256(sp)
    fscsr t0
1:  csrci sstatus, SSTATUS_SIE
    /* Both ends of what is loaded below: if this hart still remembers one of their pages as unmapped,
     * it faults here, where a fault does no harm. */
    ld   t0, 31 * 8(sp)
    ld   t0, 0(sp)
    csrw sepc, t0
    sc.d zero, t0, (sp)                 /* ends a reservation of whoever ran here before (trap 18) */
    li   t0, SSTATUS_SPP | SSTATUS_SPIE
    csrs sstatus, t0
    ld   x1, 8(sp)
    .irp n, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    ld   x\n, 8 * \n(sp)
    .endr
    ld   sp, 16(sp)
    sret
END(riscv_frame_resume)

FUNC(arch_switch_end)
END(arch_switch_end)

/*
 * Preemption: the end of an interrupt whose goroutine leaves the hart. What trap.S stored is copied
 * to below the goroutine's stack pointer; s1 … s11 are still the goroutine's and go there too; gp
 * is one for all. Floating point, if the goroutine has it, goes behind it from the registers
 * themselves, which no handler has touched: the unit is on, since the goroutine was running; it is
 * off afterwards. Then the handler is left by hand: the next trap starts at the top of the trap stack.
 *
 * sp frame on the trap stack   a0 what follows
 */
FUNC(riscv_trap_park)
    mv   a2, a0
    ld   a0, 32(sp)                     /* tp */
    ld   t1, 16(sp)                     /* sp */
    lla  t2, riscv_frame_resume
    addi t1, t1, -(ARCH_FRAME_SIZE + ARCH_FRAME_FP_SIZE)
    andi t1, t1, -16
    sd   t2, ARCH_CONTEXT_RA - ARCH_CONTEXT_SIZE(a0)
    sd   t1, ARCH_CONTEXT_SP - ARCH_CONTEXT_SIZE(a0)
    lbu  t0, CTX(-ARCH_G_FLAGS)(a0)
    .irp n, 0, 1, 2, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14, 15, 16, 17, 28, 29, 30, 31, 32, 33
    ld   t2, 8 * \n(sp)
    sd   t2, 8 * \n(t1)
    .endr
    .irp n, 9, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27
    sd   x\n, 8 * \n(t1)
    .endr
    ld   a1, ARCH_FRAME_SIZE(sp)        /* struct arch_hart * */
    bnez t0, 1f
2:  addi t2, sp, ARCH_FRAME_SIZE
    csrw sscratch, t2
    ld   sp, ARCH_HART_SCHED_SP(a1)     /* tp is the scheduler's since the trap */
    li   s0, 0
    li   ra, 0
    csrsi sstatus, SSTATUS_SIE
    jr   a2
1:  .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    fsd  f\n, ARCH_FRAME_SIZE + 8 * \n(t1)
    .endr
    frcsr t0
    sd   t0, ARCH_FRAME_SIZE + 256(t1)
    li   t0, SSTATUS_FS
    csrc sstatus, t0
    j    2b
END(riscv_trap_park)

/* First instructions of a new context: s1 is the function, s2 its argument. */
FUNC(riscv_context_entry)
    .cfi_undefined ra
    mv   a0, s2
    jalr s1
    call arch_context_done
END(riscv_context_entry)
