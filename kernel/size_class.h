/*
 * size_class: the sizes that small objects come in. See size_class.c.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define CLASS_MAX   64    /* classes are numbered 1 … n_size_classes, all below CLASS_MAX */
#define CLASS_NONE  0     /* of pages: no object begins here */
#define CLASS_LARGE 63    /* of pages: an object beyond all classes begins here */
#define SMALL_MAX   32768 /* bytes: the largest class */
#define GRAIN       16    /* bytes: every object is a multiple of it, and aligned so */
#define TINY_MAX    1024  /* bytes: up to here a table by GRAIN finds the class, */
#define GRAIN_ABOVE 64    /* above one by this */

/*
 * One class. An object of it begins at a multiple of size in a span, which begins at a multiple of
 * its own size; so (address & span_mask) * inverse is, modulo 2^32, below inverse where an object
 * begins and nowhere else. (inverse is 2^32 / size, rounded up: the product's fraction, so to say.)
 */
struct size_class {
    uint32_t size;      /* bytes */
    uint32_t span_mask; /* of a span: its size in bytes less 1 */
    uint32_t inverse;
    uint16_t objects; /* a span */
    uint8_t order;    /* a span is 2^order pages */
    uint8_t batch;    /* objects that move between a P and the central lists at once */
};

extern struct size_class size_class[CLASS_MAX];
extern unsigned n_size_classes;
extern uint8_t size_class_tiny[TINY_MAX / GRAIN + 1];
extern uint8_t size_class_above[SMALL_MAX / GRAIN_ABOVE + 1];

/* Boot, before all else of the heap. */
void size_class_init(void);

/* The smallest class for n bytes, n <= SMALL_MAX. 0 is served like 1. */
static inline unsigned size_class_of(size_t n)
{
    if (n <= TINY_MAX)
        return size_class_tiny[(n + GRAIN - 1) / GRAIN];
    return size_class_above[(n + GRAIN_ABOVE - 1) / GRAIN_ABOVE];
}
