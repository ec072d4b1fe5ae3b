/*
 * start.S: the first instructions of each hart, in supervisor mode, paging off, interrupts masked.
 *
 * Firmware (any SBI with HSM) brings one hart to _start, any one (trap 25), with a0 its id and a1 the
 * device tree. That hart alone clears bss (trap 27). The others wait in firmware until hart_start
 * names them, and should then come to riscv_start_later.
 *
 * Should: OpenSBI 1.1, which comes with QEMU 7.2, calls a hart startable before it has stored where
 * the hart is to go. One that happens to be awake at that moment comes to _start as well (one boot in
 * two hundred on a busy host), with a0 its id and a1 anything. So the first to swap `claimed`, a
 * word outside bss, is the first hart; everyone after it goes where it was meant to go. For the same
 * reason a1 counts for nothing there: a hart finds its struct arch_hart by its id, in the list that
 * arch_hart_start makes.
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
    la   t0, claimed
    li   t1, 1
    amoswap.w.aq t1, t1, (t0)
    bnez t1, riscv_start_later
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
again:
    la   t0, riscv_started
    ld   a1, (t0)
1:  beqz a1, again              /* its store is on its way here: hart_start follows it */
    ld   t0, ARCH_HART_HWID(a1)
    beq  t0, a0, 2f
    ld   a1, ARCH_HART_NEXT(a1)
    j    1b
2:  fence r, rw                 /* pairs with the release in arch_hart_start */
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

    .data
    .balign 4
claimed:
    .word 0

    .bss
    .balign 16
    .space 16384
riscv_boot_stack_top:
    /* What a thread pointer has below it, all zero: for the little that boot does before the first
     * hart has its scheduler's. */
    .space 1024
riscv_boot_tp:
