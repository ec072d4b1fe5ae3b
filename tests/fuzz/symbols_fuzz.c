// with: kernel/symbols.c -no-pie -fno-pie
/*
 * symbols_fuzz: any bytes in place of the image's table of names, and any pc. If the table's offsets
 * ascend, a plain search from the front must find the same name.
 *
 * Input: the pc's place in a text of 64 KiB, two bytes; then the table, 256 bytes, the rest of them 'x'.
 */
#include "kernel/symbols.h"
#include "tests/fuzz/fuzz.h"

#define TEXT       ((uintptr_t)0x10200000)
#define TABLE_SIZE 256

/* The linker script's; the sanitizer watches what lies around the array. */
uint8_t table_memory[TABLE_SIZE] __attribute__((aligned(32)));
__asm__(".globl __text_start, __text_end, __symtab_start, __symtab_end\n"
        ".set __text_start, 0x10200000\n"
        ".set __text_end,   0x10210000\n"
        ".set __symtab_start, table_memory\n"
        ".set __symtab_end, table_memory + 256\n");

static uint32_t word(size_t i)
{
    uint32_t w;
    memcpy(&w, table_memory + 4 * i, 4);
    return w;
}

/* The name of the last function that starts at or before `at`; NULL: there is none. */
static const char *plain_search(uint32_t at, uint32_t n)
{
    const uint8_t *name = table_memory + 4 + 4 * (size_t)n, *found = NULL;
    for (size_t i = 1; i <= n; i++) {
        size_t left = (size_t)(table_memory + TABLE_SIZE - name);
        const uint8_t *end = memchr(name, '\0', left);
        if (word(i) > at)
            break;
        found = end != NULL ? name : NULL;
        if (end == NULL)
            break;
        name = end + 1;
    }
    return (const char *)found;
}

static bool ascending(uint32_t n)
{
    for (size_t i = 2; i <= n; i++)
        if (word(i - 1) > word(i))
            return false;
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint16_t at;
    uintptr_t offset = 0;
    if (size < sizeof at)
        return 0;
    memcpy(&at, data, sizeof at);
    data += sizeof at;
    size -= sizeof at;
    memset(table_memory, 'x', sizeof table_memory);
    memcpy(table_memory, data, size < TABLE_SIZE ? size : TABLE_SIZE);

    const char *name = symbol_find(TEXT + at, &offset);
    uint32_t n = word(0);
    if (name) {
        HOLDS((const uint8_t *)name > table_memory && offset <= at);
        HOLDS((const uint8_t *)name + strlen(name) < table_memory + TABLE_SIZE);
    }
    if (n == 0 || n > (TABLE_SIZE - 4) / 4)
        HOLDS(name == NULL);
    else if (ascending(n))
        HOLDS(name == plain_search(at, n));
    return 0;
}
