/*
 * Numbers that both C and assembly of the RISC-V port need. port.h asserts each offset against
 * its struct; arch/arch.h has those of struct arch_hart and of a goroutine.
 */
#pragma once
#include "arch/offsets.h"

#define ARCH_CONTEXT_SIZE 112
#define ARCH_CONTEXT_RA   0
#define ARCH_CONTEXT_SP   8
#define ARCH_CONTEXT_S    16
#define ARCH_FRAME_SIZE   288
#define ARCH_FRAME_STATUS 256
#define ARCH_FRAME_CAUSE  264
#define ARCH_FRAME_TVAL   272
/* What the switch puts on a floating-point goroutine's stack: fs0 … fs11, fcsr, the real ra. */
#define ARCH_FP_SIZE 112
#define ARCH_FP_FCSR 96
#define ARCH_FP_RA   104

/* Behind the frame of a preempted floating-point goroutine: f0 … f31, fcsr. */
#define ARCH_FRAME_FP_SIZE 272
#define ARCH_FRAME_ROOM    (ARCH_FRAME_SIZE + ARCH_FRAME_FP_SIZE + 16)

/* arch_flags of a goroutine. */
#define ARCH_FLAG_FP 1 /* has executed a floating-point instruction */

#define ARCH_VM_HIGH 0xffffffc000000000

#define SSTATUS_SIE        0x2
#define SSTATUS_SPIE       0x20
#define SSTATUS_SPP        0x100
#define SSTATUS_FS         0x6000
#define SSTATUS_FS_INITIAL 0x2000
#define SIE_SSIE           0x2
#define SIE_STIE           0x20
#define SIE_SEIE           0x200
#define CSR_STIMECMP       0x14d

/* scause, table 4.2. */
#define CAUSE_MISALIGNED_FETCH 0
#define CAUSE_FETCH_ACCESS     1
#define CAUSE_ILLEGAL          2
#define CAUSE_BREAKPOINT       3
#define CAUSE_MISALIGNED_LOAD  4
#define CAUSE_LOAD_ACCESS      5
#define CAUSE_MISALIGNED_STORE 6
#define CAUSE_STORE_ACCESS     7
#define CAUSE_FETCH_PAGE       12
#define CAUSE_LOAD_PAGE        13
#define CAUSE_STORE_PAGE       15
#define SCAUSE_INTERRUPT       (1ul << 63)
#define PTE_ROOT_SV39          (8ul << 60)

/* Where the thread-local block starts, from the thread pointer. */
#define ARCH_TLS_OFFSET 0

/* Which bindings the device tree speaks. */
#define ARCH_IS_RISCV 1
