/*
 * machine_sound: what holds of every machine that was not refused, however strange its tree. For the
 * unit tests and the fuzzers of machine_parse().
 */
#pragma once
#include <stdbool.h>
#include <string.h>
#include "kernel/machine.h"

static inline bool sorted_and_apart(const struct range *r, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (r[i].size == 0 || r[i].size > UINT64_MAX - r[i].base ||
            (i > 0 && r[i - 1].base + r[i - 1].size >= r[i].base))
            return false;
    return true;
}

static inline bool lies_in(const char *text, const char *block, size_t size)
{
    return *text == '\0' || (text > block && text + strlen(text) < block + size);
}

static inline bool machine_sound(const struct machine *machine, const void *fdt, size_t size)
{
    for (unsigned i = 1; i < machine->n_harts; i++)
        if (machine->hart[i - 1].id >= machine->hart[i].id)
            return false;
    return machine->n_harts >= 1 && machine->n_harts <= MACHINE_MAX_HARTS &&
           machine->n_banks >= 1 && machine->n_banks <= MACHINE_MAX_BANKS &&
           sorted_and_apart(machine->bank, machine->n_banks) &&
           machine->n_reserved <= MACHINE_MAX_RESERVED &&
           sorted_and_apart(machine->reserved, machine->n_reserved) &&
           machine->irqchip.n_redist <= MACHINE_MAX_REDISTS && lies_in(machine->model, fdt, size) &&
           lies_in(machine->bootargs, fdt, size);
}
