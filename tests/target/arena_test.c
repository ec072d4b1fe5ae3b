// link: -Wl,--wrap=page_alloc,--wrap=page_alloc_run,--wrap=page_alloc_aligned,--wrap=page_extend_run,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=memalign,--wrap=aligned_alloc,--wrap=free,--wrap=heap_malloc,--wrap=heap_calloc,--wrap=heap_realloc,--wrap=heap_aligned,--wrap=heap_free
/*
 * arena_test: arena.h's promises, one by one, but for owners (arena_owner_test.c). With an argument:
 * what ends the run.
 */
#include "arenas.h"

/* ---- pieces ---- */

static void pieces_are_zeroed_apart_and_all_are_given_back(void)
{
    static struct piece p[2000];
    for (unsigned round = 1; round <= 5; round++) {
        unsigned seed = round;
        long before = faults.blocks;
        arena *a = new_arena();
        for (unsigned i = 0; i < 2000; i++)
            p[i] = take(a, some_size(&seed), i);
        look(p, 2000);
        CHECK(faults.blocks > before + 10);
        arena_free(a);
        CHECK_EQ(faults.blocks, before);
    }
}

static void every_size_around_every_bound_is_served(void)
{
    static const size_t around[] = {16,   32,   944,   960,   1024,  2032,      2048,
                                    4096, 8176, LARGE, 16384, 32752, BLOCK_MAX, 65536};
    struct piece p[sizeof around / sizeof around[0] * 35];
    unsigned n = 0;
    arena *a = new_arena();
    for (size_t i = 0; i < sizeof around / sizeof around[0]; i++)
        for (size_t size = around[i] - 16; size <= around[i] + 16; size++, n++)
            p[n] = take(a, size, n);
    look(p, n);
    arena_free(a);
}

static void pieces_of_no_bytes_have_addresses_of_their_own(void)
{
    char *seen[200];
    arena *a = new_arena();
    for (int i = 0; i < 200; i++) {
        seen[i] = i % 3 == 0   ? arena_alloc(a, 0)
                  : i % 3 == 1 ? arena_alloc_aligned(a, 0, 64)
                               : take(a, 1, 0).at;
        CHECK(seen[i] != NULL);
        for (int k = 0; k < i; k++)
            CHECK(seen[k] != seen[i]);
    }
    arena_free(a);
}

static void a_block_is_used_up_to_its_last_byte(void)
{
    long before = faults.blocks;
    arena *a = new_arena();
    char *first = arena_alloc(a, 16), *p = first;
    size_t room = (size_t)(a->end_ - first);
    CHECK(room > BLOCK_FIRST * 9 / 10 && room < BLOCK_FIRST);
    for (size_t used = 32; used <= room; used += 16) {
        char *next = arena_alloc(a, used % 32 == 0 ? 16 : 1);
        CHECK(next == p + 16);
        p = next;
    }
    CHECK_EQ(faults.blocks, before + 1);
    arena_alloc(a, 1);
    CHECK_EQ(faults.blocks, before + 2);
    CHECK_EQ(arena_size(a), BLOCK_FIRST + 2 * BLOCK_FIRST);
    arena_free(a);
}

static void blocks_double_up_to_32_kib(void)
{
    size_t size = BLOCK_FIRST, block = 2 * BLOCK_FIRST;
    arena *a = new_arena();
    for (int n = 0; n < 40000; n++) {
        arena_alloc(a, 32);
        if (arena_size(a) == size)
            continue;
        CHECK_EQ(arena_size(a) - size, block);
        size += block;
        block = block < BLOCK_MAX ? 2 * block : BLOCK_MAX;
    }
    CHECK_EQ(block, BLOCK_MAX);
    CHECK(size < 40000 * 32 + 2 * BLOCK_MAX); /* and next to nothing is lost */
    arena_free(a);
}

static void a_large_piece_has_its_own_block_and_closes_none(void)
{
    arena *a = new_arena();
    char *p = arena_alloc(a, 32);
    size_t size = arena_size(a);
    for (size_t large = LARGE + 1; large < 10 * BLOCK_MAX; large = large * 5 / 3) {
        CHECK(arena_alloc(a, large) != NULL);
        size_t took = arena_size(a) - size;
        CHECK(took >= large && took <= large + 32);
        size += took;
    }
    CHECK((char *)arena_alloc(a, 32) == p + 32);
    arena_alloc(a, 2 * BLOCK_FIRST - 100); /* leaves less than there is here */
    CHECK((char *)arena_alloc(a, 32) == p + 64);
    arena_free(a);
}

static void memory_that_was_used_before_comes_zeroed(void)
{
    for (int round = 0; round < 200; round++) {
        arena *a = new_arena();
        for (unsigned i = 0; i < 100; i++) /* take looks, and leaves it dirty */
            take(a, 700, 250);
        take(a, 3 * LARGE, 250);
        arena_free(a);
    }
}

/* ---- sizes and alignments that cannot be ---- */

static void *align_64(arena *a, size_t size)
{
    return arena_alloc_aligned(a, size, 64);
}

static void a_size_that_overflows_is_refused(void)
{
    static const size_t sizes[] = {
        SIZE_MAX,
        SIZE_MAX - 1,
        SIZE_MAX - 15,
        SIZE_MAX - 16,
        SIZE_MAX - 31,
        SIZE_MAX - 63,
        SIZE_MAX / 2,
        SIZE_MAX / 2 + 1,
        SIZE_MAX / 2 - 15,
        SIZE_MAX / 4,
        SIZE_MAX - 64,
        SIZE_MAX / 2 - 63,
#if !defined(PINION_HOST) /* which has that much, or says so */
        (size_t)INT_MAX,
        (size_t)UINT32_MAX,
        (size_t)UINT32_MAX + 2,
#endif
    };
    struct piece p[2 * sizeof sizes / sizeof sizes[0]];
    unsigned n = 0;
    arena *a = new_arena();
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        for (int kind = 0; kind < 2; kind++, n++) {
            size_t size = arena_size(a);
            errno = 0;
            CHECK((kind == 0 ? arena_alloc(a, sizes[i]) : align_64(a, sizes[i])) == NULL);
            CHECK_EQ(errno, ENOMEM);
            CHECK_EQ(arena_size(a), size);
            p[n] = take(a, 100, n);
        }
    look(p, n);
    arena_free(a);
}

static size_t align_of_next;

static void *aligned(arena *a, size_t size)
{
    void *p = arena_alloc_aligned(a, size, align_of_next);
    CHECK_EQ((uintptr_t)p % align_of_next, 0);
    return p;
}

static void pieces_are_aligned_as_asked(void)
{
    static struct piece p[3000];
    unsigned seed = 5;
    arena *a = new_arena();
    for (unsigned i = 0; i < 3000; i++) {
        align_of_next = (size_t)1 << random_below(&seed, i % 100 == 0 ? 17 : 9);
        p[i] = i % 3 == 0 ? take(a, some_size(&seed), i) : take_by(aligned, a, some_size(&seed), i);
    }
    look(p, 3000);
    arena_free(a);
}

static void an_alignment_loses_less_than_itself(void)
{
    arena *a = new_arena();
    char *p = arena_alloc_aligned(a, 16, 64), *q = arena_alloc_aligned(a, 16, 64);
    CHECK(q == p + 64);
    CHECK(arena_alloc_aligned(a, 1, 16) == q + 16);
    CHECK(arena_alloc_aligned(a, 64, 64) == q + 64);
    CHECK(arena_alloc_aligned(a, 64, 64) == q + 128);
    arena_free(a);
}

static void an_alignment_that_is_none_is_refused(void)
{
    static const size_t wrong[] = {0, 3, 6, 12, 24, 48, 100, SIZE_MAX, SIZE_MAX / 2 + 2};
    arena *a = new_arena();
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        errno = 0;
        CHECK(arena_alloc_aligned(a, 8, wrong[i]) == NULL);
        CHECK_EQ(errno, EINVAL);
    }
    errno = 0;
    CHECK(arena_alloc_aligned(a, 8, SIZE_MAX / 2 + 1) == NULL);
    CHECK_EQ(errno, ENOMEM);
    arena_free(a);
}

/* ---- no memory ---- */

#define PIECES 800

/* Takes PIECES pieces; says which failed, -1: none. */
static int fill(arena *a, struct piece *p)
{
    int failed = -1;
    for (unsigned i = 0; i < PIECES; i++) {
        size_t size = i % 97 == 96 ? LARGE + i : i % 50, was = arena_size(a);
        errno = 0;
        void *at = arena_alloc(a, size);
        if (at == NULL) {
            CHECK_EQ(errno, ENOMEM);
            CHECK_EQ(arena_size(a), was);
            CHECK_EQ(failed, -1);
            failed = (int)i;
            at = arena_alloc(a, size); /* there is some again */
        }
        p[i] = (struct piece){at, size};
        CHECK(at != NULL && all_bytes(at, size, 0));
        memset(at, letter(i), size);
    }
    return failed;
}

static void the_nth_block_may_be_refused_and_the_arena_stays_good(void)
{
    static struct piece p[PIECES];
    int last = -1;
    long before = faults.blocks, nth = 1;
    for (;; nth++) {
        arena *a = new_arena();
        faults_begin(FAULTS_ONE, nth);
        int failed = fill(a, p);
        long hits = faults_end();
        CHECK(failed < 0 || hits == 1); /* a page may have been had at the second try */
        look(p, PIECES);
        arena_free(a);
        CHECK_EQ(faults.blocks, before);
        if (hits == 0)
            break;
        CHECK(failed < 0 || failed > last);
        last = failed < 0 ? last : failed;
    }
    CHECK(nth > 8);
    faults_begin(FAULTS_ONE, 1);
    errno = 0;
    CHECK(arena_new() == NULL);
    CHECK_EQ(errno, ENOMEM);
    CHECK_EQ(faults_end(), 1);
}

static void without_memory_an_arena_serves_what_it_has_and_can_be_owned_and_freed(void)
{
    long before = faults.blocks;
    arena *a = new_arena();
    faults_begin(FAULTS_ALL_FROM, 1);
    int n = 0;
    while (arena_alloc(a, 32) != NULL)
        n++;
    CHECK(n > 25);
    arena_own(a);
    arena_free(a);
    CHECK_EQ(faults_end(), 1);
    CHECK_EQ(faults.blocks, before);
}

/* ---- misuse ---- */

static void disown_it(void *a)
{
    arena_disown(a);
}

static void free_it(void *a)
{
    arena_free(a);
}

static void alloc_from_it(void *a)
{
    arena_alloc(a, 8);
}

static void alloc_nothing_from_it(void *a)
{
    arena_alloc(a, 0);
}

static void alloc_aligned_from_it(void *a)
{
    arena_alloc_aligned(a, 8, 64);
}

static void alloc_large_from_it(void *a)
{
    arena_alloc(a, 100000);
}

static void ask_its_size(void *a)
{
    printf("%zu\n", arena_size(a));
}

static void (*const all_uses[])(void *) = {own_it,
                                           disown_it,
                                           alloc_from_it,
                                           alloc_nothing_from_it,
                                           alloc_aligned_from_it,
                                           alloc_large_from_it,
                                           ask_its_size,
                                           free_it};
#define USES (sizeof all_uses / sizeof all_uses[0])

static arena *hidden(arena *a) /* from the compiler, which knows what free is */
{
    __asm__ volatile("" : "+r"(a));
    return a;
}

/* printf in a panic may take memory: between the free and the use there is none. */
static void free_and_use(void *use)
{
    arena *a = new_arena();
    arena_alloc(a, 100);
    arena_free(a);
    ((void (*)(void *))use)(hidden(a));
}

static inline void a_freed_arena_is_recognised(void)
{
    for (size_t i = 0; i < USES; i++)
        CHECK_STR(panic_of(free_and_use, all_uses[i]),
                  all_uses[i] == free_it ? "arena: freed twice" : "arena: used after it was freed");
}

static void what_is_no_arena_is_recognised(void)
{
    static _Alignas(16) char room[200];
    arena *none = (arena *)(room + 100 - 100 % 16);
    for (size_t i = 0; i < USES; i++)
        CHECK_STR(panic_of(all_uses[i], none), "arena: not an arena");
}

static void null_is_a_nil_pointer_but_may_be_freed(void)
{
    arena_free(NULL);
    for (size_t i = 0; all_uses[i] != free_it; i++)
        CHECK(strstr(panic_of(all_uses[i], NULL), "nil pointer dereference") != NULL);
}

static void only_its_owner_frees_it_or_gives_it_up(void)
{
    arena *a = new_arena();
    arena_disown(a); /* nobody's: nothing happens */
    arena_own(a);
    arena_own(a);
    CHECK_STR(panic_of(own_it, a), "arena: owned by another goroutine");
    CHECK_STR(panic_of(disown_it, a), "arena: owned by another goroutine");
    CHECK_STR(panic_of(free_it, a), "arena: owned by another goroutine");
    apart(alloc_from_it, a); /* but any may use it, one at a time */
    arena_disown(a);
    apart(own_it, a); /* and with that it is gone */
}

#if defined(PINION_DEBUG) && !defined(PINION_HOST) /* whose malloc spoils nothing */
static void a_debug_build_spoils_what_is_freed(void)
{
    arena *a = new_arena();
    volatile uint64_t *small = memset(arena_alloc(a, 800), 1, 800);
    volatile uint64_t *large = memset(arena_alloc(a, 20000), 1, 20000);
    arena_free(a);
    CHECK_EQ(small[50], 0xdddddddddddddddd);
    CHECK_EQ(large[1000], 0xdddddddddddddddd);
}
#endif

/* ---- what ends the run ---- */

static __attribute__((noinline)) void use_after_free(void)
{
    free_and_use(alloc_from_it);
}

static __attribute__((noinline)) void free_twice(void)
{
    free_and_use(free_it);
}

static void say(void *words)
{
    puts(words);
    fflush(stdout);
}

/* Others may be using what the last calls would give back. */
static __attribute__((noinline)) void panic_before_the_last(void)
{
    static struct defer record;
    defer_lend_last(&record, say, "the last call ran");
    runtime_defer(say, "deferred");
    runtime_panic("for good");
}

static const struct {
    const char *name;
    void (*fn)(void);
} ends[] = {{"use_after_free", use_after_free},
            {"free_twice", free_twice},
            {"panic_before_the_last", panic_before_the_last}};

int main(int argc, char **argv)
{
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        if (argc > 1 && strcmp(argv[1], ends[i].name) == 0)
            ends[i].fn();
    CHECK_EQ(argc, 1);
    RUN(pieces_are_zeroed_apart_and_all_are_given_back);
    RUN(every_size_around_every_bound_is_served);
    RUN(pieces_of_no_bytes_have_addresses_of_their_own);
    RUN(a_block_is_used_up_to_its_last_byte);
    RUN(blocks_double_up_to_32_kib);
    RUN(a_large_piece_has_its_own_block_and_closes_none);
    RUN(memory_that_was_used_before_comes_zeroed);
    RUN(a_size_that_overflows_is_refused);
    RUN(pieces_are_aligned_as_asked);
    RUN(an_alignment_loses_less_than_itself);
    RUN(an_alignment_that_is_none_is_refused);
    RUN_CALM(the_nth_block_may_be_refused_and_the_arena_stays_good);
    RUN(without_memory_an_arena_serves_what_it_has_and_can_be_owned_and_freed);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* which do so first */
    RUN(a_freed_arena_is_recognised);
#endif
    RUN(what_is_no_arena_is_recognised);
    RUN(null_is_a_nil_pointer_but_may_be_freed);
    RUN(only_its_owner_frees_it_or_gives_it_up);
#if defined(PINION_DEBUG) && !defined(PINION_HOST)
    RUN(a_debug_build_spoils_what_is_freed);
#endif
    arena_own(new_arena()); /* goes when main returns */
    return 0;
}
