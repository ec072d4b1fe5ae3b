/*
 * plic: RISC-V's platform-level interrupt controller (PLIC specification 1.0.0).
 *
 * A source has a priority, 0 meaning never; a *context* (a hart in one privilege mode) has an
 * enable bit for each source, a threshold, and the claim register. Which context is the S-mode one
 * of a hart the tree tells; ids of harts with an M-mode only shift the count (FU540: hart 1's is
 * context 2).
 *
 * Turning a line off clears its priority and leaves the enable bit: a completion by a context
 * that has the source disabled is ignored ("Interrupt Completion"), and a handler that disables
 * its own line would leave it in service for ever.
 *
 * Of the registers, up to 64 MiB, we map what our contexts use.
 */
#include "arch/arch.h"
#include "kernel/irq_riscv.h"
#include "kernel/mmio.h"
#include "kernel/vm.h"

/* "Memory Map" */
#define PRIORITY       0x0      /* one word a source */
#define ENABLE         0x2000   /* one bit a source */
#define ENABLE_CONTEXT 0x80     /* bytes from one context to the next */
#define GATE           0x200000 /* threshold and claim */
#define GATE_CONTEXT   0x1000
#define GATE_THRESHOLD 0x0
#define GATE_CLAIM     0x4

#define NO_CONTEXT 0xffff
#define MAX_SOURCE 1023

/* Written at boot, then only read. */
static uintptr_t bits;  /* of PRIORITY and ENABLE */
static uintptr_t gates; /* of GATE */
static unsigned n_sources;
static unsigned n_harts;
static uint16_t context[MACHINE_MAX_HARTS];

static uintptr_t enable_word(unsigned ctx, uint32_t irq)
{
    return bits + ENABLE + ctx * ENABLE_CONTEXT + irq / 32 * 4;
}

static uintptr_t gate(unsigned hart, unsigned reg)
{
    return gates + context[hart] * (uintptr_t)GATE_CONTEXT + reg;
}

static unsigned contexts_in_use(const struct machine *m)
{
    unsigned n = 0;
    for (unsigned i = 0; i < m->n_harts; i++) {
        context[i] = m->hart[i].plic_context;
        if (context[i] != NO_CONTEXT && context[i] >= n)
            n = context[i] + 1u;
    }
    return n;
}

static void init(const struct machine *m)
{
    unsigned n = contexts_in_use(m);
    uint64_t base = m->irqchip.dist.base;

    n_harts = m->n_harts;
    bits = (uintptr_t)vm_map_device(base, ENABLE + (size_t)n * ENABLE_CONTEXT);
    gates = (uintptr_t)vm_map_device(base + GATE, (size_t)n * GATE_CONTEXT);
    if (!n || !bits || !gates)
        return; /* no line can be enabled: n_sources stays 0 */
    n_sources = m->irqchip.n_sources < MAX_SOURCE ? m->irqchip.n_sources : MAX_SOURCE;
    for (unsigned irq = 1; irq <= n_sources; irq++)
        mmio_write32(bits + PRIORITY + irq * 4, 0);
    for (unsigned i = 0; i < n_harts; i++)
        for (unsigned irq = 0; context[i] != NO_CONTEXT && irq <= n_sources; irq += 32)
            mmio_write32(enable_word(context[i], irq), 0);
}

static void init_hart(unsigned hart)
{
    if (n_sources && context[hart] != NO_CONTEXT)
        mmio_write32(gate(hart, GATE_THRESHOLD), 0); /* every priority above 0 */
}

/* Reading the register is the claim; 0: another hart was faster, or there was nothing. */
static enum irq_event take(unsigned hart)
{
    if (!n_sources || context[hart] == NO_CONTEXT)
        return IRQ_NONE;
    uint32_t irq = mmio_read32(gate(hart, GATE_CLAIM));
    /* What the interrupt tells of is read after it. */
    __asm__ volatile("fence i, ir" ::: "memory");
    if (irq == 0 || irq > n_sources)
        return IRQ_NONE;
    irq_line(irq);
    /* The handler's accesses to its device come first, or a line that it has just quieted would
     * count as raised again. */
    __asm__ volatile("fence io, o" ::: "memory");
    mmio_write32(gate(hart, GATE_CLAIM), irq);
    return IRQ_DEVICE;
}

static void enable_bit(unsigned ctx, uint32_t irq, bool on)
{
    uintptr_t word = enable_word(ctx, irq);
    uint32_t bit = 1u << irq % 32, v = mmio_read32(word);
    mmio_write32(word, on ? v | bit : v & ~bit);
}

static int enable(uint32_t irq, unsigned hart)
{
    if (irq > n_sources || hart >= n_harts || context[hart] == NO_CONTEXT)
        return -1;
    for (unsigned i = 0; i < n_harts; i++)
        if (context[i] != NO_CONTEXT)
            enable_bit(context[i], irq, i == hart);
    mmio_write32(bits + PRIORITY + irq * 4, 1);
    return 0;
}

static void disable(uint32_t irq)
{
    mmio_write32(bits + PRIORITY + irq * 4, 0);
}

const struct irq_chip plic_chip = {
    .name = "plic",
    .init = init,
    .init_hart = init_hart,
    .take = take,
    .enable = enable,
    .disable = disable,
};
