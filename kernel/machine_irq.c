/*
 * machine_irq: interrupt controllers, the ways to interrupt another hart, and Arm's timer interrupt.
 *
 * RISC-V. A PLIC has a context, an ACLINT SSWI a register and an IMSIC an interrupt file for each
 * hart, numbered in an order of their own (not by hart id, nor by our logical numbers: trap 24). Each
 * node's interrupts-extended is that order: entry i is (phandle of a hart's own interrupt controller,
 * cause), and cause 9 is the supervisor's external interrupt, cause 1 its software interrupt. The
 * controller inside a cpu node always takes one cell (its binding fixes that), so an entry has two;
 * harts that are not ours, contexts of M-mode (cause 11) and unused ones (cause -1) count in the order
 * and are passed over.
 *
 * A node serves privilege levels and groups of harts as it likes: the IMSICs of M-mode have a node of
 * their own, and machines of several sockets have a PLIC each. We take the first node that serves
 * our first hart. Harts it leaves out keep "none" and get no device interrupts; IPIs need all harts,
 * or go through the SBI. Registers that an index would put outside the node's reg do not exist.
 *
 * Arm. GICv2 or GICv3, the first that is there. Interrupts are three cells: kind, number, flags; a
 * PPI n has INTID 16 + n, an SPI n 32 + n (GIC binding). An interrupt whose parent is another
 * controller (the Raspberry Pi 3's, a nexus) has no number at ours.
 */
#include <libfdt.h>
#include "kernel/early_string.h"
#include "kernel/machine_parts.h"

#define CAUSE_SOFTWARE 1 /* scause numbers: privileged specification, table of causes */
#define CAUSE_EXTERNAL 9

#define PLIC_CONTEXT_BASE 0x200000u /* threshold and claim of context 0; one page a context */
#define MAX_SOURCES       1023u     /* of a PLIC and of an APLIC */
#define FILE_BYTES        0x1000u   /* an IMSIC interrupt file */
#define IMSIC_MAX_IDS     2047u

/* RISC-V: entry i of a controller's interrupts-extended. */
static bool wire(const struct tree_walk *w, unsigned i, uint32_t *phandle, uint32_t *cause)
{
    int len;
    const uint8_t *p = fdt_getprop(w->fdt, tree_node(w), "interrupts-extended", &len);
    if (!p || i >= (unsigned)len / 8)
        return false;
    *phandle = tree_be32(p + i * 8);
    *cause = tree_be32(p + i * 8 + 4);
    return true;
}

static struct machine_hart *hart_of(struct machine *m, uint32_t phandle)
{
    for (unsigned i = 0; i < m->n_harts && phandle != 0; i++)
        if (m->hart[i].phandle_intc == phandle)
            return &m->hart[i];
    return NULL;
}

/* Walks on to the next usable node with this compatible that is wired to our first hart's cause. */
static bool next_controller(struct tree_walk *w, struct machine *m, const char *compatible,
                            uint32_t cause)
{
    uint32_t phandle, c;
    while (tree_next(w)) {
        if (!tree_is(w->fdt, tree_node(w), compatible) || !tree_usable(w))
            continue;
        for (unsigned i = 0; wire(w, i, &phandle, &c); i++)
            if (c == cause && hart_of(m, phandle) == &m->hart[0])
                return true;
    }
    return false;
}

/* PLIC. */

static bool plic_take(struct parse *p, const struct tree_walk *w)
{
    struct machine_irqchip *chip = &p->m->irqchip;
    uint32_t phandle, cause;
    if (!tree_reg(w, 0, &chip->dist) || chip->dist.size < PLIC_CONTEXT_BASE ||
        !tree_cell(w->fdt, tree_node(w), "riscv,ndev", &chip->n_sources))
        return false;
    if (chip->n_sources > MAX_SOURCES)
        chip->n_sources = MAX_SOURCES;
    uint64_t contexts = (chip->dist.size - PLIC_CONTEXT_BASE) / 0x1000;
    for (unsigned i = 0; i < contexts && i < 0xffff && wire(w, i, &phandle, &cause); i++) {
        struct machine_hart *h = hart_of(p->m, phandle);
        if (h && cause == CAUSE_EXTERNAL && h->plic_context == 0xffff)
            h->plic_context = (uint16_t)i;
    }
    chip->kind = IRQCHIP_PLIC;
    p->irqchip = fdt_get_phandle(w->fdt, tree_node(w));
    return true;
}

static bool parse_plic(struct parse *p)
{
    static const char *const kinds[] = {"sifive,plic-1.0.0", "riscv,plic0", "thead,c900-plic"};
    struct tree_walk w;
    for (unsigned i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        for (tree_start(&w, p->fdt); next_controller(&w, p->m, kinds[i], CAUSE_EXTERNAL);)
            if (plic_take(p, &w))
                return true;
    p->m->irqchip.dist = (struct range){0, 0};
    p->m->irqchip.n_sources = 0;
    return false;
}

/* IMSIC. */

/*
 * The supervisor's files, one entry of interrupts-extended after the other. Each hart has its file
 * and 2^guest_bits - 1 places for guests' files behind it, so files lie 2^(12 + guest_bits) apart;
 * a group (socket, cluster) has up to 2^hart_bits harts side by side in its range of reg, and
 * the groups' ranges follow in the order of their harts:
 *
 *     reg 0: |hart 0|guests|hart 1|guests| …      reg 1: |hart k|guests|hart k+1|guests| …
 *
 * (The group's number is also in the address, at riscv,group-index-shift: it is what makes the bases
 * of the ranges differ, and reg has it already.)
 */
struct files {
    const struct tree_walk *w;
    uint64_t stride; /* from a hart's file to the next one's */
    uint64_t span;   /* bytes a group can have */
    int group;       /* the next range of reg */
    struct range at; /* what is left of the current one */
};

static bool files_start(struct files *f, const struct tree_walk *w)
{
    uint32_t guest_bits = 0, hart_bits = 15;
    tree_cell(w->fdt, tree_node(w), "riscv,guest-index-bits", &guest_bits);
    tree_cell(w->fdt, tree_node(w), "riscv,hart-index-bits", &hart_bits);
    if (guest_bits > 7 || hart_bits > 15) /* the binding's limits */
        return false;
    f->w = w;
    f->stride = (uint64_t)FILE_BYTES << guest_bits;
    f->span = f->stride << hart_bits;
    f->group = 0;
    f->at = (struct range){0, 0};
    return true;
}

/* Address of the next hart's file; 0: reg has no more. */
static uint64_t files_next(struct files *f)
{
    while (f->at.size < FILE_BYTES) {
        if (!tree_reg(f->w, f->group++, &f->at))
            return 0;
        if (f->at.size > f->span)
            f->at.size = f->span;
    }
    uint64_t file = f->at.base;
    uint64_t step = f->stride < f->at.size ? f->stride : f->at.size;
    f->at.base += step;
    f->at.size -= step;
    return file;
}

static bool imsic_every_hart(const struct machine *m)
{
    for (unsigned i = 0; i < m->n_harts; i++)
        if (m->hart[i].imsic == 0)
            return false;
    return true;
}

static void imsic_forget(struct machine *m)
{
    for (unsigned i = 0; i < m->n_harts; i++)
        m->hart[i].imsic = 0;
    m->irqchip.n_sources = 0;
    m->irqchip.imsic_guest_bits = 0;
    m->irqchip.cpu = (struct range){0, 0};
}

static bool imsic_take(struct parse *p, const struct tree_walk *w)
{
    struct machine_irqchip *chip = &p->m->irqchip;
    struct files files;
    uint32_t phandle, cause;
    if (!files_start(&files, w) || !tree_reg(w, 0, &chip->cpu) ||
        !tree_cell(w->fdt, tree_node(w), "riscv,num-ids", &chip->n_sources) ||
        chip->n_sources == 0 || chip->n_sources > IMSIC_MAX_IDS)
        return false;
    tree_cell(w->fdt, tree_node(w), "riscv,guest-index-bits", &chip->imsic_guest_bits);
    for (unsigned i = 0; wire(w, i, &phandle, &cause); i++) {
        uint64_t file = files_next(&files);
        struct machine_hart *h = hart_of(p->m, phandle);
        if (file == 0)
            break;
        if (h && cause == CAUSE_EXTERNAL)
            h->imsic = file;
    }
    return imsic_every_hart(p->m);
}

static bool parse_imsic(struct parse *p)
{
    struct tree_walk w;
    for (tree_start(&w, p->fdt); next_controller(&w, p->m, "riscv,imsics", CAUSE_EXTERNAL);) {
        if (imsic_take(p, &w)) {
            p->m->irqchip.kind = IRQCHIP_IMSIC;
            p->irqchip = fdt_get_phandle(p->fdt, tree_node(&w));
            return true;
        }
        imsic_forget(p->m);
    }
    return false;
}

/* The APLIC that turns devices' wires into messages to the IMSICs we chose. */
static void parse_aplic(struct parse *p)
{
    struct machine_irqchip *chip = &p->m->irqchip;
    struct tree_walk w;
    for (tree_start(&w, p->fdt); tree_next(&w);) {
        uint32_t to;
        int node = tree_node(&w);
        if (!tree_is(p->fdt, node, "riscv,aplic") || !tree_usable(&w) ||
            !tree_cell(p->fdt, node, "msi-parent", &to) || to != p->irqchip ||
            !tree_cell(p->fdt, node, "riscv,num-sources", &p->n_wires) || p->n_wires == 0 ||
            p->n_wires > MAX_SOURCES || !tree_reg(&w, 0, &chip->dist))
            continue;
        p->aplic = fdt_get_phandle(p->fdt, node);
        return;
    }
    chip->dist = (struct range){0, 0};
}

/* ACLINT SSWI: a word a hart; writing 1 raises its supervisor software interrupt. */
static bool sswi_take(struct parse *p, const struct tree_walk *w)
{
    uint32_t phandle, cause;
    if (!tree_reg(w, 0, &p->m->sswi))
        return false;
    for (unsigned i = 0; wire(w, i, &phandle, &cause); i++) {
        struct machine_hart *h = hart_of(p->m, phandle);
        if (h && cause == CAUSE_SOFTWARE && i < 0xffff && i < p->m->sswi.size / 4)
            h->sswi_index = (uint16_t)i;
    }
    for (unsigned i = 0; i < p->m->n_harts; i++)
        if (p->m->hart[i].sswi_index == 0xffff)
            return false;
    return true;
}

static bool parse_sswi(struct parse *p)
{
    struct tree_walk w;
    for (tree_start(&w, p->fdt); next_controller(&w, p->m, "riscv,aclint-sswi", CAUSE_SOFTWARE);) {
        if (sswi_take(p, &w))
            return true;
        for (unsigned i = 0; i < p->m->n_harts; i++)
            p->m->hart[i].sswi_index = 0xffff;
    }
    p->m->sswi = (struct range){0, 0};
    return false;
}

/* GIC. */

static bool gicv2_take(struct machine_irqchip *chip, const struct tree_walk *w)
{
    if (!tree_reg(w, 0, &chip->dist) || !tree_reg(w, 1, &chip->cpu))
        return false;
    chip->kind = IRQCHIP_GICV2;
    return true;
}

/* reg: distributor, redistributor regions, then what only hypervisors and GICv2 guests use. */
static bool gicv3_take(struct machine_irqchip *chip, const struct tree_walk *w)
{
    uint32_t regions = 1;
    tree_cell(w->fdt, tree_node(w), "#redistributor-regions", &regions);
    if (regions < 1 || regions > MACHINE_MAX_REDISTS || !tree_reg(w, 0, &chip->dist))
        return false;
    for (uint32_t i = 0; i < regions; i++)
        if (!tree_reg(w, (int)i + 1, &chip->redist[i]))
            return false;
    chip->n_redist = regions;
    if (!tree_number(w->fdt, tree_node(w), "redistributor-stride", &chip->redist_stride))
        chip->redist_stride = 0;
    chip->kind = IRQCHIP_GICV3;
    return true;
}

static bool gic_take(struct machine_irqchip *chip, const struct tree_walk *w)
{
    static const char *const v2[] = {"arm,gic-400", "arm,cortex-a15-gic", "arm,cortex-a9-gic",
                                     "arm,cortex-a7-gic"};
    if (tree_is(w->fdt, tree_node(w), "arm,gic-v3"))
        return gicv3_take(chip, w);
    for (unsigned i = 0; i < sizeof v2 / sizeof v2[0]; i++)
        if (tree_is(w->fdt, tree_node(w), v2[i]))
            return gicv2_take(chip, w);
    return false;
}

static void parse_gic(struct parse *p)
{
    struct tree_walk w;
    for (tree_start(&w, p->fdt); tree_next(&w);)
        if (tree_usable(&w) && gic_take(&p->m->irqchip, &w)) {
            p->irqchip = fdt_get_phandle(p->fdt, tree_node(&w));
            return;
        }
    memset(&p->m->irqchip, 0, sizeof p->m->irqchip);
}

static uint32_t gic_number(const struct tree_irq *irq)
{
    if (irq->n_cells < 3)
        return 0;
    if (irq->cell[0] == 0 && irq->cell[1] < 988)
        return 32 + irq->cell[1];
    if (irq->cell[0] == 1 && irq->cell[1] < 16)
        return 16 + irq->cell[1];
    return 0;
}

/*
 * The timer has an interrupt for each of its views: secure, non-secure, virtual, hypervisor's. They
 * are listed in that order unless interrupt-names says otherwise. The virtual one is ours: it works
 * at EL1 whoever sits above.
 */
static void parse_timer(struct parse *p)
{
    struct tree_walk w;
    struct tree_irq irq;
    for (tree_start(&w, p->fdt); tree_next(&w);) {
        int node = tree_node(&w);
        if ((!tree_is(p->fdt, node, "arm,armv8-timer") &&
             !tree_is(p->fdt, node, "arm,armv7-timer")) ||
            !tree_usable(&w))
            continue;
        int i = fdt_getprop(p->fdt, node, "interrupt-names", NULL)
                    ? tree_list_index(p->fdt, node, "interrupt-names", "virt")
                    : 2;
        if (tree_irq(&w, i, &irq))
            p->m->timer_irq = parse_irq_number(p, &irq);
        return;
    }
}

uint32_t parse_irq_number(const struct parse *p, const struct tree_irq *irq)
{
    const struct machine_irqchip *chip = &p->m->irqchip;
    bool messages = chip->kind == IRQCHIP_IMSIC;
    uint32_t ours = messages ? p->aplic : p->irqchip;
    uint32_t sources = messages ? p->n_wires : chip->n_sources;

    if (ours == 0 || irq->parent != ours)
        return 0;
    if (chip->kind == IRQCHIP_GICV2 || chip->kind == IRQCHIP_GICV3)
        return gic_number(irq);
    return irq->cell[0] <= sources ? irq->cell[0] : 0;
}

void parse_interrupts(struct parse *p)
{
    struct machine *m = p->m;
    if (p->arch == MACHINE_ARM64) {
        parse_gic(p);
        parse_timer(p);
        m->ipi = m->irqchip.kind == IRQCHIP_NONE ? IPI_NONE : IPI_GIC;
        return;
    }
    bool sswi = parse_sswi(p);
    if (parse_imsic(p)) {
        parse_aplic(p);
        m->ipi = IPI_IMSIC;
        return;
    }
    parse_plic(p);
    m->ipi = sswi ? IPI_SSWI : IPI_SBI;
}
