// link: -Wl,--wrap=page_alloc,--wrap=page_alloc_run,--wrap=page_alloc_aligned,--wrap=page_extend_run,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=memalign,--wrap=aligned_alloc,--wrap=free,--wrap=heap_malloc,--wrap=heap_calloc,--wrap=heap_realloc,--wrap=heap_aligned,--wrap=heap_free
/*
 * faults_memory_test: calls for blocks of memory and arenas, refused it (refusals.h).
 */
#include "tests/target/refusals.h"
#include <malloc.h>

/* ---- blocks ---- */

/* noipa: or the compiler leaves out what is made and freed at once. */
static __attribute__((noipa)) void give_back(void *block)
{
    free(block);
}

MAKES(block_of_a_class, malloc(3000), give_back)
MAKES(block_of_pages, malloc(100000), give_back)
MAKES(block_of_zeroes, calloc(10, 1000), give_back)
MAKES(block_at_a_page, memalign(4096, 5000), give_back)
MAKES(block_at_a_megabyte, aligned_alloc(1 << 20, 1 << 20), give_back)
MAKES(block_of_the_c_library, strdup("copied"), give_back)

CALL(posix_memalign_of_a_block, 1)
{
    void *x = NULL;
    int error = posix_memalign(&x, 256, 1000);
    CHECK(error == 0 || (error == ENOMEM && x == NULL && errno == 0), "error %d", error);
    give_back(x);
    return error == 0;
}

/* true: *x is what and where it was. */
static bool resize(char **x, size_t n)
{
    char *volatile was = *x;
    char *now = realloc(was, n);
    *x = now != NULL ? now : was;
    return now == NULL;
}

/* In place, in its class, to pages, to more pages. Who is refused has what he had. */
CALL(realloc_of_a_block, 4)
{
    size_t was = 0;
    bool good = true;
    char *x = NULL;
    for (size_t n = 1000; good && n < 5000000; was = n, n *= 8) {
        good = told_so(resize(&x, n));
        for (size_t i = 0; i < was; i += 100)
            CHECK(x[i] == (char)(i / 100), "byte %lu is lost", (unsigned long)i);
        for (size_t i = 0; good && i < n; i += 100)
            x[i] = (char)(i / 100);
    }
    give_back(x);
    return good;
}

CALL_WITHOUT_MEMORY(statistics_of_memory, 0)
{
    struct runtime_mem_stats s;
    runtime_read_mem_stats(&s);
    CHECK(s.mallocs >= s.frees && s.sys > s.heap_idle, "statistics make no sense");
    return true;
}

/* ---- arenas ---- */

MAKES(arena_of_one_block, arena_new(), arena_free)

/* What it has already goes with it. */
CALL(pieces_of_an_arena, 8)
{
    arena *a = arena_new();
    bool good = told_so(a == NULL);
    for (int i = 0; i < 200 && good; i++)
        good = told_so(arena_alloc(a, i % 50 == 7 ? 10000 : 100) == NULL);
    arena_free(a);
    return good;
}

int main(void)
{
    refuse_all();
    return 0;
}
