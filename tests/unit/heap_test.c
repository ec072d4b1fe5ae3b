// with: kernel/page.c kernel/size_class.c kernel/span.c kernel/central.c sched/cache.c sched/malloc.c sched/memstats.c sched/heap_check.c -DPINION_UNIT_TEST -no-pie -fno-pie -pthread
/*
 * heap: malloc from its fast paths down to pages: random programs against a model that knows every
 * byte; what is counted and given back; goroutines of four Ps that free what others made.
 */
#include <malloc.h>
#include "tests/unit/unit.h"
#include "tests/unit/heap_world.h"
#include "sched/memstats.h"
#include "sched/sched.h"

#ifndef OPS
#define OPS 20000 /* of each thread; the random programs' are as many */
#endif

/* ---- the model: who has which bytes, and what is in them ---- */

#define OBJECTS 3000

static struct object {
    unsigned char *at;
    size_t n, usable;
    unsigned char fill;
} objects[OBJECTS];

static unsigned char *owner; /* by 16 bytes of memory: in use */
static struct runtime_mem_stats model, at_first;

static void model_made(size_t usable)
{
    model.mallocs++;
    model.alloc += usable;
    model.total_alloc += usable;
}

static void model_freed(size_t usable)
{
    model.frees++;
    model.alloc -= usable;
}

static void stats_check(void)
{
    struct runtime_mem_stats s;
    runtime_read_mem_stats(&s);
    CHECK_EQ(s.alloc, model.alloc);
    CHECK_EQ(s.total_alloc - at_first.total_alloc, model.total_alloc);
    CHECK_EQ(s.mallocs - at_first.mallocs, model.mallocs);
    CHECK_EQ(s.frees - at_first.frees, model.frees);
    CHECK_EQ(s.heap_idle, page_count_free() * PAGE_SIZE);
    CHECK(s.heap_inuse >= s.alloc && s.heap_inuse + s.heap_idle <= s.sys);
    CHECK_EQ(s.sys, page_count_total() * PAGE_SIZE);
    CHECK(s.stack_sys == 7 * PAGE_SIZE && s.stack_inuse == 4 * PAGE_SIZE);
    if (model.alloc == 0)
        CHECK(s.heap_inuse == 0 && page_count_free() == pages_at_first);
}

static size_t grain_of(const void *x)
{
    return ((uintptr_t)x - RAM_BASE) / GRAIN;
}

static void model_mark(const struct object *o, unsigned char now)
{
    bool right = true;
    for (size_t i = 0; i < o->usable / GRAIN; i++) {
        right &= owner[grain_of(o->at) + i] != now;
        owner[grain_of(o->at) + i] = now;
    }
    CHECK(right); /* else two objects overlap */
}

static void object_fill(struct object *o, size_t from)
{
    for (size_t i = from; i < o->n; i++)
        o->at[i] = (unsigned char)(o->fill + i * 7);
}

static void object_check(const struct object *o, size_t n)
{
    size_t i = 0;
    while (i < n && o->at[i] == (unsigned char)(o->fill + i * 7))
        i++;
    CHECK_EQ(i, n);
}

/* x is new, for n bytes. */
static void object_begin(struct object *o, void *x, size_t n, size_t align)
{
    CHECK((uintptr_t)x % (align > GRAIN ? align : GRAIN) == 0);
    *o = (struct object){x, n, heap_usable(x), (unsigned char)((uintptr_t)x >> 4)};
    CHECK(o->usable >= n && o->usable % GRAIN == 0);
    model_made(o->usable);
    model_mark(o, 1);
    object_fill(o, 0);
}

static void object_end(struct object *o)
{
    object_check(o, o->n);
    model_mark(o, 0);
    memset(o->at, 0xee, o->usable);
    model_freed(o->usable);
    heap_free(o->at);
    o->at = NULL;
}

static size_t random_size(uint64_t *seed)
{
    switch (rnd(seed, 8)) {
    case 0: return rnd(seed, 130);
    case 1: return (size_t)1 << rnd(seed, 16);
    case 2: return rnd(seed, 40000);
    case 3: return rnd(seed, 64) ? rnd(seed, 2000) : rnd(seed, 2 * MIB);
    default: return rnd(seed, (uint64_t)1 << (4 + rnd(seed, 9)));
    }
}

static void one_more(struct object *o, uint64_t *seed)
{
    size_t n = random_size(seed), align = 1;
    void *x;
    if (rnd(seed, 6) == 0) {
        x = heap_calloc(1, n);
        for (size_t i = 0; x && i < n; i++)
            if (((char *)x)[i]) {
                CHECK(!"calloc's memory is zero");
                break;
            }
    } else if (rnd(seed, 6) == 0) {
        align = (size_t)1 << rnd(seed, rnd(seed, 4) ? 8 : 18);
        x = heap_aligned(align, n);
    } else {
        x = heap_malloc(n);
    }
    if (x)
        object_begin(o, x, n, align);
    else
        CHECK_EQ(errno, ENOMEM);
}

static void one_resized(struct object *o, uint64_t *seed)
{
    size_t n = random_size(seed), kept = n < o->n ? n : o->n;
    object_check(o, o->n);
    model_mark(o, 0);
    void *x = heap_realloc(o->at, n);
    if (!x) {
        CHECK_EQ(errno, ENOMEM);
        model_mark(o, 1);
        return;
    }
    struct object was = *o;
    *o = (struct object){x, n, heap_usable(x), was.fill};
    if (x != was.at) {
        model_made(o->usable);
        model_freed(was.usable);
    } else {
        model.alloc += o->usable - was.usable;
        model.total_alloc += o->usable > was.usable ? o->usable - was.usable : 0;
    }
    object_check(o, kept);
    model_mark(o, 1);
    object_fill(o, kept);
}

static void walk(uint64_t seed, size_t ram)
{
    heap_init(ram);
    memset(objects, 0, sizeof objects);
    memset(owner, 0, RAM_SIZE / GRAIN);
    memset(&model, 0, sizeof model);
    runtime_read_mem_stats(&at_first);
    for (int step = 0; step < OPS; step++) {
        if (rnd(&seed, 50) == 0)
            run_on((unsigned)rnd(&seed, PS));
        if (rnd(&seed, 500) == 0)
            stats_check();
        struct object *o = &objects[rnd(&seed, step / (OPS / 4) % 2 ? OBJECTS / 8 : OBJECTS)];
        if (!o->at)
            one_more(o, &seed);
        else if (rnd(&seed, 3) == 0)
            one_resized(o, &seed);
        else
            object_end(o);
    }
    for (struct object *o = objects; o < objects + OBJECTS; o++)
        if (o->at)
            object_end(o);
    stats_check();
}

TEST(a_random_program_agrees_with_the_model_and_leaves_nothing)
{
    owner = malloc(RAM_SIZE / GRAIN);
    for (uint64_t round = 1; round <= 6; round++)
        walk(round * 0x9e3779b97f4a7c15, RAM_SIZE);
    for (uint64_t round = 1; round <= 4; round++)
        walk(round * 0x2545f4914f6cdd1d, 12 * MIB); /* runs out now and then */
    CHECK(stops > 0);
    free(owner);
}

/* ---- single properties ---- */

TEST(all_memory_can_be_had_and_comes_back)
{
    static const size_t sizes[] = {1, 64, 200, 1024, 3000, 20000, 32768, 100000};
    for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
        heap_init(16 * MIB);
        size_t got = 0, need = (sizes[k] + 15) / 16 * 16;
        void **last = NULL;
        for (void **x; (x = heap_malloc(sizes[k])) != NULL; last = x, got++)
            *x = last;
        CHECK_EQ(errno, ENOMEM);
        CHECK(got * need > pages_at_first * PAGE_SIZE * 7 / 10);
        CHECK(heap_malloc(sizes[k]) == NULL);
        for (void **next; last; last = next) {
            next = *last;
            heap_free(last);
        }
        heap_trim();
        CHECK_EQ(page_count_free(), pages_at_first);
    }
}

static void move_to_the_third(void)
{
    self[1].m = &ms[2];
}

/* Who looks for memory may be preempted and go on with another P, which he has not emptied yet. */
TEST(memory_is_found_by_one_who_moves_meanwhile)
{
    for (int by_request = 0; by_request < 2; by_request++) {
        heap_init(16 * MIB);
        run_on(2);
        heap_free(heap_malloc(100));
        CHECK(cache_holds(ps[2].cache));
        run_on(1);
        at_trim = move_to_the_third;
        if (by_request)
            CHECK(heap_malloc(RAM_SIZE) == NULL);
        else
            heap_trim();
        at_trim = NULL;
        CHECK(!cache_holds(ps[2].cache));
        CHECK_EQ(page_count_free(), pages_at_first);
    }
}

/* What other Ps keep is had too, by stopping the world; once, as long as they have nothing new. */
TEST(memory_in_the_caches_of_others_is_found)
{
    static void *x[PS][400];
    heap_init(16 * MIB);
    for (unsigned p = 0; p < PS; p++) {
        run_on(p);
        for (int i = 0; i < 400; i++)
            x[p][i] = heap_malloc(100);
    }
    for (unsigned p = 0; p < PS; p++) {
        run_on(p);
        for (int i = 0; i < 400; i++)
            heap_free(x[PS - 1 - p][i]);
    }
    run_on(1);
    void *all =
        heap_malloc((pages_at_first / 2 - 200) * PAGE_SIZE); /* not there yet in one piece? */
    heap_free(all);
    CHECK(cache_holds(ps[0].cache) && cache_holds(ps[3].cache));
    unsigned before = stops;
    CHECK(heap_malloc(RAM_SIZE) == NULL);
    CHECK_EQ(stops, before + 1);
    CHECK_EQ(page_count_free(), pages_at_first);
    CHECK(heap_malloc(RAM_SIZE) == NULL);
    CHECK_EQ(stops, before + 1);
    self[1].preempt_off = 1; /* he may hold what the others need to come to a stop */
    run_on(2);
    heap_free(heap_malloc(10));
    run_on(1);
    self[1].preempt_off = 1;
    CHECK(heap_malloc(RAM_SIZE) == NULL);
    CHECK_EQ(stops, before + 1);
}

TEST(a_hart_without_a_p_is_served_too)
{
    static void *x[1000];
    heap_init(16 * MIB);
    ms[0].p = NULL;
    for (int i = 0; i < 1000; i++)
        CHECK((x[i] = heap_malloc((size_t)i * 20)) != NULL);
    run_on(1);
    for (int i = 0; i < 500; i++)
        heap_free(x[i]);
    run_on(0);
    ms[0].p = NULL;
    for (int i = 500; i < 1000; i++)
        heap_free(x[i]);
    heap_free(NULL);
    run_on(1);
    heap_trim();
    CHECK_EQ(page_count_free(), pages_at_first);
}

TEST(what_is_freed_is_used_again_before_anything_new)
{
    heap_init(16 * MIB);
    for (size_t n = 1; n <= SMALL_MAX; n += n / 3 + 1) {
        heap_free(heap_malloc(n));
        size_t pages = page_count_free();
        for (int i = 0; i < 1000; i++) {
            void *a = heap_malloc(n), *b = heap_malloc(n);
            heap_free(a);
            heap_free(b);
        }
        CHECK(pages - page_count_free() <= 32);
    }
}

TEST(realloc_stays_where_it_can)
{
    heap_init(16 * MIB);
    char *small = heap_malloc(100);
    CHECK(heap_realloc(small, 112) == small && heap_realloc(small, 97) == small);
    char *large = heap_malloc(10 * PAGE_SIZE);
    large[10 * PAGE_SIZE - 1] = 77;
    CHECK(heap_realloc(large, 200 * PAGE_SIZE) == large);
    CHECK(heap_usable(large) == 200 * PAGE_SIZE && large[10 * PAGE_SIZE - 1] == 77);
    CHECK(heap_realloc(large, 10 * PAGE_SIZE - 5) == large);
    CHECK_EQ(heap_usable(large), 10 * PAGE_SIZE);
    void *behind = heap_malloc(100 * PAGE_SIZE);
    char *moved = heap_realloc(large, 3 * MIB);
    CHECK(moved != NULL && moved[10 * PAGE_SIZE - 1] == 77);
    CHECK(heap_realloc(moved, RAM_SIZE) == NULL && errno == ENOMEM);
    CHECK(heap_realloc(moved, SIZE_MAX) == NULL && heap_usable(moved) == 3 * MIB);
    char *shrunk = heap_realloc(moved, 50);
    CHECK(heap_usable(shrunk) == 64);
    heap_free(behind);
    heap_free(shrunk);
    heap_free(heap_realloc(small, 0));
    heap_free(heap_realloc(NULL, 10));
    heap_trim();
    CHECK_EQ(page_count_free(), pages_at_first);
}

TEST(nonsense_sizes_and_alignments_are_refused)
{
    heap_init(16 * MIB);
    size_t sizes[] = {SIZE_MAX, SIZE_MAX - 4096, (size_t)PTRDIFF_MAX + 1, PTRDIFF_MAX};
    for (int i = 0; i < 4; i++) {
        errno = 0;
        CHECK(heap_malloc(sizes[i]) == NULL && errno == ENOMEM);
        errno = 0;
        CHECK(heap_calloc(sizes[i] / 2, 3) == NULL && errno == ENOMEM);
        errno = 0;
        CHECK(heap_aligned(64, sizes[i]) == NULL && errno == ENOMEM);
        errno = 0;
        CHECK(heap_aligned(sizes[i] & ~(size_t)1, 5) == NULL && errno != 0);
    }
    CHECK(heap_aligned(0, 5) == NULL && errno == EINVAL);
    CHECK(heap_aligned(48, 5) == NULL && errno == EINVAL);
    CHECK(stops == 0);
}

/* ---- wild frees ---- */

static void free_it(void *x)
{
    heap_free(x);
}

static void grow_it(void *x)
{
    heap_realloc(x, 10);
}

TEST(a_free_of_what_is_no_object_ends_the_run)
{
    static char outside[32];
    char inside[32];
    heap_init(16 * MIB);
    char *small = heap_malloc(60), *odd = heap_malloc(200), *large = heap_malloc(100000);
    char *page = page_alloc(), *gone = heap_malloc(50000);
    heap_free(gone);
    void *wild[] = {outside,  inside,     small + 8,    small + 16,         small + 32,
                    odd + 16, odd + 192,  large + 16,   large + 4096,       page,
                    gone,     (void *)16, (void *)-16L, (void *)(1L << 38), (void *)RAM_BASE};
    for (size_t i = 0; i < sizeof wild / sizeof wild[0]; i++) {
        CHECK(dies(free_it, wild[i]));
        CHECK(dies(grow_it, wild[i]));
    }
    CHECK(!dies(free_it, small) && !dies(free_it, odd) && !dies(free_it, large));
    CHECK(!dies(free_it, NULL));
}

static void free_in_a_row(void *x)
{
    free_it(x);
    free_it(x);
}

/* Its place in the chain then leads round in a circle, or it is in two. */
static void free_with_another_between_and_trim(void *x)
{
    void *other = heap_malloc(60);
    free_it(x);
    free_it(other);
    free_it(x);
    heap_trim();
}

static void free_with_a_trim_between_and_trim(void *x)
{
    free_it(x);
    heap_trim();
    free_it(x);
    heap_trim();
}

TEST(a_second_free_is_found_when_the_objects_are_looked_at)
{
    heap_init(16 * MIB);
    for (int warm = 0; warm < 2; warm++) {
        void *x = heap_malloc(60), *neighbour = heap_malloc(60);
        CHECK(dies(free_in_a_row, x));
        CHECK(dies(free_with_another_between_and_trim, x));
        CHECK(dies(free_with_a_trim_between_and_trim, x));
        heap_free(x);
        heap_free(neighbour);
        heap_trim();
    }
    CHECK_EQ(page_count_free(), pages_at_first);
}

/* ---- threads ---- */

#define BOXES 256
static _Atomic(struct object *) box[BOXES];

/* What one makes another finds in a box, checks and frees. */
static void *exchange(void *arg)
{
    unsigned me = (unsigned)(uintptr_t)arg;
    uint64_t seed = 0x1234567 + me;
    run_on(me);
    for (int i = 0; i < OPS; i++) {
        size_t n = sizeof(struct object) + (rnd(&seed, 100) ? rnd(&seed, 600) : rnd(&seed, 50000));
        struct object *o = heap_malloc(n);
        if (o) {
            *o = (struct object){(unsigned char *)(o + 1), n - sizeof *o, 0, (unsigned char)i};
            object_fill(o, 0);
        }
        struct object *old = atomic_exchange(&box[rnd(&seed, BOXES)], o);
        if (old) {
            object_check(old, old->n);
            heap_free(old);
        }
    }
    return NULL;
}

TEST(four_ps_free_what_others_made)
{
    heap_init(RAM_SIZE);
    pthread_t t[PS];
    for (uintptr_t i = 0; i < PS; i++)
        pthread_create(&t[i], NULL, exchange, (void *)i);
    for (int i = 0; i < PS; i++)
        pthread_join(t[i], NULL);
    for (int i = 0; i < BOXES; i++)
        heap_free(atomic_exchange(&box[i], NULL));
    heap_trim();
    CHECK_EQ(page_count_free(), pages_at_first);
}

/* ---- the table at the end */

TEST(memstats_are_printed_once_and_say_what_a_program_would_read)
{
    struct runtime_mem_stats s;
    unsigned long all, heap, stacks, kept, free;
    heap_init(RAM_SIZE);
    void *small = heap_malloc(100), *large = heap_malloc(100000);
    memstats_at_exit();
    CHECK_STR(unit_said, "");
    sched_memstats_at_exit();
    memstats_at_exit();
    runtime_read_mem_stats(&s);
    CHECK_EQ(sscanf(unit_said, "memory: %lu KiB; heap %lu, stacks %lu and %lu kept, free %lu,",
                    &all, &heap, &stacks, &kept, &free),
             5);
    CHECK(all == s.sys / KIB && heap == s.heap_inuse / KIB && free == s.heap_idle / KIB);
    CHECK(stacks == 16 && kept == 12);
    unit_said[0] = '\0';
    memstats_at_exit();
    CHECK_STR(unit_said, "");
    heap_free(small);
    heap_free(large);
}

UNIT_MAIN
