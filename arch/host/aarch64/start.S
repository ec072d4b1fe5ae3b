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
    .cfi_undefined x30
    mov  x29, #0
    mov  x30, #0
    mov  x5, x0                 /* what the dynamic linker wants to be called at the end */
    ldr  x1, [sp]               /* argc */
    add  x2, sp, #8             /* argv */
    mov  x6, sp
    mov  x4, #0
    adrp x3, no_init
    add  x3, x3, #:lo12:no_init
    adrp x0, host_main
    add  x0, x0, #:lo12:host_main
    bl   __libc_start_main
    brk  #0
END(_start)

FUNC(no_init)
    ret
END(no_init)

/* Where a signal handler returns to: rt_sigreturn(2). */
FUNC(host_restorer)
    .cfi_undefined x30
    mov  x8, #139
    svc  #0
END(host_restorer)

    /* What atexit tells the library about whose function it is: the program's. */
    .data
    .balign 8
    .globl __dso_handle
    .hidden __dso_handle
__dso_handle:
    .quad 0

    .section .note.GNU-stack, "", @progbits
