/*
 * page: runs of pages from Linux, counted: the machine has as many as `pinion.mem` says.
 *
 * Each run is a mapping of its own. Linux merges neighbours and takes back any part, so a run can be
 * given back piece by piece.
 */
#include "kernel/page.h"
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include "kernel/machine.h"

static size_t total;
static _Atomic size_t used;

void page_init(const struct machine *m, uintptr_t image_start, uintptr_t image_end)
{
    (void)image_start, (void)image_end;
    total = m->bank[0].size >> PAGE_SHIFT;
}

static bool take(size_t n)
{
    /* relaxed, both: a number; memory comes by Linux's locks. */
    size_t now = atomic_load_explicit(&used, memory_order_relaxed);
    do
        if (n > total - now)
            return false;
    while (!atomic_compare_exchange_weak_explicit(&used, &now, now + n, memory_order_relaxed,
                                                  memory_order_relaxed));
    return true;
}

static void give(size_t n)
{
    /* relaxed: as above. */
    atomic_fetch_sub_explicit(&used, n, memory_order_relaxed);
}

/* Linux maps what a stack touches: nobody comes to spend it. */
void page_reserve(size_t n)
{
    (void)n;
}

void *page_alloc(void)
{
    return page_alloc_run(1);
}

void *page_alloc_run(size_t n)
{
    if (!take(n))
        return NULL;
    void *at =
        mmap(NULL, n * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at != MAP_FAILED)
        return at;
    give(n);
    return NULL;
}

void page_free(void *page)
{
    page_free_run(page, 1);
}

void page_free_run(void *first, size_t n)
{
    munmap(first, n * PAGE_SIZE);
    give(n);
}

void page_zero(void *page)
{
    memset(page, 0, PAGE_SIZE);
}

size_t page_count_free(void)
{
    /* relaxed: a number. */
    return total - atomic_load_explicit(&used, memory_order_relaxed);
}

size_t page_count_total(void)
{
    return total;
}
