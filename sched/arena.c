/*
 * arena: arena.h.
 *
 * An arena is a list of *blocks* from calloc. One of them, the *open* one, is what pieces are taken
 * from, upwards; the arena's own words lie in the first:
 *
 *     first block, 1 KiB                    others, newest first
 *     ┌───────┬──────┬────────┬────────┐    ┌───────┬──────────────┬─────────┐    ┌───────┬───────┐
 *     │ block │ body │ pieces │ tail   │───▶│ block │ pieces       │ left    │───▶│ block │ large │
 *     └───────┴──────┴────────┴────────┘    └───────┴──────────────┴─────────┘    └───────┴───────┘
 *                                                                at_       end_
 *
 * A piece that does not fit makes a new block, twice as large as the last one, from 1 KiB to 32 KiB;
 * one above 8 KiB gets a block of just its size. Of the old open block and the new, that with more
 * left is open from then on: so a large piece, whose block has nothing left, does not close the one
 * before it, and neither does a piece that leaves little of a small block. What is left of the
 * other is lost: at most a quarter of a block of 32 KiB, since what does not fit is at most that.
 *
 * Zeroes come from calloc, a block at a time, before anybody has used it; a piece is used once. To
 * zero each piece when it is taken would make the common case a loop, and to zero an arena in order
 * to use it again needs to know what was touched. Sizes of blocks are malloc's own, so none is wasted.
 *
 *   A1  at_ and end_ are multiples of 16, at_ <= end_, and all between them is zero.
 *   A2  An arena with an owner is in that goroutine's list of deferred calls, and only the owner
 *       touches it there: so others can neither free it nor give it up.
 *   A3  What is freed says so: its mark is FREED and nothing is left in it, so that each way into it,
 *       the inline one too, comes to the mark. malloc writes into free memory, but not so deep; in
 *       debug images it fills it, which serves as well: at_ is end_, and the mark SPOILT.
 *
 * The end with the owner. A deferred call would do, but for its place: last in, first out, those that
 * were deferred before the arena was made would find it gone, and the call that recovers and says
 * what the request was is just that. So arenas are behind all others in the list. A list of their
 * own would be simpler; but it has to begin in struct g, where the next 8 bytes cost each
 * goroutine 64. The record lies in the arena: to own takes no memory.
 *
 * No locks and no hand-offs: an arena is used by one goroutine at a time, and who passes it on does
 * so by something that orders memory.
 */
#include <pinion/arena.h>
#include <errno.h>
#include <pinion/go.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "sched/defer.h"
#include "sched/heap_check.h"

#define PIECE_ALIGN 16
#define BLOCK_FIRST ((size_t)1 << 10)
#define BLOCK_MAX   ((size_t)32 << 10)
#define PIECE_LARGE (BLOCK_MAX / 4)

struct block {
    struct block *next;
    size_t size; /* all of it, this included */
};

enum mark {
    ALIVE = 0x6172656e, /* ASCII: "aren" */
    FREED = 0x66726565, /* "free" */
    SPOILT = (int)(0x01010101u * HEAP_FREED_BYTE),
};

struct body {
    struct block first;
    arena arena; /* all that programs see */
    enum mark mark;
    uint32_t next_size;    /* of the next block, unless that is for a large piece */
    const struct g *owner; /* NULL: nobody's */
    struct defer end;      /* A2; in use while there is an owner */
};

_Static_assert(sizeof(struct block) % PIECE_ALIGN == 0 && sizeof(struct body) % PIECE_ALIGN == 0,
               "A1: pieces follow them");

/* The mark of a freed one may still be read: A3. said: what its use is to be called. Of NULL there is
 * no mark: that is a fault, as promised, and no matter for a sanitizer. */
__attribute__((no_sanitize("pointer-overflow"))) static struct body *body_of(const arena *a,
                                                                             const char *said)
{
    struct body *b = (struct body *)((uintptr_t)a - offsetof(struct body, arena));
    if (b->mark != ALIVE)
        sched_panic("arena: %s", b->mark == FREED || b->mark == SPOILT ? said : "not an arena");
    return b;
}

static struct body *body_in_use(const arena *a)
{
    return body_of(a, "used after it was freed");
}

/* ---- pieces ---- */

static size_t round_up(size_t n)
{
    return (n + PIECE_ALIGN - 1) & -(size_t)PIECE_ALIGN;
}

/* A block with room for a piece of size. NULL: no memory. */
static struct block *block_new(struct body *b, size_t size)
{
    size_t bytes = sizeof(struct block) + round_up(size);
    if (size <= PIECE_LARGE) {
        while (b->next_size < bytes)
            b->next_size *= 2;
        bytes = b->next_size;
    }
    struct block *k = calloc(1, bytes);
    if (k == NULL)
        return NULL;
    if (size <= PIECE_LARGE && bytes < BLOCK_MAX)
        b->next_size *= 2;
    *k = (struct block){b->first.next, bytes};
    b->first.next = k;
    return k;
}

void *arena_alloc_slow_(arena *a, size_t size)
{
    struct body *b = body_in_use(a);
    if (size == 0)
        return arena_alloc(a, 1);
    if (size > PTRDIFF_MAX) {
        errno = ENOMEM;
        return NULL;
    }
    struct block *k = block_new(b, size);
    if (k == NULL)
        return NULL;
    char *piece = (char *)(k + 1), *rest = piece + round_up(size), *end = (char *)k + k->size;
    if (end - rest > a->end_ - a->at_)
        *a = (arena){rest, end};
    return piece;
}

void *arena_alloc_aligned(arena *a, size_t size, size_t align)
{
    if (align == 0 || (align & (align - 1)) != 0) {
        errno = EINVAL;
        return NULL;
    }
    if (align <= PIECE_ALIGN)
        return arena_alloc(a, size);
    size += size == 0;
    size_t skip = -(uintptr_t)a->at_ & (align - 1), left = (size_t)(a->end_ - a->at_);
    if (skip <= left && size <= left - skip)
        return (char *)arena_alloc(a, skip + size) + skip;
    /* From a new block, which may begin at any multiple of 16. */
    size_t most;
    bool wraps = __builtin_add_overflow(size, align - PIECE_ALIGN, &most);
    char *piece = arena_alloc(a, wraps ? SIZE_MAX : most);
    return piece == NULL ? NULL : piece + (-(uintptr_t)piece & (align - 1));
}

/* ---- an arena's life ---- */

arena *arena_new(void)
{
    struct body *b = calloc(1, BLOCK_FIRST);
    if (b == NULL)
        return NULL;
    b->first.size = BLOCK_FIRST;
    b->arena = (arena){(char *)(b + 1), (char *)b + BLOCK_FIRST};
    b->mark = ALIVE;
    b->next_size = 2 * BLOCK_FIRST;
    return &b->arena;
}

static void give_back(void *body)
{
    struct body *b = body;
    b->mark = FREED;
    b->arena = (arena){NULL, NULL};
    for (struct block *next, *k = b->first.next; k != NULL; k = next) {
        next = k->next;
        free(k);
    }
    /* Or the compiler leaves out what is written to memory that it sees freed. */
    __asm__ volatile("" : : "r"(b) : "memory");
    free(b);
}

void arena_free(arena *a)
{
    if (a == NULL)
        return;
    struct body *b = body_of(a, "freed twice");
    arena_disown(a);
    give_back(b);
}

/* Nobody's, or the caller's. */
static struct body *body_of_mine(const arena *a)
{
    struct body *b = body_in_use(a);
    if (b->owner != NULL && b->owner != g_self())
        sched_panic("arena: owned by another goroutine");
    return b;
}

void arena_own(arena *a)
{
    struct body *b = body_of_mine(a);
    if (b->owner != NULL)
        return;
    b->owner = g_self();
    defer_lend_last(&b->end, give_back, b);
}

void arena_disown(arena *a)
{
    struct body *b = body_of_mine(a);
    if (b->owner == NULL)
        return;
    b->owner = NULL;
    defer_take_back(&b->end);
}

size_t arena_size(const arena *a)
{
    size_t sum = 0;
    for (const struct block *k = &body_in_use(a)->first; k != NULL; k = k->next)
        sum += k->size;
    return sum;
}
