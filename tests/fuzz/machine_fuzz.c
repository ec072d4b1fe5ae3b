// with: kernel/machine.c kernel/machine_hart.c kernel/machine_irq.c kernel/machine_console.c kernel/tree.c libfdt
/*
 * machine_fuzz: trees that are whole, and say anything. An input is text, so that a seed can be read,
 * and a changed byte mostly leaves a tree:
 *
 *     !0x80000000 0x1000        a reservation of memory; only before the first node or property
 *     /cpus                     a node begins; the root has begun already
 *     reg 0 0x80000000 "text"   a property: cells, and texts, one behind the other; none: it is empty
 *     ;                         the node ends; what is open at the end ends there
 */
#include <libfdt.h>
#include "tests/fuzz/machine_check.h"

#define TREE_BYTES  (1 << 16)
#define VALUE_BYTES 4096

static uint8_t work[TREE_BYTES] __attribute__((aligned(8)));

/* Turns the words of a property into its bytes; words that do not fit are left out. */
static size_t value_bytes(char *at, uint8_t *value)
{
    size_t n = 0;
    while (*(at += strspn(at, " ")) != '\0' && n + strlen(at) + 4 < VALUE_BYTES) {
        char *end;
        if (*at == '"') {
            size_t len = strcspn(++at, "\"");
            memcpy(value + n, at, len);
            value[n + len] = '\0';
            n += len + 1;
            end = at + len + (at[len] == '"');
        } else {
            fdt32_st(value + n, (uint32_t)strtoul(at, &end, 0));
            n += 4;
            if (end == at)
                end = at + 1;
        }
        at = end;
    }
    return n;
}

static int put_line(char *line, int *depth)
{
    static uint8_t value[VALUE_BYTES];
    if (*line == ';')
        return *depth > 1 ? (--*depth, fdt_end_node(work)) : 0;
    if (*line == '/') {
        ++*depth;
        return fdt_begin_node(work, line + 1);
    }
    char *values = line + strcspn(line, " ");
    if (*values != '\0')
        *values++ = '\0';
    return *line == '\0' ? 0 : fdt_property(work, line, value, (int)value_bytes(values, value));
}

static char *next_line(char **text)
{
    return strsep(text, "\n");
}

/* False: there was no room for it. */
static bool make_tree(char *text)
{
    char *line = next_line(&text);
    int depth = 1, error = fdt_create(work, sizeof work);
    for (; line && *line == '!' && !error; line = next_line(&text)) {
        char *size;
        uint64_t base = strtoull(line + 1, &size, 0);
        error = fdt_add_reservemap_entry(work, base, strtoull(size, NULL, 0));
    }
    error = error ? error : fdt_finish_reservemap(work);
    error = error ? error : fdt_begin_node(work, "");
    for (; line && !error; line = next_line(&text))
        error = put_line(line, &depth);
    while (depth-- > 0 && !error)
        error = fdt_end_node(work);
    return !error && fdt_finish(work) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = text_copy(data, size);
    if (make_tree(text)) {
        size_t tree_size = fdt_totalsize(work);
        void *tree = exact_copy(work, tree_size);
        both_machines_hold(tree, tree_size);
        free(tree);
    }
    free(text);
    return 0;
}
