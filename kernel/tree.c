/*
 * tree: reading a flattened device tree that nobody vouches for. See tree.h for how it is used.
 *
 * The tree comes from firmware, a boot loader or a hand that edited it, and arrives in a register.
 * What is trusted: that max_size bytes at that address can be read. Nothing else.
 *
 *  - tree_check_header believes the header's offsets only after comparing them with each other and
 *    with max_size.
 *  - tree_check walks the whole structure block once, tag by tag, before anyone looks for anything:
 *    names end, properties lie inside, the nesting closes and is at most NEST_MAX deep. libfdt has
 *    such a check, but not in every version that a build may be given; and ours names the byte.
 *  - libfdt, which does the finding of nodes and properties, checks its bounds again as it goes.
 *    It therefore also survives a structure that tree_check refuses, which the search for an early
 *    console needs: there only the header has been checked.
 *  - The readers check every property's length. Numbers are put together from bytes, so alignment
 *    never matters. Addresses that wrap around 2^64 do not exist.
 *
 * Nothing here recurses, allocates, or follows a reference more than once: no tree, however it is
 * knotted, keeps us. The one place where libfdt would follow references without end, an alias that
 * names an alias, is not used (see machine_console.c).
 *
 * Rejected: reading "#interrupt-cells" of each controller that interrupts-extended names when the
 * binding fixes it (machine_irq.c); trees older than version 17 (2007), which do not tell the size
 * of their structure block; addresses and sizes of three cells (only PCI has them).
 */
#include <libfdt.h>
#include "kernel/early_string.h"
#include "kernel/tree.h"

#define NEST_MAX    64 /* nodes within nodes; real trees have 8 */
#define VERSION     17 /* the only one in use since 2007 */
#define HEADER_SIZE 40 /* of that version */
#define IRQS_MAX    32 /* of one device that are looked at: each entry's length takes a search */

/* Sentences. */

static void say_byte(struct sentence *s, char c)
{
    if (s->left < 2)
        return;
    *s->at++ = c >= ' ' && c <= '~' ? c : '?';
    *s->at = '\0';
    s->left--;
}

static void say_number(struct sentence *s, uint64_t n)
{
    char digit[20];
    int i = 0;
    do
        digit[i++] = (char)('0' + n % 10);
    while ((n /= 10) != 0);
    while (i > 0)
        say_byte(s, digit[--i]);
}

void say(struct sentence *s, const char *pattern, const char *name, uint64_t n1, uint64_t n2)
{
    for (const char *c = pattern; *c; c++) {
        if (*c == '#') {
            say_number(s, n1);
            n1 = n2;
        } else if (*c == '@') {
            for (const char *n = name; *n; n++)
                say_byte(s, *n);
        } else {
            say_byte(s, *c);
        }
    }
}

static int refuse(struct sentence *why, const char *pattern, uint64_t n1, uint64_t n2)
{
    say(why, pattern, "", n1, n2);
    return -1;
}

/* Is this a tree at all? */

uint32_t tree_be32(const void *at)
{
    const uint8_t *b = at;
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* Both numbers come from the header: that their sum wraps is one of the things that can be wrong. */
static bool block_fits(uint32_t offset, uint32_t size, uint32_t total)
{
    return offset >= HEADER_SIZE && offset <= total && size <= total - offset;
}

static int check_blocks(const void *fdt, struct sentence *why)
{
    uint32_t total = fdt_totalsize(fdt);
    uint32_t body = fdt_off_dt_struct(fdt), body_size = fdt_size_dt_struct(fdt);
    uint32_t names = fdt_off_dt_strings(fdt), names_size = fdt_size_dt_strings(fdt);

    if (!block_fits(body, body_size, total) || body % 4 != 0)
        return refuse(why, "the device tree's header puts its structure at byte # of #", body,
                      total);
    if (!block_fits(names, names_size, total))
        return refuse(why, "the device tree's header puts its strings at byte # of #", names,
                      total);
    /* With the last one ended they all are, wherever a property's name begins. */
    if (names_size > 0 && ((const char *)fdt)[names + names_size - 1] != '\0')
        return refuse(why, "the device tree's strings do not end", 0, 0);
    return 0;
}

/* The list of reserved memory ends with an entry of zeros, which has to come before the end. */
static int check_memreserve(const void *fdt, struct sentence *why)
{
    const uint8_t *base = fdt;
    uint32_t total = fdt_totalsize(fdt), at = fdt_off_mem_rsvmap(fdt);

    if (!block_fits(at, 16, total) || at % 8 != 0)
        return refuse(why, "the device tree's header puts its memory reservations at byte # of #",
                      at, total);
    for (; total - at >= 16; at += 16) {
        uint32_t any = 0;
        for (uint32_t i = 0; i < 16; i++)
            any |= base[at + i];
        if (!any)
            return 0;
    }
    return refuse(why, "the device tree's memory reservations do not end", 0, 0);
}

int tree_check_header(const void *fdt, size_t max_size, struct sentence *why)
{
    if (!fdt)
        return refuse(why, "there is no device tree: its address is 0", 0, 0);
    if ((uintptr_t)fdt % 8 != 0)
        return refuse(why, "the device tree's address is not a multiple of 8", 0, 0);
    if (max_size < HEADER_SIZE)
        return refuse(why, "the device tree is cut off: only # bytes readable, its header has #",
                      max_size, HEADER_SIZE);
    if (fdt_magic(fdt) != FDT_MAGIC)
        return refuse(why, "there is no device tree where one should be: magic number #, not #",
                      fdt_magic(fdt), FDT_MAGIC);
    if (fdt_version(fdt) < VERSION || fdt_last_comp_version(fdt) > VERSION)
        return refuse(why, "the device tree has version #, # is needed", fdt_version(fdt), VERSION);
    if (fdt_totalsize(fdt) > max_size)
        return refuse(why, "the device tree is cut off: header says # bytes, only # readable",
                      fdt_totalsize(fdt), max_size);
    if (fdt_totalsize(fdt) > INT32_MAX / 2) /* libfdt counts in int */
        return refuse(why, "the device tree's header says # bytes, which cannot be",
                      fdt_totalsize(fdt), 0);
    if (check_blocks(fdt, why) != 0)
        return -1;
    return check_memreserve(fdt, why);
}

/* A node's name starts at `at`: the offset behind its NUL and padding, or 0 if it does not end. */
static uint32_t name_end(const uint8_t *body, uint32_t at, uint32_t size)
{
    const uint8_t *nul = memchr(body + at, '\0', size - at);
    return nul ? (uint32_t)(nul - body + 4) & ~3u : 0;
}

/* The same for a property, whose length and name come first. */
static uint32_t property_end(const uint8_t *body, uint32_t at, uint32_t size, uint32_t names_size)
{
    if (size - at < 8)
        return 0;
    uint32_t length = tree_be32(body + at), name = tree_be32(body + at + 4);
    if (length > size - at - 8 || name >= names_size)
        return 0;
    return (at + 8 + length + 3) & ~3u;
}

int tree_check(const void *fdt, size_t max_size, struct sentence *why)
{
    if (tree_check_header(fdt, max_size, why) != 0)
        return -1;

    uint32_t start = fdt_off_dt_struct(fdt), size = fdt_size_dt_struct(fdt);
    const uint8_t *body = (const uint8_t *)fdt + start;
    uint32_t at = 0, next, depth = 0;
    for (bool rooted = false;; at = next) {
        if (at > size || size - at < 4)
            return refuse(why, "the device tree has no end", 0, 0);
        uint32_t tag = tree_be32(body + at);
        next = at + 4;
        if (tag == FDT_END && rooted && depth == 0)
            return 0;
        if (tag == FDT_BEGIN_NODE && (depth > 0 || !rooted)) {
            next = name_end(body, next, size);
            /* The root's name is empty: all of it is the padded NUL. */
            if (next == 0 || (!rooted && next != at + 8) || ++depth > NEST_MAX)
                break;
            rooted = true;
        } else if (tag == FDT_PROP && depth > 0) {
            next = property_end(body, next, size, fdt_size_dt_strings(fdt));
            if (next == 0)
                break;
        } else if (tag == FDT_END_NODE && depth > 0) {
            depth--;
        } else if (tag != FDT_NOP) {
            break;
        }
    }
    return refuse(why, "the device tree is broken at byte # of #", start + at, fdt_totalsize(fdt));
}

/* Walking. */

void tree_start(struct tree_walk *w, const void *fdt)
{
    w->fdt = fdt;
    w->at = -1;
    w->depth = -1;
}

bool tree_next(struct tree_walk *w)
{
    do {
        w->at = fdt_next_node(w->fdt, w->at, &w->depth);
        if (w->at < 0 || w->depth < 0)
            return false;
    } while (w->depth >= TREE_DEPTH);
    w->node[w->depth] = w->at;
    return true;
}

bool tree_goto(struct tree_walk *w, const void *fdt, int offset)
{
    for (tree_start(w, fdt); tree_next(w);)
        if (tree_node(w) == offset)
            return true;
    return false;
}

bool tree_usable(const struct tree_walk *w)
{
    for (int level = 0; level <= w->depth; level++)
        if (!tree_okay(w->fdt, w->node[level]))
            return false;
    return true;
}

/* Properties. */

const char *tree_name(const void *fdt, int node)
{
    const char *name = fdt_get_name(fdt, node, NULL);
    return !name ? "?" : *name ? name : "/";
}

bool tree_cell(const void *fdt, int node, const char *name, uint32_t *value)
{
    int len;
    const void *p = fdt_getprop(fdt, node, name, &len);
    if (!p || len != 4)
        return false;
    *value = tree_be32(p);
    return true;
}

/* n cells, most significant first. Cells above the second are the caller's to rule out. */
static uint64_t cells_at(const uint8_t *p, uint32_t n)
{
    uint64_t value = 0;
    for (; n > 0; n--, p += 4)
        value = value << 32 | tree_be32(p);
    return value;
}

bool tree_number(const void *fdt, int node, const char *name, uint64_t *value)
{
    int len;
    const void *p = fdt_getprop(fdt, node, name, &len);
    if (!p || (len != 4 && len != 8))
        return false;
    *value = cells_at(p, (uint32_t)len / 4);
    return true;
}

const char *tree_string(const void *fdt, int node, const char *name)
{
    int len;
    const char *p = fdt_getprop(fdt, node, name, &len);
    return p && len > 0 && memchr(p, '\0', (size_t)len) ? p : NULL;
}

int tree_list_index(const void *fdt, int node, const char *name, const char *word)
{
    int len;
    const char *p = fdt_getprop(fdt, node, name, &len);
    for (int i = 0; p && len > 0; i++) {
        int n = (int)strnlen(p, (size_t)len) + 1;
        if (n <= len && strcmp(p, word) == 0)
            return i;
        p += n;
        len -= n;
    }
    return -1;
}

bool tree_list_has(const void *fdt, int node, const char *name, const char *word)
{
    return tree_list_index(fdt, node, name, word) >= 0;
}

bool tree_okay(const void *fdt, int node)
{
    int len;
    if (!fdt_getprop(fdt, node, "status", &len))
        return len == -FDT_ERR_NOTFOUND;
    const char *status = tree_string(fdt, node, "status");
    return status && (strcmp(status, "okay") == 0 || strcmp(status, "ok") == 0);
}

/* Addresses. */

struct cells {
    uint32_t address, size;
};

/* How a bus writes addresses of what is on it. Absent: 2 and 1, says the specification (2.3.5). */
static bool bus_cells(const void *fdt, int bus, struct cells *c)
{
    int len;
    c->address = 2;
    c->size = 1;
    if (fdt_getprop(fdt, bus, "#address-cells", &len) &&
        !tree_cell(fdt, bus, "#address-cells", &c->address))
        return false;
    if (fdt_getprop(fdt, bus, "#size-cells", &len) && !tree_cell(fdt, bus, "#size-cells", &c->size))
        return false;
    return c->address >= 1 && c->address <= 2 && c->size <= 2;
}

int tree_reg_count(const struct tree_walk *w)
{
    struct cells c;
    int len;
    if (w->depth < 1 || !bus_cells(w->fdt, w->node[w->depth - 1], &c))
        return -1;
    if (!fdt_getprop(w->fdt, tree_node(w), "reg", &len))
        return 0;
    int entry = (int)(c.address + c.size) * 4;
    return len % entry == 0 ? len / entry : -1;
}

bool tree_reg_raw(const struct tree_walk *w, int i, struct range *r)
{
    struct cells c;
    int len;
    if (w->depth < 1 || !bus_cells(w->fdt, w->node[w->depth - 1], &c))
        return false;
    const uint8_t *p = fdt_getprop(w->fdt, tree_node(w), "reg", &len);
    int entry = (int)(c.address + c.size) * 4;
    if (!p || i < 0 || i >= len / entry)
        return false;
    p += i * entry;
    r->base = cells_at(p, c.address);
    r->size = cells_at(p + c.address * 4, c.size);
    return r->size <= UINT64_MAX - r->base;
}

/*
 * Turns r, which the bus at level counts in its own addresses, into what the bus above it counts.
 * An empty `ranges` says that both are the same, none at all that there is no way through.
 */
static bool bus_up(const struct tree_walk *w, int level, struct range *r)
{
    struct cells below, above;
    int len;
    const uint8_t *p = fdt_getprop(w->fdt, w->node[level], "ranges", &len);
    if (!p)
        return false;
    if (len == 0)
        return true;
    if (!bus_cells(w->fdt, w->node[level], &below) ||
        !bus_cells(w->fdt, w->node[level - 1], &above))
        return false;
    int entry = (int)(below.address + above.address + below.size) * 4;
    for (; len >= entry; p += entry, len -= entry) {
        uint64_t from = cells_at(p, below.address);
        uint64_t to = cells_at(p + below.address * 4, above.address);
        uint64_t size = cells_at(p + (below.address + above.address) * 4, below.size);
        if (r->base < from || r->base - from >= size || r->size > size - (r->base - from))
            continue;
        r->base = to + (r->base - from);
        return r->base >= to && r->size <= UINT64_MAX - r->base;
    }
    return false;
}

bool tree_reg(const struct tree_walk *w, int i, struct range *r)
{
    if (!tree_reg_raw(w, i, r))
        return false;
    /* What is on the root is counted as the processors see it. */
    for (int level = w->depth - 1; level >= 1; level--)
        if (!bus_up(w, level, r))
            return false;
    return true;
}

/* Interrupts. */

static bool interrupt_cells(const void *fdt, uint32_t phandle, uint32_t *n)
{
    int node = fdt_node_offset_by_phandle(fdt, phandle);
    return node >= 0 && tree_cell(fdt, node, "#interrupt-cells", n) && *n >= 1 && *n <= 8;
}

static void take_cells(struct tree_irq *irq, const uint8_t *p, uint32_t n)
{
    irq->n_cells = n < 4 ? n : 4;
    for (unsigned i = 0; i < irq->n_cells; i++)
        irq->cell[i] = tree_be32(p + i * 4);
}

/* Every entry begins with its controller, which says how long the entry is. */
static bool irq_extended(const void *fdt, const uint8_t *p, int len, int i, struct tree_irq *irq)
{
    for (uint32_t n; len >= 4; p += 4 + n * 4, len -= 4 + (int)n * 4) {
        irq->parent = tree_be32(p);
        if (!interrupt_cells(fdt, irq->parent, &n) || len < 4 + (int)n * 4)
            return false;
        if (i-- == 0) {
            take_cells(irq, p + 4, n);
            return true;
        }
    }
    return false;
}

/* interrupt-parent holds for a node and all below it that do not name another. */
static bool irq_parent(const struct tree_walk *w, uint32_t *phandle)
{
    for (int level = w->depth; level >= 0; level--)
        if (tree_cell(w->fdt, w->node[level], "interrupt-parent", phandle))
            return true;
    return false;
}

bool tree_irq(const struct tree_walk *w, int i, struct tree_irq *irq)
{
    int len;
    uint32_t n;
    const uint8_t *p = fdt_getprop(w->fdt, tree_node(w), "interrupts-extended", &len);
    if (i < 0 || i >= IRQS_MAX)
        return false;
    if (p)
        return irq_extended(w->fdt, p, len, i, irq);
    p = fdt_getprop(w->fdt, tree_node(w), "interrupts", &len);
    if (!p || !irq_parent(w, &irq->parent) || !interrupt_cells(w->fdt, irq->parent, &n))
        return false;
    if (i >= len / (int)(n * 4))
        return false;
    take_cells(irq, p + i * (int)(n * 4), n);
    return true;
}
