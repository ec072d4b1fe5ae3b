/*
 * irq_riscv: RISC-V's drivers, for irq_riscv.c.
 */
#pragma once
#include <stdbool.h>
#include "kernel/irq_chip.h"

extern const struct irq_chip plic_chip, imsic_chip;

/* Fill the doors of the harts that can be reached this way. false: none can. */
bool aclint_doors_init(const struct machine *m);
bool imsic_doors_init(const struct machine *m);
