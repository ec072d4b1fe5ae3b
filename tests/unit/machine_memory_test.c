// with: kernel/machine.c kernel/machine_hart.c kernel/machine_irq.c kernel/machine_console.c kernel/tree.c libfdt
/*
 * machine_memory_test: banks and reserved ranges.
 */
#include "tests/unit/device_tree.h"

static void bank(const char *name, uint64_t base, uint64_t size, const char *status)
{
    node(name);
    put_text("device_type", "memory");
    CELLS("reg", (uint32_t)(base >> 32), (uint32_t)base, (uint32_t)(size >> 32), (uint32_t)size);
    if (status)
        put_text("status", status);
    end();
}

static void check_bank(unsigned i, uint64_t base, uint64_t size)
{
    CHECK_EQ(m.bank[i].base, base);
    CHECK_EQ(m.bank[i].size, size);
}

TEST(banks_are_sorted_merged_and_never_empty)
{
    start();
    good_cpus(0, 0);
    bank("memory@c0000000", 0xc0000000, 0x10000000, "okay");
    bank("memory@80000000", 0x80000000, 0x10000000, NULL);
    bank("memory@90000000", 0x90000000, 0x08000000, NULL); /* touches the one before */
    bank("memory@8f000000", 0x8f000000, 0x00100000, NULL); /* lies inside it */
    bank("memory@bf000000", 0xbf000000, 0x01000000, NULL); /* touches the one after */
    bank("memory@1000000000", 0x1000000000, 0x100000000, NULL);
    bank("memory@40000000", 0x40000000, 0, NULL);
    bank("secram@e000000", 0xe000000, 0x1000000, "disabled");
    PARSE(MACHINE_RISCV);
    CHECK_EQ(m.n_banks, 3);
    check_bank(0, 0x80000000, 0x18000000);
    check_bank(1, 0xbf000000, 0x11000000);
    check_bank(2, 0x1000000000, 0x100000000);
}

TEST(a_bank_between_two_joins_them)
{
    start();
    good_cpus(0, 0);
    bank("memory@80000000", 0x80000000, 0x1000, NULL);
    bank("memory@80003000", 0x80003000, 0x1000, NULL);
    bank("memory@80006000", 0x80006000, 0x1000, NULL);
    bank("memory@80000800", 0x80000800, 0x2900, NULL);
    PARSE(MACHINE_RISCV);
    CHECK_EQ(m.n_banks, 2);
    check_bank(0, 0x80000000, 0x4000);
    CHECK_EQ(m.bank[1].base, 0x80006000);
}

TEST(one_memory_node_may_hold_several_banks)
{
    start();
    good_cpus(0, 0);
    node("memory");
    put_text("device_type", "memory");
    CELLS("reg", 0, 0x80000000, 0, 0x1000, 1, 0, 0, 0x2000);
    end();
    PARSE(MACHINE_RISCV);
    CHECK_EQ(m.n_banks, 2);
    check_bank(1, 0x100000000, 0x2000);
}

TEST(root_cells_of_one_and_one_or_two_and_one)
{
    for (uint32_t n = 1; n <= 2; n++) {
        start_tree();
        start_root(n, 1);
        good_cpus(0, 0);
        node("memory@40000000");
        put_text("device_type", "memory");
        if (n == 1)
            CELLS("reg", 0x40000000, 0x8000000, 0x60000000, 0x1000);
        else
            CELLS("reg", 4, 0x40000000, 0x8000000);
        end();
        PARSE(MACHINE_RISCV);
        CHECK_EQ(m.n_banks, n == 1 ? 2 : 1);
        check_bank(0, n == 1 ? 0x40000000 : 0x440000000, 0x8000000);
    }
}

TEST(no_memory_is_refused)
{
    start();
    good_cpus(0, 0);
    REFUSE(MACHINE_RISCV, "no memory node with a size");
    start();
    good_cpus(0, 0);
    bank("memory@0", 0, 0, NULL);
    REFUSE(MACHINE_RISCV, "no memory node with a size");
}

TEST(memory_that_makes_no_sense_is_refused_by_name)
{
    start();
    good_cpus(0, 0);
    node("memory@1");
    put_text("device_type", "memory");
    CELLS("reg", 0, 0x80000000, 1);
    end();
    REFUSE(MACHINE_RISCV, "the reg of memory node memory@1 is not a list of ranges");
    start();
    good_cpus(0, 0);
    bank("memory@2", UINT64_MAX - 0xfff, 0x2000, NULL);
    REFUSE(MACHINE_RISCV, "range 0 of memory node memory@2 has no place among the addresses");
}

TEST(too_many_banks_are_refused)
{
    char name[32];
    for (unsigned n = MACHINE_MAX_BANKS; n <= MACHINE_MAX_BANKS + 1; n++) {
        start();
        good_cpus(0, 0);
        for (unsigned i = 0; i < n; i++) {
            snprintf(name, sizeof name, "memory@%x", i * 0x2000);
            bank(name, i * 0x2000, 0x1000, NULL);
        }
        if (n == MACHINE_MAX_BANKS)
            PARSE(MACHINE_RISCV);
        else
            REFUSE(MACHINE_RISCV, "more than 16 separate banks of memory, at node memory@20000");
    }
}

/* Reserved. */

TEST(everything_that_is_not_ours_is_reserved)
{
    start_tree();
    must(fdt_add_reservemap_entry(work, 0x81000000, 0x1000));
    must(fdt_add_reservemap_entry(work, 0x81001000, 0x1000));
    start_root(2, 2);
    memory();
    good_cpus(0, 0);
    node("chosen");
    CELLS("linux,initrd-start", 0, 0x82000000);
    CELLS("linux,initrd-end", 0, 0x82000100);
    end();
    node("reserved-memory");
    cells(2, 1);
    put_empty("ranges");
    node("firmware@80000000");
    CELLS("reg", 0, 0x80000000, 0x80000);
    put_empty("no-map");
    end();
    node("two@83000000");
    CELLS("reg", 0, 0x83000000, 0x1000, 0, 0x84000000, 0x1000);
    end();
    node("off@85000000");
    CELLS("reg", 0, 0x85000000, 0x1000);
    put_text("status", "disabled");
    end();
    node("pool");
    CELLS("size", 0x1000);
    end();
    end();
    PARSE(MACHINE_RISCV);
    CHECK(reserved(0x81000000, 0x2000));
    CHECK(reserved(0x82000000, 0x100));
    CHECK(reserved(0x80000000, 0x80000));
    CHECK(reserved(0x83000000, 0x1000));
    CHECK(reserved(0x84000000, 0x1000));
    CHECK(!reserved(0x85000000, 1));
    CHECK(reserved((uintptr_t)tree, tree_size));
    CHECK_EQ(m.n_reserved, 6);
    CHECK_EQ(m.fdt_size, tree_size);
}

TEST(reserved_memory_without_ranges_counts_as_it_is)
{
    start();
    memory();
    good_cpus(0, 0);
    node("reserved-memory");
    cells(2, 2);
    node("firmware@80000000");
    CELLS("reg", 0, 0x80000000, 0, 0x80000);
    end();
    end();
    PARSE(MACHINE_RISCV);
    CHECK(reserved(0x80000000, 0x80000));
}

TEST(a_reserved_range_is_never_lost_silently)
{
    start();
    memory();
    good_cpus(0, 0);
    node("reserved-memory");
    cells(2, 2);
    put_empty("ranges");
    node("firmware@80000000");
    CELLS("reg", 0, 0x80000000, 0x80000);
    end();
    end();
    REFUSE(MACHINE_RISCV, "the reg of reserved-memory/firmware@80000000 is not a list of ranges");

    start_tree();
    for (unsigned i = 0; i < MACHINE_MAX_RESERVED; i++)
        must(fdt_add_reservemap_entry(work, 0x80000000 + i * 0x2000, 0x1000));
    start_root(2, 2);
    memory();
    good_cpus(0, 0);
    REFUSE(MACHINE_RISCV, "more than 64 separate ranges of reserved memory");
}

TEST(a_reservation_beyond_all_addresses_ends_with_them)
{
    start_tree();
    must(fdt_add_reservemap_entry(work, UINT64_MAX - 0xffff, UINT64_MAX));
    start_root(2, 2);
    memory();
    good_cpus(0, 0);
    PARSE(MACHINE_RISCV);
    CHECK(reserved(UINT64_MAX - 0xffff, 0xffff));
}

UNIT_MAIN
