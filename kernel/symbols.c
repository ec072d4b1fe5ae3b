/*
 * symbols: names for addresses.
 *
 * Reads the table where it lies. It is asked when the machine has just panicked, so it believes
 * nothing: each index is compared with the table's end before it is followed, names must end inside
 * it, words are put together from bytes (no alignment), and an answer is checked against the
 * address. A damaged table costs names, never a second fault.
 */
#include "kernel/symbols.h"
#include <stdbool.h>
#include <stddef.h>

/* The linker script's. Weak, so that a script without the section links too. */
extern const uint8_t __symtab_start[] __attribute__((weak));
extern const uint8_t __symtab_end[] __attribute__((weak));
extern const char __text_start[], __text_end[];

struct table {
    size_t count;
    const uint8_t *offsets; /* count words */
    const char *names, *end;
};

static uint32_t word_at(const uint8_t *words, size_t i)
{
    const uint8_t *b = words + 4 * i;
    return b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

/* false: there is no table, or one that says it is longer than it is. */
static bool table_open(struct table *t)
{
    uintptr_t start = (uintptr_t)__symtab_start, end = (uintptr_t)__symtab_end;
    if (start == 0 || end < start + 4)
        return false;
    size_t size = end - start - 4;
    t->count = word_at(__symtab_start, 0);
    if (t->count == 0 || t->count > size / 4)
        return false;
    t->offsets = __symtab_start + 4;
    t->names = (const char *)(t->offsets + 4 * t->count);
    t->end = (const char *)end;
    return true;
}

/* How many functions start at or before offset: binary search for the first that does not. */
static size_t functions_upto(const struct table *t, uint32_t offset)
{
    size_t lo = 0, hi = t->count;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (word_at(t->offsets, mid) <= offset)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* The ith name: the one behind i zero bytes. Some microseconds' walk; where they begin is not kept. */
static const char *name_at(const struct table *t, size_t i)
{
    const char *name = t->names;
    for (const char *c = name; c < t->end; c++)
        if (*c == '\0') {
            if (i-- == 0)
                return name;
            name = c + 1;
        }
    return NULL;
}

const char *symbol_find(uintptr_t pc, uintptr_t *offset)
{
    struct table t;
    uintptr_t text = (uintptr_t)__text_start;
    if (pc < text || pc >= (uintptr_t)__text_end || pc - text > UINT32_MAX || !table_open(&t))
        return NULL;
    uint32_t at = (uint32_t)(pc - text);
    size_t n = functions_upto(&t, at);
    if (n == 0 || word_at(t.offsets, n - 1) > at)
        return NULL;
    const char *name = name_at(&t, n - 1);
    if (name)
        *offset = at - word_at(t.offsets, n - 1);
    return name;
}
