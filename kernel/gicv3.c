/*
 * gicv3: Arm's Generic Interrupt Controller, version 3 and later (IHI 0069).
 *
 * The distributor keeps the devices' lines. Each core has a *redistributor* for its 32 private
 * lines, two or four frames of 64 KiB of which we use RD and SGI, and takes and sends interrupts
 * by system registers (ICC_…). Cores are named by affinity, MPIDR's four numbers; which of the
 * redistributors is a core's own says its GICR_TYPER.
 *
 * All lines are put in group 1. With two security states that is ours anyway and the writes do
 * nothing; with one (QEMU's default machine) it makes them so. Whoever drops us from EL2 has let
 * EL1 use the system registers (ICC_SRE_EL2.Enable).
 */
#include "arch/arch.h"
#include "kernel/console.h"
#include "kernel/irq_arm64.h"
#include "kernel/mmio.h"
#include "kernel/vm.h"

/* System registers by number: op0, op1, CRn, CRm, op2. */
#define ICC_PMR_EL1     "s3_0_c4_c6_0"
#define ICC_SGI1R_EL1   "s3_0_c12_c11_5"
#define ICC_IAR1_EL1    "s3_0_c12_c12_0"
#define ICC_EOIR1_EL1   "s3_0_c12_c12_1"
#define ICC_BPR1_EL1    "s3_0_c12_c12_3"
#define ICC_CTLR_EL1    "s3_0_c12_c12_4"
#define ICC_SRE_EL1     "s3_0_c12_c12_5"
#define ICC_IGRPEN1_EL1 "s3_0_c12_c12_7"

#define write_icc(name, v) __asm__ volatile("msr " name ", %0" ::"r"((uint64_t)(v)) : "memory")

#define GICD_IROUTER  0x6000 /* one double-word a line: affinity */
#define CTLR_GROUP1   0x01   /* with two security states: our group's enable without affinity */
#define CTLR_GROUP1A  0x02   /* our group's enable */
#define CTLR_GROUP1S  0x04   /* Secure group 1's, in the Secure view */
#define CTLR_AFFINITY 0x10   /* ARE */
#define CTLR_BUSY     0x80000000u /* RWP: a change is on its way */

#define GIC_GROUP_MODIFIER 0xd00 /* with 0 in GIC_GROUP: Secure group 1 */
#define GICR_TYPER         0x0008
#define GICR_WAKER         0x0014
#define SGI_FRAME          0x10000
#define TYPER_VLPIS        0x02 /* version 4: four frames a core */
#define TYPER_LAST         0x10 /* of its region */
#define WAKER_SLEEP        0x02
#define WAKER_ASLEEP       0x04
#define TWO_FRAMES         0x20000
#define FOUR_FRAMES        0x40000

#define PMR_ALL     GIC_PRIORITY_MASK
#define SRE_ENABLE  1
#define IAR_ID      0xffffff
#define WAIT_ROUNDS 1000000 /* bounded: a dead controller must not hang the boot in silence */

/* Written at boot, then only read. */
static const struct machine *machine;
static uintptr_t dist;
static uintptr_t redist[MACHINE_MAX_REDISTS];
static unsigned n_lines;
static uint32_t timer_irq;

/* The affinity's four bytes in one word, as in GICR_TYPER's upper half. */
static uint32_t affinity(unsigned hart)
{
    uint64_t mpidr = machine->hart[hart].id; /* Aff3 in bits 39:32, the others in 23:0 */
    return (uint32_t)(mpidr >> 32 & 0xff) << 24 | (uint32_t)(mpidr & 0xffffff);
}

/* Aff3.Aff2.Aff1 name a group of cores; Aff0's lower four bits choose a bit of the target list and
 * its upper four the range that the list covers (ICC_SGI1R_EL1). */
static uint64_t sgi_word(unsigned hart)
{
    uint32_t a = affinity(hart);
    uint64_t aff0 = a & 0xff, aff1 = a >> 8 & 0xff, aff2 = a >> 16 & 0xff, aff3 = a >> 24;
    return aff3 << 48 | (aff0 >> 4) << 44 | aff2 << 32 | (uint64_t)GIC_IPI << 24 | aff1 << 16 |
           UINT64_C(1) << (aff0 & 15);
}

/* The sender's barrier was a DSB (irq_send_ipi); the isb makes the message go out now and not when
 * the processor next looks up. */
static void ring(uint64_t word)
{
    write_icc(ICC_SGI1R_EL1, word);
    __asm__ volatile("isb");
}

/* 32 lines into the group whose interrupts are IRQs to us: Secure group 1 where no firmware was
 * before us (arch/arm64/level.S), else group 1. */
static void group1(uintptr_t frame, unsigned irq)
{
    bool secure = arm64_entry_level() == 3;
    mmio_write32(frame + GIC_GROUP + irq / 8, secure ? 0 : UINT32_MAX);
    if (secure)
        mmio_write32(frame + GIC_GROUP_MODIFIER + irq / 8, UINT32_MAX);
}

static void wait_written(void)
{
    for (unsigned i = 0; i < WAIT_ROUNDS && mmio_read32(dist + GICD_CTLR) & CTLR_BUSY; i++)
        arch_relax(0);
}

static void init(const struct machine *m)
{
    machine = m;
    timer_irq = m->timer_irq;
    dist = (uintptr_t)vm_map_device(m->irqchip.dist.base, m->irqchip.dist.size);
    for (unsigned i = 0; i < m->irqchip.n_redist; i++)
        redist[i] = (uintptr_t)vm_map_device(m->irqchip.redist[i].base, m->irqchip.redist[i].size);

    mmio_write32(dist + GICD_CTLR, 0); /* groups and routing may change only while off (12.9.4) */
    wait_written();
    n_lines = gic_init_spis(dist);
    for (unsigned irq = GIC_SPI; irq < n_lines; irq += 32)
        group1(dist, irq);
    wait_written();
    mmio_write32(dist + GICD_CTLR,
                 CTLR_AFFINITY |
                     (arm64_entry_level() == 3 ? CTLR_GROUP1S : CTLR_GROUP1A | CTLR_GROUP1));
    wait_written();

    for (unsigned i = 0; i < m->n_harts; i++)
        irq_doors[i] = (struct irq_door){NULL, sgi_word(i)};
    irq_ring = ring;
}

static uintptr_t find_in_region(uintptr_t frame, uint64_t size, uint32_t who)
{
    uint64_t stride = machine->irqchip.redist_stride, typer;
    uintptr_t end = frame + size;
    do {
        typer = mmio_read64(frame + GICR_TYPER);
        if (typer >> 32 == who)
            return frame;
        frame += stride ? stride : typer & TYPER_VLPIS ? FOUR_FRAMES : TWO_FRAMES;
    } while (!(typer & TYPER_LAST) && frame < end);
    return 0;
}

static uintptr_t find_redistributor(unsigned hart)
{
    for (unsigned i = 0; i < machine->irqchip.n_redist; i++) {
        uintptr_t found =
            redist[i] ? find_in_region(redist[i], machine->irqchip.redist[i].size, affinity(hart))
                      : 0;
        if (found)
            return found;
    }
    return 0;
}

/* After reset it sleeps, and delivers nothing until it says that it no longer does (GICR_WAKER). */
static void wake(uintptr_t rd)
{
    mmio_write32(rd + GICR_WAKER, mmio_read32(rd + GICR_WAKER) & ~(uint32_t)WAKER_SLEEP);
    for (unsigned i = 0; i < WAIT_ROUNDS && mmio_read32(rd + GICR_WAKER) & WAKER_ASLEEP; i++)
        arch_relax(0);
}

static void init_hart(unsigned hart)
{
    uintptr_t rd = find_redistributor(hart);
    if (!rd) {
        kprintf("gicv3: core %u (MPIDR %lx) has no redistributor: it gets no interrupts\n", hart,
                (unsigned long)machine->hart[hart].id);
        return;
    }
    wake(rd);
    group1(rd + SGI_FRAME, 0);
    gic_init_private(rd + SGI_FRAME, timer_irq);

    write_icc(ICC_SRE_EL1, SRE_ENABLE);
    __asm__ volatile("isb"); /* the other registers exist from here on */
    write_icc(ICC_PMR_EL1, PMR_ALL);
    write_icc(ICC_BPR1_EL1, 0); /* every priority bit that is there counts as urgency */
    write_icc(ICC_CTLR_EL1, 0); /* one EOI drops the priority and ends the interrupt */
    write_icc(ICC_IGRPEN1_EL1, 1);
    __asm__ volatile("isb");
}

static void end(uint32_t irq)
{
    write_icc(ICC_EOIR1_EL1, irq);
    __asm__ volatile("isb"); /* done when the mask opens, or the same one would be seen again */
}

static __attribute__((noinline)) enum irq_event take_device(uint32_t irq)
{
    irq_line(irq);
    __asm__ volatile("dsb sy" ::: "memory"); /* the handler's accesses to its device come first */
    end(irq);
    return IRQ_DEVICE;
}

static enum irq_event take(unsigned hart)
{
    uint64_t iar;
    (void)hart;
    /* The dsb: what the interrupt tells of is read after the acknowledgement (traps 1 and 2); and
     * the acknowledgement has reached the redistributor before the interrupt is ended. */
    __asm__ volatile("mrs %0, " ICC_IAR1_EL1 "\n\tdsb sy" : "=r"(iar)::"memory");
    /* Message-signalled ones, from 8192, are never set up: they count as nothing. */
    uint32_t irq = iar & IAR_ID;
    enum irq_event event = gic_event(irq, timer_irq);
    if (event == IRQ_DEVICE)
        return take_device(irq);
    if (event != IRQ_NONE)
        end(irq);
    return event;
}

static int enable(uint32_t irq, unsigned hart)
{
    if (irq < GIC_SPI || irq >= n_lines || hart >= machine->n_harts)
        return -1;
    uint64_t a = affinity(hart);
    mmio_write64(dist + GICD_IROUTER + (uintptr_t)irq * 8, (a >> 24) << 32 | (a & 0xffffff));
    gic_line_enable(dist, irq);
    return 0;
}

static void disable(uint32_t irq)
{
    gic_line_disable(dist, irq);
}

const struct irq_chip gicv3_chip = {
    .name = "gicv3",
    .init = init,
    .init_hart = init_hart,
    .take = take,
    .enable = enable,
    .disable = disable,
};
