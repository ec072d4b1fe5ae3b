/*
 * span: runs of pages that hold objects, and which span an address belongs to. See span.c.
 *
 * Callers: goroutines with preemption off, scheduler stacks, boot; never a trap handler. An address
 * is asked about by whoever owns the object there.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "kernel/page.h"
#include "kernel/size_class.h"

struct span {
    /* The lock of its class's central list. */
    struct span *next, *prev; /* the ring of those that have something to give */
    void *free;               /* objects that came back, linked through their first words */
    uint16_t out;             /* objects that a P or the program has */
    uint16_t fresh;           /* objects from this number on have never been out */

    /* Constant while it lives. */
    uint32_t pages;
    uintptr_t base; /* its first address */
};

/* A byte for each page between the machine's lowest and highest: the class of the objects there. */
struct span_map {
    uint8_t *class;  /* [page number - first] */
    uintptr_t first; /* the lowest page's number */
    size_t pages;
};
extern struct span_map span_map;

/* Boot, once, page_init first. false: no memory. */
bool span_init(void);

/* The class of the page at x: CLASS_NONE if no object begins in it, wherever x points. */
static inline unsigned span_class(const void *x)
{
    size_t page = ((uintptr_t)x >> PAGE_SHIFT) - span_map.first;
    return page < span_map.pages ? span_map.class[page] : CLASS_NONE;
}

/* Does an object of a small class begin at x? */
static inline bool class_begins(unsigned class, const void *x)
{
    const struct size_class *c = &size_class[class];
    return ((uint32_t)(uintptr_t)x & c->span_mask) * c->inverse < c->inverse;
}

/* The span of the object x of a small class. */
struct span *span_of(const void *x, unsigned class);
/* A span of fresh objects; NULL: no memory. */
struct span *span_new(unsigned class);
/* Nothing of it is out: its pages are free. */
void span_delete(struct span *s, unsigned class);

/* An object of whole pages at a multiple of 2^order of them; NULL: no memory. */
void *large_new(size_t pages, unsigned order);
void large_delete(void *x);
size_t large_pages(const void *x);
/* Makes x as many pages where it is. false: nothing has changed, there is no room behind it. */
bool large_resize(void *x, size_t pages);

struct large_stats {
    uint64_t mallocs, frees;
    uint64_t bytes, total_bytes; /* now, ever */
};
struct large_stats large_stats(void);
