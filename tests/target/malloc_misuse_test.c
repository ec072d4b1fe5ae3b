/*
 * malloc_misuse_test: wrong uses of memory end the run and say what was wrong with which object; in a
 * debug image, who had it too. tests/list judges what is said.
 *
 *     ARGS=NAME     one of those below
 */
#include <malloc.h>
#include "check.h"

/* So that the compiler does not see what we do. */
static __attribute__((noipa)) void give_back(void *x)
{
    free(x);
}

static void free_twice_beyond_classes(void)
{
    char *x = malloc(100000);
    give_back(x);
    give_back(x);
}

/* ---- and what a debug image finds ---- */

static __attribute__((noipa)) void *make_it(size_t n)
{
    return malloc(n);
}

static void free_twice(void)
{
    char *x = make_it(40);
    give_back(x);
    give_back(x);
}

static void free_twice_and_trim(void)
{
    char *x = make_it(40), *y = make_it(40);
    give_back(x);
    give_back(y);
    give_back(x);
    malloc_trim(0);
}

static void write_beyond(void)
{
    char *x = make_it(40);
    x[40] = 1;
    give_back(x);
}

static void write_far_beyond(void)
{
    char *x = make_it(40);
    memset(x, 1, 100);
    give_back(x);
}

static void write_beyond_large(void)
{
    char *x = make_it(100000);
    x[100000] = 1;
    x = realloc(x, 200000);
}

/* It is found when the object is made again, so all of its size are, and one of them stays, or its page
 * might be somebody else's by then. */
static void write_when_freed(void)
{
    make_it(1000);
    char *x = make_it(1000);
    give_back(x);
    x[500] = 1;
    for (int i = 0; i < 1000; i++)
        make_it(1000);
}

static void write_to_the_first_word_when_freed(void)
{
    make_it(40);
    void **x = make_it(40);
    give_back(x);
    *x = (void *)8;
    for (int i = 0; i < 1000; i++)
        make_it(40);
}

static void free_a_neighbour(void)
{
    char *x = make_it(40);
    size_t class = 96;
    give_back(x + class);
}

static void free_inside(void)
{
    char *x = malloc(1000);
    give_back(x + 16);
}

static void free_of_stack(void)
{
    char here[16];
    give_back(here);
}

static void realloc_of_nothing(void)
{
    void *volatile x = (void *)0x1234567890;
    x = realloc(x, 10);
}

static const struct {
    const char *name;
    void (*fn)(void);
} ends[] = {
    {"free_twice_beyond_classes", free_twice_beyond_classes},
    {"free_twice", free_twice},
    {"free_twice_and_trim", free_twice_and_trim},
    {"write_beyond", write_beyond},
    {"write_far_beyond", write_far_beyond},
    {"write_beyond_large", write_beyond_large},
    {"write_when_freed", write_when_freed},
    {"write_to_the_first_word_when_freed", write_to_the_first_word_when_freed},
    {"free_a_neighbour", free_a_neighbour},
    {"free_inside", free_inside},
    {"free_of_stack", free_of_stack},
    {"realloc_of_nothing", realloc_of_nothing},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc > 1 && i < sizeof ends / sizeof ends[0]; i++)
        if (strcmp(argv[1], ends[i].name) == 0)
            ends[i].fn();
    return 1;
}
