// with: kernel/machine.c kernel/machine_hart.c kernel/machine_irq.c kernel/machine_console.c kernel/tree.c libfdt
/*
 * machine_irq_test: interrupt controllers and the way of IPIs.
 */
#include "tests/unit/device_tree.h"

/* A machine of so many harts, in whose soc … */
static void begin_soc(uint32_t n)
{
    riscv(n);
    soc();
}

/* … this is all. */
static void end_soc(void)
{
    end();
    PARSE(MACHINE_RISCV);
}

TEST(plic_contexts_pass_over_machine_mode)
{
    start();
    memory();
    cpus();
    cpu(0, "rv64imac", NULL, NULL);
    good_cpu(1);
    good_cpu(2);
    end();
    soc();
    device("plic@c000000", "riscv,plic0", 0xc000000, 0x4000000);
    CELLS("riscv,ndev", 53);
    CELLS("interrupts-extended", INTC(0), 11, INTC(1), 11, INTC(1), 9, INTC(2), 0xffffffff, INTC(2),
          9);
    end();
    end_soc();
    CHECK_EQ(m.irqchip.kind, IRQCHIP_PLIC);
    CHECK_EQ(m.irqchip.dist.base, 0xc000000);
    CHECK_EQ(m.irqchip.dist.size, 0x4000000);
    CHECK_EQ(m.irqchip.n_sources, 53);
    CHECK_EQ(m.hart[0].plic_context, 2);
    CHECK_EQ(m.hart[1].plic_context, 4);
    CHECK_EQ(m.ipi, IPI_SBI);
}

TEST(a_plic_context_outside_its_registers_does_not_exist)
{
    begin_soc(2);
    plic(2, 0x202000); /* contexts 0 and 1 only */
    end_soc();
    CHECK_EQ(m.hart[0].plic_context, 1);
    CHECK_EQ(m.hart[1].plic_context, 0xffff);
}

/* Machines of several sockets have one each, and the tree may list them in any order. */
TEST(of_several_plics_the_first_harts_is_taken)
{
    begin_soc(4);
    device("plic@d000000", "sifive,plic-1.0.0", 0xd000000, 0x600000);
    CELLS("riscv,ndev", 53);
    wires(2, 2, 11, 9);
    end();
    plic(2, 0x600000);
    end_soc();
    CHECK_EQ(m.irqchip.dist.base, 0xc000000);
    CHECK_EQ(m.hart[1].plic_context, 3);
    CHECK_EQ(m.hart[2].plic_context, 0xffff);
}

TEST(no_interrupt_controller_is_no_error)
{
    riscv(1);
    PARSE(MACHINE_RISCV);
    CHECK_EQ(m.irqchip.kind, IRQCHIP_NONE);
    CHECK_EQ(m.irqchip.dist.size, 0);
    CHECK_EQ(m.hart[0].plic_context, 0xffff);
    CHECK_EQ(m.hart[0].sswi_index, 0xffff);
    CHECK_EQ(m.hart[0].imsic, 0);
}

TEST(sswi_is_the_way_for_ipis_if_all_harts_have_it)
{
    for (uint32_t n = 1; n <= 2; n++) {
        begin_soc(2);
        device("sswi@2f00000", "riscv,aclint-sswi", 0x2f00000, 0x4000);
        wires(0, n, 0, 1);
        end();
        end();
        PARSE(MACHINE_RISCV);
        CHECK_EQ(m.ipi, n == 2 ? IPI_SSWI : IPI_SBI);
        CHECK_EQ(m.hart[1].sswi_index, n == 2 ? 1 : 0xffff);
        CHECK_EQ(m.sswi.base, n == 2 ? 0x2f00000 : 0);
    }
}

TEST(sswi_indexes_go_by_its_own_order)
{
    begin_soc(3);
    device("sswi@2f00000", "riscv,aclint-sswi", 0x2f00000, 0x4000);
    CELLS("interrupts-extended", INTC(2), 1, INTC(77), 1, INTC(0), 1, INTC(1), 1);
    end();
    end_soc();
    CHECK_EQ(m.hart[0].sswi_index, 2);
    CHECK_EQ(m.hart[1].sswi_index, 3);
    CHECK_EQ(m.hart[2].sswi_index, 0);
}

TEST(an_sswi_index_outside_its_registers_does_not_exist)
{
    begin_soc(2);
    device("sswi@2f00000", "riscv,aclint-sswi", 0x2f00000, 4);
    wires(0, 2, 0, 1);
    end();
    end_soc();
    CHECK_EQ(m.ipi, IPI_SBI);
}

static void imsics(uint32_t base, uint32_t size, uint32_t n, uint32_t cause)
{
    char name[32];
    snprintf(name, sizeof name, "imsics@%x", base);
    device(name, "riscv,imsics", base, size);
    CELLS("riscv,num-ids", 255);
    CELLS("phandle", base >> 24);
    wires(0, n, 0, cause);
}

TEST(imsic_of_the_supervisor_is_chosen_before_plic_and_sswi)
{
    begin_soc(3);
    plic(3, 0x600000);
    device("sswi@2f00000", "riscv,aclint-sswi", 0x2f00000, 0x4000);
    wires(0, 3, 0, 1);
    end();
    imsics(0x24000000, 0x3000, 3, 11);
    end();
    imsics(0x28000000, 0x3000, 3, 9);
    end();
    aplic(0xc000000, 0x24);
    end();
    aplic(0xd000000, 0x28);
    CELLS("phandle", APLIC);
    CELLS("#interrupt-cells", 2);
    end();
    device("serial@10000000", "ns16550a", 0x10000000, 0x100);
    CELLS("interrupts", 10, 4);
    CELLS("interrupt-parent", APLIC);
    end();
    end_soc();
    CHECK_EQ(m.irqchip.kind, IRQCHIP_IMSIC);
    CHECK_EQ(m.ipi, IPI_IMSIC);
    CHECK_EQ(m.irqchip.n_sources, 255);
    CHECK_EQ(m.irqchip.cpu.base, 0x28000000);
    CHECK_EQ(m.irqchip.dist.base, 0xd000000);
    for (unsigned i = 0; i < 3; i++)
        CHECK_EQ(m.hart[i].imsic, 0x28000000 + i * 0x1000);
    CHECK_EQ(m.console.irq, 10);
}

TEST(imsic_files_leave_room_for_guests)
{
    begin_soc(3);
    imsics(0x28000000, 0xc000, 3, 9);
    CELLS("riscv,guest-index-bits", 2);
    end();
    end_soc();
    CHECK_EQ(m.irqchip.imsic_guest_bits, 2);
    CHECK_EQ(m.hart[2].imsic, 0x28008000);
    CHECK_EQ(m.irqchip.dist.size, 0);
}

/* In two pieces; the caller adds the rest, and ends it. */
static void imsics_in_two(uint32_t size)
{
    node("imsics@28000000");
    put_text("compatible", "riscv,imsics");
    CELLS("reg", 0, 0x28000000, 0, size, 0, 0x29000000, 0, size);
    CELLS("riscv,num-ids", 63);
}

TEST(imsic_groups_follow_each_other)
{
    begin_soc(4);
    imsics_in_two(0x4000);
    CELLS("riscv,guest-index-bits", 1);
    CELLS("riscv,group-index-bits", 1);
    CELLS("riscv,hart-index-bits", 1);
    wires(0, 4, 0, 9);
    end();
    end_soc();
    CHECK_EQ(m.hart[0].imsic, 0x28000000);
    CHECK_EQ(m.hart[1].imsic, 0x28002000);
    CHECK_EQ(m.hart[2].imsic, 0x29000000);
    CHECK_EQ(m.hart[3].imsic, 0x29002000);
}

TEST(an_imsic_group_ends_with_its_hart_bits)
{
    begin_soc(2);
    imsics_in_two(0x8000);
    CELLS("riscv,hart-index-bits", 0);
    wires(0, 2, 0, 9);
    end();
    end_soc();
    CHECK_EQ(m.hart[1].imsic, 0x29000000);
}

TEST(imsics_that_do_not_reach_every_hart_are_not_used)
{
    begin_soc(3);
    imsics(0x28000000, 0x2000, 3, 9);
    end();
    plic(3, 0x600000);
    end_soc();
    CHECK_EQ(m.irqchip.kind, IRQCHIP_PLIC);
    CHECK_EQ(m.irqchip.n_sources, 96);
    CHECK_EQ(m.hart[0].imsic, 0);
    CHECK_EQ(m.irqchip.cpu.size, 0);
}

/* Interrupts on Arm. */

TEST(gicv2_and_its_timer)
{
    arm(1);
    gicv2();
    pl011();
    node("timer");
    put_text("compatible", "arm,armv8-timer");
    CELLS("interrupts", 1, 13, 4, 1, 14, 4, 1, 11, 4, 1, 10, 4);
    end();
    PARSE(MACHINE_ARM64);
    CHECK_EQ(m.irqchip.kind, IRQCHIP_GICV2);
    CHECK_EQ(m.irqchip.dist.base, 0x8000000);
    CHECK_EQ(m.irqchip.cpu.base, 0x8010000);
    CHECK_EQ(m.ipi, IPI_GIC);
    CHECK_EQ(m.timer_irq, 27);
    CHECK_EQ(m.console.irq, 33);
}

TEST(gicv3_with_two_redistributor_regions)
{
    arm(1);
    node("intc@8000000");
    put_text("compatible", "arm,gic-v3");
    CELLS("reg", 0, 0x8000000, 0, 0x10000, 0, 0x80a0000, 0, 0xf60000, 0x40, 0, 0, 0x4000000);
    CELLS("#redistributor-regions", 2);
    CELLS("redistributor-stride", 0, 0x40000);
    CELLS("#interrupt-cells", 3);
    CELLS("phandle", GIC);
    end();
    PARSE(MACHINE_ARM64);
    CHECK_EQ(m.irqchip.kind, IRQCHIP_GICV3);
    CHECK_EQ(m.irqchip.n_redist, 2);
    CHECK_EQ(m.irqchip.redist[0].base, 0x80a0000);
    CHECK_EQ(m.irqchip.redist[1].base, 0x4000000000);
    CHECK_EQ(m.irqchip.redist_stride, 0x40000);
    CHECK_EQ(m.timer_irq, 0);
}

TEST(gicv3_that_lacks_a_region_is_not_used)
{
    arm(1);
    node("intc@8000000");
    put_text("compatible", "arm,gic-v3");
    CELLS("reg", 0, 0x8000000, 0, 0x10000);
    end();
    PARSE(MACHINE_ARM64);
    CHECK_EQ(m.irqchip.kind, IRQCHIP_NONE);
    CHECK_EQ(m.irqchip.dist.size, 0);
    CHECK_EQ(m.ipi, IPI_NONE);
}

/* Each entry takes a search of the tree; a list of a megabyte must not take a million of them. */
TEST(the_end_of_a_long_list_of_interrupts_is_not_looked_for)
{
    char names[2 * 40 + 5];
    uint32_t list[41 * 4];
    for (unsigned i = 0; i <= 40; i++) {
        memcpy(names + 2 * i, i < 40 ? "x" : "virt", i < 40 ? 2 : 5);
        memcpy(list + 4 * i, (uint32_t[]){GIC, 1, 11, 4}, 16);
    }
    for (unsigned virt = 40; virt >= 20; virt -= 20) {
        arm(1);
        gicv2();
        node("timer");
        put_text("compatible", "arm,armv8-timer");
        put_cells("interrupts-extended", list, sizeof list);
        put_bytes("interrupt-names", names + 2 * (40 - virt), 2 * virt + 5);
        end();
        PARSE(MACHINE_ARM64);
        CHECK_EQ(m.timer_irq, virt == 40 ? 0 : 27);
    }
}

TEST(timer_interrupts_may_have_names)
{
    static const char names[] = "phys\0virt";
    arm(1);
    gicv2();
    node("timer");
    put_text("compatible", "arm,armv8-timer");
    put_bytes("interrupt-names", names, sizeof names);
    CELLS("interrupts-extended", GIC, 1, 14, 4, GIC, 1, 11, 4);
    end();
    PARSE(MACHINE_ARM64);
    CHECK_EQ(m.timer_irq, 27);
}

/* The Raspberry Pi 3: its local controller counts otherwise. */
TEST(a_number_at_another_controller_is_not_ours)
{
    arm(1);
    gicv2();
    node("local@40000000");
    CELLS("#interrupt-cells", 3);
    CELLS("phandle", OTHER);
    end();
    node("timer");
    put_text("compatible", "arm,armv7-timer");
    CELLS("interrupt-parent", OTHER);
    CELLS("interrupts", 1, 0, 4, 1, 1, 4, 1, 3, 4, 1, 2, 4);
    end();
    PARSE(MACHINE_ARM64);
    CHECK_EQ(m.irqchip.kind, IRQCHIP_GICV2);
    CHECK_EQ(m.timer_irq, 0);
}

UNIT_MAIN
