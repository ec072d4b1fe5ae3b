/*
 * irq_chip: what an interrupt controller's driver gives irq.c, and what irq.c gives it.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "kernel/irq.h"
#include "kernel/machine.h"

#define IRQ_LINES 1024 /* interrupt numbers 0 … 1023, the PLIC's and the GIC's whole range */

struct irq_chip {
    const char *name;
    /* Boot hart, paging on: maps registers, turns every device line off. */
    void (*init)(const struct machine *m);
    /* Each hart: lets this hart's interrupts through. */
    void (*init_hart)(unsigned hart);
    /* Takes one interrupt, acknowledges it, and says what it was. What is read from memory
     * afterwards is no older than the interrupt. A device's has been given to irq_line, and the
     * controller told that it is done. */
    enum irq_event (*take)(unsigned hart);
    /* Under irq.c's lock. enable: 0, or -1: no such line. */
    int (*enable)(uint32_t irq, unsigned hart);
    void (*disable)(uint32_t irq);
};

/* From take: runs the handler of a device's line. */
void irq_line(uint32_t irq);

/* The instruction set's drivers: irq_riscv.c, irq_arm64.c. NULL: it has none of this kind. */
const struct irq_chip *irq_chip_for(enum irqchip_kind kind);

/*
 * Where to knock to interrupt a hart: one 32-bit store if reg is set, else ring(word). Written by
 * the boot hart, or by the hart itself in irq_init_hart.
 */
struct irq_door {
    volatile uint32_t *reg;
    uint64_t word;
};
extern struct irq_door irq_doors[MACHINE_MAX_HARTS];
/* Sends an IPI where no store will do: an SBI call, a system register. */
extern void (*irq_ring)(uint64_t word);
/* Prepares the doors for m->ipi and names the way: irq_riscv.c, irq_arm64.c. */
const char *irq_doors_init(const struct machine *m);
