/*
 * irq_arm64: what GICv2 (IHI 0048B) and GICv3 (IHI 0069) share. The second took over the
 * distributor's registers for groups, enables and priorities, and its redistributors repeat them
 * for a core's private lines.
 *
 * Timer and IPIs arrive as any other interrupt does, with a number that tells. They are ended (EOI)
 * at once: an SGI is gone with its acknowledgement; the timer's line stays up until the
 * timer is re-armed, which trap.c's handler does before interrupts are let through again.
 *
 * Both are more urgent than devices. While a device's handler runs, its interrupt is active, and
 * the GIC keeps back all that is not more urgent; then a wfi in the handler (a wait for a lock is
 * one) would not end when the timer fires: to be masked by the core is one thing, not to be sent to
 * it another. Nothing nests all the same: handlers run with interrupts masked.
 */
#include "arch/arch.h"
#include "kernel/irq_arm64.h"
#include "kernel/mmio.h"

#define TYPER_LINES 0x1f /* lines / 32 - 1 */

unsigned gic_init_spis(uintptr_t dist)
{
    unsigned n = 32 * ((mmio_read32(dist + GICD_TYPER) & TYPER_LINES) + 1);
    for (unsigned irq = GIC_SPI; irq < n; irq += 32)
        mmio_write32(dist + GIC_CLEAR_ENABLE + irq / 8, UINT32_MAX);
    for (unsigned irq = GIC_SPI; irq < n; irq += 4)
        mmio_write32(dist + GIC_PRIORITIES + irq, GIC_PRIORITY_DEVICES);
    return n < GIC_SPECIAL ? n : GIC_SPECIAL;
}

void gic_line_enable(uintptr_t frame, uint32_t irq)
{
    mmio_write32(frame + GIC_SET_ENABLE + irq / 32 * 4, 1u << irq % 32);
}

void gic_line_disable(uintptr_t frame, uint32_t irq)
{
    mmio_write32(frame + GIC_CLEAR_ENABLE + irq / 32 * 4, 1u << irq % 32);
}

void gic_init_private(uintptr_t frame, uint32_t timer_irq)
{
    mmio_write32(frame + GIC_CLEAR_ENABLE, UINT32_MAX);
    for (unsigned irq = 0; irq < GIC_SPI; irq += 4)
        mmio_write32(frame + GIC_PRIORITIES + irq, GIC_PRIORITY_OWN);
    gic_line_enable(frame, GIC_IPI);
    if (timer_irq >= GIC_PPI && timer_irq < GIC_SPI)
        gic_line_enable(frame, timer_irq);
}

void irq_software(void)
{
}

enum irq_event irq_poll(unsigned hart)
{
    return irq_external(hart);
}

const struct irq_chip *irq_chip_for(enum irqchip_kind kind)
{
    switch (kind) {
    case IRQCHIP_GICV2: return &gicv2_chip;
    case IRQCHIP_GICV3: return &gicv3_chip;
    default: return NULL;
    }
}

/* The GIC's init has prepared them, or each core does in init_hart. */
const char *irq_doors_init(const struct machine *m)
{
    return irq_chip_for(m->irqchip.kind) ? "gic" : "none";
}
