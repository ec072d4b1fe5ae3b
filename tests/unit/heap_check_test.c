// with: kernel/page.c kernel/size_class.c kernel/span.c kernel/central.c sched/cache.c sched/malloc.c sched/memstats.c sched/heap_check.c -DPINION_UNIT_TEST -DPINION_DEBUG=1 -no-pie -fno-pie -pthread
/*
 * heap_check: a debug image's heap finds what is done wrong with memory, and nothing else.
 */
#include "tests/unit/unit.h"
#include "tests/unit/heap_world.h"
#include "sched/lockorder.h"
#include "sched/traceback.h"

void lockorder_forget(const void *x, size_t n)
{
    (void)x, (void)n;
}

void traceback_pc(uintptr_t pc, bool back)
{
    (void)pc, (void)back;
}

#define N 77 /* bytes, of an object that is misused */

static void free_twice(void *x)
{
    heap_free(x);
    heap_free(x);
}

static void free_twice_with_others_between(void *x)
{
    heap_free(x);
    for (int i = 0; i < 10; i++)
        heap_free(heap_malloc(1000));
    heap_free(x);
}

static void write_one_beyond(void *x)
{
    ((char *)x)[N] = 0;
    heap_free(x);
}

static void write_to_the_tag(void *x)
{
    memset(x, 0, size_class[span_class(x)].size);
    heap_free(x);
}

static void write_after_free(void *x)
{
    heap_free(x);
    ((char *)x)[N - 1] = 1;
    for (int i = 0; i < 1000; i++)
        heap_malloc(N);
}

static void free_what_was_never_allocated(void *x)
{
    heap_free((char *)x + size_class[span_class(x)].size);
}

static void free_inside(void *x)
{
    heap_free((char *)x + GRAIN);
}

static void free_inside_by_realloc(void *x)
{
    heap_realloc((char *)x + GRAIN, 10);
}

static void resize_after_free(void *x)
{
    heap_free(x);
    heap_realloc(x, 10);
}

static void nothing_wrong(void *x)
{
    memset(x, 0, N);
    x = heap_realloc(x, 3 * N);
    memset(x, 0, 3 * N);
    heap_free(heap_realloc(x, 5));
}

TEST(misuse_of_an_object_ends_the_run)
{
    static void (*const wrong[])(void *) = {
        free_twice,       free_twice_with_others_between, write_one_beyond, write_to_the_tag,
        write_after_free, free_what_was_never_allocated,  free_inside,      free_inside_by_realloc,
        resize_after_free};
    heap_init(16 * MIB);
    for (int round = 0; round < 3; round++) {
        void *x = heap_malloc(N);
        for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
            CHECK(dies(wrong[i], x));
        CHECK(!dies(nothing_wrong, x));
    }
}

static void write_one_beyond_pages(void *x)
{
    ((char *)x)[100000] = 0;
    heap_free(x);
}

TEST(misuse_of_large_objects_too)
{
    heap_init(16 * MIB);
    void *x = heap_malloc(100000);
    memset(x, 0, 100000);
    CHECK(dies(free_twice, x) && dies(write_one_beyond_pages, x) && dies(free_inside, x));
    CHECK(dies(resize_after_free, x));
    heap_free(x);
}

TEST(usable_size_is_what_was_asked_for)
{
    heap_init(16 * MIB);
    for (size_t n = 0; n < 100000; n += 1 + n / 5) {
        char *x = heap_malloc(n);
        CHECK_EQ(heap_usable(x), n);
        memset(x, 1, n);
        heap_free(x);
    }
}

TEST(correct_programs_run_to_their_end)
{
    static struct {
        unsigned char *at;
        size_t n;
    } objects[500], *o;
    uint64_t seed = 4711;
    heap_init(16 * MIB);
    for (int step = 0; step < 40000; step++) {
        if (rnd(&seed, 50) == 0)
            run_on((unsigned)rnd(&seed, PS));
        o = &objects[rnd(&seed, 500)];
        size_t n = rnd(&seed, (uint64_t)1 << (4 + rnd(&seed, 12)));
        if (o->at) {
            for (size_t i = 0; i < o->n; i++)
                if (o->at[i] != (unsigned char)(o->n + i)) {
                    CHECK(!"bytes stay what they were");
                    break;
                }
            heap_free(o->at);
        }
        o->n = n;
        o->at = rnd(&seed, 3) ? heap_malloc(n) : heap_aligned((size_t)1 << rnd(&seed, 10), n);
        for (size_t i = 0; o->at && i < n; i++)
            o->at[i] = (unsigned char)(n + i);
    }
    for (o = objects; o < objects + 500; o++)
        heap_free(o->at);
    heap_trim();
    CHECK_EQ(page_count_free(), pages_at_first);
}

UNIT_MAIN
