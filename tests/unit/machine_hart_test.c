// with: kernel/machine.c kernel/machine_hart.c kernel/machine_irq.c kernel/machine_console.c kernel/tree.c libfdt
/*
 * machine_hart_test: which harts of a tree are ours, their numbers, and how they are started.
 */
#include "tests/unit/device_tree.h"

/* A RISC-V machine with memory, whose harts the test describes. */
static void begin_cpus(void)
{
    start();
    memory();
    cpus();
}

TEST(hart_zero_without_mmu_is_not_ours)
{
    begin_cpus();
    cpu(0, "rv64imac", NULL, "okay");
    for (uint32_t id = 1; id <= 4; id++)
        good_cpu(id);
    end();
    PARSE(MACHINE_RISCV);
    CHECK_EQ(m.n_harts, 4);
    CHECK_EQ(m.hart[0].id, 1);
    CHECK_EQ(m.hart[3].id, 4);
    CHECK_EQ(m.hart[0].start, START_SBI_HSM);
    CHECK_EQ(m.hart[0].phandle_intc, INTC(1));
    CHECK_EQ(m.timebase_hz, 10000000);
    CHECK(m.sstc);
}

TEST(hart_with_mmu_type_none_is_not_ours)
{
    begin_cpus();
    cpu(0, "rv64imafdc", "riscv,none", "okay");
    good_cpu(1);
    end();
    PARSE(MACHINE_RISCV);
    CHECK_EQ(m.n_harts, 1);
    CHECK_EQ(m.hart[0].id, 1);
}

/* Some vendors' trees for the JH7110 say that its monitor core is okay and has an MMU. */
TEST(hart_without_floating_point_is_not_ours)
{
    begin_cpus();
    cpu(0, "rv64imacu", "riscv,sv39", "okay");
    cpu(1, "rv64gc", "riscv,sv39", "okay");
    cpu(2, "rv64imafdcsu", "riscv,sv39", "okay");
    cpu(3, "rv64i2p1m2p0a2p1f2p2d2p2c2p0_zicsr2p0", "riscv,sv39", "okay");
    cpu(4, "RV64IMAFDC", "riscv,sv39", NULL);
    cpu(5, "rv32imafdc", "riscv,sv32", NULL);
    cpu(6, "rv64imac_zfd_xc", "riscv,sv39", NULL);
    cpu(7, NULL, "riscv,sv39", NULL);
    end();
    PARSE(MACHINE_RISCV);
    CHECK_EQ(m.n_harts, 5);
    for (unsigned i = 0; i < 4; i++)
        CHECK_EQ(m.hart[i].id, i + 1);
    CHECK_EQ(m.hart[4].id, 7);
    CHECK(!m.sstc);
}

TEST(disabled_hart_is_not_ours)
{
    begin_cpus();
    cpu(0, "rv64gc", "riscv,sv39", "disabled");
    cpu(1, "rv64gc", "riscv,sv39", "fail");
    cpu(2, "rv64gc", "riscv,sv39", "ok");
    cpu(3, "rv64gc", "riscv,sv39", NULL);
    end();
    PARSE(MACHINE_RISCV);
    CHECK_EQ(m.n_harts, 2);
    CHECK_EQ(m.hart[0].id, 2);
}

TEST(hart_ids_may_have_holes)
{
    static const uint32_t ids[] = {3, 4, 17, 0x1000, 0xfffffff0};
    begin_cpus();
    for (unsigned i = 0; i < 5; i++)
        good_cpu(ids[i]);
    end();
    PARSE(MACHINE_RISCV);
    CHECK_EQ(m.n_harts, 5);
    for (unsigned i = 0; i < 5; i++)
        CHECK_EQ(m.hart[i].id, ids[i]);
}

TEST(logical_numbers_go_by_id_not_by_the_order_of_the_tree)
{
    begin_cpus();
    good_cpu(3);
    good_cpu(1);
    good_cpu(2);
    good_cpu(0);
    end();
    PARSE(MACHINE_RISCV);
    for (unsigned i = 0; i < 4; i++) {
        CHECK_EQ(m.hart[i].id, i);
        CHECK_EQ(m.hart[i].phandle_intc, INTC(i));
    }
}

TEST(two_harts_of_one_id_are_one)
{
    begin_cpus();
    good_cpu(1);
    node("cpu@01");
    put_text("device_type", "cpu");
    put_text("mmu-type", "riscv,sv39");
    CELLS("reg", 1);
    end();
    end();
    PARSE(MACHINE_RISCV);
    CHECK_EQ(m.n_harts, 1);
}

TEST(sixty_four_harts_fit)
{
    riscv(64);
    PARSE(MACHINE_RISCV);
    CHECK_EQ(m.n_harts, 64);
    CHECK_EQ(m.harts_beyond, 0);
    CHECK_EQ(m.hart[63].id, 63);
}

TEST(of_a_hundred_harts_those_that_do_not_fit_are_counted)
{
    for (unsigned downwards = 0; downwards < 2; downwards++) {
        begin_cpus();
        for (uint32_t id = 0; id < 100; id++)
            good_cpu(downwards ? 99 - id : id);
        end();
        PARSE(MACHINE_RISCV);
        CHECK_EQ(m.n_harts, 64);
        CHECK_EQ(m.harts_beyond, 36);
        for (unsigned i = 0; i < 64; i++)
            CHECK_EQ(m.hart[i].id, i);
    }
}

TEST(sstc_counts_only_if_every_hart_has_it)
{
    begin_cpus();
    good_cpu(0);
    cpu(1, "rv64imafdc_zicsr_sstcx_ssvinval", "riscv,sv39", "okay");
    good_cpu(2);
    end();
    PARSE(MACHINE_RISCV);
    CHECK_EQ(m.n_harts, 3);
    CHECK(!m.sstc);
}

TEST(extensions_may_be_a_list)
{
    static const char with[] = "i\0m\0a\0f\0d\0c\0zicsr\0sstc", without[] = "i\0m\0a\0c";
    begin_cpus();
    for (uint32_t id = 0; id < 2; id++) {
        node(id ? "cpu@1" : "cpu@0");
        put_text("device_type", "cpu");
        put_text("mmu-type", "riscv,sv48");
        CELLS("reg", id);
        put_text("riscv,isa-base", "rv64i");
        if (id)
            put_bytes("riscv,isa-extensions", with, sizeof with);
        else
            put_bytes("riscv,isa-extensions", without, sizeof without);
        end();
    }
    end();
    PARSE(MACHINE_RISCV);
    CHECK_EQ(m.n_harts, 1);
    CHECK_EQ(m.hart[0].id, 1);
    CHECK(m.sstc);
}

TEST(time_base_may_be_in_a_cpu_node_and_of_two_cells)
{
    start();
    memory();
    node("cpus");
    cells(2, 0);
    node("cpu@1");
    put_text("device_type", "cpu");
    put_text("mmu-type", "riscv,sv48");
    CELLS("reg", 0, 1);
    CELLS("timebase-frequency", 0, 24000000);
    end();
    end();
    PARSE(MACHINE_RISCV);
    CHECK_EQ(m.timebase_hz, 24000000);
    CHECK_EQ(m.hart[0].id, 1);
}

TEST(mpidr_in_aff1)
{
    start();
    memory();
    psci("arm,psci-1.0", "smc");
    node("cpus");
    cells(1, 0);
    for (uint32_t id = 0; id < 4; id++) {
        arm_cpu(id << 8, "psci");
        end();
    }
    end();
    PARSE(MACHINE_ARM64);
    CHECK_EQ(m.n_harts, 4);
    CHECK_EQ(m.hart[1].id, 0x100);
    CHECK_EQ(m.hart[3].id, 0x300);
    CHECK_EQ(m.hart[3].start, START_PSCI_SMC);
    CHECK(m.has_psci && m.psci_smc);
    CHECK(!m.sstc);
    CHECK_EQ(m.timebase_hz, 0);
}

TEST(mpidr_of_two_cells)
{
    start();
    memory();
    node("cpus");
    cells(2, 0);
    node("cpu@100000001");
    put_text("device_type", "cpu");
    CELLS("reg", 1, 0x80000001); /* bit 31 of MPIDR is not affinity */
    end();
    end();
    PARSE(MACHINE_ARM64);
    CHECK_EQ(m.hart[0].id, 0x100000001);
    CHECK_EQ(m.hart[0].start, START_NONE);
}

TEST(psci_by_hvc)
{
    arm(4);
    PARSE(MACHINE_ARM64);
    CHECK_EQ(m.n_harts, 4);
    CHECK(m.has_psci && !m.psci_smc);
    CHECK_EQ(m.hart[2].start, START_PSCI_HVC);
}

TEST(psci_of_the_first_version_needs_the_number_we_call)
{
    for (uint32_t number = 0xc4000003; number >= 0xc4000002; number--) {
        start();
        memory();
        node("psci");
        put_text("compatible", "arm,psci");
        put_text("method", "smc");
        CELLS("cpu_on", number);
        end();
        node("cpus");
        cells(1, 0);
        arm_cpu(0, "psci");
        end();
        end();
        PARSE(MACHINE_ARM64);
        CHECK_EQ(m.has_psci, number == 0xc4000003);
        CHECK_EQ(m.hart[0].start, number == 0xc4000003 ? START_PSCI_SMC : START_NONE);
    }
}

TEST(spin_table_has_an_address_for_each_hart)
{
    start();
    memory();
    node("cpus");
    cells(1, 0);
    for (uint32_t id = 0; id < 4; id++) {
        arm_cpu(id, "spin-table");
        CELLS("cpu-release-addr", 0, 0xd8 + id * 8);
        end();
    }
    end();
    PARSE(MACHINE_ARM64);
    CHECK_EQ(m.hart[3].start, START_SPIN_TABLE);
    CHECK_EQ(m.hart[3].release_addr, 0xf0);
    CHECK(!m.has_psci);
}

/* QEMU leaves the property out when there is one cpu. */
TEST(a_single_cpu_needs_no_enable_method)
{
    start();
    memory();
    psci("arm,psci-0.2", "hvc");
    node("cpus");
    cells(1, 0);
    arm_cpu(0, NULL);
    end();
    end();
    PARSE(MACHINE_ARM64);
    CHECK_EQ(m.n_harts, 1);
    CHECK_EQ(m.hart[0].start, START_NONE);
}

TEST(no_usable_cpu_says_why)
{
    begin_cpus();
    cpu(0, "rv64imac", NULL, NULL);
    for (uint32_t id = 1; id < 5; id++)
        cpu(id, "rv64gc", "riscv,sv39", "disabled");
    cpu(5, "rv64imac", "riscv,sv39", NULL);
    node("cpu-map");
    end();
    end();
    REFUSE(MACHINE_RISCV, "no usable cpu under /cpus (6 seen: 1 without an MMU, 1 without the "
                          "extensions I M A F D C, 4 disabled)");
    begin_cpus();
    end();
    REFUSE(MACHINE_RISCV, "no usable cpu under /cpus (0 seen)");
    start();
    memory();
    REFUSE(MACHINE_ARM64, "no node /cpus");
}

TEST(riscv_without_time_base_is_refused)
{
    start();
    memory();
    node("cpus");
    cells(1, 0);
    good_cpu(0);
    end();
    REFUSE(MACHINE_RISCV, "no usable timebase-frequency under /cpus");
}

UNIT_MAIN
