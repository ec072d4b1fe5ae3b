/*
 * tree: reading a flattened device tree that nobody vouches for.
 *
 * tree_check() has to say yes before anything else here is used (the finding of an early console
 * makes do with tree_check_header(), see there). Every reader checks the length of what it reads and
 * says false or NULL about what is missing or misshapen; what that means is for the caller to say.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "kernel/machine.h"

/* Where a complaint is written, as much of it as there is room for. Always ends with NUL. */
struct sentence {
    char *at;
    size_t left; /* bytes at `at`, the NUL among them */
};

/* Adds pattern; in it '@' stands for name and each '#' for the next of the two numbers. */
void say(struct sentence *s, const char *pattern, const char *name, uint64_t n1, uint64_t n2);

/*
 * A way from the root down to a node. A tree tells a node's place only by nesting, and what a node
 * means depends on all above it (cells, ranges, interrupt-parent, status); so we walk once, in the
 * order of the tree, and keep the way. Nodes deeper than TREE_DEPTH are passed over: nothing that we
 * look for lies that deep.
 */
#define TREE_DEPTH 16

struct tree_walk {
    const void *fdt;
    int at;               /* the offset where fdt_next_node goes on */
    int depth;            /* the node's; the root's is 0 */
    int node[TREE_DEPTH]; /* offsets of the nodes from the root to this one */
};

struct tree_irq {
    uint32_t parent; /* phandle of the controller, or of the nexus */
    unsigned n_cells;
    uint32_t cell[4]; /* cells behind the fourth do not matter to us */
};

/* 0, or -1 with the complaint in why. Nothing beyond max_size is read, whatever the header says. */
int tree_check_header(const void *fdt, size_t max_size, struct sentence *why);
int tree_check(const void *fdt, size_t max_size, struct sentence *why);

/* for (tree_start(&w, fdt); tree_next(&w);) … visits every node, root first. */
void tree_start(struct tree_walk *w, const void *fdt);
bool tree_next(struct tree_walk *w);
/* Walks to the node at offset. */
bool tree_goto(struct tree_walk *w, const void *fdt, int offset);
static inline int tree_node(const struct tree_walk *w)
{
    return w->node[w->depth];
}
/* True unless this node or one above it says that it is not there to be used. */
bool tree_usable(const struct tree_walk *w);

const char *tree_name(const void *fdt, int node);
bool tree_okay(const void *fdt, int node); /* status is absent, "okay" or "ok" */
uint32_t tree_be32(const void *at);
bool tree_cell(const void *fdt, int node, const char *name, uint32_t *value);   /* one cell */
bool tree_number(const void *fdt, int node, const char *name, uint64_t *value); /* one or two */
const char *tree_string(const void *fdt, int node, const char *name);           /* NULL: none */
bool tree_list_has(const void *fdt, int node, const char *name, const char *word);
int tree_list_index(const void *fdt, int node, const char *name, const char *word); /* -1: no */
static inline bool tree_is(const void *fdt, int node, const char *compatible)
{
    return tree_list_has(fdt, node, "compatible", compatible);
}

/* How many ranges the node's reg has; -1: not a whole number of them, or impossible cells. */
int tree_reg_count(const struct tree_walk *w);
/* The i-th, as the node's own bus counts addresses. False: missing, or it wraps around. */
bool tree_reg_raw(const struct tree_walk *w, int i, struct range *r);
/* The i-th as a physical address, through the `ranges` of every bus above. */
bool tree_reg(const struct tree_walk *w, int i, struct range *r);

/* The i-th interrupt, from interrupts-extended or interrupts. */
bool tree_irq(const struct tree_walk *w, int i, struct tree_irq *irq);
