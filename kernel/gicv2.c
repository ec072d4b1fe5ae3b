/*
 * gicv2: Arm's Generic Interrupt Controller, version 2 (IHI 0048B; GIC-400).
 *
 * Two blocks of registers: the distributor, shared, with a private view of lines 0 … 31 for each
 * core, and the cpu interface, where a core takes interrupts. It serves eight cores.
 *
 * A core's number at the distributor is neither its logical number nor its MPIDR. The one sure
 * way to learn it is to ask from the core itself: GICD_ITARGETSR0 reads as the mask of the reader
 * (4.3.12). So each core fills in its own door.
 *
 * Groups are left as they are. With security extensions the firmware has put all lines in group 1,
 * and bit 0 of both control registers, in our view, is group 1's enable. Without, as in QEMU's
 * default machine, there is one view, all lines are in group 0, and bit 0 is its enable.
 */
#include "arch/arch.h"
#include "kernel/irq_arm64.h"
#include "kernel/mmio.h"
#include "kernel/vm.h"

#define GICD_ITARGETSR 0x800 /* one byte a line: mask of cores */
#define GICD_SGIR      0xf00
#define GICC_CTLR      0x00
#define GICC_PMR       0x04
#define GICC_BPR       0x08
#define GICC_IAR       0x0c
#define GICC_EOIR      0x10

#define CTLR_ENABLE       1
#define IAR_ID            0x3ff /* the bits above name the sender of an SGI */
#define SGIR_TARGET_SHIFT 16
#define DIST_BYTES        0x1000
#define CPU_BYTES         0x1000

/* Written at boot, then only read; mask[h] by its core. */
static uintptr_t dist, cpu;
static uint32_t timer_irq;
static unsigned n_lines, n_harts;
static uint8_t mask[MACHINE_MAX_HARTS]; /* 0: that core has not been here */

static void init(const struct machine *m)
{
    dist = (uintptr_t)vm_map_device(m->irqchip.dist.base, DIST_BYTES);
    cpu = (uintptr_t)vm_map_device(m->irqchip.cpu.base, CPU_BYTES);
    timer_irq = m->timer_irq;
    n_harts = m->n_harts;

    mmio_write32(dist + GICD_CTLR, 0);
    n_lines = gic_init_spis(dist);
    mmio_write32(dist + GICD_CTLR, CTLR_ENABLE);
}

static uint8_t own_mask(void)
{
    uint32_t v = mmio_read32(dist + GICD_ITARGETSR);
    v |= v >> 16;
    v |= v >> 8;
    return v & 0xff ? (uint8_t)v : 1; /* reads as zero where there is one core only */
}

static void init_hart(unsigned hart)
{
    mask[hart] = own_mask();
    gic_init_private(dist, timer_irq);
    irq_doors[hart] = (struct irq_door){
        .reg = (volatile uint32_t *)(dist + GICD_SGIR),
        .word = (uint64_t)mask[hart] << SGIR_TARGET_SHIFT | GIC_IPI,
    };
    mmio_write32(cpu + GICC_PMR, GIC_PRIORITY_MASK);
    mmio_write32(cpu + GICC_BPR, 0); /* every priority bit that is there counts as urgency */
    mmio_write32(cpu + GICC_CTLR, CTLR_ENABLE);
}

/* EOI takes back the whole of what IAR gave, sender and all (4.4.5). */
static void end(uint32_t iar)
{
    mmio_write32(cpu + GICC_EOIR, iar);
}

static __attribute__((noinline)) enum irq_event take_device(uint32_t iar)
{
    irq_line(iar & IAR_ID);
    __asm__ volatile("dsb sy" ::: "memory"); /* the handler's accesses to its device come first */
    end(iar);
    return IRQ_DEVICE;
}

static enum irq_event take(unsigned hart)
{
    (void)hart;
    uint32_t iar = mmio_read32(cpu + GICC_IAR);
    /* What the interrupt tells of is read after the acknowledgement (traps 1 and 2). */
    __asm__ volatile("dsb ld" ::: "memory");
    enum irq_event event = gic_event(iar & IAR_ID, timer_irq);
    if (event == IRQ_DEVICE)
        return take_device(iar);
    if (event != IRQ_NONE)
        end(iar);
    return event;
}

static int enable(uint32_t irq, unsigned hart)
{
    if (irq < GIC_SPI || irq >= n_lines || hart >= n_harts || !mask[hart])
        return -1;
    mmio_write8(dist + GICD_ITARGETSR + irq, mask[hart]);
    gic_line_enable(dist, irq);
    return 0;
}

static void disable(uint32_t irq)
{
    gic_line_disable(dist, irq);
}

const struct irq_chip gicv2_chip = {
    .name = "gicv2",
    .init = init,
    .init_hart = init_hart,
    .take = take,
    .enable = enable,
    .disable = disable,
};
