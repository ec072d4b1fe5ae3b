/*
 * faults: memory that ends at a chosen moment.
 *
 * Whoever asks for memory, the program or the runtime, for a block or for a page, asks here first; a
 * test makes the nth request from now fail, or all from the nth on. The runtime has no switch for
 * it: the linker puts these functions in front of the real ones, in the image of a test whose first
 * line asks for it, and every other image is what it would be without. So the release build is what
 * is tested, and it pays nothing. A setting at boot was the other way: it would cost each page_alloc a
 * look at a counter, could not reach newlib's malloc, and would count what boot itself asks for.
 *
 *     // link: -Wl,--wrap=page_alloc,--wrap=page_alloc_run,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=memalign,--wrap=free
 *
 * What grows a stack is let pass: a goroutine that touches a page of its own stack has no way to be
 * told, and the run ends for it. Such a request comes from a trap handler, so it is not made on the
 * stack of the goroutine that is running, nor on its hart's scheduler's.
 *
 * Calls of a function in its own file are not seen by the linker: there is none that matters.
 */
#pragma once
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include "sched/gmp.h"

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

void *__wrap_page_alloc(void);
void *__real_page_alloc(void);
void *__wrap_page_alloc_run(size_t n);
void *__real_page_alloc_run(size_t n);
void *__wrap_malloc(size_t n);
void *__real_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__real_calloc(size_t n, size_t size);
void *__wrap_memalign(size_t align, size_t n);
void *__real_memalign(size_t align, size_t n);
void *__wrap_realloc(void *block, size_t n);
void *__real_realloc(void *block, size_t n);
void __wrap_free(void *block);
void __real_free(void *block);

void *__wrap_page_alloc(void)
{
    return faults_refuse() ? NULL : __real_page_alloc();
}

void *__wrap_page_alloc_run(size_t n)
{
    return faults_refuse() ? NULL : __real_page_alloc_run(n);
}

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

void *__wrap_malloc(size_t n)
{
    return faults_refuse_block() ? NULL : faults_count(__real_malloc(n));
}

void *__wrap_calloc(size_t n, size_t size)
{
    return faults_refuse_block() ? NULL : faults_count(__real_calloc(n, size));
}

void *__wrap_memalign(size_t align, size_t n)
{
    return faults_refuse_block() ? NULL : faults_count(__real_memalign(align, n));
}

void *__wrap_realloc(void *block, size_t n)
{
    if (faults_refuse_block())
        return NULL;
    void *now = __real_realloc(block, n);
    faults.blocks += (block == NULL && now != NULL) - (block != NULL && n == 0);
    return now;
}

void __wrap_free(void *block)
{
    faults.blocks -= block != NULL;
    __real_free(block);
}
