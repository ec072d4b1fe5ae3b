/*
 * irq_arm64: Arm's drivers, for irq_arm64.c, and what they share.
 */
#pragma once
#include <stdbool.h>
#include "kernel/irq_chip.h"

extern const struct irq_chip gicv2_chip, gicv3_chip;

/* Interrupt numbers (INTID): SGIs, sent by software; PPIs, a core's own; SPIs, devices'. */
#define GIC_IPI     0
#define GIC_PPI     16
#define GIC_SPI     32
#define GIC_SPECIAL 1020 /* from here on: nothing was pending, or not for us */

/* Priorities of devices and of a core's own lines, four bytes alike; smaller is more urgent. All are
 * below the mask. */
#define GIC_PRIORITY_DEVICES 0xa0a0a0a0u
#define GIC_PRIORITY_OWN     0x40404040u
#define GIC_PRIORITY_MASK    0xf0

/* Registers of v2's distributor, v3's distributor and v3's redistributor alike. */
#define GIC_GROUP        0x080 /* one bit a line */
#define GIC_SET_ENABLE   0x100 /* one bit a line; writing 0 does nothing */
#define GIC_CLEAR_ENABLE 0x180
#define GIC_PRIORITIES   0x400 /* one byte a line */
#define GICD_TYPER       0x004
#define GICD_CTLR        0x000

/* Last device line + 1, from GICD_TYPER; also priorities and enables of all SPIs reset. */
unsigned gic_init_spis(uintptr_t dist);
/* One line's enable bit in a distributor or redistributor. */
void gic_line_enable(uintptr_t frame, uint32_t irq);
void gic_line_disable(uintptr_t frame, uint32_t irq);
/* The first 32 lines of a core: all off but the IPI and the timer. */
void gic_init_private(uintptr_t frame, uint32_t timer_irq);
/* What INTID is: IRQ_NONE for the special ones, and those beyond. */
static inline enum irq_event gic_event(uint32_t irq, uint32_t timer_irq)
{
    if (__builtin_expect(irq == timer_irq, 1))
        return IRQ_TIMER;
    if (irq < GIC_PPI)
        return IRQ_IPI; /* any SGI: looking once too often does no harm */
    return irq < GIC_SPECIAL ? IRQ_DEVICE : IRQ_NONE;
}
