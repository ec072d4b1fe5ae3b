/*
 * malloc: in place of the allocator of sched/ and kernel/: malloc is the C library's, and the machine's
 * pages are none of its business. So there is nothing to make at boot and nothing that a P keeps.
 * What the library can say of itself is in bytes; it does not count objects.
 */
#include "sched/malloc.h"
#include <errno.h>
#include <malloc.h>
#include <pinion/runtime.h>
#include <stdlib.h>
#include "kernel/central.h"
#include "kernel/page.h"
#include "kernel/size_class.h"
#include "kernel/span.h"
#include "kernel/stack.h"
#include "sched/cache.h"
#include "sched/g.h"
#include "sched/proc.h"
#include "sched/profile_heap.h"
#include "sched/reach.h"
#include "sched/sched.h"

void size_class_init(void)
{
}

void central_init(void)
{
}

bool span_init(void)
{
    return true;
}

bool cache_make(struct p *p)
{
    (void)p;
    return true;
}

void cache_flush(struct cache *c)
{
    (void)c;
}

void cache_short_cuts(struct cache *c, bool on)
{
    (void)c, (void)on;
}

#if REACH
/* Objects are the library's, and nobody here knows where they lie. */
bool reach_find(void)
{
    return false;
}
#endif

void central_trim(void)
{
}

void heap_trim(void)
{
    preempt_off();
    g_trim();
    preempt_on();
    malloc_trim(0);
}

void runtime_read_mem_stats(struct runtime_mem_stats *s)
{
    struct mallinfo2 info = mallinfo2();
    size_t bytes = info.uordblks + info.hblkhd;
    *s = (struct runtime_mem_stats){.alloc = bytes,
                                    .total_alloc = bytes,
                                    .heap_inuse = info.arena + info.hblkhd,
                                    .sys = page_count_total() * PAGE_SIZE,
                                    .heap_idle = page_count_free() * PAGE_SIZE,
                                    .stack_sys = stack_pages() * PAGE_SIZE};
    s->stack_inuse = s->stack_sys - stack_pages_pooled() * PAGE_SIZE;
}

/* The library's own table. */
void sched_memstats_at_exit(void)
{
    atexit(malloc_stats);
}

/* Nobody sees who calls it. */
int runtime_set_mem_profile_rate(int bytes)
{
    (void)bytes;
    errno = ENOSYS;
    return -1;
}

int heap_profile_write(void)
{
    return runtime_set_mem_profile_rate(0);
}
