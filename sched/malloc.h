/*
 * malloc: what the rest of the scheduler asks of the allocator behind malloc. See malloc.c.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* malloc and free, calloc, realloc, aligned_alloc and malloc_usable_size under names of their own:
 * what <stdlib.h> declares are other names for these. */
void *heap_malloc(size_t n);
void heap_free(void *x);
void *heap_calloc(size_t n, size_t size);
void *heap_realloc(void *x, size_t n);
/* align: a power of two, else NULL and EINVAL. */
void *heap_aligned(size_t align, size_t n);
size_t heap_usable(const void *x);

/* Gives back what no object is in: all caches, all central lists, stacks of the dead. A goroutine,
 * preemption on. Stops the world if another P has anything. */
void heap_trim(void);
/* Objects of the class that have been freed, ever. The world is stopped. */
uint64_t heap_frees(unsigned class);
