/*
 * Numbers of the host port that hang on aarch64, see arch/host/offsets.h.
 */
#pragma once

/* struct arch_context: x19 … x30; sp and FPCR side by side; d8 … d15. */
#define ARCH_CONTEXT_SIZE  208
#define ARCH_CONTEXT_X     0
#define ARCH_CONTEXT_SP    96
#define ARCH_CONTEXT_D     112
#define ARCH_CONTEXT_ERROR 176

/* struct arch_frame. */
#define ARCH_FRAME_SIGNAL 280

/*
 * The most that a preempted context takes on its stack: struct arch_frame and of Linux's frame what is
 * in use: 1.2 KiB, and with SVE as much again for vectors of 256 bits, 2.2 KiB for 512. host_lacks
 * refuses a processor with longer ones.
 */
#define ARCH_FRAME_ROOM 4096
#define HOST_SVE_MAX    64 /* bytes of a vector */

/* Where the thread-local block starts, from the thread pointer: behind two words. */
#define ARCH_TLS_OFFSET 16
