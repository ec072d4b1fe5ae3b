/*
 * deeds: goroutines that do everything else there is to do, one thing after the other, in an order of
 * their own: trees of goroutines, mutexes, rwmutexes, conds, semaphores, memory, arenas, timers, sleep,
 * harts of one's own, blocking sections, deep stacks, panics, pinned goroutines; and one that changes
 * gomaxprocs.
 */
#include <malloc.h>
#include <string.h>
#include "soak.h"

#define BLOCKS 8

struct worker {
    uint32_t rng, seed;
    struct block {
        uint32_t *at;
        size_t words;
    } block[BLOCKS];
};

/* ---- trees, and goroutines that end otherwise than by return */

struct branch {
    waitgroup *wg;
    int depth;
};

static void branch(void *arg)
{
    struct branch *b = arg, below = {&(waitgroup){0}, b->depth - 1};
    for (int i = 0; b->depth > 0 && i < 3; i++) {
        waitgroup_add(below.wg, 1);
        start(NULL, branch, &below);
    }
    waitgroup_wait(below.wg);
    waitgroup_done(b->wg);
    leave();
}

static void do_tree(struct worker *w)
{
    struct branch root = {&(waitgroup){0}, 1 + (int)random_below(&w->rng, 3)};
    waitgroup_add(root.wg, 1);
    start(NULL, branch, &root);
    waitgroup_wait(root.wg);
}

static void recover_and_leave(void *wg)
{
    char said[32];
    CHECK(runtime_recover(said, sizeof(said)) && strcmp(said, "soak") == 0, "no panic: %s", said);
    waitgroup_done(wg);
    leave();
}

static void panics(void *wg)
{
    runtime_defer(recover_and_leave, wg);
    runtime_panic("soak");
}

static void do_panic(struct worker *w)
{
    waitgroup wg = {0};
    (void)w;
    waitgroup_add(&wg, 1);
    start(NULL, panics, &wg);
    waitgroup_wait(&wg);
}

struct pinned {
    waitgroup *wg;
    uint32_t p;
};

static void stays(void *arg)
{
    struct pinned *p = arg;
    runtime_gosched();
    waitgroup_done(p->wg);
    leave();
}

static void do_pinned(struct worker *w)
{
    struct pinned p = {&(waitgroup){0}, random_below(&w->rng, (uint32_t)runtime_numcpu())};
    struct go_attr attr = {.name = "pinned", .affinity = UINT64_C(1) << p.p};
    waitgroup_add(p.wg, 1);
    start(&attr, stays, &p);
    waitgroup_wait(p.wg);
}

/* ---- locks */

static struct {
    mutex mu;
    volatile long inside, twin; /* mu */
    rwmutex rw;
    volatile long left, right; /* rw */
    cond filled, drained;      /* of store, its l */
    mutex store_mu;
    long store; /* store_mu */
    semaphore permits;
} shared;
#define STORE_MAX   4
#define PERMITS_MAX 5

static void do_mutex(struct worker *w)
{
    mutex_lock(&shared.mu);
    long was = shared.inside;
    CHECK(shared.twin == was, "two in one mutex: %ld and %ld", was, shared.twin);
    if (random_below(&w->rng, 16) == 0)
        runtime_gosched();
    shared.inside = was + 1;
    shared.twin = was + 1;
    mutex_unlock(&shared.mu);
    count(&n.locks, 1);
}

static void do_rwmutex(struct worker *w)
{
    if (random_below(&w->rng, 4) > 0) {
        rwmutex_rlock(&shared.rw);
        CHECK(shared.left == shared.right, "a reader beside a writer: %ld and %ld", shared.left,
              shared.right);
        rwmutex_runlock(&shared.rw);
        return;
    }
    rwmutex_lock(&shared.rw);
    shared.left++;
    spin_for_loops(random_below(&w->rng, 50));
    shared.right++;
    rwmutex_unlock(&shared.rw);
}

/* One puts and takes, so none waits for ever. */
static void do_cond(struct worker *w)
{
    (void)w;
    mutex_lock(&shared.store_mu);
    while (shared.store == STORE_MAX)
        cond_wait(&shared.drained);
    shared.store++;
    count(&n.puts, 1);
    cond_signal(&shared.filled);
    while (shared.store == 0)
        cond_wait(&shared.filled);
    shared.store--;
    count(&n.takes, 1);
    cond_signal(&shared.drained);
    mutex_unlock(&shared.store_mu);
}

static void do_semaphore(struct worker *w)
{
    long want = 1 + (long)random_below(&w->rng, PERMITS_MAX);
    semaphore_acquire(&shared.permits, want);
    count(&n.permits, want);
    long held = atomic_load_explicit(&n.permits, memory_order_relaxed); /* relaxed: a count */
    CHECK(held <= PERMITS_MAX, "%ld permits are out of %d", held, PERMITS_MAX);
    count(&n.permits, -want);
    semaphore_release(&shared.permits, want);
}

/* ---- time */

static void do_sleep(struct worker *w)
{
    int64_t d = 1 + random_skewed(&w->rng, 20), from = time_now();
    time_sleep(d);
    CHECK(time_now() - from >= d, "a sleep of %lld ns ended early", (long long)d);
}

static void fired(void *wg)
{
    count(&n.spawned, 1);
    waitgroup_done(wg);
    leave();
}

static void do_timer(struct worker *w)
{
    waitgroup wg = {0};
    waitgroup_add(&wg, 1);
    timer *t = time_after_func(random_skewed(&w->rng, 18), fired, &wg);
    CHECK(t != NULL, "no memory for a timer");
    if (random_below(&w->rng, 2) == 0)
        runtime_gosched();
    if (random_below(&w->rng, 2) == 0 && timer_stop(t))
        waitgroup_done(&wg);
    waitgroup_wait(&wg);
    timer_free(t);
}

static void do_ticker(struct worker *w)
{
    ticker *t = time_new_ticker(20 * MICROSECOND + random_skewed(&w->rng, 17));
    int64_t last = 0, now;
    CHECK(t != NULL, "no memory for a ticker");
    for (uint32_t i = random_below(&w->rng, 4); i > 0; i--, last = now) {
        CHECK(chan_recv(t->c, &now), "a ticker's channel is closed");
        CHECK(now > last, "a tick at %lld after one at %lld", (long long)now, (long long)last);
    }
    ticker_stop(t);
    ticker_free(t);
}

static void do_context(struct worker *w)
{
    context *top = context_with_cancel(context_background());
    context *c = context_with_timeout(top, random_skewed(&w->rng, 18));
    CHECK(top != NULL && c != NULL, "no memory for a context");
    if (random_below(&w->rng, 2) == 0)
        context_cancel(top);
    chan_recv(context_done(c), NULL);
    CHECK(context_err(c) != NULL, "a context is done and has no cause");
    context_free(c);
    context_free(top);
}

/* ---- memory */

static void block_drop(struct block *b)
{
    for (size_t i = 0; i < b->words; i++)
        CHECK(b->at[i] == (uint32_t)(b->words + i), "memory was written to by somebody else");
    count(&n.blocks, -1);
    count(&n.bytes, -(long)(b->words * sizeof(*b->at)));
    free(b->at);
    b->at = NULL;
}

static void do_malloc(struct worker *w)
{
    struct block *b = &w->block[random_below(&w->rng, BLOCKS)];
    if (b->at != NULL) {
        block_drop(b);
        return;
    }
    b->words = 1 + random_skewed(&w->rng, random_below(&w->rng, 20) == 0 ? 16 : 9);
    b->at = malloc(b->words * sizeof(*b->at));
    CHECK(b->at != NULL, "malloc of %lu words", (unsigned long)b->words);
    for (size_t i = 0; i < b->words; i++)
        b->at[i] = (uint32_t)(b->words + i);
    count(&n.blocks, 1);
    count(&n.bytes, (long)(b->words * sizeof(*b->at)));
}

static void do_arena(struct worker *w)
{
    arena *a = arena_new();
    CHECK(a != NULL, "no memory for an arena");
    for (uint32_t i = random_below(&w->rng, 30); i > 0; i--) {
        size_t size = 8 + random_skewed(&w->rng, 11);
        unsigned char *x = arena_alloc(a, size);
        CHECK(x != NULL && x[0] == 0 && x[size - 1] == 0, "an arena's piece is not zero");
        memset(x, 0xa5, size);
    }
    arena_free(a);
}

/* All that is kept for later goes back to the page heap. */
static void do_trim(struct worker *w)
{
    if (random_below(&w->rng, 16) == 0)
        malloc_trim(0);
}

static __attribute__((noinline)) uint32_t dig(uint32_t depth, uint32_t mark)
{
    volatile uint32_t here[64];
    for (uint32_t i = 0; i < 64; i++)
        here[i] = mark + i;
    uint32_t below = depth == 0 ? 0 : dig(depth - 1, mark * 31 + 7);
    for (uint32_t i = 0; i < 64; i++)
        CHECK(here[i] == mark + i, "a stack was overwritten at depth %lu", (unsigned long)depth);
    return below + 1;
}

static void do_dig(struct worker *w)
{
    uint32_t depth = random_skewed(&w->rng, 8) % 130;
    CHECK(dig(depth, w->rng) == depth + 1, "came up at another depth");
}

/* ---- harts and Ps */

static void do_wired(struct worker *w)
{
    runtime_lock_os_thread();
    int hart = runtime_hart();
    for (uint32_t i = random_below(&w->rng, 3); i > 0; i--)
        runtime_gosched();
    if (random_below(&w->rng, 2) == 0)
        time_sleep(1 + random_skewed(&w->rng, 14));
    /* The last hart that is nobody's is not given away (docs/caveats.md): then it may move. */
    CHECK(runtime_hart() == hart || (g_self()->flags & GF_WIRED) == 0,
          "locked to hart %d, and on another", hart);
    runtime_unlock_os_thread();
}

static void do_section(struct worker *w)
{
    int64_t until = time_now() + random_skewed(&w->rng, 16);
    runtime_entersyscall();
    while (time_now() < until)
        continue;
    runtime_exitsyscall();
}

static void do_yield(struct worker *w)
{
    for (uint32_t i = random_below(&w->rng, 8); i > 0; i--)
        runtime_gosched();
}

static void do_spin(struct worker *w)
{
    spin_for_loops(random_skewed(&w->rng, 18));
}

static void (*const deeds[])(struct worker *) = {
    do_tree,  do_panic, do_pinned, do_mutex,   do_mutex, do_rwmutex, do_cond,
    do_sleep, do_timer, do_ticker, do_context, do_trim,  do_malloc,  do_malloc,
    do_arena, do_dig,   do_wired,  do_section, do_yield, do_spin,    do_semaphore,
};

static void worker(void *seed)
{
    struct worker w = {.rng = (uint32_t)(uintptr_t)seed};
    while (gate_pass()) {
        deeds[random_below(&w.rng, sizeof(deeds) / sizeof(deeds[0]))](&w);
        count(&n.deeds, 1);
    }
    for (int i = 0; i < BLOCKS; i++)
        if (w.block[i].at != NULL)
            block_drop(&w.block[i]);
    leave();
}

/* Changes the number of Ps; the last is all. */
static void changer(void *seed)
{
    uint32_t rng = (uint32_t)(uintptr_t)seed, harts = (uint32_t)runtime_numcpu();
    while (gate_pass()) {
        time_sleep(10 * MILLISECOND + random_skewed(&rng, 24));
        uint32_t want = 1 + random_below(&rng, harts);
        runtime_gomaxprocs((int)want);
    }
    runtime_gomaxprocs((int)harts);
    leave();
}

void deeds_start(uint32_t seed)
{
    semaphore_init(&shared.permits, PERMITS_MAX);
    shared.filled.l = shared.drained.l = &shared.store_mu;
    for (uint32_t i = 0; i < WORKERS; i++)
        start(NULL, worker, (void *)(uintptr_t)(seed + i * 2654435761u + 1));
    start(NULL, changer, (void *)(uintptr_t)(seed | 1));
}

void deeds_check(void)
{
    CHECK(shared.inside == n.locks && shared.twin == n.locks, "%ld locks, and %ld were counted",
          shared.inside, (long)n.locks);
    CHECK(shared.left == shared.right, "writers: %ld and %ld", shared.left, shared.right);
    CHECK(shared.store == n.puts - n.takes, "%ld put, %ld taken, %ld left", (long)n.puts,
          (long)n.takes, shared.store);
    CHECK(n.permits == 0, "%ld permits are out at rest", (long)n.permits);
    CHECK(semaphore_try_acquire(&shared.permits, PERMITS_MAX), "permits are missing at rest");
    semaphore_release(&shared.permits, PERMITS_MAX);
}
