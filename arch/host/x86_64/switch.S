/*
 * switch.S: from one goroutine to the next.
 *
 *   void arch_yield(uintptr_t next_tp, struct arch_hart *hart, struct arch_ring *ring, uint32_t h,
 *                   uint32_t new_tail);
 *   void arch_park(void *arg, struct arch_hart *hart, void (*fn)(void *, struct arch_hart *));
 *   _Noreturn void arch_leave(void *arg, struct arch_hart *, void (*fn)(void *, struct arch_hart *));
 *   _Noreturn void arch_resume(uintptr_t tp);
 *   _Noreturn void host_trap_leave(void *tp, struct arch_hart *hart, arch_leaver *fn);
 *   int *host_errno(void);
 *
 * All but the last two are plain calls, so what the calling convention preserves is saved: rbx, rbp,
 * rsp, r12 … r15, and of the floating-point units the control words; their registers are the caller's
 * to save. The scheduler's own context is never saved: whoever goes to its stack starts at the top.
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

/* gs names the context whose thread pointer is \tp. Clobbers rax. */
.macro set_gs tp
    leaq host_tls_span(\tp), %rax
    wrgsbase %rax
.endm

.macro each_saved from_or_to
    \from_or_to rbx, ARCH_CONTEXT_RBX
    \from_or_to rbp, ARCH_CONTEXT_RBP
    \from_or_to r12, ARCH_CONTEXT_R12
    \from_or_to r13, ARCH_CONTEXT_R13
    \from_or_to r14, ARCH_CONTEXT_R14
    \from_or_to r15, ARCH_CONTEXT_R15
.endm

.macro save_one reg, at
    movq %\reg, CTX(\at)(%rax)
.endm

.macro load_one reg, at
    movq CTX(\at)(%rdi), %\reg
.endm

/* The caller's context, as it will be when this function has returned. Clobbers rax, r9, r10. */
.macro save
    movq %gs:HOST_TAIL_TP, %rax
    movq (%rsp), %r9
    leaq 8(%rsp), %r10
    movq %r9, CTX(ARCH_CONTEXT_RIP)(%rax)
    movq %r10, CTX(ARCH_CONTEXT_RSP)(%rax)
    each_saved save_one
    stmxcsr CTX(ARCH_CONTEXT_MXCSR)(%rax)
    fnstcw CTX(ARCH_CONTEXT_FPCW)(%rax)
    take_error %rax
.endm

/* The thread's errno, unless it is zero, becomes that of the context \tp. Clobbers r9, r10. */
.macro take_error tp
    movq %fs:host_self@tpoff+HOST_ERROR_AT, %r9
    movl (%r9), %r10d
    testl %r10d, %r10d
    jz   7f
    movl %r10d, CTX(ARCH_CONTEXT_ERROR)(\tp)
    movl $0, (%r9)
7:
.endm

/* To the scheduler's stack of the hart in rsi; a return address that ends all walks. Clobbers rax. */
.macro to_sched_stack
    movq ARCH_HART_SCHED_SP(%rsi), %rsp
    movq ARCH_HART_SCHED_TP(%rsi), %rax
    set_gs %rax
    xorl %ebp, %ebp
    pushq $0
.endm

/* Tells the sanitizers: \how(the scheduler's thread pointer). Keeps the arguments. */
.macro tell_sched how
#ifdef HOST_FIBERS
    pushq %rdi
    pushq %rsi
    pushq %rdx
    pushq %rcx
    pushq %r8
    movq ARCH_HART_SCHED_TP(%rsi), %rdi
    call \how
    popq %r8
    popq %rcx
    popq %rdx
    popq %rsi
    popq %rdi
#endif
.endm

    .section .text.arch_switch, "ax", @progbits
/* First instructions of a new context: rbx is the function, r12 its argument. A traceback of one that
 * has not begun takes the entry for the place behind a call; by the nop it finds the name. */
FUNC(goroutine_start)
    .cfi_undefined rip
    nop
    .globl host_context_entry
host_context_entry:
    movq %r12, %rdi
    call *%rbx
    call arch_context_done
END(goroutine_start)

FUNC(arch_switch_begin)
END(arch_switch_begin)

/*
 * rdi next's tp   rsi hart   rdx ring   ecx h   r8d new tail
 */
FUNC(arch_yield)
    save
    tell_sched host_fiber_switch
    to_sched_stack
    jmp  host_yield
END(arch_yield)

/*
 * rdi arg   rsi hart   rdx fn
 */
FUNC(arch_park)
    save
    tell_sched host_fiber_switch
    to_sched_stack
    jmp  *%rdx
END(arch_park)

FUNC(arch_leave)
    tell_sched host_fiber_end
    to_sched_stack
    jmp  *%rdx
END(arch_leave)

/*
 * Out of a signal handler, with the signal blocked and interrupts masked; host_trap_left opens both.
 */
FUNC(host_trap_leave)
    tell_sched host_fiber_switch
    to_sched_stack
    jmp  host_trap_left
END(host_trap_leave)

/*
 * rdi tp
 */
FUNC(arch_resume)
#ifdef HOST_FIBERS
    pushq %rdi
    call host_fiber_switch
    popq %rdi
#endif
    set_gs %rdi
    movq %fs:host_self@tpoff+HOST_ERROR_AT, %rax
    movl $0, (%rax)
    each_saved load_one
    ldmxcsr CTX(ARCH_CONTEXT_MXCSR)(%rdi)
    fldcw CTX(ARCH_CONTEXT_FPCW)(%rdi)
    movq CTX(ARCH_CONTEXT_RSP)(%rdi), %rsp
    jmp  *CTX(ARCH_CONTEXT_RIP)(%rdi)
END(arch_resume)

/*
 * Resumption of a preempted goroutine: rsp is its struct arch_frame. The last things to come back
 * are the flags, the stack pointer and the program counter, and none of them may lie below the stack
 * pointer: that is the red zone of the function that was stopped. So the last jump is through a word
 * beside the gs base, the goroutine's own.
 */
FUNC(host_frame_resume)
    movq ARCH_FRAME_FP(%rsp), %rcx
    movl ARCH_FRAME_MASK(%rsp), %eax
    movl ARCH_FRAME_MASK + 4(%rsp), %edx
    movl %eax, %ebx
    orl  %edx, %ebx
    jz   1f
    xrstor64 (%rcx)
    jmp  2f
1:  fxrstor64 (%rcx)
2:  movq ARCH_FRAME_RIP(%rsp), %rax
    movq %rax, %gs:HOST_TAIL_RESUME
    movq 0(%rsp), %rax
    movq 8(%rsp), %rbx
    movq 16(%rsp), %rcx
    movq 24(%rsp), %rdx
    movq 32(%rsp), %rsi
    movq 40(%rsp), %rdi
    movq 48(%rsp), %rbp
    .irp n, 8, 9, 10, 11, 12, 13, 14, 15
    movq 8 * (\n - 1)(%rsp), %r\n
    .endr
    leaq ARCH_FRAME_FLAGS(%rsp), %rsp
    popfq
    popq %rsp
    jmp  *%gs:HOST_TAIL_RESUME
END(host_frame_resume)

/* In the switch: who is stopped here is not moved to another thread, whose errno r9 is not. */
FUNC(host_errno)
    movq %gs:HOST_TAIL_TP, %rax
    take_error %rax
    leaq CTX(ARCH_CONTEXT_ERROR)(%rax), %rax
    ret
END(host_errno)

FUNC(arch_switch_end)
END(arch_switch_end)

    .section .note.GNU-stack, "", @progbits
