/*
 * central: free objects of each class that belong to no P. See central.c. Callers: as span.h.
 *
 * A *chain* is free objects linked through their first words; the last one's is NULL.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* Boot, after span_init. */
void central_init(void);
/* A chain of up to a batch of the class: how many, 0 if there is no memory. */
unsigned central_take(unsigned class, void **chain);
/* Takes a chain of n back. A whole batch costs what a single object does. */
void central_give(unsigned class, void *chain, unsigned n);
/* Gives the pages of all spans that have nothing out to page_free. */
void central_trim(void);

/* x, of this class, is in two places at once: the run ends. */
_Noreturn void central_broken(const void *x, unsigned class);

struct central_stats {
    uint64_t spans; /* of this class */
    uint64_t out;   /* objects that are neither in a span nor in a chain here */
};
struct central_stats central_stats(unsigned class);
