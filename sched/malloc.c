/*
 * malloc: the C library's allocator, as goroutines see it.
 *
 *     up to 32 KiB     an object of a size class, from the P's cache (cache.c), which gets them by
 *                      batches from the central lists (kernel/central.c), and those from spans
 *     above            whole pages, straight from the page heap (kernel/span.c)
 *
 * Who may call. Goroutines, with preemption on or off; a scheduler's stack. Not trap handlers: they
 * may have interrupted a malloc on the same hart. Nobody who holds a lock that the fault handler
 * takes. A hart without a P (in a blocking section, or its scheduler's stack while it is idle) is
 * served from the central lists, object by object, under their locks.
 *
 * The fast paths, heap_malloc and heap_free, run without preemption by where they lie (O81; cache.c, M4,
 * M5) and do everything in a line: class by table, list of the P, one object. Anything else is a jump
 * to the long way, which turns preemption off as everybody does. There is one function where every
 * allocation that is not short comes by, object_new; with cache_short_cuts off, all of them.
 *
 * Out of memory. A page may be had yet from what is kept for later, so before NULL is returned:
 *
 *     1  this P's cache and the central lists let go of what they have, and so do the pools of
 *        dead goroutines and their stacks
 *     2  the other Ps' caches too, if they have anything; for that the world is stopped
 *
 * once each. 2, and the stacks in 1, only if the caller's preemption is on: else he may hold a lock
 * that they need, or be what the world's stopper waits for. Pools (sync.h) are not trimmed here:
 * their drop is the program's, which may hold any mutex of its own while it calls malloc.
 *
 * Sizes. An object has all of its class for itself, malloc_usable_size says how much; realloc stays
 * where it is while its class does, or its pages and those behind it. 0 bytes are an object too.
 * Alignment is 16; a class whose size is a multiple of a power of two has all its objects aligned to
 * it, so aligned_alloc only chooses a class, and its objects are like any other.
 *
 * A wrong free. A pointer into no object, or not to where one begins, is found by what free asks
 * anyway; that an object is what was freed last, by one comparison. One freed twice with others
 * between is found when its batch is taken apart (central.c), or not; a debug image finds all
 * (heap_check.c).
 *
 * calloc clears what was asked for. Pages are not known to be zero: firmware leaves them as they
 * are, and to clear them in advance would take the same stores.
 */
#include "sched/malloc.h"
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "kernel/central.h"
#include "kernel/clock.h"
#include "kernel/console.h"
#include "kernel/span.h"
#include "sched/cache.h"
#include "sched/chaos.h"
#include "sched/fatal.h"
#include "sched/g.h"
#include "sched/heap_check.h"
#include "sched/proc.h"
#include "sched/profile_heap.h"
#include "sched/world.h"

#define CALLER __builtin_return_address(0)

/* noipa: no other function may have their code, where it could be broken off. */
#define UNBROKEN STRAIGHT __attribute__((section(".text.unbroken"), noipa))

/* ---- giving back ---- */

static void trim_here(void)
{
    struct p *p = preempt_off()->p;
    if (p != NULL)
        cache_flush(p->cache);
    central_trim();
    preempt_on();
}

/* Does a P have anything? Ours may: it need not be the one that was ours when we emptied that. */
static bool any_holds(void)
{
    for (uint32_t i = 0; i < sched.n_p; i++)
        if (cache_holds(sched.p[i]->cache))
            return true;
    return false;
}

static void trim_everywhere(void)
{
    world_stop();
    cache_flush_all();
    world_start();
}

static void trim_stacks(void)
{
    preempt_off();
    g_trim();
    preempt_on();
}

void heap_trim(void)
{
    trim_here();
    if (any_holds())
        trim_everywhere();
    trim_stacks();
}

/* Step 1, 2, … of getting a page when there is none. false: there are no more steps. */
static bool reclaim(unsigned step)
{
    bool calm = g_self()->preempt_off == 0;
    if (step == 1) {
        trim_here();
        if (calm)
            trim_stacks();
        return true;
    }
    if (step > 2 || !calm || !any_holds())
        return false;
    trim_everywhere();
    return true;
}

/* ---- allocating, the long way ---- */

/* For a hart without a P. */
static void *central_one(unsigned class)
{
    void *chain, *rest;
    unsigned n = central_take(class, &chain);
    if (n == 0)
        return NULL;
    rest = *(void **)chain;
    if (rest != NULL)
        central_give(class, rest, n - 1);
    return chain;
}

/* The class for n bytes at a multiple of align, a power of two; CLASS_LARGE: none. */
static unsigned class_for(size_t n, size_t align)
{
    if (n > SMALL_MAX || align > SMALL_MAX)
        return CLASS_LARGE;
    unsigned class = size_class_of(n > align ? n : align);
    while ((size_class[class].size & (align - 1)) != 0)
        class ++;
    return class;
}

static size_t pages_for(size_t n)
{
    return (n + PAGE_SIZE - 1) / PAGE_SIZE;
}

static void *large_object(size_t n, size_t align)
{
    unsigned order = 0;
    while (PAGE_SIZE << order < align)
        order++;
    return n > PTRDIFF_MAX ? NULL : large_new(pages_for(n > 0 ? n : 1), order);
}

/* Every allocation comes by here but the short ones. NULL: there is no memory at this moment. */
static void *object_new(size_t n, size_t align)
{
    unsigned class = class_for(n, align);
    struct p *p = preempt_off()->p;
    void *x;
    if (class == CLASS_LARGE)
        x = large_object(n, align);
    else
        x = p != NULL ? cache_take(p->cache, class) : central_one(class);
    preempt_on();
    return x;
}

static size_t object_bytes(const void *x, unsigned class)
{
    return class == CLASS_LARGE ? large_pages(x) * PAGE_SIZE : size_class[class].size;
}

/* x has been made. by: 0 in a release image, whose short way must not note it. */
static __attribute__((noinline)) void *heap_note(void *x, uintptr_t by)
{
    heap_profile_malloc(x, object_bytes(x, span_class(x)), by);
    return x;
}

/* by: who asks, a return address. */
static void *heap_allocate(size_t n, size_t align, uintptr_t by)
{
    size_t room = check_room(n);
    void *x = object_new(room, align);
    for (unsigned step = 1; x == NULL && n <= PTRDIFF_MAX && reclaim(step); step++)
        x = object_new(room, align);
    if (x == NULL) {
        errno = ENOMEM;
        return NULL;
    }
    x = check_begin(x, span_class(x), n, by);
    return __builtin_expect(heap_watched, 0) ? heap_note(x, HEAP_CHECK ? by : 0) : x;
}

/* ---- freeing, the long way ---- */

static _Noreturn void not_an_object(const char *what, const void *x)
{
    fatal_begin();
    kprintf("fatal error: %s of %p, which is not an object of the heap\n", what, x);
    check_explain(x);
    fatal_end(__builtin_frame_address(0), false);
}

/* x's class, if there is an object at x. */
static unsigned class_at(const char *what, const void *x)
{
    unsigned class = span_class(x);
    bool is_object = class == CLASS_LARGE ? (uintptr_t)x % PAGE_SIZE == 0
                                          : class != CLASS_NONE && class_begins(class, x);
    if (!is_object)
        not_an_object(what, x);
    return class;
}

static _Atomic uint64_t stray_frees[CLASS_MAX]; /* on harts without a P */

static void object_free(void *x, unsigned class)
{
    struct p *p = preempt_off()->p;
    if (class == CLASS_LARGE) {
        large_delete(x);
    } else if (p != NULL) {
        cache_put(p->cache, class, x);
    } else {
        *(void **)x = NULL;
        central_give(class, x, 1);
        /* relaxed: a count. */
        atomic_fetch_add_explicit(&stray_frees[class], 1, memory_order_relaxed);
    }
    preempt_on();
}

uint64_t heap_frees(unsigned class)
{
    /* relaxed: as above. */
    return cache_frees(class) + atomic_load_explicit(&stray_frees[class], memory_order_relaxed);
}

static size_t usable(const void *x, unsigned class)
{
    if (HEAP_CHECK)
        return check_size(x, class);
    return object_bytes(x, class);
}

/* ---- the short ways ---- */

/* Without short cuts. Preemption is off, once more than the caller's. */
static __attribute__((noinline)) void *malloc_long(size_t n, void *by)
{
    preempt_on();
    /* Now and then a first request is refused. */
    for (unsigned step = 1; step <= 2 && chaos_on && chaos_refuses(CHAOS_REFUSE_BLOCK); step++)
        reclaim(step);
    return heap_allocate(n, 1, (uintptr_t)by);
}

/* Mostly a batch has been used up; and there is another. */
static __attribute__((noinline)) HOT void *malloc_slow(size_t n, void *by)
{
    struct p *p = preempt_off()->p;
    void *x = NULL;
    if (n <= SMALL_MAX && p != NULL) {
        if (__builtin_expect(!p->cache->short_cuts, 0))
            return malloc_long(n, by);
        x = cache_take_kept(p->cache, size_class_of(n));
    }
    preempt_on();
    return x != NULL ? x : heap_allocate(n, 1, (uintptr_t)by);
}

static __attribute__((noinline)) void free_slow(void *x, void *by)
{
    if (x == NULL)
        return;
    unsigned class = class_at("free", x);
    check_end(x, class, (uintptr_t)by);
    struct p *p = g_self()->m->p;
    if (p != NULL && cache_freed_last(p->cache, class, x))
        heap_misused("double free", x, class);
    if (__builtin_expect(heap_watched, 0))
        heap_profile_free(x);
    object_free(x, class);
}

/* An interrupt has left word; x is the result. */
static __attribute__((noinline)) void *leave_with(void *x)
{
    preempt_honour_true();
    return x;
}

UNBROKEN void *heap_malloc(size_t n)
{
    struct p *p = g_self()->m->p;
    if (__builtin_expect(n > TINY_MAX || p == NULL, 0))
        return malloc_slow(n, CALLER);
    struct cache *c = p->cache;
    struct cache_list *l = c->list_for[(n + GRAIN - 1) / GRAIN];
    void *x = l->free;
#if PINION_TRAP == 24 /* a call, against M4: in it the hart may be lost, and l is its P's */
    clock_window();
#endif
    if (__builtin_expect(x == NULL, 0))
        return malloc_slow(n, CALLER);
    l->free = *(void **)x;
    if (__builtin_expect(g_self()->preempt_wanted != 0, 0))
        return leave_with(x);
    return x;
}

UNBROKEN void heap_free(void *x)
{
    struct p *p = g_self()->m->p;
    if (__builtin_expect(p == NULL, 0)) {
        free_slow(x, CALLER);
        return;
    }
    struct cache *c = p->cache;
    size_t page = ((uintptr_t)x >> PAGE_SHIFT) - c->map.first;
    if (__builtin_expect(page >= c->map.pages, 0)) {
        free_slow(x, CALLER);
        return;
    }
    struct cache_list *l = &c->list[c->map.class[page]];
    __asm__("" : "+r"(l)); /* one address, from which the compiler is to reach all of it */
    /* O80: map and class are there: x is its caller's. class_begins, from the list. */
    uint32_t at = ((uint32_t)(uintptr_t)x & l->mask) * l->begins, room = l->room;
    if (__builtin_expect(at >= l->begins || room == 0 || x == l->freed, 0)) {
        free_slow(x, CALLER);
        return;
    }
    l->room = room - 1;
    *(void **)x = l->freed;
    l->freed = x;
    if (__builtin_expect(g_self()->preempt_wanted != 0, 0))
        leave_with(x);
}

/* ---- the rest of the interface ---- */

static inline void *malloc_by(size_t n, void *by)
{
    return HEAP_CHECK ? malloc_slow(n, by) : heap_malloc(n);
}

static inline void free_by(void *x, void *by)
{
    if (HEAP_CHECK)
        free_slow(x, by);
    else
        heap_free(x);
}

void *heap_calloc(size_t n, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    void *x = malloc_by(bytes, CALLER);
    if (x != NULL)
        memset(x, 0, bytes);
    return x;
}

/* Makes x, an object of this class, hold n bytes where it is. false: it must move. */
static bool resize_here(void *x, unsigned class, size_t n)
{
    if (HEAP_CHECK || n > PTRDIFF_MAX || (n <= SMALL_MAX) != (class != CLASS_LARGE))
        return false;
    if (class != CLASS_LARGE)
        return size_class_of(n) == class;
    if (pages_for(n) > large_pages(x) && chaos_refusal())
        return false;
    preempt_off();
    bool done = large_resize(x, pages_for(n));
    preempt_on();
    return done;
}

void *heap_realloc(void *x, size_t n)
{
    if (x == NULL)
        return malloc_by(n, CALLER);
    unsigned class = class_at("realloc", x);
    if (resize_here(x, class, n))
        return x;
    size_t was = usable(x, class);
    void *y = malloc_by(n, CALLER);
    if (y != NULL) {
        memcpy(y, x, n < was ? n : was);
        free_by(x, CALLER);
    }
    return y;
}

void *heap_aligned(size_t align, size_t n)
{
    if (align == 0 || (align & (align - 1)) != 0) {
        errno = EINVAL;
        return NULL;
    }
    return heap_allocate(n, align, (uintptr_t)CALLER);
}

size_t heap_usable(const void *x)
{
    return x == NULL ? 0 : usable(x, class_at("malloc_usable_size", x));
}

/* ---- the C library's names for it; the rest of them are in libc.c. A program may have its own ---- */

#ifdef __NEWLIB__
#define IS(fn) __attribute__((weak, alias(#fn), copy(fn)))

void *malloc(size_t n) IS(heap_malloc);
void free(void *x) IS(heap_free);
void *calloc(size_t n, size_t size) IS(heap_calloc);
void *realloc(void *x, size_t n) IS(heap_realloc);
void *aligned_alloc(size_t align, size_t n) IS(heap_aligned);
void *memalign(size_t align, size_t n) IS(heap_aligned);
size_t malloc_usable_size(void *x) IS(heap_usable);
#endif
