/*
 * memory: malloc and arenas, as bench.h measures.
 */
#include "bench.h"

/* ---- malloc ---- */

static void *volatile object; /* volatile: or the compiler leaves both calls out */

static inline void malloc_pair(size_t n)
{
    void *x = malloc(n);
    object = x;
    free(x);
}

static void malloc_pairs(long n, size_t size)
{
    for (; n > 0; n -= 8) {
        malloc_pair(size);
        malloc_pair(size);
        malloc_pair(size);
        malloc_pair(size);
        malloc_pair(size);
        malloc_pair(size);
        malloc_pair(size);
        malloc_pair(size);
    }
    check("malloc", object != NULL, 1);
}

static void malloc_16(long n)
{
    malloc_pairs(n, 16);
}

static void malloc_64(long n)
{
    malloc_pairs(n, 64);
}

static void malloc_1k(long n)
{
    malloc_pairs(n, 1024);
}

static void malloc_32k(long n)
{
    malloc_pairs(n, 32768);
}

static void malloc_1m(long n)
{
    malloc_pairs(n, 1 << 20);
}

/* A thousand at once, of sizes as programs have them: caches run over and dry. */
static void malloc_thousand(long n)
{
    static void *all[1000];
    uint32_t rng = 1;
    for (; n > 0; n -= 1000) {
        for (int i = 0; i < 1000; i++) {
            rng = rng * 1664525 + 1013904223;
            all[i] = malloc(rng >> 22);
        }
        for (int i = 0; i < 1000; i++)
            free(all[i]);
    }
}

/* ---- memory ---- */

#define PIECE       32
#define PIECES_EACH 256 /* a request that takes 8 KiB */

/* Zeroing, the arena's making and its end are in it. */
static void arena_pieces(long n)
{
    uint64_t sum = 0;
    for (long left = n; left > 0; left -= PIECES_EACH) {
        arena *a = arena_new();
        for (long i = left < PIECES_EACH ? left : PIECES_EACH; i > 0; i--) {
            uint64_t *piece = arena_alloc(a, PIECE);
            sum += ++piece[0] + piece[3];
        }
        arena_free(a);
    }
    check("arena", sum, (uint64_t)n);
}

/* ---- the list ---- */

static const struct bench list[] = {
    {"malloc + free, 16 B", malloc_16},
    {"malloc + free, 64 B", malloc_64},
    {"malloc + free, 1 KiB", malloc_1k},
    {"malloc + free, 32 KiB", malloc_32k},
    {"malloc + free, 1 MiB", malloc_1m},
    {"malloc + free, 0 to 1 KiB, 1000 at once", malloc_thousand},
    {"arena, 32 bytes of 8 KiB", arena_pieces},
};

int main(void)
{
    bench_all(list, sizeof(list) / sizeof(list[0]));
    return 0;
}
