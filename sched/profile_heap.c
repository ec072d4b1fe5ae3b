/*
 * profile_heap: who allocates, and whose objects are still there.
 *
 * One object in so many bytes is looked at, `rate` on average: each P counts down the bytes that it
 * allocates, from a number drawn anew for each sample so that the bytes sampled are a Poisson process,
 * as in Go. Then an object of n bytes is sampled with a probability of 1 - e^(-n/rate), and who reads
 * the profile divides by it (tools/pinionprofile.py): that is why the size is part of what is counted.
 *
 *     a stack here: size, by, address, address …     counts: objects sampled; of these, freed
 *
 * A sampled object is remembered by address until it is freed: a table of chains. free looks at the
 * chain's head without a lock, and most often there is none:
 *
 *   P1  If x is sampled, whoever frees it sees its chain's head: x has come to him from the one who made
 *       it, by the program's own means, and with x what was written before malloc returned.
 *   P2  An object leaves its chain before its memory is free, so an address is there at most once.
 *
 * The innermost addresses of a stack are malloc's own, and who reads it leaves them out. `by`, where malloc
 * was called from, would tell where they end, but for its short way to note that takes a stack. Debug
 * images know it, and need it: there that way has a frame, but no frame pointer.
 *
 * What it costs. Off, nothing in malloc's and free's short ways: they look at their lists, and the
 * profile turns these lists off (cache_short_cuts), on all Ps, so that every request takes the long way
 * and finds `heap_watched` there. On, that long way is the price; it stays so to the end of the run,
 * since sampled objects are to be found when they are freed. What a hart without a P allocates is not
 * sampled, and what realloc adds to an object in place is not seen.
 */
#include "sched/profile_heap.h"
#include <errno.h>
#include <pinion/runtime.h>
#include "kernel/page.h"
#include "sched/cache.h"
#include "sched/proc.h"
#include "sched/profile.h"
#include "sched/world.h"

#define HEADS       4096u /* a power of two */
#define HEADS_PAGES (HEADS * sizeof(struct live *) / PAGE_SIZE)

struct live {
    struct live *next;
    const void *x;
    struct stack_count *made;
};

/* Owner of the P. */
static struct countdown {
    int64_t left; /* bytes */
    uint64_t rng;
} countdowns[64];

static _Atomic int64_t rate; /* bytes; 0: no more samples */

static struct spin lock; /* all below, but heads to read */
static struct stacks stacks;
static struct live *spare;
static struct live *_Atomic *heads; /* constant once heap_watched is set */

/* -ln(u) times rate, u random of (0, 1]. The logarithm to base 2 in 1/65536ths: its whole part by shifts,
 * then a bit for each squaring. */
static int64_t draw(struct countdown *c, int64_t mean)
{
    c->rng ^= c->rng << 13;
    c->rng ^= c->rng >> 7;
    c->rng ^= c->rng << 17;
    uint64_t x = c->rng >> 32 | 1;
    uint32_t log = 31;
    for (; x < UINT64_C(1) << 31; x <<= 1)
        log--;
    for (int i = 0; i < 16; i++) {
        x = x * x >> 31;
        log = log << 1 | (uint32_t)(x >> 32);
        x >>= x >> 32;
    }
    const uint64_t ln2 = 45426; /* 65536ths */
    return (int64_t)((((UINT64_C(32) << 16) - log) * ln2 >> 16) * (uint64_t)mean >> 16) + 1;
}

/* Preemption off. */
static bool is_due(const struct p *p, size_t size)
{
    struct countdown *c = &countdowns[p->id];
    int64_t mean = load_relaxed(&rate); /* relaxed: a number */
    c->left -= (int64_t)size;
    if (c->left > 0 || mean == 0)
        return false;
    c->left = draw(c, mean);
    return true;
}

static struct live *_Atomic *head_of(const void *x)
{
    return &heads[((uintptr_t)x >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> 52];
}
_Static_assert(HEADS == 1u << (64 - 52), "head_of takes the upper bits");

/* NULL: no memory. Locked. */
static struct live *live_new(void)
{
    if (spare == NULL) {
        struct live *page = page_alloc();
        for (size_t i = 0; page != NULL && i < PAGE_SIZE / sizeof(*page); i++) {
            page[i].next = spare;
            spare = &page[i];
        }
    }
    struct live *l = spare;
    if (l != NULL)
        spare = l->next;
    return l;
}

/* frame: heap_profile_malloc's. */
static void add_locked(const void *x, size_t size, uintptr_t by, uintptr_t frame)
{
    uintptr_t *pc = stacks_next(&stacks);
    struct live *l = live_new();
    if (l == NULL) {
        stacks.lost++;
        return;
    }
    l->x = x;
    pc[0] = size;
    pc[1] = by != 0 ? by - 1 : 0;
    l->made = stacks_count(&stacks, profile_callers(g_self(), frame, pc, 2), 1, 0);
    if (l->made == NULL) {
        l->next = spare;
        spare = l;
        return;
    }
    struct live *_Atomic *head = head_of(x);
    /* relaxed, both: P1; the lock for all others. */
    l->next = load_relaxed(head);
    store_relaxed(head, l); /* relaxed: as above */
}

void heap_profile_malloc(const void *x, size_t size, uintptr_t by)
{
    struct p *p = preempt_off()->p;
    if (p != NULL && is_due(p, size)) {
        spin_lock(&lock);
        add_locked(x, size, by, (uintptr_t)__builtin_frame_address(0));
        spin_unlock(&lock);
    }
    preempt_on();
}

static void remove_locked(struct live *_Atomic *head, const void *x)
{
    struct live *before = NULL, *l = load_relaxed(head); /* relaxed: the lock */
    for (; l != NULL && l->x != x; l = l->next)
        before = l;
    if (l == NULL)
        return;
    if (before != NULL)
        before->next = l->next;
    else
        store_relaxed(head, l->next); /* relaxed: the lock; who else looks has another object */
    l->made->count[1]++;
    l->next = spare;
    spare = l;
}

void heap_profile_free(const void *x)
{
    struct live *_Atomic *head = head_of(x);
    if (load_relaxed(head) == NULL) /* relaxed: P1 */
        return;
    preempt_off();
    spin_lock(&lock);
    remove_locked(head, x);
    spin_unlock(&lock);
    preempt_on();
}

/* ---- on, and out ---- */

static bool make_tables(void)
{
    struct live *_Atomic *made = page_alloc_run(HEADS_PAGES);
    if (made == NULL)
        return false;
    if (!stacks_make(&stacks, STACK_PROFILE_PAGES)) {
        page_free_run(made, HEADS_PAGES);
        return false;
    }
    for (uint32_t i = 0; i < HEADS; i++)
        store_relaxed(&made[i], NULL); /* relaxed: the world stands still */
    heads = made;
    return true;
}

/* The world is stopped. */
static bool begin(void)
{
    if (heap_watched)
        return true;
    if (!make_tables())
        return false;
    heap_watched = true;
    for (uint32_t i = 0; i < sched.n_m; i++) {
        countdowns[i].rng = UINT64_C(0x9e3779b97f4a7c15) * (i + 1);
        cache_short_cuts(sched.p[i]->cache, false);
    }
    return true;
}

int runtime_set_mem_profile_rate(int bytes)
{
    if (bytes < 0) {
        errno = EINVAL;
        return -1;
    }
    world_stop();
    bool done = bytes == 0 || begin();
    if (done) {
        store_relaxed(&rate, bytes); /* relaxed: the world stands still */
        for (uint32_t i = 0; i < sched.n_m && bytes != 0; i++)
            countdowns[i].left = draw(&countdowns[i], bytes);
    }
    world_start();
    if (!done)
        errno = ENOMEM;
    return done ? 0 : -1;
}

int heap_profile_write(void)
{
    return profile_write_copy("heap", &stacks, &lock, load_relaxed(&rate)); /* relaxed: a number */
}
