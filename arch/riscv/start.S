/*
 * start.S: the first instructions of each hart, in supervisor mode, paging off, interrupts masked.
 *
 * Firmware (any SBI with HSM) brings one hart here, any one (trap 25), with a0 its id and a1 the
 * device tree. That hart alone clears bss (trap 27); there is no lottery to lose. The others come
 * through riscv_start_later when hart_start names them, a1 being their struct arch_hart.
 *
 * The image begins with the header that U-Boot's booti and other loaders of Linux look for; its
 * first instruction jumps over it, so that firmware may also jump to the load address itself.
 */
#include "arch/riscv/asm.h"

    .section .text.start, "ax", @progbits
    .globl _start
_start:
    j    first
    .balign 8
    .dword 0x200000             /* text_offset from the start of RAM */
    .dword __image_size
    .dword 0                    /* flags: little-endian */
    .word  2                    /* header version 0.2 */
    .word  0
    .dword 0
    .ascii "RISCV\0\0\0"
    .ascii "RSC\x05"
    .word  0

FUNC(first)
    .cfi_undefined ra
    csrw sie, zero
    csrci sstatus, SSTATUS_SIE
    .option push
    .option norelax
    la   gp, __global_pointer$
    .option pop
    la   t0, __bss_start
    la   t1, __bss_end
1:  bgeu t0, t1, 2f
    sd   zero, 0(t0)
    addi t0, t0, 8
    j    1b
2:  la   sp, riscv_boot_stack_top
    li   s0, 0
    la   tp, riscv_boot_tp
    li   ra, 0
    tail boot_first
END(first)

FUNC(riscv_start_later)
    .cfi_undefined ra
    csrw sie, zero
    csrci sstatus, SSTATUS_SIE
    .option push
    .option norelax
    la   gp, __global_pointer$
    .option pop
    /* The table maps this code where it is, so the next fetch is the same before and after. */
    ld   t0, ARCH_HART_ROOT(a1)
    srli t0, t0, 12
    li   t1, PTE_ROOT_SV39
    or   t0, t0, t1
    sfence.vma
    csrw satp, t0
    sfence.vma
    ld   sp, ARCH_HART_SCHED_SP(a1)
    ld   tp, ARCH_HART_SCHED_TP(a1)
    li   s0, 0
    li   ra, 0
    mv   a0, a1
    tail boot_later
END(riscv_start_later)

    .bss
    .balign 16
    .space 16384
riscv_boot_stack_top:
    /* What a thread pointer has below it, all zero: for the little that boot does before the first
     * hart has its scheduler's. */
    .space 1024
riscv_boot_tp:
