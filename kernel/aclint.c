/*
 * aclint: the supervisor software interrupt device (SSWI) of RISC-V's ACLINT.
 *
 * One 32-bit register a hart, SETSSIP: storing 1 sets that hart's sip.SSIP, and nothing is left in
 * the register (ACLINT specification, "Supervisor-level Software Interrupt Device"). So there is
 * nothing to acknowledge here; irq_software clears sip.SSIP.
 */
#include "kernel/irq_riscv.h"
#include "kernel/vm.h"

#define NO_SSWI 0xffff
#define SETSSIP 1

bool aclint_doors_init(const struct machine *m)
{
    bool any = false;
    volatile uint32_t *setssip = vm_map_device(m->sswi.base, m->sswi.size);

    if (!setssip)
        return false;
    for (unsigned i = 0; i < m->n_harts; i++) {
        unsigned index = m->hart[i].sswi_index;
        if (index == NO_SSWI || (index + 1) * sizeof *setssip > m->sswi.size)
            continue; /* the SBI reaches it */
        irq_doors[i] = (struct irq_door){setssip + index, SETSSIP};
        any = true;
    }
    return any;
}
