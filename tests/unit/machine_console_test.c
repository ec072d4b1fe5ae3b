// with: kernel/machine.c kernel/machine_hart.c kernel/machine_irq.c kernel/machine_console.c kernel/tree.c libfdt
/*
 * machine_console_test: the console, and the buses on the way to it.
 */
#include "tests/unit/device_tree.h"

TEST(stdout_path_by_alias_with_settings)
{
    riscv(1);
    aliases("serial1", "/soc/serial@10010000");
    chosen("serial1:115200n8");
    soc();
    plic(1, 0x600000);
    uart();
    device("serial@10010000", "sifive,uart0", 0x10010000, 0x1000);
    CELLS("interrupts-extended", PLIC, 4);
    end();
    end();
    PARSE(MACHINE_RISCV);
    CHECK_EQ(m.console.kind, CONSOLE_SIFIVE);
    CHECK_EQ(m.console.reg.base, 0x10010000);
    CHECK_EQ(m.console.reg.size, 0x1000);
    CHECK_EQ(m.console.irq, 4);
}

static void console_by(const char *stdout_path)
{
    riscv(1);
    aliases("serial0", "/soc/serial@20000000");
    if (stdout_path)
        chosen(stdout_path);
    soc();
    plic(1, 0x600000);
    uart();
    device("serial@20000000", "snps,dw-apb-uart", 0x20000000, 0x100);
    CELLS("reg-shift", 2);
    CELLS("reg-io-width", 4);
    end();
    device("cadence@30000000", "cdns,uart", 0x30000000, 0x100);
    end();
    end();
    PARSE(MACHINE_RISCV);
}

static void check_16550(uintptr_t base, unsigned shift, unsigned width, unsigned irq)
{
    CHECK_EQ(m.console.kind, CONSOLE_16550);
    CHECK_EQ(m.console.reg.base, base);
    CHECK_EQ(m.console.reg_shift, shift);
    CHECK_EQ(m.console.reg_io_width, width);
    CHECK_EQ(m.console.irq, irq);
}

TEST(stdout_path_by_full_path)
{
    console_by("/soc/serial@10000000:115200");
    check_16550(0x10000000, 0, 1, 10);
}

TEST(registers_may_be_spread_out)
{
    console_by("serial0");
    check_16550(0x20000000, 2, 4, 0);
}

TEST(odd_stdout_paths_fall_back_to_serial0)
{
    static const char *const odd[] = {NULL,
                                      "",
                                      ":",
                                      "/",
                                      "//",
                                      "serial9",
                                      "serial0x",
                                      "/soc/serial@99",
                                      "/soc/serial@99:1",
                                      "soc",
                                      "a-name-longer-than-any-alias-could-reasonably-be:115200",
                                      " serial0"};
    for (unsigned i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        console_by(odd[i]);
        /* "/" and "//" are the root, which is no UART we drive. */
        bool root = odd[i] && odd[i][0] == '/' && odd[i][1] != 's';
        CHECK_EQ(m.console.kind, root ? CONSOLE_SBI : CONSOLE_16550);
        CHECK_EQ(m.console.reg.base, root ? 0 : 0x20000000);
    }
}

TEST(stdout_on_a_device_we_cannot_drive_is_left_to_firmware)
{
    console_by("/soc/cadence@30000000");
    CHECK_EQ(m.console.kind, CONSOLE_SBI);
    CHECK_EQ(m.console.reg.size, 0);
    CHECK_EQ(m.console.irq, 0);
}

TEST(an_alias_that_names_itself_does_not_keep_us)
{
    arm(1);
    aliases("serial0", "serial0");
    chosen("serial0");
    pl011();
    PARSE(MACHINE_ARM64);
    CHECK_EQ(m.console.kind, CONSOLE_PL011);
}

TEST(stdout_on_a_disabled_uart_leads_nowhere)
{
    arm(1);
    chosen("/pl011@9040000");
    device("pl011@9040000", "arm,pl011", 0x9040000, 0x1000);
    put_text("status", "disabled");
    end();
    gicv2();
    pl011();
    PARSE(MACHINE_ARM64);
    CHECK_EQ(m.console.reg.base, 0x9000000);
}

TEST(without_stdout_path_the_first_usable_uart_serves)
{
    arm(1);
    device("pl011@9040000", "arm,pl011", 0x9040000, 0x1000);
    put_text("status", "disabled");
    end();
    gicv2();
    pl011();
    PARSE(MACHINE_ARM64);
    CHECK_EQ(m.console.kind, CONSOLE_PL011);
    CHECK_EQ(m.console.reg.base, 0x9000000);
}

TEST(no_uart_at_all)
{
    arm(1);
    PARSE(MACHINE_ARM64);
    CHECK_EQ(m.console.kind, CONSOLE_NONE);
    riscv(1);
    PARSE(MACHINE_RISCV);
    CHECK_EQ(m.console.kind, CONSOLE_SBI);
}

TEST(a_pxa_uart_has_words_for_registers)
{
    riscv(1);
    device("serial@d4017000", "intel,xscale-uart", 0xd4017000, 0x100);
    end();
    PARSE(MACHINE_RISCV);
    CHECK_EQ(m.console.kind, CONSOLE_16550);
    CHECK_EQ(m.console.reg_shift, 2);
    CHECK_EQ(m.console.reg_io_width, 4);
}

TEST(registers_may_begin_at_an_offset)
{
    riscv(1);
    device("serial@10000000", "ns16550a", 0x10000000, 0x100);
    CELLS("reg-offset", 0x40);
    end();
    PARSE(MACHINE_RISCV);
    CHECK_EQ(m.console.reg.base, 0x10000040);
    CHECK_EQ(m.console.reg.size, 0xc0);
}

TEST(registers_without_end_have_a_beginning)
{
    riscv(1);
    node("serial@10000000");
    put_text("compatible", "ns16550a");
    CELLS("reg", 0, 0x10000000, 0xff, 0);
    end();
    PARSE(MACHINE_RISCV);
    CHECK_EQ(m.console.kind, CONSOLE_16550);
    CHECK_EQ(m.console.reg.base, 0x10000000);
    CHECK_EQ(m.console.reg.size, 0x10000);
}

TEST(a_uart_we_cannot_address_is_not_taken)
{
    static const char *const names[] = {"reg-shift", "reg-io-width", "reg-offset"};
    for (unsigned i = 0; i < 3; i++) {
        riscv(1);
        device("serial@10000000", "ns16550a", 0x10000000, 0x100);
        CELLS(names[i], 0x100);
        end();
        PARSE(MACHINE_RISCV);
        CHECK_EQ(m.console.kind, CONSOLE_SBI);
    }
}

/* Buses. */

TEST(addresses_are_translated_by_every_bus_above)
{
    riscv(1);
    node("outer");
    cells(1, 1);
    CELLS("ranges", 0x0, 0, 0x10000000, 0x1000, 0x40000000, 4, 0x80000000, 0x10000000);
    node("inner");
    cells(2, 1);
    CELLS("ranges", 7, 0, 0x41000000, 0x10000);
    node("serial@700000200");
    put_text("compatible", "ns16550a");
    CELLS("reg", 7, 0x200, 0x100);
    end();
    end();
    end();
    PARSE(MACHINE_RISCV);
    CHECK_EQ(m.console.kind, CONSOLE_16550);
    CHECK_EQ(m.console.reg.base, 0x481000200);
    CHECK_EQ(m.console.reg.size, 0x100);
}

TEST(what_a_bus_does_not_pass_on_is_out_of_reach)
{
    for (unsigned i = 0; i < 5; i++) {
        riscv(1);
        node("bus");
        cells(1, 1);
        if (i == 1) /* too short a window */
            CELLS("ranges", 0, 0, 0x10000000, 0x80);
        if (i == 2) /* another window */
            CELLS("ranges", 0x1000, 0, 0x10000000, 0x1000);
        if (i >= 3) /* across the last address, and beyond it */
            CELLS("ranges", 0, 0xffffffff, 0xffffffc0, 0x1000);
        node("serial@0");
        put_text("compatible", "ns16550a");
        CELLS("reg", i == 4 ? 0x80 : 0, 0x100);
        end();
        end();
        PARSE(MACHINE_RISCV);
        CHECK_EQ(m.console.kind, CONSOLE_SBI);
    }
}

TEST(a_device_on_a_disabled_bus_is_not_there)
{
    riscv(1);
    soc();
    put_text("status", "disabled");
    uart();
    end();
    PARSE(MACHINE_RISCV);
    CHECK_EQ(m.console.kind, CONSOLE_SBI);
}

UNIT_MAIN
