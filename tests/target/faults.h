/*
 * faults: memory that ends at a chosen moment.
 *
 * Whoever asks for memory, the program or the runtime, for a block or for a page, asks here first; a
 * test makes the nth request from now fail, or all from the nth on. The runtime has no switch for
 * it: the linker puts these functions in front of the real ones, in the image of a test whose first
 * line asks for it, and every other image is what it would be without. So the release build is what
 * is tested, and it pays nothing. A setting at boot was the other way: it would cost each page_alloc and
 * each malloc a look at a counter, and would count what boot itself asks for.
 *
 *     // link: -Wl,--wrap=page_alloc,--wrap=page_alloc_run,--wrap=page_alloc_aligned,--wrap=page_extend_run,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=memalign,--wrap=aligned_alloc,--wrap=free,--wrap=heap_malloc,--wrap=heap_calloc,--wrap=heap_realloc,--wrap=heap_aligned,--wrap=heap_free
 *
 * A block is asked for by the program and the runtime as malloc, by the C library as heap_malloc
 * (libc.c); it may be refused, or granted and then the page that the heap needs for it. Whoever is
 * refused a page inside malloc is asked a second time, when the caches have been emptied.
 *
 * What grows a stack is let pass: a goroutine that touches a page of its own stack has no way to be
 * told, and the run ends for it. Such a request comes from a trap handler, so it is not made on the
 * stack of the goroutine that is running, nor on its hart's scheduler's.
 *
 * Calls of a function in its own file are not seen by the linker: so no block is counted twice, and
 * there is none that matters.
 */
#pragma once
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include "kernel/page.h"
#include "sched/gmp.h"
#include "sched/malloc.h"

enum faults_kind { FAULTS_ONE, FAULTS_ALL_FROM };

static struct {
    _Atomic bool on;
    enum faults_kind kind;
    bool pages_only;   /* blocks are granted as far as malloc has any */
    _Atomic long left; /* requests that are granted before the first that is not */
    _Atomic long hits;
    _Atomic long blocks; /* of malloc's, in use */
} faults;

/* The nth request from now, or all from it on, fail. n from 1. */
static inline void faults_begin(enum faults_kind kind, long n)
{
    faults.kind = kind;
    faults.pages_only = false;
    faults.left = n - 1;
    faults.hits = 0;
    faults.on = true;
}

/* For what is no part of the test: everything is granted, and not counted. */
static inline void faults_pause(void)
{
    faults.on = false;
}

static inline void faults_resume(void)
{
    faults.on = true;
}

/* Memory is back. How many requests have been refused. */
static inline long faults_end(void)
{
    faults.on = false;
    return faults.hits;
}

static inline bool faults_in_handler(void)
{
    const struct g *g = g_self();
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    return here < g->stack.lo || here > g->stack.hi;
}

static inline bool faults_refuse(void)
{
    if (!faults.on || faults_in_handler())
        return false;
    long left = atomic_fetch_sub(&faults.left, 1);
    bool refused = faults.kind == FAULTS_ONE ? left == 0 : left <= 0;
    faults.hits += refused;
    return refused;
}

/* ---- what the linker calls in place of the functions after __wrap_, and what those are now ---- */

/* R fn(P), called with A; refused is its value when there is no memory. */
#define PAGES(R, fn, P, A, refused)                       \
    R __wrap_##fn P;                                      \
    R __real_##fn P;                                      \
    R __wrap_##fn P                                       \
    {                                                     \
        return faults_refuse() ? refused : __real_##fn A; \
    }

PAGES(void *, page_alloc, (void), (), NULL)
PAGES(void *, page_alloc_run, (size_t n), (n), NULL)
PAGES(void *, page_alloc_aligned, (size_t n, unsigned order), (n, order), NULL)
PAGES(bool, page_extend_run, (void *first, size_t n, size_t more), (first, n, more), false)

static inline bool faults_refuse_block(void)
{
    bool refused = !faults.pages_only && faults_refuse();
    if (refused)
        errno = ENOMEM;
    return refused;
}

static inline void *faults_count(void *block)
{
    faults.blocks += block != NULL;
    return block;
}

#define BLOCK(fn, P, A)                                                    \
    void *__wrap_##fn P;                                                   \
    void *__real_##fn P;                                                   \
    void *__wrap_##fn P                                                    \
    {                                                                      \
        return faults_refuse_block() ? NULL : faults_count(__real_##fn A); \
    }

BLOCK(malloc, (size_t n), (n))
BLOCK(heap_malloc, (size_t n), (n))
BLOCK(calloc, (size_t n, size_t size), (n, size))
BLOCK(heap_calloc, (size_t n, size_t size), (n, size))
BLOCK(memalign, (size_t align, size_t n), (align, n))
BLOCK(aligned_alloc, (size_t align, size_t n), (align, n))
BLOCK(heap_aligned, (size_t align, size_t n), (align, n))

/* A block that is there stays one, whatever becomes of it. */
#define REALLOC(fn)                                    \
    void *__wrap_##fn(void *block, size_t n);          \
    void *__real_##fn(void *block, size_t n);          \
    void *__wrap_##fn(void *block, size_t n)           \
    {                                                  \
        if (faults_refuse_block())                     \
            return NULL;                               \
        void *now = __real_##fn(block, n);             \
        faults.blocks += block == NULL && now != NULL; \
        return now;                                    \
    }

REALLOC(realloc)
REALLOC(heap_realloc)

#define FREE(fn)                        \
    void __wrap_##fn(void *block);      \
    void __real_##fn(void *block);      \
    void __wrap_##fn(void *block)       \
    {                                   \
        faults.blocks -= block != NULL; \
        __real_##fn(block);             \
    }

FREE(free)
FREE(heap_free)
