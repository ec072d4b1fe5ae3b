/*
 * start.S: the first instructions, where the dynamic linker jumps to, and the way back out of signal
 * handlers.
 *
 * As the C library's own start-up file, but for two things. The first C function is host_main, for
 * main is goroutine 1's. And the constructors of the program are left to goroutine 1 too: they may
 * use all of <pinion.h>. The library runs them itself unless it is given an init function, so it is
 * given one that does nothing.
 */
#include "arch/host/asm.h"

    .text
FUNC(_start)
    .cfi_undefined rip
    xorl %ebp, %ebp
    movq %rdx, %r9              /* what the dynamic linker wants to be called at the end */
    popq %rsi                   /* argc */
    movq %rsp, %rdx             /* argv */
    andq $-16, %rsp
    pushq %rax                  /* keeps the alignment */
    pushq %rsp
    xorl %r8d, %r8d
    leaq no_init(%rip), %rcx
    leaq host_main(%rip), %rdi
    call *__libc_start_main@GOTPCREL(%rip)
    hlt
END(_start)

FUNC(no_init)
    ret
END(no_init)

/* Where a signal handler returns to: rt_sigreturn(2). */
FUNC(host_restorer)
    .cfi_undefined rip
    movl $15, %eax
    syscall
END(host_restorer)

    /* What atexit tells the library about whose function it is: the program's. */
    .data
    .balign 8
    .globl __dso_handle
    .hidden __dso_handle
__dso_handle:
    .quad 0

    .section .note.GNU-stack, "", @progbits
