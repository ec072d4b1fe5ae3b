/*
 * arena.h: memory that goes in one step. What belongs to one request, one message, one frame is taken
 * from an arena, piece by piece, and given back all together by arena_free; no piece is freed by
 * itself. Go's counterpart: package arena, which was an experiment there; the owner is ours.
 *
 * An arena is used by one goroutine at a time, which nothing here checks: to hand one to another
 * goroutine is to send it on a channel, or what else puts its uses in order. All functions may be
 * called from goroutines only.
 *
 * A freed arena is recognised: to use it panics "arena: used after it was freed", to free it again
 * "arena: freed twice"; what is no arena, "arena: not an arena". Both hold until malloc has given its
 * memory to somebody else. Under MODE=debug all that was in it reads 0xdd from then on.
 */
#pragma once
#include <stddef.h>

/* Members whose names end in _ are not for programs. It is made by arena_new only. */
typedef struct arena {
    char *at_, *end_; /* what the next pieces are taken from; both multiples of 16 */
} arena;

void *arena_alloc_slow_(arena *, size_t size);

/* NULL: errno ENOMEM. It takes 1 KiB from malloc, and as it grows 2, 4 … 32 KiB at a time. */
arena *arena_new(void);

/*
 * A piece of size bytes, zeroed, its address a multiple of 16. Each piece has an address of its own,
 * one of 0 bytes too. NULL: errno ENOMEM, and the arena is as it was. What is larger than 8 KiB
 * comes from malloc by itself, and goes with the arena.
 */
static inline void *arena_alloc(arena *a, size_t size)
{
    char *p = a->at_;
    /* What is left is a multiple of 16: where size fits, size rounded up does. 0 less 1 is more than
     * can be left, and takes the long way, as what does not fit. */
    if (__builtin_expect(size - 1 < (size_t)(a->end_ - p), 1)) {
        a->at_ = p + ((size + 15) & -(size_t)16);
        return p;
    }
    return arena_alloc_slow_(a, size);
}

/* The same at a multiple of align. NULL also with errno EINVAL: align is not a power of two. */
void *arena_alloc_aligned(arena *, size_t size, size_t align);

/* Gives all of it back. NULL is fine. One that another goroutine owns panics, as in arena_own. */
void arena_free(arena *);

/*
 * The calling goroutine owns it from now on: it goes when that ends, by return, runtime_goexit or a
 * panic that was recovered, after all calls that it has deferred, so that these may use it; main's
 * when main returns, before what atexit has. Takes no memory, but a look at each deferred call, as
 * disown and free of an owned one do. Panics "arena: owned by another goroutine" if it is.
 */
void arena_own(arena *);
/* Nobody owns it any more; afterwards it may be freed, or owned, by any. Panics as arena_own does. If
 * nobody owns it nothing happens. */
void arena_disown(arena *);

/* Bytes that it has taken from malloc. */
size_t arena_size(const arena *);
