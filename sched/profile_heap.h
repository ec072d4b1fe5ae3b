/*
 * profile_heap: samples of the heap. See profile_heap.c. Only while heap_watched (sched/cache.h).
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* An object of `size` bytes has been made, and nobody has it yet. Its stack is that of the caller, who
 * was asked for it from where `by` returns to; 0: that is not known. */
void heap_profile_malloc(const void *x, size_t size, uintptr_t by);
/* One is about to be freed. */
void heap_profile_free(const void *x);
/* 0; or -1, errno EINVAL, there never was a rate; ENOMEM. A goroutine, preemption on. */
int heap_profile_write(void);
