/*
 * switch.S: from one goroutine to the next, and the thread's own words.
 *
 *   void arch_yield(uintptr_t next_tp, struct arch_hart *hart, struct arch_ring *ring, uint32_t h,
 *                   uint32_t new_tail);
 *   void arch_park(void *arg, struct arch_hart *hart, void (*fn)(void *, struct arch_hart *));
 *   _Noreturn void arch_leave(void *arg, struct arch_hart *, void (*fn)(void *, struct arch_hart *));
 *   _Noreturn void arch_resume(uintptr_t tp);
 *   _Noreturn void host_trap_leave(void *tp, struct arch_hart *hart, arch_leaver *fn);
 *   uintptr_t host_irq_close(void);
 *   bool host_irq_open(void);
 *   int *host_errno(void);
 *   void *host_tp_x0(void), and so on to x29: not C functions, see there.
 *
 * The first four are plain calls, so what the calling convention preserves is saved: x19 … x30, sp,
 * d8 … d15, and FPCR, which is the goroutine's. The scheduler's own context is never saved: whoever
 * goes to its stack starts at the top.
 *
 * arch_yield goes by way of the scheduler's stack, where C (host_yield) publishes and picks: the
 * other ports do that in registers, but ThreadSanitizer sees no order in what assembly stores. For
 * the sanitizers, too, each switch says where it goes (fiber.c).
 *
 * errno. The C library writes the thread's, and it is the goroutine's: who leaves takes it along,
 * and who comes finds it zero.
 */
#include "arch/host/asm.h"

#define CTX(off) (off - ARCH_CONTEXT_SIZE)

/* \reg: this thread's struct host_thread. Only between the labels of the switch. */
.macro self reg
    mrs  \reg, tpidr_el0
    add  \reg, \reg, #:tprel_hi12:host_self, lsl #12
    add  \reg, \reg, #:tprel_lo12_nc:host_self
.endm

/* Stores (stp) or loads (ldp) what lies in the context of x9. x10, x11 stand in for sp and FPCR. */
.macro each_saved op
    \op  x19, x20, [x9, #CTX(ARCH_CONTEXT_X)]
    \op  x21, x22, [x9, #CTX(ARCH_CONTEXT_X + 16)]
    \op  x23, x24, [x9, #CTX(ARCH_CONTEXT_X + 32)]
    \op  x25, x26, [x9, #CTX(ARCH_CONTEXT_X + 48)]
    \op  x27, x28, [x9, #CTX(ARCH_CONTEXT_X + 64)]
    \op  x29, x30, [x9, #CTX(ARCH_CONTEXT_X + 80)]
    \op  x10, x11, [x9, #CTX(ARCH_CONTEXT_SP)]
    \op  d8, d9, [x9, #CTX(ARCH_CONTEXT_D)]
    \op  d10, d11, [x9, #CTX(ARCH_CONTEXT_D + 16)]
    \op  d12, d13, [x9, #CTX(ARCH_CONTEXT_D + 32)]
    \op  d14, d15, [x9, #CTX(ARCH_CONTEXT_D + 48)]
.endm

/* The caller's context, as it will be when this function has returned. x9 … x12, x16 are lost. */
.macro save
    self x16
    ldr  x9, [x16, #HOST_TP]
    mov  x10, sp
    mrs  x11, fpcr
    each_saved stp
    take_error x9
.endm

/* The errno of the thread x16, unless it is zero, becomes that of the context \tp. */
.macro take_error tp
    ldr  x11, [x16, #HOST_ERROR_AT]
    ldr  w12, [x11]
    cbz  w12, 7f
    stur w12, [\tp, #CTX(ARCH_CONTEXT_ERROR)]
    str  wzr, [x11]
7:
.endm

/* To the scheduler's stack of the hart in x1; all walks end there. x9, x10, x16 are lost. */
.macro to_sched_stack
    self x16
    ldp  x9, x10, [x1, #ARCH_HART_SCHED_SP]
    mov  sp, x9
    str  x10, [x16, #HOST_TP]
    mov  x29, #0
    mov  x30, #0
.endm

/* Tells the sanitizers: \how(the scheduler's thread pointer). Keeps the arguments. */
.macro tell_sched how
#ifdef HOST_FIBERS
    stp  x0, x1, [sp, #-48]!
    stp  x2, x3, [sp, #16]
    stp  x4, x30, [sp, #32]
    ldr  x0, [x1, #ARCH_HART_SCHED_TP]
    bl   \how
    ldp  x4, x30, [sp, #32]
    ldp  x2, x3, [sp, #16]
    ldp  x0, x1, [sp], #48
#endif
.endm

    .section .text.arch_switch, "ax", @progbits
/* First instructions of a new context: x19 is the function, x20 its argument. A traceback of one that
 * has not begun takes the entry for the place behind a call; by the nop it finds the name. */
FUNC(goroutine_start)
    .cfi_undefined x30
    nop
    .globl host_context_entry
host_context_entry:
    mov  x0, x20
    blr  x19
    bl   arch_context_done
END(goroutine_start)

FUNC(arch_switch_begin)
END(arch_switch_begin)

/*
 * x0 next's tp   x1 hart   x2 ring   w3 h   w4 new tail
 */
FUNC(arch_yield)
    save
    tell_sched host_fiber_switch
    to_sched_stack
    b    host_yield
END(arch_yield)

/*
 * x0 arg   x1 hart   x2 fn
 */
FUNC(arch_park)
    save
    tell_sched host_fiber_switch
    to_sched_stack
    br   x2
END(arch_park)

FUNC(arch_leave)
    tell_sched host_fiber_end
    to_sched_stack
    br   x2
END(arch_leave)

/*
 * Out of a signal handler, with the signal blocked and interrupts masked; host_trap_left opens both.
 */
FUNC(host_trap_leave)
    tell_sched host_fiber_switch
    to_sched_stack
    b    host_trap_left
END(host_trap_leave)

/*
 * x0 tp. FPCR is written only if it changes, which it seldom does and which is slow.
 */
FUNC(arch_resume)
#ifdef HOST_FIBERS
    stp  x0, x30, [sp, #-16]!
    bl   host_fiber_switch
    ldp  x0, x30, [sp], #16
#endif
    self x16
    str  x0, [x16, #HOST_TP]
    ldr  x10, [x16, #HOST_ERROR_AT]
    str  wzr, [x10]
    mov  x9, x0
    each_saved ldp
    mrs  x12, fpcr
    cmp  x12, x11
    b.eq 1f
    msr  fpcr, x11
1:  mov  sp, x10
    ret
END(arch_resume)

/*
 * Resumption of a preempted goroutine: sp is its struct arch_frame. Nothing but Linux can give all
 * registers back at once, program counter and flags too: it takes the frame that it made for the
 * signal, wherever that lies and whichever thread asks.
 */
FUNC(host_frame_resume)
    ldr  x9, [sp, #ARCH_FRAME_SIGNAL]
    mov  sp, x9
    mov  x8, #139               /* rt_sigreturn(2) */
    svc  #0
END(host_frame_resume)

/* ---- the thread's own words: who is stopped here is not moved to another thread ---- */

FUNC(host_irq_close)
    self x1
    ldrb w0, [x1, #HOST_MASKED]
    mov  w2, #1
    strb w2, [x1, #HOST_MASKED]
    ret
END(host_irq_close)

/* The handler looks at the one and writes the other: it is this thread's, so the program's order is
 * enough. */
FUNC(host_irq_open)
    self x1
    strb wzr, [x1, #HOST_MASKED]
    ldr  w0, [x1, #HOST_PENDING]
    cmp  w0, #0
    cset w0, ne
    ret
END(host_irq_open)

FUNC(host_errno)
    self x16
    ldr  x9, [x16, #HOST_TP]
    take_error x9
    add  x0, x9, #CTX(ARCH_CONTEXT_ERROR)
    ret
END(host_errno)

/* The thread pointer in xN, and no other register changed: thread-locals puts calls of them in the
 * middle of things. */
.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29
FUNC(host_tp_x\n)
    self x\n
    ldr  x\n, [x\n, #HOST_TP]
    ret
END(host_tp_x\n)
.endr

FUNC(arch_switch_end)
END(arch_switch_end)

    .section .note.GNU-stack, "", @progbits
