/*
 * irq: the part that all interrupt controllers share: the table of handlers and the doors.
 *
 * Sending an IPI is the hot path of waking a hart, so it is a barrier, a load and a store wherever
 * the hardware allows: each hart's door holds the register and the word to store, worked out at
 * boot. Doors are indexed by logical hart number and so is everything else here; hart ids and
 * MPIDRs stay in the drivers (trap 24).
 *
 * Device lines. fn is published with release after arg, then the line is enabled; the interrupt
 * itself is the other half of the hand-over, and since an interrupt orders nothing in the memory
 * model, take() has a barrier. The lock guards the controllers' registers that are read,
 * changed and written back. It is held with interrupts masked, for a few instructions, because a
 * handler may disable its own line.
 */
#include "arch/arch.h"
#include "kernel/irq.h"
#include "kernel/irq_chip.h"
#include "kernel/spin.h"

struct irq_line {
    _Atomic(irq_handler *) fn;
    void *arg;
};

static enum irq_event none_take(unsigned hart)
{
    (void)hart;
    return IRQ_NONE;
}

static void none_init(const struct machine *m)
{
    (void)m;
}

static void none_init_hart(unsigned hart)
{
    (void)hart;
}

static int none_enable(uint32_t irq, unsigned hart)
{
    (void)irq, (void)hart;
    return -1;
}

/* enable fails, so disable is never called. */
static const struct irq_chip none_chip = {
    .name = "none",
    .init = none_init,
    .init_hart = none_init_hart,
    .take = none_take,
    .enable = none_enable,
};

/* Written at boot, then only read. */
static const struct irq_chip *chip = &none_chip;
static const char *ipi_name = "none";
struct irq_door irq_doors[MACHINE_MAX_HARTS];

static void ring_nobody(uint64_t word)
{
    (void)word;
}
void (*irq_ring)(uint64_t word) = ring_nobody;

static struct spin lock;
static struct irq_line lines[IRQ_LINES];

void irq_init(const struct machine *m)
{
    const struct irq_chip *found = irq_chip_for(m->irqchip.kind);
    if (found)
        chip = found;
    chip->init(m);
    ipi_name = irq_doors_init(m);
}

void irq_init_hart(unsigned hart)
{
    chip->init_hart(hart);
}

void irq_send_ipi(unsigned hart)
{
    struct irq_door *door = &irq_doors[hart];
    /* O15: pairs with the barrier after the acknowledgement (take, irq_software): what we
     * stored before is there when the receiver looks. */
    arch_io_barrier();
    if (door->reg)
        *door->reg = (uint32_t)door->word;
    else
        irq_ring(door->word);
}

/* What irq_divert has put aside. */
static struct irq_door undiverted[MACHINE_MAX_HARTS];
static void (*undiverted_ring)(uint64_t word) = ring_nobody;

void irq_divert(void (*to)(uint64_t hart))
{
    undiverted_ring = irq_ring;
    irq_ring = to;
    for (unsigned i = 0; i < MACHINE_MAX_HARTS; i++) {
        undiverted[i] = irq_doors[i];
        irq_doors[i] = (struct irq_door){NULL, i};
    }
}

void irq_send_now(unsigned hart)
{
    struct irq_door *door = &undiverted[hart];
    arch_io_barrier(); /* order: as in irq_send_ipi, for what was stored since */
    if (door->reg)
        *door->reg = (uint32_t)door->word;
    else
        undiverted_ring(door->word);
}

const char *irq_ipi_name(void)
{
    return ipi_name;
}

const char *irq_chip_name(void)
{
    return chip->name;
}

int irq_enable(uint32_t irq, unsigned hart, irq_handler *fn, void *arg)
{
    if (irq == 0 || irq >= IRQ_LINES)
        return -1;
    uintptr_t was = arch_irq_save();
    spin_lock(&lock);
    lines[irq].arg = arg;
    /* O16: release pairs with the acquire in irq_line: arg is there when fn is seen. */
    atomic_store_explicit(&lines[irq].fn, fn, memory_order_release);
    arch_io_barrier();
    int result = chip->enable(irq, hart);
    if (result != 0)
        /* relaxed: nobody was ever sent there. */
        atomic_store_explicit(&lines[irq].fn, NULL, memory_order_relaxed);
    spin_unlock(&lock);
    arch_irq_restore(was);
    return result;
}

void irq_disable(uint32_t irq)
{
    if (irq >= IRQ_LINES)
        return;
    uintptr_t was = arch_irq_save();
    spin_lock(&lock);
    /* relaxed: written under the lock; says nothing about other memory, see irq.h. */
    if (atomic_exchange_explicit(&lines[irq].fn, NULL, memory_order_relaxed))
        chip->disable(irq);
    spin_unlock(&lock);
    arch_irq_restore(was);
}

/* A line without a handler: disabled while its interrupt was on the way, or left on by firmware.
 * It must not come again, unless it has been enabled anew meanwhile. */
static void line_quiet(uint32_t irq)
{
    spin_lock(&lock);
    /* relaxed: written under the lock. */
    if (!atomic_load_explicit(&lines[irq].fn, memory_order_relaxed))
        chip->disable(irq);
    spin_unlock(&lock);
}

void irq_line(uint32_t irq)
{
    /* O16: acquire pairs with irq_enable's release. */
    irq_handler *fn = atomic_load_explicit(&lines[irq].fn, memory_order_acquire);
    if (fn)
        arch_trap_call(fn, lines[irq].arg);
    else
        line_quiet(irq);
}

enum irq_event irq_external(unsigned hart)
{
    return chip->take(hart);
}
