// link: -Wl,--wrap=page_alloc,--wrap=page_alloc_run,--wrap=page_alloc_aligned,--wrap=page_extend_run,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=memalign,--wrap=aligned_alloc,--wrap=free,--wrap=heap_malloc,--wrap=heap_calloc,--wrap=heap_realloc,--wrap=heap_aligned,--wrap=heap_free
/*
 * arena_owner_test: arenas that go with their goroutine, and those that are handed on.
 */
#include "arenas.h"

/* ---- the owner ---- */

static arena *kept; /* NULL: text is not in one */
static char *text;
static int uses;

static void keep_text(arena *a)
{
    kept = a;
    text = strcpy(arena_alloc(a, 20), "still there");
}

static void use_text(void *unused)
{
    (void)unused;
    CHECK(kept == NULL || arena_size(kept) > 0); /* panics if it is gone */
    CHECK_STR(text, "still there");
    uses++;
}

static void use_text_and_recover(void *unused)
{
    use_text(unused);
    CHECK(runtime_recover(NULL, 0));
}

static void use_text_and_end(void *unused)
{
    use_text(unused);
    runtime_goexit();
}

static void use_text_and_panic(void *unused)
{
    use_text(unused);
    runtime_panic("another");
}

static void *volatile nowhere;

static void own_and_end(void *way_)
{
    int way = (int)(intptr_t)way_;
    runtime_defer(way >= 2 && way <= 4 ? use_text_and_recover : use_text, NULL);
    arena *a = new_arena(), *b = new_arena();
    once by_once = {0}; /* which has a deferred call of its own meanwhile */
    once_do(&by_once, own_it, a);
    arena_own(b);
    runtime_defer(use_text, NULL);
    if (way == 4)
        runtime_defer(use_text_and_panic, NULL);
    if (way == 5)
        runtime_defer(use_text_and_end, NULL);
    keep_text(a);
    for (int i = 0; i < 1000; i++)
        memset(arena_alloc(i % 3 == 0 ? b : a, 200), 1, 200);
    if (way == 1)
        runtime_goexit();
    if (way == 2 || way == 4)
        runtime_panic("one");
    if (way == 3)
        *(volatile int *)nowhere = 1;
    if (way == 5)
        runtime_panic("is ended by goexit");
}

/* 0: return, 1: goexit, 2: panic, 3: fault, 4: a panic in a panic's deferred call, 5: goexit in one. */
static void an_owned_arena_goes_with_its_goroutine_after_its_deferred_calls(void)
{
    static const int calls[] = {2, 2, 2, 2, 3, 3};
    apart(own_and_end, NULL);
    long before = faults.blocks;
    for (intptr_t way = 0; way < 6; way++) {
        uses = 0;
        apart(own_and_end, (void *)way);
        CHECK_EQ(uses, calls[way]);
        CHECK_EQ(faults.blocks, before);
    }
}

static void own_in_deferred_call(void *unused)
{
    (void)unused;
    arena *a = new_arena();
    arena_own(a);
    keep_text(a);
}

/* The one made in a deferred call outlives those that were deferred before. */
static void defer_what_owns(void *unused)
{
    runtime_defer(use_text, NULL);
    arena_own(new_arena());
    runtime_defer(own_in_deferred_call, unused);
}

static void a_deferred_call_may_own_one_too(void)
{
    long before = faults.blocks;
    uses = 0;
    apart(defer_what_owns, NULL);
    CHECK_EQ(uses, 1);
    CHECK_EQ(faults.blocks, before);
}

#define MANY 60

/* Owns, gives up and frees in an order by seed, calls deferred in between. */
static void own_many(void *seed_)
{
    unsigned seed = (unsigned)(uintptr_t)seed_;
    arena *a[MANY] = {0};
    runtime_defer(use_text, NULL);
    for (int i = 0; i < 1000; i++) {
        arena **at = &a[random_below(&seed, MANY)];
        unsigned what = random_below(&seed, 8);
        if (*at == NULL)
            *at = new_arena();
        take(*at, some_size(&seed), 1);
        if (what == 0 || what == 1) {
            arena_free(*at);
            *at = NULL;
        } else if (what == 2) {
            arena_disown(*at);
        } else if (what == 3 && i % 10 == 0) {
            runtime_defer(use_text, NULL);
            uses--; /* which it makes good */
        } else {
            arena_own(*at);
        }
    }
    for (int i = 0; i < MANY; i++)
        if (a[i] != NULL && i % 2 == 0)
            arena_free(a[i]);
        else if (a[i] != NULL)
            arena_own(a[i]);
}

static void arenas_are_owned_given_up_and_freed_in_any_order(void)
{
    char words[] = "still there";
    text = words;
    kept = NULL;
    uses = 0;
    apart(own_many, (void *)1);
    long before = faults.blocks;
    uses = 0;
    for (intptr_t seed = 1; seed <= 20; seed++)
        apart(own_many, (void *)seed);
    CHECK_EQ(uses, 20); /* all calls have run */
    CHECK_EQ(faults.blocks, before);
}

/* ---- handed on ---- */

static void receive_own_and_use(void *c)
{
    arena *a;
    CHECK(chan_recv(c, &a));
    arena_own(a);
    CHECK_STR(text, "still there");
    take(a, 5000, 1);
}

static void hand_over(void *c)
{
    arena *a = new_arena();
    arena_own(a);
    text = strcpy(arena_alloc(a, 20), "still there");
    arena_disown(a);
    chan_send(c, &a);
}

static void an_arena_may_be_handed_to_another_owner(void)
{
    chan *c = chan_make(sizeof(arena *), 0);
    long before = faults.blocks;
    for (int i = 0; i < 100; i++) {
        waitgroup over = {0};
        CHECK(waitgroup_go(&over, receive_own_and_use, c) > 0);
        CHECK(waitgroup_go(&over, hand_over, c) > 0);
        waitgroup_wait(&over);
        CHECK_EQ(faults.blocks, before);
    }
    chan_free(c);
}

#define STATIONS 16
#define LAPS     40
#define IN_RING  (3 * STATIONS)

struct traveller {
    arena *a;
    struct piece p[STATIONS * LAPS];
    unsigned n;
};

static chan *ring[STATIONS];

/* Each adds to all that come by, and hands them on. The last lap's end is the last one's. */
static void station(void *me_)
{
    intptr_t me = (intptr_t)me_;
    for (int i = 0; i < LAPS * IN_RING; i++) {
        struct traveller *t;
        CHECK(chan_recv(ring[me], &t));
        arena_own(t->a);
        t->p[t->n] = take(t->a, t->n * 7 % 300, t->n);
        t->n++;
        arena_disown(t->a);
        chan_send(ring[(me + 1) % STATIONS], &t);
    }
}

static void start_in_the_ring(void *unused)
{
    (void)unused;
    for (int i = 0; i < IN_RING; i++) {
        arena *a = new_arena();
        struct traveller *t = arena_alloc(a, sizeof(*t)); /* in its own arena */
        t->a = a;
        chan_send(ring[0], &t);
    }
}

static void arenas_pass_through_many_hands(void)
{
    long before = faults.blocks;
    for (int i = 0; i < STATIONS; i++)
        CHECK((ring[i] = chan_make(sizeof(void *), 2 * IN_RING)) != NULL);
    start_in_the_ring(NULL);
    in_parallel(STATIONS, station);
    for (int i = 0; i < IN_RING; i++) {
        struct traveller *t;
        CHECK(chan_recv(ring[0], &t));
        CHECK_EQ(t->n, STATIONS * LAPS);
        look(t->p, t->n);
        arena_free(t->a);
    }
    for (int i = 0; i < STATIONS; i++)
        chan_free(ring[i]);
    CHECK_EQ(faults.blocks, before);
}

/* A request: some of them leave the arena to their end. */
static void serve(void *i_)
{
    struct piece p[30];
    unsigned seed = (unsigned)(uintptr_t)i_ * 7919 + 1;
    arena *a = new_arena();
    arena_own(a);
    for (unsigned i = 0; i < 30; i++) {
        p[i] = take(a, some_size(&seed) / 4, i);
        if (i % 8 == 0)
            runtime_gosched();
    }
    look(p, 30);
    if (random_below(&seed, 2) == 0)
        arena_free(a);
    else if (random_below(&seed, 2) == 0)
        runtime_goexit();
}

static void thousands_of_goroutines_have_their_own(void)
{
    long before = faults.blocks;
    for (int round = 0; round < 5; round++) {
        in_parallel(400, serve);
        CHECK_EQ(faults.blocks, before);
    }
}

int main(void)
{
    RUN(an_owned_arena_goes_with_its_goroutine_after_its_deferred_calls);
    RUN(a_deferred_call_may_own_one_too);
    RUN(arenas_are_owned_given_up_and_freed_in_any_order);
    RUN(an_arena_may_be_handed_to_another_owner);
    RUN(arenas_pass_through_many_hands);
    RUN(thousands_of_goroutines_have_their_own);
    return 0;
}
