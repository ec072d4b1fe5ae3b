/*
 * context: contexts cancelled, timed out, freed and born at the same time, by many goroutines that
 * yield at random; with what must hold checked from inside, and the memory at the end.
 */
#include <string.h>
#include "level.h"
#include "sched/pool.h"

#define WORKERS 12

static long rounds;
static _Atomic long made, exceeded, born_dead, woken;

static uint32_t seed_of(intptr_t which)
{
    static _Atomic uint32_t run;
    return (++run * 977 + (uint32_t)which) * 2654435761u | 1;
}

static void spawn(waitgroup *over, void (*fn)(void *), void *arg)
{
    CHECK(waitgroup_go(over, fn, arg) > 0, "waitgroup_go failed");
}

static void all(void (*fn)(void *))
{
    static waitgroup over;
    for (intptr_t i = 0; i < WORKERS; i++)
        spawn(&over, fn, (void *)i);
    waitgroup_wait(&over);
}

static void dawdle(uint32_t *rng)
{
    switch (random_below(rng, 8)) {
    case 0: time_sleep(random_below(rng, 60 * MICROSECOND)); break;
    case 1: spin_for_loops(random_below(rng, 20000)); break;
    case 2: runtime_gosched(); break;
    }
}

/* Is it over? Then done must say so too; and must not, asked before, if it is not. */
static bool is_over(context *c)
{
    bool done = chan_try_recv(context_done(c), NULL, NULL);
    const char *err = context_err(c);
    CHECK(!done || err != NULL, "done is closed and err is NULL");
    CHECK(err == NULL || chan_try_recv(context_done(c), NULL, NULL), "err is %s, done open", err);
    return err != NULL;
}

/* A child of any kind; timeouts of up to 2^bits ns. */
static context *child_of(context *parent, uint32_t *rng, unsigned bits)
{
    uint32_t kind = random_below(rng, 4);
    context *c = kind == 0   ? context_with_cancel(parent)
                 : kind == 1 ? context_with_value(parent, &rounds, parent)
                 : kind == 2 ? context_with_timeout(parent, random_skewed(rng, bits))
                             : context_with_deadline(parent, time_now() + HOUR);
    CHECK(c != NULL, "no memory");
    made++;
    return c;
}

/* ---- a cancel against a timeout ---- */

static void wait_for_end(void *c)
{
    CHECK(!chan_recv(context_done(c), NULL), "an element came through done");
    CHECK(context_err(c) != NULL, "done is closed and err is NULL");
    woken++;
}

static void cancel_against_timeout(void *which)
{
    uint32_t rng = seed_of((intptr_t)which);
    for (long i = 0; i < rounds; i++) {
        waitgroup over = {0};
        int64_t when = 0;
        context *parent = random_below(&rng, 2) == 0 ? context_with_cancel(context_background())
                                                     : context_background();
        context *c = context_with_timeout(parent, random_below(&rng, 60 * MICROSECOND));
        CHECK(parent != NULL && c != NULL, "no memory");
        made += 2;
        if (random_below(&rng, 4) == 0)
            spawn(&over, wait_for_end, c);
        dawdle(&rng);
        switch (random_below(&rng, 4)) {
        case 0: context_cancel(parent); break;
        case 1: chan_recv(context_done(c), NULL); break;
        }
        context_cancel(c);
        const char *err = context_err(c);
        CHECK(is_over(c), "cancelled, and not over");
        CHECK(context_deadline(c, &when), "a timeout has no deadline");
        if (strcmp(err, "context deadline exceeded") == 0) {
            CHECK(time_now() >= when, "exceeded %lld ns early", (long long)(when - time_now()));
            exceeded++;
        }
        waitgroup_wait(&over);
        CHECK(context_err(c) == err, "was %s, is %s", err, context_err(c));
        context_free(c); /* at once: whoever still had it in hand would show */
        context_free(parent);
    }
}

/* ---- births and frees against a cancel of what is above ---- */

#define FAMILY 6

static context *top;
static long told; /* written before the cancel, read by who sees it */

static void live_below_top(uint32_t *rng, long round)
{
    context *c[FAMILY];
    for (uint32_t i = 0; i < FAMILY; i++) {
        context *parent = i == 0 ? top : c[random_below(rng, i)];
        bool over = is_over(parent);
        c[i] = child_of(parent, rng, 17);
        CHECK(!over || is_over(c[i]), "born alive below what was over");
        born_dead += over;
        dawdle(rng);
    }
    if (is_over(top))
        CHECK(told == round, "the cancel is seen, what came before it not");
    uint32_t first = random_below(rng, FAMILY);
    if (random_below(rng, 2) == 0)
        context_cancel(c[first]);
    for (uint32_t i = 0; i < FAMILY; i++)
        context_free(c[(first + 5 * i) % FAMILY]); /* one after the other, or downwards */
}

static long round_now;

static void live_until_the_end(void *which)
{
    uint32_t rng = seed_of((intptr_t)which);
    for (int after = 0; after < 2; after += is_over(top)) /* and a little longer */
        live_below_top(&rng, round_now);
}

static void births_against_cancel(void)
{
    uint32_t rng = seed_of(0);
    for (round_now = 1; round_now <= rounds / 8 + 1; round_now++) {
        waitgroup over = {0};
        context *above = context_with_cancel(context_background());
        CHECK(above != NULL, "no memory");
        top = child_of(above, &rng, 20);
        told = round_now; /* top may time out */
        for (intptr_t i = 0; i < WORKERS; i++)
            spawn(&over, live_until_the_end, (void *)i);
        for (uint32_t i = random_below(&rng, 6); i > 0; i--)
            dawdle(&rng);
        context_free(above);
        CHECK(is_over(top), "what is above was freed");
        waitgroup_wait(&over);
        context_free(top);
    }
}

/* ---- cancels of all parts of a tree, and of all that wait in it ---- */

#define NODES 240

static struct {
    context *c;
    int parent; /* -1: none */
} tree[NODES];
static _Atomic int next_free;
static uint32_t stride;

static bool is_below(int i, int above)
{
    while (i > above)
        i = tree[i].parent;
    return i == above;
}

static void cancel_parts(void *which)
{
    uint32_t rng = seed_of((intptr_t)which);
    for (int n = 0; n < 4; n++) {
        int k = 1 + (int)random_below(&rng, NODES - 1);
        context_cancel(tree[k].c);
        for (int i = k; i < NODES; i++)
            CHECK(!is_below(i, k) || is_over(tree[i].c), "%d is cancelled, %d below it not", k, i);
    }
    if (which == NULL)
        context_cancel(tree[0].c);
}

static void select_two_ends(void *which)
{
    uint32_t rng = seed_of((intptr_t)which);
    int a = (int)random_below(&rng, NODES), b = (int)random_below(&rng, NODES);
    struct select_case cases[] = {{context_done(tree[a].c), SELECT_RECV, NULL, true},
                                  {context_done(tree[b].c), SELECT_RECV, NULL, true}};
    int k = chan_select(cases, 2, true);
    CHECK(!cases[k].ok && is_over(tree[k == 0 ? a : b].c), "woken for nothing");
    woken++;
}

static void free_parts(void *unused)
{
    (void)unused;
    for (uint32_t i; (i = (uint32_t)next_free++) < NODES;)
        context_free(tree[i * stride % NODES].c);
}

static void trees_from_all_sides(void)
{
    static const uint32_t strides[] = {1, NODES - 1, 7, 77, 113};
    uint32_t rng = seed_of(1);
    for (long round = 0; round < rounds / 8 + 1; round++) {
        waitgroup waiting = {0};
        for (int i = 0; i < NODES; i++) {
            int reach = round % 3 == 0 ? 1 : round % 3 == 1 ? 8 : NODES;
            reach = reach < i ? reach : i;
            tree[i].parent = i == 0 ? -1 : i - 1 - (int)random_below(&rng, (uint32_t)reach);
            tree[i].c = child_of(i > 0 ? tree[tree[i].parent].c : context_background(), &rng, 30);
        }
        for (intptr_t i = 0; i < WORKERS; i++)
            spawn(&waiting, select_two_ends, (void *)i);
        dawdle(&rng);
        all(cancel_parts);
        waitgroup_wait(&waiting);
        next_free = 0;
        stride = strides[random_below(&rng, 5)];
        all(free_parts);
    }
}

/* ---- a long chain: its head is cancelled while its tail is freed ---- */

#define CHAIN 10000

static context *chain[CHAIN];
static _Atomic int freed_to;

static void free_tail(void *unused)
{
    (void)unused;
    for (int i = CHAIN; i-- > CHAIN / 2;) {
        context_free(chain[i]);
        freed_to = i;
    }
}

static void a_chain_from_both_ends(void)
{
    for (int turn = 0; turn < 4; turn++) {
        waitgroup over = {0};
        for (int i = 0; i < CHAIN; i++) {
            context *parent = i > 0 ? chain[i - 1] : context_background();
            chain[i] = i % 100 == 50 ? context_with_timeout(parent, 20 * MILLISECOND)
                                     : context_with_cancel(parent);
            CHECK(chain[i] != NULL, "no memory");
        }
        made += CHAIN;
        freed_to = CHAIN;
        spawn(&over, free_tail, NULL);
        if (turn % 2 == 0)
            while (freed_to > CHAIN - CHAIN / 8)
                runtime_gosched();
        context_cancel(chain[0]);
        for (int i = 0; i < CHAIN / 2; i++)
            CHECK(is_over(chain[i]), "%d in the chain is not over", i);
        waitgroup_wait(&over);
        for (int i = 0; i < CHAIN / 2; i++)
            context_free(chain[turn < 2 ? i : CHAIN / 2 - 1 - i]);
    }
}

static void everything(void)
{
    all(cancel_against_timeout);
    births_against_cancel();
    trees_from_all_sides();
    a_chain_from_both_ends();
}

/* Free pages when all pools are empty and no timer is left. */
static size_t at_rest(void)
{
    level_trim(); /* waits for the goroutines of timers too, which leave something to trim */
    for (int i = 0; i < 3; i++)
        pool_trim();
    size_t pages = level_free();
    for (uint32_t i = 0; i < sched.n_p; i++)
        CHECK(timers_none_but(sched.p[i], &pool_timer), "P%lu has timers left", (unsigned long)i);
    return pages;
}

int main(int argc, char **argv)
{
    rounds = stress_size(argc, argv, 200);
    void *volatile heap = malloc(8 << 20); /* more than is ever in use; volatile: see level.h */
    free(heap);
    level_warm_up(512);
    everything();
    size_t before = at_rest();
    everything();
    size_t after = at_rest();
    CHECK(level_same(before, after), "%zu pages free, were %zu", after, before);
    CHECK(exceeded > 0 && born_dead > 0 && woken > 0, "%ld exceeded, %ld born dead, %ld woken",
          (long)exceeded, (long)born_dead, (long)woken);
    fprintf(stderr, "%ld made, %ld exceeded, %ld born dead, %ld woken\n", (long)made,
            (long)exceeded, (long)born_dead, (long)woken);
    return 0;
}
