/*
 * machine_check: parses a tree as both machines do, and looks whether what came out is sound.
 */
#pragma once
#include "kernel/machine.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/machine_sound.h"

/* Registers that an index picks lie inside what the tree calls the device's own. */
static inline void harts_hold(const struct machine *m)
{
    for (unsigned i = 0; i < m->n_harts; i++) {
        const struct machine_hart *h = &m->hart[i];
        if (m->irqchip.kind == IRQCHIP_PLIC && h->plic_context != 0xffff)
            HOLDS(0x200000 + (h->plic_context + 1u) * UINT64_C(0x1000) <= m->irqchip.dist.size);
        if (m->ipi == IPI_SSWI)
            HOLDS(h->sswi_index < m->sswi.size / 4);
        if (m->ipi == IPI_IMSIC)
            HOLDS(h->imsic != 0 && m->irqchip.n_sources > 0);
    }
}

static inline void console_holds(const struct machine_console *c)
{
    if (c->kind == CONSOLE_NONE || c->kind == CONSOLE_SBI)
        return;
    HOLDS(c->reg.size > 0 && c->reg.size <= UINT64_MAX - c->reg.base);
    HOLDS(c->reg_shift <= 4 && (c->reg_io_width == 1 || c->reg_io_width == 4));
}

/* What one parse leaves does not depend on what lay there, and is the same the next time. */
static inline int parse_twice(struct machine *m, const void *tree, size_t size,
                              enum machine_arch arch, char *why, size_t why_size)
{
    static struct machine again;
    memset(m, 0xa5, sizeof *m);
    memset(&again, 0x5a, sizeof again);
    int first = machine_parse(&again, tree, size, arch, why, why_size);
    int second = machine_parse(m, tree, size, arch, why, why_size);
    HOLDS(first == second && memcmp(m, &again, sizeof again) == 0);
    return second;
}

static inline void machine_holds(const void *tree, size_t size, enum machine_arch arch)
{
    static struct machine m;
    char why[200];
    if (parse_twice(&m, tree, size, arch, why, sizeof why) != 0) {
        HOLDS(why[0] != '\0' && memchr(why, '\0', sizeof why) != NULL);
        return;
    }
    HOLDS(why[0] == '\0' && machine_sound(&m, tree, size));
    harts_hold(&m);
    console_holds(&m.console);
}

static inline void both_machines_hold(const void *tree, size_t size)
{
    struct machine_console c;
    machine_holds(tree, size, MACHINE_RISCV);
    machine_holds(tree, size, MACHINE_ARM64);
    machine_parse_console(&c, tree, size);
    console_holds(&c);
}
