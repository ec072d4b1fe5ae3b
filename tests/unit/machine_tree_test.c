// with: kernel/machine.c kernel/machine_hart.c kernel/machine_irq.c kernel/machine_console.c kernel/tree.c libfdt
/*
 * machine_tree_test: odds and ends of a tree; and what is a broken tree, or none at all.
 */
#include "tests/unit/device_tree.h"
#include "tests/unit/machine_sound.h"

TEST(model_bootargs_and_exit_device)
{
    whole_riscv();
    PARSE(MACHINE_RISCV);
    CHECK_STR(m.model, "a board");
    CHECK_STR(m.bootargs, "pinion.host=1");
    CHECK_EQ(m.exit_dev.base, 0x100000);
    CHECK(reserved(0x88000000, 0x100000));
}

TEST(text_that_does_not_end_is_no_text)
{
    riscv(1);
    node("chosen");
    put_bytes("bootargs", "abc", 3);
    put_bytes("stdout-path", "/soc", 4);
    end();
    node("serial@10000000");
    put_bytes("compatible", "ns16550a", 8);
    CELLS("reg", 0, 0x10000000, 0, 0x100);
    end();
    PARSE(MACHINE_RISCV);
    CHECK_STR(m.bootargs, "");
    CHECK_STR(m.model, "");
    CHECK_EQ(m.console.kind, CONSOLE_SBI);
    CHECK_EQ(m.exit_dev.size, 0);
}

/* What is not a tree. */

static int parse_raw(const void *fdt, size_t size)
{
    return machine_parse(&m, fdt, size, MACHINE_RISCV, err, sizeof err);
}

TEST(what_is_no_tree_is_refused)
{
    static uint64_t zeros[16];
    CHECK_EQ(parse_raw(NULL, 4096), -1);
    CHECK_STR(err, "there is no device tree: its address is 0");
    CHECK_EQ(parse_raw((char *)zeros + 4, 64), -1);
    CHECK_STR(err, "the device tree's address is not a multiple of 8");
    CHECK_EQ(parse_raw(zeros, sizeof zeros), -1);
    CHECK_STR(err, "there is no device tree where one should be: magic number 0, not 3490578157");
    CHECK_STR(m.model, "");
}

TEST(truncated_tree_is_refused_at_every_length)
{
    whole_riscv();
    finish();
    for (size_t n = 0; n < tree_size; n++) {
        char *cut = malloc(n ? n : 1), want[200];
        struct machine_console c;
        memcpy(cut, tree, n);
        CHECK_EQ(parse_raw(cut, n), -1);
        snprintf(want, sizeof want,
                 n < 40
                     ? "the device tree is cut off: only %zu bytes readable, its header has 40"
                     : "the device tree is cut off: header says %2$zu bytes, only %1$zu readable",
                 n, tree_size);
        CHECK_STR(err, want);
        machine_parse_console(&c, cut, n);
        CHECK_EQ(c.kind, CONSOLE_NONE);
        free(cut);
    }
}

/* Cut off, but the header claims otherwise: nodes and strings end in the middle. */
TEST(shortened_tree_is_refused_at_every_length)
{
    whole_riscv();
    finish();
    for (size_t n = 40; n < tree_size; n++) {
        char *cut = malloc(n);
        struct machine_console c;
        memcpy(cut, tree, n);
        fdt_set_totalsize(cut, (uint32_t)n);
        CHECK_EQ(parse_raw(cut, n), -1);
        CHECK(err[0] != '\0');
        machine_parse_console(&c, cut, n);
        free(cut);
    }
}

static bool sound(void)
{
    return machine_sound(&m, tree, tree_size);
}

static void survive(enum machine_arch arch, size_t at)
{
    struct machine_console c;
    int r = machine_parse(&m, tree, tree_size, arch, err, sizeof err);
    machine_parse_console(&c, tree, tree_size);
    if (r == 0 ? !sound() : err[0] == '\0') {
        printf("FAIL %s: byte %zu, result %d, \"%s\"\n", unit_name, at, r, err);
        CHECK(!"sound");
    }
}

static void break_every_byte(enum machine_arch arch)
{
    static const uint8_t values[] = {0x00, 0x01, 0x03, 0x7f, 0x80, 0xff};
    uint8_t *byte = tree;
    for (size_t i = 0; i < tree_size; i++) {
        uint8_t was = byte[i];
        for (unsigned v = 0; v < sizeof values; v++) {
            byte[i] = values[v];
            survive(arch, i);
        }
        byte[i] = was ^ 0x20;
        survive(arch, i);
        byte[i] = was;
    }
}

TEST(every_byte_may_be_wrong_riscv)
{
    whole_riscv();
    PARSE(MACHINE_RISCV);
    CHECK(sound());
    CHECK_EQ(m.irqchip.kind, IRQCHIP_IMSIC);
    break_every_byte(MACHINE_RISCV);
}

TEST(every_byte_may_be_wrong_arm)
{
    whole_arm();
    PARSE(MACHINE_ARM64);
    CHECK(sound());
    CHECK_EQ(m.console.reg.base, 0x9000000);
    CHECK_EQ(m.console.irq, 33);
    break_every_byte(MACHINE_ARM64);
}

/* Several bytes, words and tags at once; the seed is fixed, so a failure comes again. */
TEST(many_bytes_may_be_wrong)
{
    uint64_t seed = 2026;
    whole_riscv();
    finish();
    uint8_t *byte = tree, *good = malloc(tree_size);
    memcpy(good, byte, tree_size);
    for (unsigned round = 0; round < 20000; round++) {
        memcpy(byte, good, tree_size);
        for (unsigned n = 0; n < 1 + round % 6; n++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            size_t at = 40 + (seed >> 33) % (tree_size - 44) / 4 * 4;
            byte[at + 3] = (uint8_t)(seed >> 56) % 12; /* tags, small lengths, small cells */
            if (seed >> 20 & 1)
                byte[at] = byte[at + 1] = byte[at + 2] = 0;
        }
        survive(MACHINE_RISCV, round);
    }
    free(good);
}

TEST(nodes_nested_without_end_are_refused)
{
    for (unsigned depth = 60; depth <= 70; depth += 10) {
        riscv(1);
        for (unsigned i = 0; i < depth; i++)
            node("n");
        uart();
        for (unsigned i = 0; i < depth; i++)
            end();
        CHECK_EQ(parse(MACHINE_RISCV), depth == 60 ? 0 : -1);
        CHECK(depth == 60 || strstr(err, "the device tree is broken at byte ") == err);
    }
}

TEST(a_complaint_fits_whatever_room_it_is_given)
{
    start();
    good_cpus(0, 0);
    finish();
    for (size_t room = 0; room < 40; room++) {
        char *text = malloc(room ? room : 1);
        CHECK_EQ(machine_parse(&m, tree, tree_size, MACHINE_RISCV, text, room), -1);
        if (room > 0)
            CHECK_EQ(strlen(text), room - 1 < 26 ? room - 1 : 26);
        free(text);
    }
}

TEST(the_console_is_found_in_a_tree_without_harts)
{
    struct machine_console c;
    start();
    chosen("/soc/serial@10000000");
    soc();
    uart();
    end();
    finish();
    CHECK_EQ(parse_raw(tree, tree_size), -1);
    machine_parse_console(&c, tree, tree_size);
    CHECK_EQ(c.kind, CONSOLE_16550);
    CHECK_EQ(c.reg.base, 0x10000000);
    CHECK_EQ(c.irq, 0);
}

UNIT_MAIN
