/*
 * context_tree_test: contexts and their descendants: whom a cancel reaches, what a free leaves, trees
 * that are large and deep, and many who cancel at once.
 */
#include "contexts.h"

/* ---- cancel ---- */

static void cancel_reaches_every_descendant_and_nobody_else(void)
{
    for (int kind = 0; kind < 16; kind++) {
        context *top = root(0), *c = child_of(top, kind), *sibling = child_of(top, kind + 1);
        context *below[] = {child_of(c, kind / 4), child_of(c, kind / 4 + 1), NULL, NULL};
        below[2] = child_of(below[1], kind);
        below[3] = child_of(below[2], kind / 4);
        context_cancel(c);
        for (int i = 0; i < 4; i++)
            CHECK_EQ(state(below[i]), CANCELED);
        CHECK_EQ(state(c), CANCELED);
        CHECK_EQ(state(sibling), 0);
        CHECK_EQ(state(top), 0);
        for (int i = 0; i < 4; i++)
            context_free(below[i]);
        context_free(c);
        CHECK_EQ(state(top), 0);
        context_cancel(top);
        CHECK_EQ(state(sibling), CANCELED);
        context_free(sibling);
        context_free(top);
    }
}

/* ---- free ---- */

static void free_cancels_and_leaves_children_their_parents(void)
{
    int key;
    int64_t when, set;
    context *top = context_with_value(context_background(), &key, &when);
    context *timed = child_of(top, 2), *c = child_of(timed, 0), *d = child_of(c, 3);
    CHECK(context_deadline(timed, &set));
    context_free(top);
    CHECK_EQ(state(timed), CANCELED);
    CHECK_EQ(state(d), CANCELED);
    context_free(timed);
    context_free(c);
    CHECK_EQ(state(d), CANCELED);
    CHECK(context_value(d, &key) == &when);
    CHECK(context_deadline(d, &when) && when == set);
    context *e = child_of(d, 1); /* and may have children yet */
    CHECK_EQ(state(e), CANCELED);
    CHECK(context_value(e, &key) == &when);
    context_free(d);
    context_free(e);
}

static void a_free_of_a_child_cancels_nobody_above(void)
{
    context *top = root(0), *c = child_of(top, 0), *d = child_of(c, 1), *e = child_of(c, 0);
    context_free(d);
    CHECK_EQ(state(c), 0);
    context_free(c);
    CHECK_EQ(state(e), CANCELED);
    CHECK_EQ(state(top), 0);
    context_cancel(top); /* meets none of the dead */
    context_free(e);
    context_free(top);
}

/* ---- large trees, on a goroutine's stack of 64 KiB ---- */

#define MANY 10000

static context *tree[MANY];

/* Each has the one before, the first, or any before as its parent. */
static void grow(int shape)
{
    tree[0] = root(0);
    for (int i = 1; i < MANY; i++) {
        int parent = shape == 0 ? i - 1 : shape == 1 ? 0 : (int)((uint32_t)i * 2654435761u % i);
        tree[i] = child_of(tree[parent], i % 64 == 0 ? 1 : i % 2 * 3);
    }
}

static void cancel_and_free(int first, int step)
{
    context_cancel(tree[0]);
    for (int i = 0; i < MANY; i++)
        CHECK_EQ(state(tree[i]), CANCELED);
    for (int i = 0; i < MANY; i++)
        context_free(tree[(first + i * step + MANY) % MANY]);
}

static void try_large_trees(void *unused)
{
    (void)unused;
    for (int shape = 0; shape < 3; shape++) {
        grow(shape);
        CHECK(context_value(tree[MANY - 1], &tree) == NULL); /* looks all the way up */
        cancel_and_free(0, 1);                               /* the last one's end is that of all */
        grow(shape);
        cancel_and_free(MANY - 1, -1);
        grow(shape);
        cancel_and_free(5, 4999); /* has no divisor in common with MANY */
        grow(shape);
        for (int i = 0; i < MANY; i++) /* the first cancels all */
            context_free(tree[i]);
        grow(shape);
        for (int i = MANY; i-- > 0;) /* each cancels itself only */
            context_free(tree[i]);
    }
}

static void a_tree_of_10000_cancels_and_is_freed_on_a_small_stack(void)
{
    apart(try_large_trees, NULL);
}

static void wait_in_the_tree(void *i)
{
    wait_for_done(tree[(intptr_t)i]);
}

static void cancel_wakes_those_who_wait_all_over_a_deep_tree(void)
{
    waitgroup over = {0};
    grow(0);
    atomic_store(&awake, 0);
    for (intptr_t i = 0; i < 500; i++)
        CHECK(waitgroup_go(&over, wait_in_the_tree, (void *)(MANY - 1 - i * 20)) > 0);
    settle();
    CHECK_EQ(awake, 0);
    context_cancel(tree[0]);
    waitgroup_wait(&over);
    CHECK_EQ(awake, 500);
    cancel_and_free(0, 1);
}

/* ---- many at once ---- */

static void cancel_one_of_many(void *i)
{
    context_cancel(tree[(intptr_t)i]);
    CHECK_EQ(state(tree[(intptr_t)i]), CANCELED);
    /* Whoever has cancelled it, what hangs below is cancelled: the one at 2 i, and what follows. */
    for (intptr_t k = 2 * (intptr_t)i + 1; k < 200; k = 2 * k + 1)
        CHECK_EQ(state(tree[k]), CANCELED);
}

static void all_of_a_tree_may_be_cancelled_at_once(void)
{
    for (int round = 0; round < 20; round++) {
        tree[0] = root(0);
        for (int i = 1; i < 200; i++)
            tree[i] = child_of(tree[(i - 1) / 2], i);
        in_parallel(200, cancel_one_of_many);
        for (int i = 0; i < 200; i++)
            context_free(tree[i]);
    }
}

static void cancel_child_when_parent_is_done(void *pair)
{
    context **parent_and_child = pair;
    CHECK(!chan_recv(context_done(parent_and_child[0]), NULL));
    context_cancel(parent_and_child[1]);
}

static void a_child_may_be_cancelled_by_who_waits_for_its_parent(void)
{
    for (int i = 0; i < 100; i++) {
        waitgroup over = {0};
        context *pair[2] = {root(0)};
        pair[1] = child_of(pair[0], 0);
        CHECK(waitgroup_go(&over, cancel_child_when_parent_is_done, pair) > 0);
        if (i % 2 == 0)
            runtime_gosched();
        context_cancel(pair[0]);
        CHECK(!chan_recv(context_done(pair[1]), NULL));
        waitgroup_wait(&over);
        context_free(pair[1]);
        context_free(pair[0]);
    }
}

int main(void)
{
    RUN(cancel_reaches_every_descendant_and_nobody_else);
    RUN(free_cancels_and_leaves_children_their_parents);
    RUN(a_free_of_a_child_cancels_nobody_above);
    RUN(a_tree_of_10000_cancels_and_is_freed_on_a_small_stack);
    RUN(cancel_wakes_those_who_wait_all_over_a_deep_tree);
    RUN(all_of_a_tree_may_be_cancelled_at_once);
    RUN(a_child_may_be_cancelled_by_who_waits_for_its_parent);
    return 0;
}
