/*
 * Numbers that both C and assembly of the AArch64 port need. port.h asserts each offset against
 * its struct; arch/arch.h has those of struct arch_hart and of a goroutine.
 */
#pragma once
#include "arch/offsets.h"

/* struct arch_context: x19 … x30, sp. */
#define ARCH_CONTEXT_SIZE 112
#define ARCH_CONTEXT_X    0
#define ARCH_CONTEXT_SP   96

/* What the switch puts on a goroutine's stack: d8 … d15; above them, if its FPCR is not 0, the real
 * x30 and FPCR. */
#define ARM64_D_SIZE    64
#define ARM64_FPCR_SIZE 16

/* struct arch_frame. */
#define ARCH_FRAME_SIZE   832
#define ARCH_FRAME_X      0 /* x0 … x30 */
#define ARCH_FRAME_SP     248
#define ARCH_FRAME_PC     256
#define ARCH_FRAME_PSTATE 264
#define ARCH_FRAME_TP     272
#define ARCH_FRAME_ESR    280
#define ARCH_FRAME_FAR    288
#define ARCH_FRAME_FPCR   296 /* and FPSR */
#define ARCH_FRAME_Q      320 /* q0 … q31 */

/* Below the stack pointer of a preempted goroutine: its frame, on a multiple of 16. */
#define ARCH_FRAME_ROOM (ARCH_FRAME_SIZE + 16)

/* Stacks of the boot hart until the kernel has made it a struct arch_hart. */
#define ARM64_BOOT_STACK      16384
#define ARM64_BOOT_TRAP_STACK 4096
/* Room below and above the thread pointer that boot code runs with. */
#define ARM64_BOOT_TP_BELOW 1024
#define ARM64_BOOT_TP_ABOVE 1024
/* Stack of last resort, for the trap within the handler of a nested trap. */
#define ARM64_LAST_STACK 4096

/* Addresses are 39 bits, all from TTBR0. The lower half is identity, windows are above. */
#define ARCH_VM_HIGH 0x4000000000

/* Entries of arm64_pen: harts that wait in start.S for their struct arch_hart. */
#define ARM64_PEN_SIZE 64

/* Memory types: bytes of MAIR_EL1, named by bits 4:2 of a page table entry. */
#define MAIR_NORMAL 0
#define MAIR_DEVICE 1
#define MAIR_VALUE  0x00ff /* 1: Device-nGnRnE; 0: Normal, write-back, allocating */

#define PTE_VALID      0x1
#define PTE_TABLE      0x2 /* level 2 and 1: a table, not a block; level 0: always set */
#define PTE_ATTR_SHIFT 2
#define PTE_READ_ONLY  0x80
#define PTE_INNER      0x300 /* inner shareable: every core of the system */
#define PTE_ACCESSED   0x400
#define PTE_NOT_GLOBAL 0x800
#define PTE_PXN        0x0020000000000000
#define PTE_UXN        0x0040000000000000

/* Where the thread-local block starts, from the thread pointer: behind two reserved words. */
#define ARCH_TLS_OFFSET 16

/* Which bindings the device tree speaks. */
#define ARCH_IS_RISCV 0
