/*
 * context_test: context.h's promises, one by one. Those about trees are in context_tree_test.c.
 */
#include "contexts.h"
#include "sched/gmp.h"
#include "sched/pool.h"

static int timers_set_at_rest(void)
{
    settle();
    return timers_set();
}

/* ---- cancel ---- */

static void the_background_never_ends_and_has_nothing(void)
{
    context *b = context_background();
    int64_t when = 7;
    int key;
    CHECK(b != NULL && b == context_background());
    context_cancel(b);
    context_free(b);
    CHECK(context_done(b) == NULL);
    CHECK(context_err(b) == NULL);
    CHECK(!context_deadline(b, &when) && when == 7);
    CHECK(context_value(b, &key) == NULL);
    CHECK(context_value(b, NULL) == NULL);
    context_free(NULL);
}

static void a_context_is_cancelled_once_and_says_so(void)
{
    for (int kind = 0; kind < 4; kind++) {
        context *c = root(kind);
        chan *done = context_done(c);
        CHECK(done != NULL && chan_cap(done) == 0);
        CHECK_EQ(state(c), 0);
        context_cancel(c);
        CHECK_EQ(state(c), CANCELED);
        context_cancel(c);
        CHECK_EQ(state(c), CANCELED);
        CHECK(context_done(c) == done);
        context_free(c);
    }
}

static void select_done(void *c)
{
    struct select_case cases[] = {{context_done(context_background()), SELECT_RECV, NULL, false},
                                  {context_done(c), SELECT_RECV, NULL, true}};
    CHECK_EQ(chan_select(cases, 2, false), -1);
    CHECK_EQ(chan_select(cases, 2, true), 1);
    CHECK(!cases[1].ok);
    CHECK_EQ(state(c), CANCELED);
    atomic_fetch_add(&awake, 1);
}

static void cancel_wakes_all_who_wait(void)
{
    waitgroup over = {0};
    context *parent = root(0), *c = child_of(parent, 0);
    atomic_store(&awake, 0);
    for (int i = 0; i < 40; i++) {
        context *which = i % 4 < 2 ? parent : c;
        CHECK(waitgroup_go(&over, i % 2 == 0 ? wait_for_done : select_done, which) > 0);
    }
    settle();
    CHECK_EQ(awake, 0);
    context_cancel(parent);
    waitgroup_wait(&over);
    CHECK_EQ(awake, 40);
    context_free(c);
    context_free(parent);
}

static void a_child_of_a_cancelled_parent_is_cancelled_from_birth(void)
{
    context *canceled = root(0), *exceeded = context_with_timeout(canceled, 0);
    context_cancel(canceled);
    CHECK_EQ(state(exceeded), EXCEEDED); /* the first cause stays */
    int before = timers_set_at_rest();
    for (int kind = 0; kind < 4; kind++) {
        context *c = child_of(canceled, kind), *d = child_of(exceeded, kind), *e = child_of(d, 0);
        context *late = context_with_timeout(canceled, -1);
        CHECK_EQ(state(c), CANCELED);
        CHECK_EQ(state(d), EXCEEDED);
        CHECK_EQ(state(e), EXCEEDED);
        CHECK_EQ(state(late), CANCELED); /* the parent's cause, not its own */
        CHECK_EQ(timers_set_at_rest(), before);
        context_free(late);
        context_free(e);
        context_free(c);
        context_free(d);
    }
    context_free(exceeded);
    context_free(canceled);
}

/* ---- deadlines ---- */

static void a_timeout_cancels_and_not_early(void)
{
    int64_t when, from = time_now();
    context *c = context_with_timeout(context_background(), 3 * MILLISECOND);
    context *child = child_of(c, 0);
    CHECK(context_deadline(c, &when));
    CHECK(when >= from + 3 * MILLISECOND && when <= time_now() + 3 * MILLISECOND);
    CHECK(!chan_recv(context_done(c), NULL));
    CHECK(time_now() >= when);
    CHECK_EQ(state(c), EXCEEDED);
    CHECK(!chan_recv(context_done(child), NULL));
    CHECK_EQ(state(child), EXCEEDED);
    context_cancel(child);
    context_cancel(c);
    CHECK_EQ(state(child), EXCEEDED);
    CHECK_EQ(state(c), EXCEEDED);
    context_free(c);
    context_free(child);
}

static void a_deadline_that_is_past_cancels_at_once(void)
{
    static const int64_t ago[] = {0, 1, SECOND, INT64_MAX};
    int before = timers_set_at_rest();
    for (int i = 0; i < 4; i++) {
        int64_t when, now = time_now();
        context *parent = root(0);
        context *c = context_with_timeout(parent, -ago[i]);
        CHECK_EQ(state(c), EXCEEDED);
        CHECK(context_deadline(c, &when) && when <= time_now() - ago[i] && when >= now - ago[i]);
        context *d = context_with_deadline(parent, now - ago[i]);
        CHECK_EQ(state(d), EXCEEDED);
        CHECK(context_deadline(d, &when) && when == now - ago[i]);
        CHECK_EQ(state(parent), 0);
        context_free(parent);
        CHECK_EQ(state(c), EXCEEDED);
        context_free(c);
        context_free(d);
    }
    context *first = context_with_deadline(context_background(), INT64_MIN);
    CHECK_EQ(state(first), EXCEEDED);
    context_free(first);
    CHECK_EQ(timers_set_at_rest(), before);
}

static void a_later_deadline_keeps_the_parents(void)
{
    int64_t when, soon = time_now() + 5 * MILLISECOND;
    context *parent = context_with_deadline(context_background(), soon);
    context *value = context_with_value(parent, &when, NULL);
    context *later = context_with_timeout(value, HOUR), *same = context_with_deadline(value, soon);
    context *plain = context_with_cancel(later), *earlier = context_with_deadline(later, 1);
    CHECK(context_deadline(value, &when) && when == soon);
    CHECK(context_deadline(later, &when) && when == soon);
    CHECK(context_deadline(same, &when) && when == soon);
    CHECK(context_deadline(plain, &when) && when == soon);
    CHECK(context_deadline(earlier, &when) && when == 1);
    CHECK(context_deadline(later, NULL));
    CHECK(!chan_recv(context_done(plain), NULL));
    CHECK(time_now() >= soon);
    CHECK_EQ(state(plain), EXCEEDED);
    CHECK(!chan_recv(context_done(same), NULL));
    CHECK_EQ(state(same), EXCEEDED);
    context_free(parent);
    context_free(value);
    context_free(same);
    context_free(later);
    context_free(earlier);
    context_free(plain);
}

static void an_earlier_deadline_does_not_cancel_the_parent(void)
{
    context *parent = context_with_timeout(context_background(), HOUR);
    context *c = context_with_timeout(parent, MILLISECOND);
    CHECK(!chan_recv(context_done(c), NULL));
    CHECK_EQ(state(c), EXCEEDED);
    CHECK_EQ(state(parent), 0);
    context_free(c);
    CHECK_EQ(state(parent), 0);
    context_free(parent);
}

static void deadlines_do_not_overflow(void)
{
    int64_t when;
    context *all[] = {context_with_timeout(context_background(), INT64_MAX),
                      context_with_timeout(context_background(), INT64_MAX - time_now() + 5),
                      context_with_deadline(context_background(), INT64_MAX),
                      context_with_deadline(context_background(), INT64_MAX - 1)};
    time_sleep(3 * MILLISECOND);
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(state(all[i]), 0);
        CHECK(context_deadline(all[i], &when) && when >= INT64_MAX - 1);
        context *c = context_with_timeout(all[i], MILLISECOND);
        CHECK(context_deadline(c, &when) && when < time_now() + MINUTE);
        CHECK(!chan_recv(context_done(c), NULL));
        context_free(c);
        context_free(all[i]);
    }
}

static void a_cancelled_timeout_leaves_no_timer(void)
{
    int before = timers_set_at_rest();
    context *c = root(1), *parent = root(0), *child = child_of(parent, 2);
    CHECK_EQ(timers_set_at_rest(), before + 2);
    context_cancel(c);
    context_cancel(parent);
    CHECK_EQ(timers_set_at_rest(), before);
    CHECK_EQ(runtime_numgoroutine(), 1);
    context_free(child);
    context_free(parent);
    context_free(c);
    CHECK_EQ(timers_set_at_rest(), before);
}

/* ---- values ---- */

static void values_are_found_by_the_keys_address_nearest_first(void)
{
    static const char key[] = "key", same[] = "key", other[] = "other", none[] = "none";
    int x, y, z;
    context *a = context_with_value(context_background(), key, &x);
    context *b = child_of(a, 0);
    context *c = context_with_value(b, other, &y);
    context *d = context_with_value(c, key, &z);
    context *e = child_of(d, 1);
    context *f = context_with_value(e, key, NULL);
    CHECK(context_value(a, key) == &x);
    CHECK(context_value(b, key) == &x);
    CHECK(context_value(c, key) == &x);
    CHECK(context_value(d, key) == &z);
    CHECK(context_value(e, key) == &z);
    CHECK(context_value(f, key) == NULL); /* that is its value */
    CHECK(context_value(f, other) == &y);
    CHECK(context_value(b, other) == NULL);
    CHECK(context_value(f, same) == NULL);
    CHECK(context_value(f, none) == NULL);
    CHECK(context_value(f, NULL) == NULL);
    context *all[] = {a, b, c, d, e};
    for (int i = 0; i < 5; i++)
        context_free(all[i]);
    CHECK(context_value(f, key) == NULL); /* through parents that are freed */
    CHECK(context_value(f, other) == &y);
    context_free(f);
}

static void a_context_with_a_value_is_cancelled_as_any_other(void)
{
    int key;
    context *parent = root(0), *value = context_with_value(parent, &key, &key);
    context *c = child_of(value, 0);
    context_cancel(value);
    CHECK_EQ(state(parent), 0);
    CHECK_EQ(state(value), CANCELED);
    CHECK_EQ(state(c), CANCELED);
    CHECK(context_value(c, &key) == &key);
    context_free(c);
    context_free(value);
    context_free(parent);
}

/* ---- what panics ---- */

static char text[128];

static void keep_text(void *unused)
{
    (void)unused;
    CHECK(runtime_recover(text, sizeof text));
}

static void without_parent(void *kind)
{
    runtime_defer(keep_text, NULL);
    child_of(NULL, (int)(intptr_t)kind);
}

static void without_key(void *parent)
{
    runtime_defer(keep_text, NULL);
    context_with_value(parent, NULL, NULL);
}

static void no_parent_and_no_key_panic_in_gos_words(void)
{
    for (intptr_t kind = 0; kind < 4; kind++) {
        text[0] = '\0';
        apart(without_parent, (void *)kind);
        CHECK(strcmp(text, "cannot create context from nil parent") == 0);
    }
    apart(without_key, context_background());
    CHECK(strcmp(text, "nil key") == 0);
    apart(without_key, NULL);
    CHECK(strcmp(text, "cannot create context from nil parent") == 0);
}

static void cancel_nothing(void *unused)
{
    (void)unused;
    runtime_defer(keep_text, NULL);
    context_cancel(NULL);
}

static void a_null_context_is_a_nil_pointer(void)
{
    apart(cancel_nothing, NULL);
    CHECK(strstr(text, "nil pointer dereference") != NULL);
}

/* ---- no memory ---- */
#if !defined(PINION_HOST) /* whose malloc has more than we ask for */

/* Takes blocks of a size until there is none; they are linked. */
static void **take_all(void **last, size_t size)
{
    for (void **p; (p = malloc(size)) != NULL; last = p)
        *p = last;
    return last;
}

static void **give_one_back(void **last)
{
    void **next = *last;
    free(last);
    return next;
}

/* With memory for nothing, then for one small block, two … until it works. */
static void without_memory(void *kind_)
{
    int kind = (int)(intptr_t)kind_, failed = 0;
    char volatile room[24 << 10]; /* of stack, while there is some */
    for (size_t i = 0; i < sizeof room; i += 1024)
        room[i] = 0;
    context *top = root(0), *sibling = child_of(top, 1), *c = NULL;
    for (int i = 0; i < 3; i++)
        pool_trim(); /* of timers that are not in use */
    void **last = NULL;
    /* Each class of malloc's has to be empty, not only memory. */
    for (size_t size = 8 << 20; size >= 16; size = size > 1024 ? size / 2 : size - 16)
        last = take_all(last, size);
    while (c == NULL) {
        errno = 0;
        c = kind == 0   ? context_with_cancel(top)
            : kind == 1 ? context_with_timeout(top, HOUR)
                        : context_with_value(top, &failed, &failed);
        if (c == NULL) {
            CHECK_EQ(errno, ENOMEM);
            failed++;
            last = give_one_back(last);
        }
    }
    context_cancel(top); /* takes none */
    CHECK_EQ(state(sibling), CANCELED);
    CHECK_EQ(state(c), CANCELED);
    context_free(top);
    context_free(c);
    while (last != NULL)
        last = give_one_back(last);
    context_free(sibling);
    CHECK(failed > 0);
}

static void without_memory_there_is_enomem_and_nothing_is_lost(void)
{
    int before = timers_set_at_rest();
    for (intptr_t kind = 0; kind < 3; kind++) {
        without_memory((void *)kind);
        CHECK_EQ(timers_set_at_rest(), before);
    }
}
#endif

int main(void)
{
    RUN(the_background_never_ends_and_has_nothing);
    RUN(a_context_is_cancelled_once_and_says_so);
    RUN(cancel_wakes_all_who_wait);
    RUN(a_child_of_a_cancelled_parent_is_cancelled_from_birth);
    RUN(a_timeout_cancels_and_not_early);
    RUN(a_deadline_that_is_past_cancels_at_once);
    RUN(a_later_deadline_keeps_the_parents);
    RUN(an_earlier_deadline_does_not_cancel_the_parent);
    RUN(deadlines_do_not_overflow);
    RUN(a_cancelled_timeout_leaves_no_timer);
    RUN(values_are_found_by_the_keys_address_nearest_first);
    RUN(a_context_with_a_value_is_cancelled_as_any_other);
    RUN(no_parent_and_no_key_panic_in_gos_words);
    RUN(a_null_context_is_a_nil_pointer);
#if !defined(PINION_HOST)
    RUN(without_memory_there_is_enomem_and_nothing_is_lost);
#endif
    return 0;
}
