/*
 * irq_riscv: which drivers RISC-V has, the supervisor software interrupt, and IPIs through the SBI.
 *
 * A software interrupt reaches us by ACLINT SSWI or by firmware, which sets our sip.SSIP; either
 * way clearing that bit is the acknowledgement, and it comes before anything is looked at (O15, traps
 * 1 and 2). A CSR write is not ordered with memory accesses by itself: for a fence it counts as
 * device output (unprivileged manual, "Zicsr", "CSR Access Ordering"). Without the fence the look
 * for work could be done first, an IPI sent between the two would be cleared, and its work missed.
 */
#include "arch/arch.h"
#include "kernel/irq_chip.h"
#include "kernel/irq_riscv.h"

#define SIP_SSIP 0x2

void irq_software(void)
{
    __asm__ volatile("csrci sip, %0\n\tfence o, r" ::"i"(SIP_SSIP) : "memory");
}

enum irq_event irq_poll(unsigned hart)
{
    (void)hart;
    irq_software();
    return IRQ_IPI;
}

const struct irq_chip *irq_chip_for(enum irqchip_kind kind)
{
    switch (kind) {
    case IRQCHIP_PLIC: return &plic_chip;
    case IRQCHIP_IMSIC: return &imsic_chip;
    default: return NULL;
    }
}

const char *irq_doors_init(const struct machine *m)
{
    /* Firmware can always do it; a faster way replaces the doors it has. */
    irq_ring = arch_firmware_ipi;
    for (unsigned i = 0; i < m->n_harts; i++)
        irq_doors[i].word = m->hart[i].id;

    if (m->ipi == IPI_SSWI && aclint_doors_init(m))
        return "sswi";
    if (m->ipi == IPI_IMSIC && imsic_doors_init(m))
        return "imsic";
    return "sbi";
}
