/*
 * heap: the memory behind newlib's malloc.
 */
#pragma once
#include <stddef.h>

/* As sbrk. One caller at a time, preemption off: it takes the locks that the growth of a stack, in
 * a trap handler, takes too. */
void *heap_sbrk(ptrdiff_t n);
