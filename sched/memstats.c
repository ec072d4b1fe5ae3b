/*
 * memstats: struct runtime_mem_stats, and the table that `pinion.memstats` prints at the end:
 *
 *     heap: 12 objects live, 4816 bytes, of 340 made; 49152 bytes in pages
 *      size  spans     live       made      bytes
 *        16      1        3         40         48
 *      large             1          2     163840
 *     memory: 530 MB; heap 0 MB, free 520 MB, stacks 1 MB and 0 MB kept, the rest 9 MB
 *
 * malloc counts nothing, so what it did is worked out: with the world stopped and all caches
 * emptied, what is out of the central lists is with the program, and
 *
 *     objects made = objects freed + objects with the program
 *
 * free counts only down to the end of its batch. So the numbers cost no instruction until they are
 * asked for, and are exact then.
 */
#include "sched/memstats.h"
#include <pinion/runtime.h>
#include <string.h>
#include "kernel/central.h"
#include "kernel/console.h"
#include "kernel/page.h"
#include "kernel/size_class.h"
#include "kernel/span.h"
#include "kernel/stack.h"
#include "sched/cache.h"
#include "sched/malloc.h"
#include "sched/proc.h"
#include "sched/sched.h"
#include "sched/world.h"

static bool at_exit; /* boot */

static void add_class(struct runtime_mem_stats *s, unsigned class)
{
    struct central_stats c = central_stats(class);
    uint64_t frees = heap_frees(class), size = size_class[class].size;
    s->alloc += c.out * size;
    s->total_alloc += (frees + c.out) * size;
    s->mallocs += frees + c.out;
    s->frees += frees;
    s->heap_inuse += c.spans * (size_class[class].span_mask + UINT64_C(1));
}

static void add_large(struct runtime_mem_stats *s)
{
    struct large_stats l = large_stats();
    s->alloc += l.bytes;
    s->total_alloc += l.total_bytes;
    s->mallocs += l.mallocs;
    s->frees += l.frees;
    s->heap_inuse += l.bytes;
}

/* The world is stopped, and caches are empty. */
static void gather(struct runtime_mem_stats *s)
{
    memset(s, 0, sizeof(*s));
    for (unsigned class = 1; class <= n_size_classes; class ++)
        add_class(s, class);
    add_large(s);
    s->sys = page_count_total() * PAGE_SIZE;
    s->heap_idle = page_count_free() * PAGE_SIZE;
    s->stack_sys = stack_pages() * PAGE_SIZE;
    s->stack_inuse = s->stack_sys - stack_pages_pooled() * PAGE_SIZE;
}

void runtime_read_mem_stats(struct runtime_mem_stats *s)
{
    struct runtime_mem_stats now;
    world_stop();
    cache_flush_all();
    gather(&now);
    world_start();
    *s = now;
}

/* ---- the table ---- */

void sched_memstats_at_exit(void)
{
    at_exit = true;
}

static void print_class(unsigned class)
{
    struct central_stats c = central_stats(class);
    uint64_t made = heap_frees(class) + c.out;
    if (made > 0)
        kprintf("%6u %6lu %9lu %10lu %10lu\n", size_class[class].size, (unsigned long)c.spans,
                (unsigned long)c.out, (unsigned long)made,
                (unsigned long)(c.out * size_class[class].size));
}

static void print_large(void)
{
    struct large_stats l = large_stats();
    if (l.mallocs > 0)
        kprintf(" large        %9lu %10lu %10lu\n", (unsigned long)(l.mallocs - l.frees),
                (unsigned long)l.mallocs, (unsigned long)l.bytes);
}

static unsigned long kilobytes(uint64_t bytes)
{
    return (unsigned long)((bytes + 512) / 1024);
}

static void print_table(const struct runtime_mem_stats *s)
{
    kprintf("heap: %lu objects live, %lu bytes, of %lu made; %lu bytes in pages\n",
            (unsigned long)(s->mallocs - s->frees), (unsigned long)s->alloc,
            (unsigned long)s->mallocs, (unsigned long)s->heap_inuse);
    kprintf("  size  spans      live       made      bytes\n");
    for (unsigned class = 1; class <= n_size_classes; class ++)
        print_class(class);
    print_large();
    kprintf("memory: %lu KiB; heap %lu, stacks %lu and %lu kept, free %lu, the rest %lu\n",
            kilobytes(s->sys), kilobytes(s->heap_inuse), kilobytes(s->stack_inuse),
            kilobytes(s->stack_sys - s->stack_inuse), kilobytes(s->heap_idle),
            kilobytes(s->sys - s->heap_inuse - s->heap_idle - s->stack_sys));
}

void memstats_print(void)
{
    struct runtime_mem_stats now;
    world_stop();
    cache_flush_all();
    gather(&now);
    print_table(&now);
    world_start();
}

void memstats_at_exit(void)
{
    if (!at_exit || g_self()->preempt_off != 0)
        return;
    at_exit = false; /* once, whoever else ends the run meanwhile */
    memstats_print();
}
