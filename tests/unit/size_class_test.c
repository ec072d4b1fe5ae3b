// with: kernel/size_class.c
/*
 * size_class: every size has a class, the smallest that does; what is lost is what the rule promises;
 * and the product that says where objects begin says so for every address of a span.
 */
#include "kernel/size_class.h"
#include "kernel/page.h"
#include "tests/unit/unit.h"

static const struct size_class *class_for(size_t n)
{
    return &size_class[size_class_of(n)];
}

TEST(every_size_gets_the_smallest_class_that_holds_it)
{
    size_class_init();
    for (size_t n = 0; n <= SMALL_MAX; n++) {
        unsigned class = size_class_of(n);
        size_t asked = n <= TINY_MAX ? n : (n + GRAIN_ABOVE - 1) / GRAIN_ABOVE * GRAIN_ABOVE;
        CHECK(class >= 1 && class <= n_size_classes);
        CHECK(size_class[class].size >= n);
        CHECK(class == 1 || size_class[class - 1].size < asked);
    }
}

TEST(classes_fit_their_numbers_and_their_spans)
{
    size_class_init();
    CHECK(n_size_classes >= 50 && n_size_classes < CLASS_LARGE);
    CHECK(size_class[n_size_classes].size == SMALL_MAX);
    for (unsigned i = 1; i <= n_size_classes; i++) {
        const struct size_class *c = &size_class[i];
        CHECK(c->size % GRAIN == 0 && c->size > size_class[i - 1].size);
        CHECK((size_t)c->span_mask + 1 == PAGE_SIZE << c->order && c->order <= 5);
        CHECK(c->objects == ((size_t)c->span_mask + 1) / c->size && c->objects >= 4);
        CHECK(c->batch >= 1 && c->batch <= 32 && c->batch <= c->objects);
    }
}

TEST(powers_of_two_are_classes_of_their_own)
{
    size_class_init();
    for (size_t n = GRAIN; n <= SMALL_MAX; n *= 2)
        CHECK_EQ(class_for(n)->size, n);
}

/* The share of a span that is lost if all its objects are in use, each for n bytes. */
static double lost(size_t n)
{
    const struct size_class *c = class_for(n);
    return 1 - (double)(n * c->objects) / (c->span_mask + 1);
}

TEST(little_is_lost_by_rounding_and_at_ends_of_spans)
{
    size_class_init();
    for (size_t n = 1; n <= 128; n++)
        CHECK(class_for(n)->size - n < 16);
    for (size_t n = 129; n <= SMALL_MAX; n++)
        CHECK(lost(n) < (n <= 256 ? 0.153 : n <= 4096 ? 0.126 : 0.204));
    for (size_t n = GRAIN; n <= SMALL_MAX; n *= 2)
        CHECK(lost(n) == 0);
}

TEST(objects_begin_at_multiples_of_their_size_and_nowhere_else)
{
    size_class_init();
    for (unsigned i = 1; i <= n_size_classes; i++) {
        const struct size_class *c = &size_class[i];
        for (uint32_t at = 0; at <= c->span_mask; at++)
            if ((at * c->inverse < c->inverse) != (at % c->size == 0)) {
                CHECK_EQ(at, -1);
                break;
            }
    }
}

UNIT_MAIN
