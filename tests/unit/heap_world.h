/*
 * heap_world: four Ps with an empty heap each time, and what malloc calls of the scheduler.
 */
#pragma once
#include <errno.h>
#include <pinion/runtime.h>
#include "tests/unit/ram.h"
#include "tests/unit/sched_world.h"
#include "kernel/central.h"
#include "kernel/span.h"
#include "sched/cache.h"
#include "sched/fatal.h"
#include "sched/g.h"
#include "sched/malloc.h"
#include "sched/profile_heap.h"

#define RAM_SIZE (64 * MIB)
#define PS       4

struct sched sched;
static struct g self[PS];
static struct m ms[PS];
static struct p ps[PS];

/* ---- what malloc calls ---- */

static unsigned stops;

void world_stop(void)
{
    stops++;
    g_self()->preempt_off++;
}

void world_start(void)
{
    g_self()->preempt_off--;
}

static void (*at_trim)(void); /* what happens meanwhile */

void g_trim(void)
{
    if (at_trim != NULL)
        at_trim();
}

size_t stack_pages(void)
{
    return 7;
}

size_t stack_pages_pooled(void)
{
    return 3;
}

void heap_profile_malloc(const void *x, size_t size, uintptr_t by)
{
    (void)x, (void)size, (void)by;
    abort();
}

void heap_profile_free(const void *x)
{
    (void)x;
    abort();
}

bool preempt_honour_true(void)
{
    return true;
}

void fatal_begin(void)
{
}

void __gcov_dump(void) __attribute__((weak)); /* there when what runs is counted */

void fatal_end(void *frame, bool fault)
{
    (void)frame, (void)fault;
    if (__gcov_dump != NULL)
        __gcov_dump();
    abort();
}

/* ---- a machine ---- */

static void run_on(unsigned p)
{
    world_enter(&self[p], &ms[p], &ps[p]);
    self[p].preempt_off = 0;
}

static size_t pages_at_first; /* free, with an empty heap */

static void heap_init(size_t ram)
{
    struct machine m = {0};
    ram_map(RAM_SIZE, RAM_SIZE);
    bank_add(&m, RAM_BASE, ram / 2);
    bank_add(&m, RAM_BASE + ram / 2 + MIB, ram / 2 - MIB); /* a hole in between */
    page_init(&m, RAM_BASE, RAM_BASE + 64 * KIB);
    size_class_init();
    central_init();
    CHECK(span_init());
    sched.n_p = sched.n_m = PS;
    for (unsigned i = 0; i < PS; i++) {
        memset(&ps[i], 0, sizeof ps[i]);
        ps[i].id = i;
        sched.p[i] = &ps[i];
        CHECK(cache_make(&ps[i]));
    }
    run_on(0);
    errno = stops = 0;
    pages_at_first = page_count_free();
}
