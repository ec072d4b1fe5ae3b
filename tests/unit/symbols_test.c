// with: kernel/symbols.c -no-pie -fno-pie
/*
 * symbols: names for addresses, from good tables, none, and any damage.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "tests/unit/unit.h"
#include "kernel/symbols.h"

#define TEXT       ((uintptr_t)0x10200000)
#define TABLE_SIZE 96
#define NAMES      20 /* behind the count and four offsets */

/* The linker script's: a text of 64 KiB, and a table of 96 bytes with room behind it. */
uint8_t table_memory[TABLE_SIZE + 64] __attribute__((aligned(4)));
__asm__(".globl __text_start, __text_end, __symtab_start, __symtab_end\n"
        ".set __text_start, 0x10200000\n"
        ".set __text_end,   0x10210000\n"
        ".set __symtab_start, table_memory\n"
        ".set __symtab_end, table_memory + 96\n");

static void word_put(size_t at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        table_memory[4 * at + (size_t)i] = (uint8_t)(value >> 8 * i);
}

static void table_make(void)
{
    static const struct {
        uint32_t offset, at;
        const char *name;
    } f[] = {{0x10, 0, "start"}, {0x200, 6, "main"}, {0x204, 11, "f"}, {0xff00, 13, "last_one"}};
    memset(table_memory, 'x', sizeof table_memory);
    word_put(0, 4);
    for (size_t i = 0; i < 4; i++) {
        word_put(1 + i, f[i].offset);
        strcpy((char *)&table_memory[NAMES + f[i].at], f[i].name);
    }
}

static bool is(uintptr_t pc, const char *name, uintptr_t offset)
{
    uintptr_t got = 0;
    const char *found = symbol_find(pc, &got);
    return found && strcmp(found, name) == 0 && got == offset;
}

static bool is_nothing(uintptr_t pc)
{
    uintptr_t offset = 4711;
    return !symbol_find(pc, &offset) && offset == 4711;
}

TEST(addresses_have_names)
{
    table_make();
    CHECK(is(TEXT + 0x10, "start", 0) && is(TEXT + 0x1ff, "start", 0x1ef));
    CHECK(is(TEXT + 0x200, "main", 0) && is(TEXT + 0x203, "main", 3));
    CHECK(is(TEXT + 0x204, "f", 0) && is(TEXT + 0xfeff, "f", 0xfcfb));
    CHECK(is(TEXT + 0xffff, "last_one", 0xff));
}

TEST(addresses_outside_have_none)
{
    table_make();
    CHECK(is_nothing(TEXT) && is_nothing(TEXT + 0xf) && is_nothing(TEXT - 1) && is_nothing(0));
    CHECK(is_nothing(TEXT + 0x10000) && is_nothing(UINTPTR_MAX));
}

TEST(an_empty_table_has_no_names)
{
    memset(table_memory, 0, sizeof table_memory);
    CHECK(is_nothing(TEXT + 0x10));
}

TEST(a_name_must_end_inside_the_table)
{
    table_make();
    memset(&table_memory[NAMES + 13], 'x', sizeof table_memory - NAMES - 13);
    CHECK(is_nothing(TEXT + 0xff00) && is(TEXT + 0x200, "main", 0));
    memset(&table_memory[NAMES], 'x', sizeof table_memory - NAMES);
    CHECK(is_nothing(TEXT + 0xff00) && is_nothing(TEXT + 0x200) && is_nothing(TEXT + 0x10));
}

TEST(a_count_must_fit_the_table)
{
    table_make();
    for (uint32_t n = TABLE_SIZE / 4; n < 40; n++) {
        word_put(0, n);
        CHECK(is_nothing(TEXT + 0x200));
    }
    word_put(0, UINT32_MAX);
    CHECK(is_nothing(TEXT + 0x200));
    word_put(0, 0x40000000);
    CHECK(is_nothing(TEXT + 0x200));
}

/* Whatever is in there: an answer lies in the table, or there is none. */
TEST(damage_costs_names_only)
{
    uint32_t seed = 1;
    for (int i = 0; i < 200000; i++) {
        table_make();
        for (int j = 0; j < 3; j++) {
            seed = seed * 1664525 + 1013904223;
            table_memory[(seed >> 8) % (j ? NAMES : TABLE_SIZE)] = (uint8_t)(seed >> 24);
        }
        uintptr_t pc = TEXT + (seed >> 4 & 0xffff), offset = 0;
        const char *name = symbol_find(pc, &offset);
        if (name) {
            CHECK((const uint8_t *)name >= table_memory + 8);
            CHECK((const uint8_t *)name + strlen(name) < table_memory + TABLE_SIZE);
            CHECK(offset <= pc - TEXT);
        }
    }
}

UNIT_MAIN
