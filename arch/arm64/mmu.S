/*
 * mmu.S: the MMU and the caches on, before the first C line and the first atomic (trap 30).
 *
 *   uint64_t arm64_boot_map(const void *tree);   builds the boot table; returns a TTBR0_EL1 value
 *   void arm64_mmu_on(uint64_t ttbr0);           at EL1, from off
 *
 * Addresses have 39 bits, so the table walk starts at 512 entries of 1 GiB. The boot table is one
 * such page: the GiB of the image and those of the tree are memory, everything else is device and
 * never executable, which is enough for the console, whichever it is. It lives until vm_init has
 * built the real tables; only the boot hart uses it.
 *
 * Its entries are "not global" and it runs under address space 1; the final tables are global and
 * run under 0. So when arch_mmu_enable changes TTBR0_EL1, which names table and address space in
 * one write, no translation of the old table can match any longer, and the two tables' different
 * block sizes for one address never meet in a TLB. That spares the break-before-make sequence
 * (D8.14), which for the page we execute from would mean turning the MMU off again.
 */
#include "arch/arm64/asm.h"

#define BOOT_ASID (1 << 48)
#define BOOT_DEVICE                                                                                \
    (PTE_VALID | PTE_ACCESSED | PTE_NOT_GLOBAL | PTE_PXN | PTE_UXN |                               \
     MAIR_DEVICE << PTE_ATTR_SHIFT)
#define BOOT_NORMAL                                                                                \
    (PTE_VALID | PTE_ACCESSED | PTE_NOT_GLOBAL | PTE_UXN | PTE_INNER |                             \
     MAIR_NORMAL << PTE_ATTR_SHIFT)
#define BOOT_TREE_MAX 0x200000 /* no tree is longer: the boot protocol's limit */

/*
 * TCR_EL1: T0SZ = 25, 4 KiB granule, walks cached like the data they are (write-back, inner
 * shareable); EPD1: nothing through TTBR1, but its fields hold legal values.
 */
#define TCR_VALUE                                                                                  \
    (25 | 1 << 8 | 1 << 10 | 3 << 12 | 25 << 16 | 1 << 23 | 1 << 24 | 1 << 26 | 3 << 28 | 2 << 30)
#define TCR_IPS_SHIFT 32
#define IPS_48_BITS 5

/*
 * SCTLR_EL1: RES1 bits, M (MMU), C and I (caches), SA (a misaligned sp faults). Not A: newlib's
 * string functions make misaligned accesses, which memory takes and devices do not.
 */
#define SCTLR_ON (0x30d00800 | 1 << 12 | 1 << 3 | 1 << 2 | 1)

/* Makes the GiBs from that of \from to that of \to memory. Both are lost. x1 table, x3 flags. */
.macro map_normal from, to
    lsr  \from, \from, #30
    lsr  \to, \to, #30
1:  orr  x2, x3, \from, lsl #30
    str  x2, [x1, \from, lsl #3]
    add  \from, \from, #1
    cmp  \from, \to
    b.ls 1b
.endm

FUNC(arm64_boot_map)
    address x1, boot_table
    ldr  x3, =BOOT_DEVICE
    mov  x4, #0
1:  orr  x2, x3, x4, lsl #30
    str  x2, [x1, x4, lsl #3]
    add  x4, x4, #1
    cmp  x4, #512
    b.lo 1b
    ldr  x3, =BOOT_NORMAL
    address x4, _start
    address x5, __image_end
    sub  x5, x5, #1
    map_normal x4, x5
    lsr  x4, x0, #38                    /* none, or nowhere near: leave it to the parser */
    cbnz x4, 2f
    cbz  x0, 2f
    add  x5, x0, #BOOT_TREE_MAX
    map_normal x0, x5
2:  ldr  x2, =BOOT_ASID
    orr  x0, x1, x2
    ret
END(arm64_boot_map)

FUNC(arm64_mmu_on)
    mov  x1, #MAIR_VALUE
    msr  mair_el1, x1
    ldr  x1, =TCR_VALUE
    mrs  x2, id_aa64mmfr0_el1           /* PARange, in the encoding that TCR.IPS wants */
    and  x2, x2, #0xf
    mov  x3, #IPS_48_BITS
    cmp  x2, x3                         /* more would need 52-bit table entries */
    csel x2, x2, x3, lo
    bfi  x1, x2, #TCR_IPS_SHIFT, #3
    msr  tcr_el1, x1
    msr  ttbr0_el1, x0
    msr  ttbr1_el1, xzr
    isb
    /* What firmware left in TLB and instruction cache of this core is not ours. */
    tlbi vmalle1
    ic   iallu
    dsb  nsh
    isb
    ldr  x1, =SCTLR_ON
    msr  sctlr_el1, x1
    isb
    ret
    .ltorg
END(arm64_mmu_on)

    .bss
    .balign 4096
boot_table:
    .space 4096
