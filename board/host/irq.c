/*
 * irq: no controller, no devices; interrupts between harts are the port's signals.
 */
#include "kernel/irq.h"
#include "arch/arch.h"

void irq_init(const struct machine *m)
{
    (void)m;
}

void irq_init_hart(unsigned hart)
{
    (void)hart;
}

static void (*send)(uint64_t hart) = arch_firmware_ipi; /* written at boot */

void irq_send_ipi(unsigned hart)
{
    send(hart);
}

void irq_divert(void (*to)(uint64_t hart))
{
    send = to;
}

void irq_send_now(unsigned hart)
{
    arch_firmware_ipi(hart);
}

const char *irq_ipi_name(void)
{
    return "signal";
}

const char *irq_chip_name(void)
{
    return "none";
}

int irq_enable(uint32_t irq, unsigned hart, irq_handler *fn, void *arg)
{
    (void)irq, (void)hart, (void)fn, (void)arg;
    return -1;
}

void irq_disable(uint32_t irq)
{
    (void)irq;
}

void irq_software(void)
{
    host_ipi_acknowledge();
}

enum irq_event irq_external(unsigned hart)
{
    (void)hart;
    return IRQ_NONE;
}

enum irq_event irq_poll(unsigned hart)
{
    (void)hart;
    host_ipi_acknowledge();
    return IRQ_IPI;
}
