/*
 * switch.S: from one goroutine to the next.
 *
 *   void arch_yield(uintptr_t next_tp, struct arch_hart *hart, struct arch_ring *ring, uint32_t h,
 *                   uint32_t new_tail);
 *   void arch_park(void *arg, struct arch_hart *hart, void (*fn)(void *, struct arch_hart *));
 *   _Noreturn void arch_leave(void *arg, struct arch_hart *hart,
 *                             void (*fn)(void *, struct arch_hart *));
 *   _Noreturn void arch_resume(uintptr_t tp);
 *
 * These are plain calls, so only what the calling convention preserves is saved: x19 … x30 and sp
 * into the struct arch_context that ends at the thread pointer; d8 … d15, the low halves of v8 …
 * v15, on the goroutine's own stack. Whoever goes to the scheduler's stack starts at the top of it;
 * that context is never saved. What takes a goroutine off in an interrupt, and the way back from
 * that, stands below them.
 *
 *     ctx.sp + ARM64_D_SIZE ->  | what the goroutine has there |  its sp
 *     ctx.sp                ->  | d8 … d15                     |
 *
 * On the stack they cost no descriptor 64 bytes, and no instruction: the first pair that is stored,
 * and the last that is loaded, move the stack pointer. Every context has the block, or its place: a
 * new one begins with whatever is at the top of its stack, and one that left in an interrupt has its
 * frame there, which sets all registers afterwards.
 *
 * The store may be the first below a page's edge, and fault. It is the first thing that a switch
 * does: the goroutine still is what runs here, under its own thread pointer, nothing of it is
 * published, and the handler maps the page as at any other instruction. If there is none to be had
 * the end is the same too: its stack has overflowed (sched/trap.c). A load finds what was stored.
 *
 * Floating point. The eight d registers are always saved. They cost eight instructions, of the 40
 * of a yield; leaving the unit off until its first use, as on RISC-V, would cost two to look
 * (goroutine's flag, both ways), a trap at first use, and a write of CPACR_EL1 plus an isb at each
 * switch between one that has used it and one that has not. And here nearly all have: memcpy and
 * GCC's own block moves use the vector registers. So there is no lazy owner to lose (traps 16, 17).
 *
 * FPCR, the rounding mode and its like, belongs to the goroutine too, and is 0 in nearly all. A
 * goroutine that leaves with another value puts it on its stack, above d8, and its resumption goes
 * through fpcr_resume. So the others pay two instructions to look, and nothing when they come back.
 * Every context starts out with 0, the scheduler's too.
 *
 * The exclusive monitor needs no clrex here (trap 18): code cannot call anything between a load
 * and a store exclusive, and those that an interrupt splits lose their reservation by an eret, the
 * interrupt's own or that of arm64_frame_resume.
 */
#include "arch/arm64/asm.h"

/* Offset from the thread pointer. */
#define CTX(off) (off - ARCH_CONTEXT_SIZE)

/* Stores (stp, stur) or loads (ldp, ldur) what the context holds; x11 stands in for sp. */
.macro each_saved pair, single, tp
    \pair x19, x20, [\tp, #CTX(ARCH_CONTEXT_X)]
    \pair x21, x22, [\tp, #CTX(ARCH_CONTEXT_X + 16)]
    \pair x23, x24, [\tp, #CTX(ARCH_CONTEXT_X + 32)]
    \pair x25, x26, [\tp, #CTX(ARCH_CONTEXT_X + 48)]
    \pair x27, x28, [\tp, #CTX(ARCH_CONTEXT_X + 64)]
    \pair x29, x30, [\tp, #CTX(ARCH_CONTEXT_X + 80)]
    \single x11, [\tp, #CTX(ARCH_CONTEXT_SP)]
.endm

/* d10 … d15 in the block at \base. d8 and d9, at its start, move its pointer: see the users. */
.macro each_d_above pair, base
    \pair d10, d11, [\base, #16]
    \pair d12, d13, [\base, #32]
    \pair d14, d15, [\base, #48]
.endm

/* x9: the thread pointer of the context that leaves. x10, x11 are lost. */
.macro save
    mrs  x9, tpidr_el0
    mrs  x10, fpcr
    cbnz x10, 8f
7:  stp  d8, d9, [sp, #-ARM64_D_SIZE]!
    each_d_above stp, sp
    mov  x11, sp
    each_saved stp, stur, x9
    .subsection 1
8:  stp  x30, x10, [sp, #-ARM64_FPCR_SIZE]!
    adr  x30, fpcr_resume
    msr  fpcr, xzr
    b    7b
    .previous
.endm

/* \tp: the thread pointer of the context that comes; it is named from here on. */
.macro resume tp
    msr  tpidr_el0, \tp
    each_saved ldp, ldur, \tp
    each_d_above ldp, x11
    ldp  d8, d9, [x11], #ARM64_D_SIZE
    mov  sp, x11
    ret
.endm

    .section .text.arch_switch, "ax", %progbits
FUNC(arch_switch_begin)
END(arch_switch_begin)

/*
 * x0 next's tp   x1 hart   x2 ring   w3 h   w4 new tail
 */
FUNC(arch_yield)
    save
    /*
     * O1: the context, and the slot filled before, must be visible to whoever takes this goroutine
     * from the ring: runq_steal's acquire of tail, on another hart, reads this store.
     */
    add  x12, x2, #ARCH_RING_TAIL
    stlr w4, [x12]
    /*
     * O2: release: who sees the new head sees our read of the slot done, and the new tail. No
     * acquire: what is in our own ring was acquired when it was put there. A failing stlxr
     * may be chance (another store to the line, an interrupt) and is repeated; a head that moved
     * is not.
     */
    add  w12, w3, #1
1:  ldxr w11, [x2]
    cmp  w11, w3
    b.ne 2f
    stlxr w13, w12, [x2]
    cbnz w13, 1b
    mov  w11, #ARCH_G_RUNNING
    sturh w11, [x0, #CTX(-ARCH_G_WORD)]
    stur x1, [x0, #CTX(-ARCH_G_HART)]
    resume x0
    /* The exclusive load stays open; the next one replaces it before any store looks. */
2:  mov  x0, x1
    address x2, arch_yield_lost
    b    to_scheduler                   /* FPCR is 0 by now */
END(arch_yield)

/*
 * x0 arg   x1 hart   x2 fn
 */
FUNC(arch_leave)
    mrs  x10, fpcr
    cbz  x10, to_scheduler
    msr  fpcr, xzr
    b    to_scheduler
END(arch_leave)

FUNC(arch_park)
    save
to_scheduler:
    ldp  x9, x10, [x1, #ARCH_HART_SCHED_SP]
    /* sp first: a trap that comes between the two finds at worst a goroutine on another's stack,
     * and within these labels nobody looks. */
    mov  sp, x9
    msr  tpidr_el0, x10
    mov  x29, #0
    mov  x30, #0
    br   x2
END(arch_park)

FUNC(arch_resume)
    mrs  x10, fpcr
    cbnz x10, 2f
1:  resume x0
2:  msr  fpcr, xzr
    b    1b
END(arch_resume)

/*
 * Preemption: the end of an interrupt whose goroutine leaves the hart. Parking it is a whole frame
 * on its own stack, below sp, where nothing of value may be (AAPCS64, universal stack
 * constraints), and a context whose return address is arm64_frame_resume. The rest of the context
 * stays what it was at some earlier switch: the resumption loads it for nothing, and then everything
 * from the frame; and d8 … d15 from what of the frame lies where they would. So who resumes need not
 * know which kind of context comes.
 *
 * What the handler has not touched (trap.S) is still the goroutine's and goes to its stack first;
 * the part of the frame that lies on the trap stack then goes the same way through vector registers.
 *
 * Leaving the handler without eret, what that would have done is done by hand. SP_EL1 goes back to
 * the top, where the interrupt found it, so that the next trap starts there; EL1t; then A and I,
 * which taking an interrupt has masked with D and F, are clear again, and D and F stay set as ever
 * (port.h). A trap from there on finds the scheduler's thread pointer, which trap.S has set, and at
 * worst not yet its stack.
 *
 * sp frame on the trap stack   x0 what follows
 */
FUNC(arm64_trap_park)
    ldr  x9, [sp, #ARCH_FRAME_TP]
    ldr  x10, [sp, #ARCH_FRAME_SP]
    sub  x10, x10, #ARCH_FRAME_SIZE
    and  x10, x10, #~15
    q_pairs stp, x10
    mrs  x11, fpcr
    mrs  x12, fpsr
    stp  x11, x12, [x10, #ARCH_FRAME_FPCR]
    stp  x20, x21, [x10, #ARCH_FRAME_X + 160]
    stp  x22, x23, [x10, #ARCH_FRAME_X + 176]
    stp  x24, x25, [x10, #ARCH_FRAME_X + 192]
    stp  x26, x27, [x10, #ARCH_FRAME_X + 208]
    .irp at, 0, 32, 64, 96, 128, 224, 256
    ldp  q0, q1, [sp, #ARCH_FRAME_X + \at]
    stp  q0, q1, [x10, #ARCH_FRAME_X + \at]
    .endr
    adr  x12, arm64_frame_resume
    stur x10, [x9, #CTX(ARCH_CONTEXT_SP)]
    stur x12, [x9, #CTX(ARCH_CONTEXT_X + 88)]
    add  sp, sp, #ARCH_FRAME_SIZE
    msr  spsel, #0
    msr  daifclr, #6
    mov  x2, x0
    mov  x0, x9
    mrs  x1, tpidr_el1
    cbz  x11, to_scheduler
    msr  fpcr, xzr
    b    to_scheduler
END(arm64_trap_park)

/*
 * Where a preempted context goes on: sp is ARM64_D_SIZE beyond its frame. An eret has to bring it back, since nothing
 * else sets pc, flags and x30 at once, and ELR_EL1 and SPSR_EL1, which belong to the hart, must be
 * safe from interrupts from the first write to the eret. That restores PSTATE as it was: the
 * flags, EL1t, interrupts enabled or they would not have come. SP_EL1 was emptied by
 * arm64_trap_park, on whichever hart, and isn't touched here.
 *
 * From the move to sp on, the frame lies below the stack pointer. Nobody writes there: interrupts
 * are masked, and traps have a stack of their own. An interrupt ahead of the mask finds the thread
 * pointer of a running goroutine that is intact in its frame, and within these labels nobody
 * preempts: to do it here would only put a second frame below the first.
 */
FUNC(arm64_frame_resume)
    msr  daifset, #2
    sub  x0, sp, #ARM64_D_SIZE
    q_pairs ldp, x0
    load_state x0
    mov  sp, x1
    x_pairs ldp, x0
    ldp  x0, x1, [x0, #ARCH_FRAME_X]
    eret
END(arm64_frame_resume)

/* Where a context with an FPCR of its own goes on; arch_context_pc knows it. */
FUNC(arm64_fpcr_resume)
fpcr_resume:
    ldp  x30, x10, [sp], #ARM64_FPCR_SIZE
    msr  fpcr, x10
    ret
END(arm64_fpcr_resume)

    .subsection 2
FUNC(arch_switch_end)
END(arch_switch_end)
    .previous

/* First instructions of a new context: x19 is the function, x20 its argument. */
    .text
FUNC(arm64_context_entry)
    .cfi_undefined x30
    mov  x0, x20
    blr  x19
    bl   arch_context_done
END(arm64_context_entry)
