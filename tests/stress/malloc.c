/*
 * malloc: storms on the allocator. Goroutines on all Ps make objects, pass them on through boxes, check
 * and free what they find there, resize, and ask for zeroes and alignments, in slices of a few
 * microseconds, so that they lose their harts in the middle of it; now and then one reads the
 * statistics, trims, changes the number of Ps, or allocates in a blocking section. At the end each
 * byte was what it should be, and no page and no object is missing.
 *
 * Then fragmentation: a program that keeps a set of objects, and again and again allocates three
 * times as much in other sizes and frees it in another order, must not need more memory for it
 * in the end than at first.
 */
#include <malloc.h>
#include <string.h>
#include "level.h"
#include "sched/preempt.h"

#define BOXES 512
#define CROWD 6 /* goroutines a hart */

struct object {
    size_t n; /* bytes, with this */
    uint32_t fill;
    uint32_t words[];
};

static struct object *_Atomic box[BOXES];
static waitgroup wg;
static _Atomic uint64_t made, freed;
static long deeds_each;

static size_t words_in(const struct object *o)
{
    return (o->n - sizeof(*o)) / sizeof(uint32_t);
}

static void object_fill(struct object *o, size_t n, uint32_t fill)
{
    o->n = n;
    o->fill = fill;
    for (size_t i = 0; i < words_in(o); i++)
        o->words[i] = fill * 31 + (uint32_t)i;
}

static void object_check(const struct object *o, size_t words)
{
    for (size_t i = 0; i < words; i++)
        CHECK(o->words[i] == o->fill * 31 + (uint32_t)i, "object %p of %lu bytes, word %lu: %lx",
              (const void *)o, (unsigned long)o->n, (unsigned long)i, (unsigned long)o->words[i]);
}

static size_t random_size(uint32_t *rng)
{
    uint32_t n = random_skewed(rng, 11);
    return sizeof(struct object) + (random_below(rng, 200) == 0 ? n * 40 : n);
}

static struct object *object_make(uint32_t *rng)
{
    size_t n = random_size(rng), align = 1;
    struct object *o;
    switch (random_below(rng, 8)) {
    case 0:
        o = calloc(1, n);
        for (size_t i = 0; o != NULL && i < n; i++)
            CHECK(((char *)o)[i] == 0, "calloc: byte %lu is not 0", (unsigned long)i);
        break;
    case 1:
        align = (size_t)1 << random_below(rng, 13);
        o = aligned_alloc(align, n);
        break;
    default: o = malloc(n);
    }
    CHECK(o != NULL, "no memory for %lu bytes", (unsigned long)n);
    CHECK((uintptr_t)o % (align > 16 ? align : 16) == 0, "%p at %lu", (void *)o,
          (unsigned long)align);
    atomic_fetch_add_explicit(&made, 1, memory_order_relaxed); /* relaxed: a count */
    object_fill(o, n, random_next(rng));
    return o;
}

static void object_end(struct object *o)
{
    if (o == NULL)
        return;
    object_check(o, words_in(o));
    memset(o, 0xee, o->n);
    free(o);
    atomic_fetch_add_explicit(&freed, 1, memory_order_relaxed); /* relaxed: a count */
}

static struct object *box_swap(uint32_t *rng, struct object *o)
{
    /* order: acq_rel: what was written to an object goes with it. */
    return atomic_exchange_explicit(&box[random_below(rng, BOXES)], o, memory_order_acq_rel);
}

static void do_resize(uint32_t *rng)
{
    struct object *o = box_swap(rng, NULL), was;
    if (o == NULL)
        return;
    size_t n = random_size(rng), words = words_in(o);
    was = *o;
    o = realloc(o, n);
    CHECK(o != NULL && o->fill == was.fill, "realloc to %lu bytes", (unsigned long)n);
    o->n = n;
    object_check(o, words < words_in(o) ? words : words_in(o));
    object_fill(o, n, was.fill + 1);
    object_end(box_swap(rng, o));
}

/* On a hart that has lent its P. */
static void do_section(uint32_t *rng)
{
    runtime_entersyscall();
    free(malloc(random_size(rng)));
    free(malloc(50000));
    runtime_exitsyscall();
}

static void do_rare(uint32_t *rng)
{
    struct runtime_mem_stats s;
    switch (random_below(rng, 4)) {
    case 0: runtime_gomaxprocs(1 + (int)random_below(rng, (uint32_t)runtime_numcpu())); break;
    case 1: malloc_trim(0); break;
    case 2:
        runtime_read_mem_stats(&s);
        CHECK(s.mallocs >= s.frees && s.heap_inuse >= s.alloc && s.total_alloc >= s.alloc,
              "statistics make no sense");
        break;
    default: do_section(rng);
    }
}

static void live(void *which)
{
    uint32_t rng = (uint32_t)(uintptr_t)which * 2654435761u | 1;
    for (long i = 0; i < deeds_each; i++) {
        if (i % 16 == 0)
            preempt_slice_ns = 2000 + random_skewed(&rng, 15);
        switch (random_below(&rng, 8)) {
        case 0: do_resize(&rng); break;
        case 1: runtime_gosched(); break;
        default: object_end(box_swap(&rng, object_make(&rng)));
        }
        if (random_below(&rng, 400) == 0)
            do_rare(&rng);
    }
    waitgroup_done(&wg);
}

static void storm(long deeds)
{
    int n = CROWD * runtime_numcpu();
    deeds_each = deeds / n;
    waitgroup_add(&wg, n);
    for (int i = 0; i < n; i++)
        CHECK(go(live, (void *)(uintptr_t)(i + 1)) > 0, "go failed");
    waitgroup_wait(&wg);
    preempt_slice_ns = SLICE_NS;
    runtime_gomaxprocs(runtime_numcpu());
    for (int i = 0; i < BOXES; i++) {
        object_end(box[i]);
        box[i] = NULL;
    }
    CHECK(made == freed, "%llu made, %llu freed", (unsigned long long)made,
          (unsigned long long)freed);
}

/* ---- fragmentation ---- */

#define KEPT_BYTES ((size_t)8 << 20)
#define HEAPS      200000

static void *heap[HEAPS];
static size_t n_heap;

/* Makes objects of sizes around `size` until there are `bytes` of them. */
static void pile_up(uint32_t *rng, size_t bytes, size_t size)
{
    for (size_t n; bytes > 0 && n_heap < HEAPS; bytes -= n < bytes ? n : bytes) {
        n = size / 2 + random_below(rng, (uint32_t)size);
        CHECK((heap[n_heap++] = malloc(n)) != NULL, "no memory");
    }
}

/* Frees all from number `from` on, in random order. */
static void clear(uint32_t *rng, size_t from)
{
    while (n_heap > from) {
        size_t i = from + random_below(rng, (uint32_t)(n_heap - from));
        free(heap[i]);
        heap[i] = heap[--n_heap];
    }
}

/* Pages that are free, or stacks: main's may have grown by another one meanwhile, or may while we ask. */
static size_t pages_left(void)
{
    size_t stacks, n;
    while (runtime_numgoroutine() != 1) /* one may be in its last steps, and keep its stack then */
        time_sleep(MILLISECOND);
    level_trim();
    do {
        stacks = stack_pages();
        n = page_count_free();
    } while (stacks != stack_pages());
    return n + stacks;
}

static size_t pages_used(void)
{
    return page_count_total() - pages_left();
}

static void fragment(uint32_t *rng)
{
    pile_up(rng, KEPT_BYTES, 300);
    size_t kept = n_heap, at_first = pages_used(), half;
    for (int round = 0; round < 6; round++) {
        pile_up(rng, 3 * KEPT_BYTES / 2, (size_t)64 << 2 * random_below(rng, 6));
        half = n_heap;
        pile_up(rng, 3 * KEPT_BYTES / 2, (size_t)64 << 2 * random_below(rng, 6));
        clear(rng, half);
        clear(rng, kept);
    }
    size_t at_last = pages_used();
    fprintf(stderr, "pages in use: %lu before fragmentation, %lu after\n", (unsigned long)at_first,
            (unsigned long)at_last);
    CHECK(at_last <= at_first + at_first / 10, "memory is in splinters");
    clear(rng, 0);
}

int main(int argc, char **argv)
{
    uint32_t rng = (uint32_t)time_now() | 1;
    level_warm_up(CROWD * runtime_numcpu());
    storm(2000);                                       /* what is made once, … */
    fprintf(stderr, "seed %lu\n", (unsigned long)rng); /* … the C library's things among it */
    size_t before = pages_left();
    storm(stress_size(argc, argv, 60000));
    size_t after = pages_left();
    fprintf(stderr, "%llu objects; free pages %lu, then %lu\n", (unsigned long long)made,
            (unsigned long)before, (unsigned long)after);
    CHECK(level_same(before, after), "free pages: %lu before, %lu after", (unsigned long)before,
          (unsigned long)after);
    fragment(&rng);
    CHECK(level_same(before, pages_left()), "free pages: %lu before fragmentation, %lu after all",
          (unsigned long)before, (unsigned long)pages_left());
    return 0;
}
