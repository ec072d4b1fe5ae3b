/*
 * malloc_test: the allocator behind malloc: every function of the C library that gives or takes
 * memory, statistics to the byte, memory that runs out on all harts at once, preemption in the middle.
 *
 *     ARGS=exact    with ICOUNT=1: how late a timer is while somebody allocates
 */
#include <malloc.h>
#include "check.h"
#include "preempt.h"
#include "kernel/size_class.h"
#include "kernel/span.h"

/* ---- the functions of the C library ---- */

static bool is_aligned(const void *x, size_t to)
{
    return (uintptr_t)x % to == 0;
}

static void end_aligned(void *x, size_t to)
{
    CHECK(x != NULL && is_aligned(x, to));
    free(x);
}

static void every_way_to_allocate_can_be_freed(void)
{
    char *text = strdup("copied");
    CHECK(strcmp(text, "copied") == 0);
    free(text);
    free(NULL);
    free(malloc(0));
    free(calloc(0, 5));
    free(realloc(NULL, 10));
    free(reallocf(malloc(10), 100000));
    end_aligned(memalign(256, 1000), 256);
    end_aligned(valloc(10), 4096);
    end_aligned(pvalloc(5000), 4096);
    end_aligned(aligned_alloc((size_t)1 << 20, 100), (size_t)1 << 20);
    malloc_stats();
    CHECK_EQ(malloc_trim(0), 1);
}

static void posix_memalign_reports_and_leaves_errno_alone(void)
{
    void *x = NULL;
    errno = 77;
    CHECK_EQ(posix_memalign(&x, 64, 100), 0);
    CHECK(x != NULL && is_aligned(x, 64));
    free(x);
    x = &x;
    CHECK_EQ(posix_memalign(&x, 4, 100), EINVAL);
    CHECK_EQ(posix_memalign(&x, 24, 100), EINVAL);
    CHECK_EQ(posix_memalign(&x, 64, SIZE_MAX / 2), ENOMEM);
    CHECK(x == &x);
    CHECK_EQ(errno, 77);
}

static void usable_size_is_all_there(void)
{
    for (size_t n = 0; n < 200000; n += n / 7 + 1) {
        char *x = malloc(n);
        size_t usable = malloc_usable_size(x);
        CHECK(x != NULL && usable >= n && usable <= n + n / 4 + 4096);
        memset(x, 0x5a, usable);
        free(x);
    }
    CHECK_EQ(malloc_usable_size(NULL), 0);
}

static void calloc_clears_what_was_used_before(void)
{
    for (size_t n = 1; n < 300000; n *= 3) {
        char *x = malloc(n);
        memset(x, 0xff, n);
        free(x);
        x = calloc(n, 1);
        for (size_t i = 0; i < n; i++)
            CHECK(x[i] == 0);
        free(x);
    }
    size_t volatile half = SIZE_MAX / 2 + 1;
    errno = 0;
    CHECK(calloc(half, 2) == NULL);
    CHECK_EQ(errno, ENOMEM);
}

/* ---- statistics ---- */

static struct runtime_mem_stats read_stats(void)
{
    struct runtime_mem_stats s;
    runtime_read_mem_stats(&s);
    return s;
}

/* All that x takes: in a debug image, with what lies behind its usable bytes. */
static size_t room_of(void *x)
{
    unsigned class = span_class(x);
    size_t room = class == CLASS_LARGE ? large_pages(x) * 4096 : size_class[class].size;
#ifdef PINION_DEBUG
    CHECK(malloc_usable_size(x) < room);
#else
    CHECK_EQ(malloc_usable_size(x), room);
#endif
    return room;
}

static void statistics_are_exact_to_the_byte(void)
{
    static void *x[400];
    uint64_t bytes = 0;
    printf("%.1f\n", 1.5); /* the C library has what it needs */
    struct runtime_mem_stats a = read_stats(), b, c;
    CHECK(memcmp(&a, &(struct runtime_mem_stats){0}, sizeof a) != 0);
    b = read_stats();
    CHECK_EQ(b.mallocs, a.mallocs);
    CHECK_EQ(b.alloc, a.alloc);
    for (size_t i = 0; i < 400; i++) {
        CHECK((x[i] = malloc(i * i)) != NULL);
        bytes += room_of(x[i]);
    }
    b = read_stats();
    CHECK_EQ(b.mallocs - a.mallocs, 400);
    CHECK_EQ(b.frees - a.frees, 0);
    CHECK_EQ(b.alloc - a.alloc, bytes);
    CHECK_EQ(b.total_alloc - a.total_alloc, bytes);
    CHECK(b.heap_inuse - a.heap_inuse >= bytes);
    CHECK(a.heap_idle - b.heap_idle >= b.heap_inuse - a.heap_inuse);
    for (size_t i = 0; i < 400; i++)
        free(x[i]);
    c = read_stats();
    CHECK_EQ(c.mallocs, b.mallocs);
    CHECK_EQ(c.frees - a.frees, 400);
    CHECK_EQ(c.alloc, a.alloc);
    CHECK_EQ(c.total_alloc, b.total_alloc);
    CHECK_EQ(c.heap_inuse, a.heap_inuse);
    CHECK_EQ(c.heap_idle, a.heap_idle);
    CHECK(c.sys >= c.heap_inuse + c.heap_idle + c.stack_sys && c.stack_sys >= c.stack_inuse);
}

static _Atomic uint64_t room_total;

static void make_and_drop(void *which)
{
    for (size_t i = 0; i < 300; i++) {
        void *x = malloc((size_t)(intptr_t)which + i);
        room_total += room_of(x);
        if (i % 10 == 0)
            runtime_gosched();
        free(x);
    }
}

/* Of goroutines on all Ps, while others read the statistics. */
static void statistics_add_up_between_harts(void)
{
    struct runtime_mem_stats a = read_stats(), b;
    room_total = 0;
    in_parallel(40, make_and_drop);
    b = read_stats();
    CHECK_EQ(b.mallocs - a.mallocs, 40 * 300);
    CHECK_EQ(b.frees - a.frees, 40 * 300);
    CHECK_EQ(b.alloc, a.alloc);
    CHECK_EQ(b.total_alloc - a.total_alloc, room_total);
}

static void dig(int depth)
{
    volatile char page[4096];
    page[0] = 1;
    if (depth > 0)
        dig(depth - 1);
    else
        CHECK(read_stats().stack_inuse > 0);
    CHECK(page[0] == 1);
}

static void dig_and_look(void *unused)
{
    (void)unused;
    struct runtime_mem_stats a = read_stats();
    dig(8);
    struct runtime_mem_stats b = read_stats();
    CHECK(b.stack_inuse - a.stack_inuse >= 8 * 4096 && b.stack_inuse - a.stack_inuse <= 20 * 4096);
}

static void stacks_are_counted_by_the_page(void)
{
    apart(dig_and_look, NULL);
}

/* ---- where it may be called ---- */

static void malloc_works_in_a_blocking_section(void)
{
    static void *x[100];
    struct runtime_mem_stats a = read_stats();
    runtime_entersyscall();
    for (size_t i = 0; i < 100; i++) {
        x[i] = malloc(i * 500);
        if (i % 2 == 0)
            free(x[i]);
    }
    runtime_exitsyscall();
    for (size_t i = 1; i < 100; i += 2)
        free(x[i]);
    struct runtime_mem_stats b = read_stats();
    CHECK_EQ(b.mallocs - a.mallocs, 100);
    CHECK_EQ(b.frees - a.frees, 100);
    CHECK_EQ(b.alloc, a.alloc);
}

/* The destination's pages come by fault in the middle of the copy. */
static void copy_into_fresh_stack(void *heap)
{
    char here[40000];
    memcpy(here, heap, sizeof here);
    CHECK(memcmp(here, heap, sizeof here) == 0);
}

static void a_stack_may_grow_in_the_middle_of_a_memcpy(void)
{
    char *x = malloc(40000);
    for (int i = 0; i < 40000; i++)
        x[i] = (char)(i * 7 + i / 256);
    for (int i = 0; i < 20; i++)
        apart(copy_into_fresh_stack, x);
    free(x);
}

/* ---- memory that runs out ---- */

#define HOARDERS 8
static _Atomic int hoarding;
static void **hoard[HOARDERS];

/* All at once, in sizes of all kinds, until there is no more; then it all comes back. */
static void take_all(void *which)
{
    uint32_t rng = (uint32_t)(uintptr_t)which * 7919 + 1;
    void ***list = &hoard[(uintptr_t)which], **x;
    size_t n = 100000;
    for (int failed = 0; failed<20; n = failed> 10 ? 10 : rng % (failed > 5 ? 3000 : 200000)) {
        rng = rng * 1664525 + 1013904223;
        errno = 0;
        x = malloc(n + sizeof(void *));
        if (x == NULL) {
            CHECK_EQ(errno, ENOMEM);
            failed++;
            continue;
        }
        *x = *list;
        *list = x;
    }
    hoarding--;
    while (hoarding > 0) /* nobody frees before all have run out */
        runtime_gosched();
    while (*list != NULL) {
        x = *list;
        *list = *x;
        free(x);
    }
}

static void memory_runs_out_on_all_harts_and_comes_back(void)
{
    struct runtime_mem_stats a = read_stats();
    for (int round = 0; round < 2; round++) {
        hoarding = HOARDERS;
        in_parallel(HOARDERS, take_all);
    }
    malloc_trim(0);
    struct runtime_mem_stats b = read_stats();
    CHECK_EQ(b.alloc, a.alloc);
    CHECK_EQ(b.heap_inuse, a.heap_inuse);
}

/* ---- preemption ---- */

static _Atomic bool over;

/* volatile: or the compiler leaves both calls out. */
static inline void malloc_and_free(size_t n)
{
    void *volatile x = malloc(n);
    free(x);
}

static void malloc_for_ever(void *size)
{
    while (!over)
        malloc_and_free((size_t)size);
}

/* Four a hart do nothing but allocate; there is no other way for all to get their turns. */
static _Atomic int slices_left;

static void malloc_until_preempted(void *size)
{
    uint16_t seen = slices_used();
    while (slices_left > 0) {
        malloc_and_free((size_t)size);
        slices_left -= (uint16_t)(slices_used() - seen);
        seen = slices_used();
    }
}

static void who_only_allocates_is_preempted(void)
{
    preempt_slice_ns = 50000;
    slices_left = 40 * runtime_numcpu();
    in_parallel(4 * runtime_numcpu(), malloc_until_preempted);
    preempt_slice_ns = SLICE_NS;
    CHECK(slices_left <= 0);
}

/* A timer's goroutine gets the hart at once though the interrupt hits malloc nearly always. */
static void a_timer_is_in_time_while_somebody_allocates(void)
{
    over = false;
    CHECK(go(malloc_for_ever, (void *)50) > 0);
    for (int i = 0; i < 100; i++) {
        int64_t until = time_now() + 300 * MICROSECOND + i * 37;
        time_sleep(300 * MICROSECOND + i * 37);
        int64_t late = time_now() - until;
        if (late >= 25 * MICROSECOND)
            printf("%lld ns late\n", (long long)late);
        CHECK(late < 25 * MICROSECOND);
    }
    over = true;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "exact") == 0) {
        RUN(a_timer_is_in_time_while_somebody_allocates);
        return 0;
    }
    RUN(every_way_to_allocate_can_be_freed);
    RUN(posix_memalign_reports_and_leaves_errno_alone);
    RUN(usable_size_is_all_there);
    RUN(calloc_clears_what_was_used_before);
    RUN(statistics_are_exact_to_the_byte);
    RUN(statistics_add_up_between_harts);
    RUN(stacks_are_counted_by_the_page);
    RUN(malloc_works_in_a_blocking_section);
    RUN(a_stack_may_grow_in_the_middle_of_a_memcpy);
    RUN(who_only_allocates_is_preempted);
    RUN(memory_runs_out_on_all_harts_and_comes_back);
    return 0;
}
