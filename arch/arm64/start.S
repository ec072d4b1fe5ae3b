/*
 * start.S: the first instructions of each hart.
 *
 * Three ways lead in. All begin with the MMU and the caches off, at exception level 1, 2 or 3.
 *
 *   _start            the boot hart, x0 = device tree. With firmware it comes alone. Entered at
 *                     EL3 there is no firmware, and all harts come out of reset together: the one
 *                     whose affinity is 0 boots, the others go to the pen. That choice needs no
 *                     memory, which is as well: with the MMU off there are no exclusives (trap 30),
 *                     and a flag in memory could be left over from the last start (trap 27).
 *   arm64_start_later a hart that PSCI starts, x0 = its struct arch_hart.
 *   arm64_pen_entry   a hart that nobody can hand an argument: from reset, or by a spin table.
 *                     It waits until arch_hart_start writes its id and its struct arch_hart in the
 *                     pen's list.
 *
 * Caches. The protocol (Linux, arm64/booting.rst) wants the image cleaned to memory; of our bss it
 * says nothing, and lines of it, stale or dirty, may still be in a cache. A dirty line could be
 * written back over what we store past the cache, a stale one could hide it once the cache is on.
 * So the image's whole range is cleaned and invalidated before the first store, and invalidated
 * again after the last: in between a line can only have come in by speculation, hence clean.
 *
 * The image is linked for one address but says "anywhere" in its header, since loaders differ in
 * what they do otherwise; where it runs elsewhere it copies itself to its place. A copy further
 * away than the image is long is all that loaders bring about (they align to 2 MiB).
 */
#include "arch/arm64/asm.h"

#define FDT_MAGIC_LE 0xedfe0dd0
#define MPIDR_AFFINITY 0xff00ffffff
/* CNTKCTL_EL1: an event each 512 ticks of the counter, see arch_relax. EVNTEN, EVNTI = 8. */
#define CNTKCTL_EVENTS 0x84
#define CPACR_FP 0x300000

/* Applies dc \op to each line of [\from, \to); from is lost. */
.macro cache_range op, from, to, size, mask
    mrs  \mask, ctr_el0
    ubfx \mask, \mask, #16, #4          /* DminLine: log2 of the words in the smallest line */
    mov  \size, #4
    lsl  \size, \size, \mask
    sub  \mask, \size, #1
    bic  \from, \from, \mask
1:  dc   \op, \from
    add  \from, \from, \size
    cmp  \from, \to
    b.lo 1b
    dsb  sy
.endm

    .section .text.start, "ax", %progbits
    .globl _start
_start:
    b    first
    .word 0
    .quad 0x200000              /* text_offset from a 2 MiB boundary */
    .quad __image_size
    .quad 0xa                   /* flags: little-endian, 4 KiB pages, anywhere in memory */
    .quad 0, 0, 0
    .ascii "ARM\x64"
    .word 0

/*
 * x19 place to run at   x20 tree   x21 level we came from
 */
FUNC(first)
    .cfi_undefined x30
    mov  x20, x0
    mrs  x1, CurrentEL
    cmp  x1, #(3 << 2)
    b.ne 1f
    mrs  x1, mpidr_el1
    ldr  x2, =MPIDR_AFFINITY
    tst  x1, x2
    b.ne arm64_pen_entry
1:  bl   arm64_to_el1
    mov  x21, x0

    ldr  x19, =_start
    ldr  x2, =__image_end
    mov  x1, x19
    cache_range civac, x1, x2, x3, x4
    adr  x1, _start
    cmp  x1, x19
    b.eq 3f
    mov  x2, x19
    ldr  x3, =__bss_start
2:  ldp  x4, x5, [x1], #16
    stp  x4, x5, [x2], #16
    cmp  x2, x3
    b.lo 2b
    dsb  sy
    ic   iallu
    dsb  sy
    isb
3:  ldr  x1, =in_place
    br   x1

in_place:
    address x1, __bss_start
    address x2, __bss_end
1:  stp  xzr, xzr, [x1], #16            /* the linker script aligns both */
    cmp  x1, x2
    b.lo 1b
    address x1, arm64_level
    str  w21, [x1]

    /*
     * QEMU gives an ELF file no x0 but puts the tree at the start of RAM, which we take to be the
     * GiB we lie in. If no magic shows, whatever came in x0 goes on to the parser's complaint.
     */
    ldr  w2, =FDT_MAGIC_LE
    cbz  x20, 2f
    tst  x20, #7
    b.ne 2f
    ldr  w1, [x20]
    cmp  w1, w2
    b.eq 3f
2:  and  x3, x19, #~((1 << 30) - 1)
    ldr  w1, [x3]
    cmp  w1, w2
    csel x20, x3, x20, eq

3:  mov  x0, x20
    bl   arm64_boot_map
    mov  x22, x0
    ldr  x2, =__image_end
    mov  x1, x19
    cache_range ivac, x1, x2, x3, x4
    bl   hart_setup
    mov  x0, x22
    bl   arm64_mmu_on

    address x19, arm64_boot_hart
    bl   hart_stacks
    mrs  x0, mpidr_el1
    ldr  x2, =MPIDR_AFFINITY
    and  x0, x0, x2
    mov  x1, x20
    b    boot_first
END(first)

/*
 * x19 struct arch_hart. It is read with the MMU off, from memory: arch_hart_start cleaned it.
 * Nothing is stored before the MMU is on, so no cache of another hart has to know of it.
 */
FUNC(arm64_start_later)
    .cfi_undefined x30
    mov  x19, x0
    bl   arm64_to_el1
    bl   hart_setup
    ldr  x0, [x19, #ARCH_HART_ROOT]
    bl   arm64_mmu_on
    bl   hart_stacks
    mov  x0, x19
    b    boot_later
END(arm64_start_later)

/*
 * The list only grows: entry i is {id, struct arch_hart *}, the pointer is stored last, and the
 * first entry without one is the end so far. The dmb pairs with the store order in psci.c: an id
 * read after its pointer is the id that belongs to it.
 */
FUNC(arm64_pen_entry)
    .cfi_undefined x30
    msr  daifset, #0xf
    mrs  x1, mpidr_el1
    ldr  x2, =MPIDR_AFFINITY
    and  x1, x1, x2
    b    2f
1:  wfe                                 /* arch_hart_start sends an event */
2:  address x3, arm64_pen
    add  x4, x3, #16 * ARM64_PEN_SIZE
3:  ldr  x0, [x3, #8]
    cbz  x0, 1b
    dmb  sy
    ldr  x2, [x3], #16
    cmp  x2, x1
    b.eq arm64_start_later
    cmp  x3, x4
    b.lo 3b
    b    1b
END(arm64_pen_entry)

/* What each hart needs before C: vectors, floating point, events for arch_relax. EL1, MMU off. */
FUNC(hart_setup)
    address x1, arm64_vectors
    msr  vbar_el1, x1
    mov  x1, #CPACR_FP
    msr  cpacr_el1, x1
    mov  x1, #CNTKCTL_EVENTS
    msr  cntkctl_el1, x1
    msr  cntv_ctl_el0, xzr
    msr  tpidrro_el0, xzr
    isb
    msr  fpcr, xzr
    ret
END(hart_setup)

/*
 * Stacks, thread pointer and TPIDR_EL1 as struct arch_hart x19 says. The boot hart too runs in
 * EL1t from the start, so that even its earliest trap finds a trap stack of its own.
 */
FUNC(hart_stacks)
    msr  tpidr_el1, x19
    ldr  x1, [x19, #ARCH_HART_TRAP_SP]
    ldr  x2, [x19, #ARCH_HART_SCHED_SP]
    ldr  x3, [x19, #ARCH_HART_SCHED_TP]
    msr  spsel, #1
    mov  sp, x1
    msr  spsel, #0
    mov  sp, x2
    msr  tpidr_el0, x3
    mov  x1, x30
    mov  x29, #0                        /* chains of frames end here */
    mov  x30, #0
    ret  x1
END(hart_stacks)
    .ltorg

    /* In .data: the pen is read before bss is cleared, and must not change when it is. */
    .data
    .balign 64
    .globl arm64_pen
arm64_pen:
    .fill 2 * ARM64_PEN_SIZE, 8, 0

    .globl arm64_boot_hart
arm64_boot_hart:
    .quad boot_trap_stack_top, boot_stack_top, boot_tp, 0, 0, 0

    .bss
    .balign 16
    .space ARM64_BOOT_STACK
boot_stack_top:
    .space ARM64_BOOT_TRAP_STACK
boot_trap_stack_top:
    /* The scratch goroutine of boot: code that counts in it or asks its status finds zeros. */
    .space ARM64_BOOT_TP_BELOW
boot_tp:
    .space ARM64_BOOT_TP_ABOVE
    .globl arm64_level
arm64_level:
    .space 4
