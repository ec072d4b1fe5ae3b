/*
 * Numbers of the host port that hang on x86-64, see arch/host/offsets.h.
 */
#pragma once

/* struct arch_context */
#define ARCH_CONTEXT_SIZE  96
#define ARCH_CONTEXT_RIP   0
#define ARCH_CONTEXT_RSP   8
#define ARCH_CONTEXT_RBX   16
#define ARCH_CONTEXT_RBP   24
#define ARCH_CONTEXT_R12   32
#define ARCH_CONTEXT_R13   40
#define ARCH_CONTEXT_R14   48
#define ARCH_CONTEXT_R15   56
#define ARCH_CONTEXT_MXCSR 64
#define ARCH_CONTEXT_FPCW  68
#define ARCH_CONTEXT_ERROR 72

/* struct arch_frame: the sixteen registers in the order of port.h, then these. */
#define ARCH_FRAME_RIP   120
#define ARCH_FRAME_FLAGS 128
#define ARCH_FRAME_RSP   136 /* directly behind the flags: popfq, then pop %rsp */
#define ARCH_FRAME_FP    144
#define ARCH_FRAME_MASK  152

/*
 * What lies at a context's gs base, behind the goroutine's thread-local block (port.h draws
 * it).
 */
#define HOST_TAIL_TP     8
#define HOST_TAIL_RESUME 16
#define HOST_TAIL_SIZE   32

/*
 * The most that a preempted context takes on its stack: red zone, struct arch_frame and the
 * processor's extended state, which is 0.8 KiB with AVX, 2.7 KiB with AVX-512, 11 KiB with AMX.
 * host_lacks refuses a processor with more.
 */
#define ARCH_FRAME_ROOM 4096

/* The thread-local block starts at the thread pointer. */
#define ARCH_TLS_OFFSET 0
