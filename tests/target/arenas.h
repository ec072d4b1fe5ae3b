/*
 * arenas: what the tests of arena.h share. What an arena takes from malloc and gives back is counted by
 * faults.h, which also refuses.
 */
#pragma once
#include <limits.h>
#include "check.h"
#include "faults.h"
#include "sched/defer.h"

#define BLOCK_FIRST 1024
#define BLOCK_MAX   32768
#define LARGE       (BLOCK_MAX / 4) /* above it a piece has a block of its own */

static inline arena *new_arena(void)
{
    arena *a = arena_new();
    CHECK(a != NULL);
    CHECK_EQ(arena_size(a), BLOCK_FIRST);
    return a;
}

/* Pieces with who they are written all over them, so that two that overlap are seen. */
struct piece {
    unsigned char *at;
    size_t size;
};

static inline unsigned char letter(unsigned n)
{
    return (unsigned char)(n * 151 + 1);
}

/* Each is what the one before it is, and the first is right. */
static inline bool all_bytes(const unsigned char *at, size_t size, unsigned char what)
{
    return size == 0 || (at[0] == what && memcmp(at, at + 1, size - 1) == 0);
}

static inline struct piece take_by(void *(*alloc)(arena *, size_t), arena *a, size_t size,
                                   unsigned n)
{
    struct piece p = {alloc(a, size), size};
    CHECK(p.at != NULL);
    CHECK_EQ((uintptr_t)p.at % 16, 0);
    CHECK(all_bytes(p.at, size, 0));
    memset(p.at, letter(n), size);
    return p;
}

static inline struct piece take(arena *a, size_t size, unsigned n)
{
    return take_by(arena_alloc, a, size, n);
}

static inline void look(const struct piece *p, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        CHECK(all_bytes(p[i].at, p[i].size, letter(i)));
}

static inline unsigned random_below(unsigned *seed, unsigned n)
{
    *seed = *seed * 1664525 + 1013904223;
    return (unsigned)((uint64_t)*seed * n >> 32);
}

/* Mostly small, some of a block's size, a few large. */
static inline size_t some_size(unsigned *seed)
{
    static const unsigned most[] = {40, 40, 200, 1100, LARGE + 20, 3 * BLOCK_MAX};
    return random_below(seed, most[random_below(seed, 6)]);
}

static inline void own_it(void *a)
{
    arena_own(a);
}
