// with: kernel/machine.c kernel/machine_hart.c kernel/machine_irq.c kernel/machine_console.c kernel/tree.c libfdt
/*
 * tree_fuzz: any bytes in place of a device tree. The inputs to start from are QEMU's own trees, which
 * tests/fuzz/run has it write; machine_fuzz looks deeper into trees that are whole.
 *
 * What tree_check lets pass, libfdt's own check must let pass too: ours is no laxer.
 */
#include <libfdt.h>
#include "kernel/tree.h"
#include "tests/fuzz/machine_check.h"

static void readers_hold(const void *tree)
{
    static const char *const names[] = {"reg", "compatible", "status", "interrupts", "model"};
    struct tree_walk w;
    for (tree_start(&w, tree); tree_next(&w);) {
        struct range r;
        struct tree_irq irq;
        uint64_t number;
        int node = tree_node(&w), n = tree_reg_count(&w);
        HOLDS(w.depth >= 0 && w.depth < TREE_DEPTH);
        tree_usable(&w);
        for (int i = 0; i < n; i++)
            if (tree_reg(&w, i, &r))
                HOLDS(r.size <= UINT64_MAX - r.base);
        HOLDS(n < 0 || !tree_reg_raw(&w, n, &r));
        for (int i = 0; i < 4 && tree_irq(&w, i, &irq); i++)
            HOLDS(irq.n_cells >= 1 && irq.n_cells <= 4);
        for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
            const char *text = tree_string(tree, node, names[i]);
            HOLDS(!text || strlen(text) < fdt_totalsize(tree));
            tree_number(tree, node, names[i], &number);
            tree_list_has(tree, node, names[i], "okay");
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char why[160] = "";
    struct sentence s = {why, sizeof why};
    void *tree = exact_copy(data, size);
    both_machines_hold(tree, size);
    if (tree_check(tree, size, &s) == 0) {
        HOLDS(fdt_check_full(tree, size) == 0);
        readers_hold(tree);
    }
    free(tree);
    return 0;
}
