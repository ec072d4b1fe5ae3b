/*
 * heap_check: in debug images every object is marked, and looked at when it is freed and when it is
 * used again. See heap_check.c. In others this is nothing but the messages.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Ends the run: what is wrong, and with which object. */
_Noreturn void heap_misused(const char *what, const void *x, unsigned class);
/* x, which is no object, may lie in one: says so. */
void check_explain(const void *x);

/* What fills a freed object in debug images, but its first word. */
#define HEAP_FREED_BYTE 0xdd

#ifdef PINION_DEBUG
#define HEAP_CHECK true

/* What to ask for when n bytes are wanted. */
size_t check_room(size_t n);
/* x, of this class, is an object for n bytes from now on; by: who asked, a return address. Returns x. */
void *check_begin(void *x, unsigned class, size_t n, uintptr_t by);
/* x is about to be freed by `by`. Ends the run if it is not to be. */
void check_end(void *x, unsigned class, uintptr_t by);
/* What was asked for. */
size_t check_size(const void *x, unsigned class);

#else
#define HEAP_CHECK false

static inline size_t check_room(size_t n)
{
    return n;
}

static inline void *check_begin(void *x, unsigned class, size_t n, uintptr_t by)
{
    (void)class, (void)n, (void)by;
    return x;
}

static inline void check_end(void *x, unsigned class, uintptr_t by)
{
    (void)x, (void)class, (void)by;
}

static inline size_t check_size(const void *x, unsigned class)
{
    (void)x, (void)class;
    return 0;
}
#endif
