/*
 * machine_console: which serial line to talk on.
 *
 * /chosen's stdout-path (linux,stdout-path in older trees) says it: a path, or the name of a property
 * of /aliases that holds a path, and behind a colon settings of the line, which we leave as firmware
 * made them. An alias holds a full path and nothing else; libfdt's own resolver would follow an alias
 * that names an alias, and one that names itself without end, so we look aliases up ourselves.
 *
 * Where the tree says nothing, or the path leads nowhere, alias serial0 is the next guess and then
 * the first UART that we can drive. But if it leads to a device we have no driver for, we do not try
 * another: that may be wired to nothing, or have its clock off and stop the bus. Then the console is
 * the firmware's on RISC-V and none on Arm.
 *
 * The same search serves the message that a tree is broken (machine_parse_console). It demands only a
 * sound header: libfdt keeps within the bounds that the header gives whatever the structure holds.
 */
#include <libfdt.h>
#include "kernel/early_string.h"
#include "kernel/machine_parts.h"

#define PATH_MAX_BYTES 256
#define UART_BYTES     0x10000 /* more registers than any has; a tree may say anything */

/* The UARTs we can drive; shift and width unless the node tells otherwise. */
static const struct uart {
    const char *compatible;
    enum console_kind kind;
    uint8_t reg_shift, reg_io_width;
} uarts[] = {
    {"ns16550a", CONSOLE_16550, 0, 1},         {"ns16550", CONSOLE_16550, 0, 1},
    {"snps,dw-apb-uart", CONSOLE_16550, 0, 1}, {"intel,xscale-uart", CONSOLE_16550, 2, 4},
    {"mrvl,pxa-uart", CONSOLE_16550, 2, 4},    {"mrvl,mmp-uart", CONSOLE_16550, 2, 4},
    {"spacemit,k1-uart", CONSOLE_16550, 2, 4}, {"spacemit,pxa-uart", CONSOLE_16550, 2, 4},
    {"arm,pl011", CONSOLE_PL011, 0, 4},        {"arm,sbsa-uart", CONSOLE_PL011, 0, 4},
    {"sifive,uart0", CONSOLE_SIFIVE, 0, 4},
};

static const struct uart *uart_of(const void *fdt, int node)
{
    for (unsigned i = 0; i < sizeof uarts / sizeof uarts[0]; i++)
        if (tree_is(fdt, node, uarts[i].compatible))
            return &uarts[i];
    return NULL;
}

/* How a 16550's registers are spread out. False: in a way that we cannot follow. */
static bool uart_layout(struct machine_console *c, const void *fdt, int node)
{
    uint32_t value;
    if (tree_cell(fdt, node, "reg-shift", &value)) {
        if (value > 4)
            return false;
        c->reg_shift = (uint8_t)value;
    }
    if (tree_cell(fdt, node, "reg-io-width", &value)) {
        if (value != 1 && value != 4)
            return false;
        c->reg_io_width = (uint8_t)value;
    }
    if (tree_cell(fdt, node, "reg-offset", &value)) {
        if (value >= c->reg.size)
            return false;
        c->reg.base += value;
        c->reg.size -= value;
    }
    return true;
}

/* Fills *c if the node is a UART that is there and that we can drive. */
static bool uart_take(struct machine_console *c, const struct tree_walk *w)
{
    const struct uart *u = uart_of(w->fdt, tree_node(w));
    struct machine_console found = {.kind = CONSOLE_NONE};
    if (!u || !tree_usable(w) || !tree_reg(w, 0, &found.reg) || found.reg.size == 0)
        return false;
    if (found.reg.size > UART_BYTES)
        found.reg.size = UART_BYTES;
    found.kind = u->kind;
    found.reg_shift = u->reg_shift;
    found.reg_io_width = u->reg_io_width;
    if (u->kind == CONSOLE_16550 && !uart_layout(&found, w->fdt, tree_node(w)))
        return false;
    *c = found;
    return true;
}

/* The node at a full path of len bytes, -1 if there is none. */
static int node_at(const void *fdt, const char *path, size_t len)
{
    return len > 0 && len < PATH_MAX_BYTES && *path == '/'
               ? fdt_path_offset_namelen(fdt, path, (int)len)
               : -1;
}

static int node_by_alias(const void *fdt, const char *alias, size_t len)
{
    char name[32];
    int aliases = fdt_path_offset(fdt, "/aliases");
    if (aliases < 0 || len == 0 || len >= sizeof name)
        return -1;
    memcpy(name, alias, len);
    name[len] = '\0';
    const char *path = tree_string(fdt, aliases, name);
    return path ? node_at(fdt, path, strlen(path)) : -1;
}

static size_t length_before(const char *s, char end)
{
    size_t n = 0;
    while (s[n] && s[n] != end)
        n++;
    return n;
}

/*
 * The node that stdout-path means, or a negative number. A colon ends the path, and no node's name
 * may hold one.
 */
static int stdout_node(const void *fdt)
{
    int chosen = fdt_path_offset(fdt, "/chosen");
    if (chosen < 0)
        return -1;
    const char *path = tree_string(fdt, chosen, "stdout-path");
    if (!path)
        path = tree_string(fdt, chosen, "linux,stdout-path");
    if (!path)
        return -1;
    size_t len = length_before(path, ':');
    return *path == '/' ? node_at(fdt, path, len) : node_by_alias(fdt, path, len);
}

static bool first_uart(struct tree_walk *w, const void *fdt, struct machine_console *c)
{
    for (tree_start(w, fdt); tree_next(w);)
        if (uart_take(c, w))
            return true;
    return false;
}

/* Finds the console's node, leaves w there, fills *c but for the interrupt. */
static bool console_find(struct tree_walk *w, const void *fdt, struct machine_console *c)
{
    int node = stdout_node(fdt);
    if (node >= 0 && tree_goto(w, fdt, node) && tree_usable(w))
        return uart_take(c, w);
    node = node_by_alias(fdt, "serial0", 7);
    if (node >= 0 && tree_goto(w, fdt, node) && uart_take(c, w))
        return true;
    return first_uart(w, fdt, c);
}

void parse_console(struct parse *p)
{
    struct machine_console *c = &p->m->console;
    struct tree_walk w;
    struct tree_irq irq;

    if (!console_find(&w, p->fdt, c))
        c->kind = p->arch == MACHINE_RISCV ? CONSOLE_SBI : CONSOLE_NONE;
    else if (tree_irq(&w, 0, &irq))
        c->irq = parse_irq_number(p, &irq);
}

void machine_parse_console(struct machine_console *c, const void *fdt, size_t max_size)
{
    struct sentence unheard = {NULL, 0};
    struct tree_walk w;

    memset(c, 0, sizeof *c);
    if (tree_check_header(fdt, max_size, &unheard) == 0)
        console_find(&w, fdt, c);
}
