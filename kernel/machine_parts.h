/*
 * machine_parts: what the files that make up machine_parse() share. Nobody else includes it.
 */
#pragma once
#include "kernel/machine.h"
#include "kernel/tree.h"

/* One parse. The tree has been checked when this exists. */
struct parse {
    struct machine *m;
    const void *fdt;
    enum machine_arch arch;
    struct sentence why; /* the complaint, once there is one */
    uint32_t irqchip;    /* phandle of the chosen interrupt controller; 0: none */
    uint32_t aplic;      /* phandle of the APLIC before the IMSICs; 0: none */
    uint32_t n_wires;    /* IMSIC: sources 1 … n of that APLIC */
};

/* machine_hart.c: harts, how they are started, and the RISC-V time base. -1: said why. */
int parse_harts(struct parse *p);

/* machine_irq.c: interrupt controller, ways to send IPIs, Arm's timer. Needs the harts. */
void parse_interrupts(struct parse *p);
/* The interrupt as a number at the chosen controller; 0: it goes elsewhere or makes no sense. */
uint32_t parse_irq_number(const struct parse *p, const struct tree_irq *irq);

/* machine_console.c: the console. Needs the interrupt controller. */
void parse_console(struct parse *p);
