/*
 * Offsets that every port's assembly uses: of struct arch_hart, and of what lies below a
 * goroutine's thread pointer (arch/arch.h draws it). Asserted there and in sched/gmp.h.
 */
#pragma once

#define ARCH_HART_TRAP_SP  0
#define ARCH_HART_SCHED_SP 8
#define ARCH_HART_SCHED_TP 16
#define ARCH_HART_HWID     24
#define ARCH_HART_ROOT     32
#define ARCH_HART_PORT     40
#define ARCH_HART_NEXT     56

/* Counted down from tp - ARCH_CONTEXT_SIZE. */
#define ARCH_G_HART  8
#define ARCH_G_WORD  16 /* status; preempt_off is the byte after it */
#define ARCH_G_FLAGS 12 /* arch_flags */

/* status G_RUNNING with preempt_off 0, as a little-endian half-word. */
#define ARCH_G_RUNNING 0x0002

#define ARCH_RING_HEAD 0
#define ARCH_RING_TAIL 4
