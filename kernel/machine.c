/*
 * machine: turns the flattened device tree into struct machine. The contract is machine.h.
 *
 * The work is shared out by nouns:
 *     tree.c             reads a tree that nobody vouches for; checks it whole before anything else
 *     machine.c          the order of things, memory, what is reserved, odds and ends (this file)
 *     machine_hart.c     which cpu nodes are harts that can run us, and what starts them
 *     machine_irq.c      PLIC, IMSIC, ACLINT SSWI, GIC, timer, and the choice among ways for IPIs
 *     machine_console.c  stdout-path and the UARTs we can drive
 *
 * Later steps use what earlier ones found: a PLIC's contexts are told by the phandles of the harts'
 * own interrupt controllers, a UART's interrupt number by the controller chosen. The tree may list
 * its nodes in any order, so each step walks it anew; a walk is a few thousand tags.
 *
 * What is wrong falls in two classes. Where going on would hurt later in a place that cannot tell
 * why (no hart, no memory, a reserved range we cannot read and might hand out, too many ranges for
 * our tables), we stop with a sentence that names the node. Where a device can simply be left out (a
 * UART with a garbled reg, a controller whose contexts fit no hart) it is left out, and the next best
 * is taken: firmware's console, firmware's IPIs.
 *
 * Ranges are kept sorted and merged, so that the page heap can subtract one list from the other in
 * one go, and so that a tree that describes one region three times (firmware, loader and /memreserve/
 * often do) fills one slot.
 */
#include <libfdt.h>
#include "kernel/early_string.h"
#include "kernel/machine_parts.h"

static int fail(struct parse *p, const char *pattern, int node, uint64_t n1)
{
    say(&p->why, pattern, node < 0 ? "" : tree_name(p->fdt, node), n1, 0);
    return -1;
}

/* Tables of ranges. */

static void range_remove(struct range *table, unsigned *n, unsigned i)
{
    for (--*n; i < *n; i++)
        table[i] = table[i + 1];
}

/*
 * Adds r to a table that is sorted and whose ranges do not touch, and keeps it so. False: full.
 * Neither r nor any range in the table wraps around.
 */
static bool range_add(struct range *table, unsigned *n, unsigned max, struct range r)
{
    unsigned i = 0;
    if (r.size == 0)
        return true;
    while (i < *n && table[i].base + table[i].size < r.base)
        i++;
    /* From i on: ranges that r touches, to be swallowed, then those beyond it. */
    while (i < *n && table[i].base <= r.base + r.size) {
        uint64_t end = r.base + r.size, other = table[i].base + table[i].size;
        r.base = table[i].base < r.base ? table[i].base : r.base;
        r.size = (other > end ? other : end) - r.base;
        range_remove(table, n, i);
    }
    if (*n == max)
        return false;
    for (unsigned j = *n; j > i; j--)
        table[j] = table[j - 1];
    table[i] = r;
    ++*n;
    return true;
}

/* Memory. */

static int bank_add(struct parse *p, const struct tree_walk *w)
{
    struct range r;
    int n = tree_reg_count(w);
    if (n < 0)
        return fail(p, "the reg of memory node @ is not a list of ranges", tree_node(w), 0);
    for (int i = 0; i < n; i++) {
        if (!tree_reg(w, i, &r))
            return fail(p, "range # of memory node @ has no place among the addresses",
                        tree_node(w), (uint64_t)i);
        if (!range_add(p->m->bank, &p->m->n_banks, MACHINE_MAX_BANKS, r))
            return fail(p, "more than # separate banks of memory, at node @", tree_node(w),
                        MACHINE_MAX_BANKS);
    }
    return 0;
}

static int parse_memory(struct parse *p)
{
    struct tree_walk w;
    for (tree_start(&w, p->fdt); tree_next(&w);)
        if (tree_list_index(p->fdt, tree_node(&w), "device_type", "memory") == 0 &&
            tree_usable(&w) && bank_add(p, &w) != 0)
            return -1;
    if (p->m->n_banks == 0)
        return fail(p, "no memory node with a size", -1, 0);
    return 0;
}

/* What is not to be handed out. */

static int reserve(struct parse *p, uint64_t base, uint64_t size)
{
    /* A range that goes on beyond the end of all addresses means: all from here on. */
    if (size > UINT64_MAX - base)
        size = UINT64_MAX - base;
    if (range_add(p->m->reserved, &p->m->n_reserved, MACHINE_MAX_RESERVED,
                  (struct range){base, size}))
        return 0;
    return fail(p, "more than # separate ranges of reserved memory", -1, MACHINE_MAX_RESERVED);
}

/*
 * A child of /reserved-memory. One without reg asks for a size anywhere, which concerns drivers that
 * we do not have. Some trees leave out /reserved-memory's `ranges`; their addresses count as they
 * are, because forgetting a reserved range is worse than reserving a wrong one.
 */
static int reserve_node(struct parse *p, const struct tree_walk *w)
{
    struct range r;
    int n = tree_reg_count(w);
    if (n < 0)
        return fail(p, "the reg of reserved-memory/@ is not a list of ranges", tree_node(w), 0);
    for (int i = 0; i < n; i++) {
        if (!tree_reg(w, i, &r) && !tree_reg_raw(w, i, &r))
            return fail(p, "range # of reserved-memory/@ wraps around", tree_node(w), (uint64_t)i);
        if (reserve(p, r.base, r.size) != 0)
            return -1;
    }
    return 0;
}

static int reserve_nodes(struct parse *p)
{
    struct tree_walk w;
    int parent = fdt_path_offset(p->fdt, "/reserved-memory");
    if (parent < 0)
        return 0;
    for (tree_start(&w, p->fdt); tree_next(&w);)
        if (w.depth == 2 && w.node[1] == parent && tree_okay(p->fdt, tree_node(&w)) &&
            reserve_node(p, &w) != 0)
            return -1;
    return 0;
}

/* The list of pairs before the structure; tree_check has seen its end. */
static int reserve_list(struct parse *p)
{
    const uint8_t *entry = (const uint8_t *)p->fdt + fdt_off_mem_rsvmap(p->fdt);
    for (;; entry += 16) {
        uint64_t base = (uint64_t)tree_be32(entry) << 32 | tree_be32(entry + 4);
        uint64_t size = (uint64_t)tree_be32(entry + 8) << 32 | tree_be32(entry + 12);
        if (base == 0 && size == 0)
            return 0;
        if (reserve(p, base, size) != 0)
            return -1;
    }
}

static int reserve_initrd(struct parse *p, int chosen)
{
    uint64_t start, end;
    if (!tree_number(p->fdt, chosen, "linux,initrd-start", &start) ||
        !tree_number(p->fdt, chosen, "linux,initrd-end", &end) || end <= start)
        return 0;
    return reserve(p, start, end - start);
}

static int parse_reserved(struct parse *p)
{
    int chosen = fdt_path_offset(p->fdt, "/chosen");
    if (reserve(p, (uintptr_t)p->fdt, p->m->fdt_size) != 0 || reserve_list(p) != 0 ||
        reserve_nodes(p) != 0)
        return -1;
    return chosen < 0 ? 0 : reserve_initrd(p, chosen);
}

/* Odds and ends. */

static void parse_names(struct parse *p)
{
    int chosen = fdt_path_offset(p->fdt, "/chosen");
    const char *model = tree_string(p->fdt, 0, "model");
    const char *args = chosen < 0 ? NULL : tree_string(p->fdt, chosen, "bootargs");

    if (!model)
        model = tree_string(p->fdt, 0, "compatible");
    p->m->model = model ? model : "";
    p->m->bootargs = args ? args : "";
}

static void parse_exit_device(struct parse *p)
{
    struct tree_walk w;
    for (tree_start(&w, p->fdt); tree_next(&w);)
        if ((tree_is(p->fdt, tree_node(&w), "sifive,test0") ||
             tree_is(p->fdt, tree_node(&w), "sifive,test1")) &&
            tree_usable(&w) && tree_reg(&w, 0, &p->m->exit_dev))
            return;
    p->m->exit_dev = (struct range){0, 0};
}

int machine_parse(struct machine *m, const void *fdt, size_t max_size, enum machine_arch arch,
                  char *err, size_t err_size)
{
    struct parse p = {.m = m, .fdt = fdt, .arch = arch, .why = {err, err_size}};

    memset(m, 0, sizeof *m);
    m->model = m->bootargs = "";
    if (err_size > 0)
        *err = '\0';
    if (tree_check(fdt, max_size, &p.why) != 0)
        return -1;
    m->fdt = fdt;
    m->fdt_size = fdt_totalsize(fdt);
    parse_names(&p);
    if (parse_harts(&p) != 0 || parse_memory(&p) != 0 || parse_reserved(&p) != 0)
        return -1;
    parse_interrupts(&p);
    parse_console(&p);
    parse_exit_device(&p);
    return 0;
}
