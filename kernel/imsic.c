/*
 * imsic: message-signalled interrupts of RISC-V's Advanced Interrupt Architecture (AIA 1.0).
 *
 * Each hart has an *interrupt file*: a page in which storing a number makes that number pending
 * there ("Memory region for an interrupt file"). Its own hart sees the file through CSRs
 * (chapter 3, "Indirectly accessed interrupt-file registers") and takes the lowest pending number
 * by writing stopei. So an IPI is one store to another hart's page, and taking it is one CSR
 * access: no firmware, no lock, nothing shared.
 *
 * Numbers are ours to give: IPI_ID is the IPI, source n of the wired devices gets n + WIRED_ID. All
 * numbers of every file are enabled at boot, since only the file's own hart could do it later; what
 * is not wanted is not sent.
 *
 * Wired devices come through the APLIC (chapter 4) in MSI mode: it turns a source's level into a
 * store to a file. firmware has delegated the sources to our domain and told the APLIC where the
 * files are. The store happens when the source rises; if it is still up when the handler is
 * done, nothing would come any more, so complete() asks for it again ("Special consideration for
 * level-sensitive interrupt sources"). Sources are taken to be level-high, as all of QEMU's are: the
 * machine structure keeps no trigger types.
 */
#include "arch/arch.h"
#include "kernel/irq_riscv.h"
#include "kernel/mmio.h"
#include "kernel/vm.h"

/* CSRs, by number: the assembler may not know them. */
#define CSR_SISELECT "0x150"
#define CSR_SIREG    "0x151"
#define CSR_STOPEI   "0x15c"

/* What siselect selects. */
#define EIDELIVERY  0x70
#define EITHRESHOLD 0x72
#define EIE0        0xc0 /* 64 numbers in each even-numbered one, on RV64 */

#define SETEIPNUM_LE 0x0 /* of the page: store a number here */
#define FILE_BYTES   4096

#define STOPEI_ID_SHIFT 16
#define STOPEI_ID_MASK  0x7ff
#define MAX_ID          2047

#define IPI_ID   1
#define WIRED_ID 1

/* The APLIC's domain ("Memory-mapped control region for an interrupt domain"). */
#define DOMAINCFG    0x0000
#define SOURCECFG    0x0000 /* plus 4 × source, source ≥ 1 */
#define IN_CLRIP     0x1d00 /* reads the sources' levels */
#define SETIENUM     0x1edc
#define CLRIENUM     0x1fdc
#define SETIPNUM_LE  0x2000
#define TARGET       0x3000 /* plus 4 × source */
#define APLIC_BYTES  0x4000
#define DOMAINCFG_DM 0x004 /* MSI mode */
#define DOMAINCFG_IE 0x100
#define LEVEL_HIGH   6
#define TARGET_HART  18 /* shift of the hart index */
#define MAX_SOURCE   1023

/* Written at boot, then only read. */
static unsigned n_ids;  /* numbers of a file, 1 … n_ids */
static uintptr_t aplic; /* 0: no wired devices */
static unsigned n_harts;
static uint16_t hart_index[MACHINE_MAX_HARTS]; /* by which the APLIC knows a hart's file */

static void select_write(uint64_t reg, uint64_t value)
{
    __asm__ volatile("csrw " CSR_SISELECT ", %0\n\tcsrw " CSR_SIREG ", %1" ::"r"(reg), "r"(value));
}

/*
 * The APLIC builds a file's address from its base and the hart's index, so the index is what the
 * addresses of our files differ in. Counted from the first file of the tree's node; without that,
 * from the lowest address of a usable hart, rounded down to the power of two that spans them all.
 */
static void find_indexes(const struct machine *m)
{
    unsigned shift = 12 + m->irqchip.imsic_guest_bits, span = 0;
    uint64_t base = m->irqchip.cpu.base;

    n_harts = m->n_harts;
    while (!base && span < 16) {
        bool same = true;
        for (unsigned i = 1; i < n_harts; i++)
            same &= m->hart[i].imsic >> (shift + span) == m->hart[0].imsic >> (shift + span);
        if (same)
            base = m->hart[0].imsic >> (shift + span) << (shift + span);
        span++;
    }
    for (unsigned i = 0; i < n_harts; i++)
        hart_index[i] = (uint16_t)((m->hart[i].imsic - base) >> shift);
}

static void init_aplic(const struct machine *m)
{
    if (m->irqchip.dist.size < APLIC_BYTES)
        return;
    uintptr_t regs = (uintptr_t)vm_map_device(m->irqchip.dist.base, APLIC_BYTES);
    if (!regs)
        return;
    mmio_write32(regs + DOMAINCFG, DOMAINCFG_IE | DOMAINCFG_DM);
    if (!(mmio_read32(regs + DOMAINCFG) & DOMAINCFG_DM))
        return; /* it only delivers by wire */
    for (unsigned source = 1; source <= MAX_SOURCE; source++)
        mmio_write32(regs + SOURCECFG + source * 4, 0);
    aplic = regs;
}

static void init(const struct machine *m)
{
    n_ids = m->irqchip.n_sources < MAX_ID ? m->irqchip.n_sources : MAX_ID;
    find_indexes(m);
    init_aplic(m);
}

static void init_hart(unsigned hart)
{
    (void)hart; /* the CSRs are the running hart's */
    for (unsigned id = 0; id <= n_ids; id += 64)
        select_write(EIE0 + id / 32, UINT64_MAX); /* number 0 does not exist: its bit is fixed */
    select_write(EITHRESHOLD, 0);                 /* every number */
    select_write(EIDELIVERY, 1);
}

static void complete(uint32_t irq)
{
    __asm__ volatile("fence io, io" ::: "memory"); /* the handler's device accesses come first */
    if (mmio_read32(aplic + IN_CLRIP + irq / 32 * 4) >> irq % 32 & 1)
        mmio_write32(aplic + SETIPNUM_LE, irq);
}

static enum irq_event take(unsigned hart)
{
    uint64_t top;
    (void)hart;
    /* Reads the lowest pending number and clears it, in one. Then memory, see irq_riscv.c. */
    __asm__ volatile("csrrw %0, " CSR_STOPEI ", zero\n\tfence io, ir" : "=r"(top)::"memory");
    uint32_t id = top >> STOPEI_ID_SHIFT & STOPEI_ID_MASK;
    if (id == 0)
        return IRQ_NONE;
    uint32_t irq = id - WIRED_ID;
    /* A number that nobody gave out counts as an IPI: looking once too often does no harm. */
    if (id == IPI_ID || irq > MAX_SOURCE || !aplic)
        return IRQ_IPI;
    irq_line(irq);
    complete(irq);
    return IRQ_DEVICE;
}

static int enable(uint32_t irq, unsigned hart)
{
    if (!aplic || irq > MAX_SOURCE || irq + WIRED_ID > n_ids || hart >= n_harts)
        return -1;
    mmio_write32(aplic + SOURCECFG + irq * 4, LEVEL_HIGH);
    if (mmio_read32(aplic + SOURCECFG + irq * 4) != LEVEL_HIGH)
        return -1; /* not there, or not delegated to us */
    mmio_write32(aplic + TARGET + irq * 4,
                 (uint32_t)hart_index[hart] << TARGET_HART | (irq + WIRED_ID));
    mmio_write32(aplic + SETIENUM, irq);
    if (mmio_read32(aplic + IN_CLRIP + irq / 32 * 4) >> irq % 32 & 1)
        mmio_write32(aplic + SETIPNUM_LE, irq); /* it was up already and will not rise */
    return 0;
}

static void disable(uint32_t irq)
{
    if (!aplic)
        return;
    mmio_write32(aplic + CLRIENUM, irq);
    mmio_write32(aplic + SOURCECFG + irq * 4, 0);
}

bool imsic_doors_init(const struct machine *m)
{
    bool any = false;
    for (unsigned i = 0; i < m->n_harts; i++) {
        uintptr_t file =
            m->hart[i].imsic ? (uintptr_t)vm_map_device(m->hart[i].imsic, FILE_BYTES) : 0;
        if (!file)
            continue; /* the SBI reaches it */
        irq_doors[i] = (struct irq_door){(volatile uint32_t *)(file + SETEIPNUM_LE), IPI_ID};
        any = true;
    }
    return any;
}

const struct irq_chip imsic_chip = {
    .name = "imsic",
    .init = init,
    .init_hart = init_hart,
    .take = take,
    .enable = enable,
    .disable = disable,
};
