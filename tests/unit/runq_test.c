// with: sched/runq.c -DPINION_UNIT_TEST -pthread
/*
 * runq: the ring against a model; stealing; and with real threads, one owner, thieves and pushers:
 * every G is in exactly one hand (I1). runq_tsan_test.c runs the same under ThreadSanitizer,
 * runq_chaos_test.c with pauses in every window.
 */
#include "tests/unit/unit.h"
#include "tests/unit/sched_world.h"
#include "kernel/clock.h"
#include "sched/atomic.h"
#include "sched/global.h"
#include "sched/proc.h"

/* With CHAOS a thread may lose its turn after any load: windows of an instruction become wide. */
#ifdef CHAOS
#include <time.h>
static void chaos(void)
{
    static _Thread_local uint32_t rng;
    if (rng == 0)
        rng = (uint32_t)(uintptr_t)&rng | 1;
    uint32_t dice = world_random(&rng) % 4096;
    if (dice == 0)
        nanosleep(&(struct timespec){.tv_nsec = 1}, NULL);
    else if (dice < 200)
        for (volatile uint32_t n = dice; n > 0; n--)
            ;
}
#undef load_acquire
#undef load_relaxed
#define load_with_chaos(at, order)                                 \
    __extension__({                                                \
        __auto_type seen_chaos_ = atomic_load_explicit(at, order); \
        chaos();                                                   \
        seen_chaos_;                                               \
    })
#define load_acquire(at) load_with_chaos(at, memory_order_acquire)
#define load_relaxed(at) load_with_chaos(at, memory_order_relaxed)
#include "sched/runq.c"
#else
#include "sched/runq.h"
#endif

#ifndef OPS
#define OPS 6000000u /* of all threads of a test together, about */
#endif

/* ---- what runq.c calls ---- */

static _Atomic int64_t now; /* every look takes a microsecond */

int64_t clock_ns(void)
{
    return atomic_fetch_add(&now, 1000);
}

static struct g *global_first, *global_last;
static uint32_t global_n;
static pthread_mutex_t global_lock = PTHREAD_MUTEX_INITIALIZER;

void global_put_batch(struct g *first, struct g *last, uint32_t n)
{
    uint32_t counted = 1;
    for (struct g *g = first; g != last; g = g->link)
        counted++;
    CHECK_EQ(counted, n);
    pthread_mutex_lock(&global_lock);
    last->link = NULL;
    if (global_first == NULL)
        global_first = first;
    else
        global_last->link = first;
    global_last = last;
    global_n += n;
    pthread_mutex_unlock(&global_lock);
}

static struct g *global_take(void)
{
    pthread_mutex_lock(&global_lock);
    struct g *g = global_first;
    if (g != NULL) {
        global_first = g->link;
        global_n--;
    }
    pthread_mutex_unlock(&global_lock);
    return g;
}

/* ---- Gs and Ps ---- */

#define GS 2048
static struct g gs[GS];
static struct p ps[4];

static uint32_t number(const struct g *g)
{
    return (uint32_t)(g - gs);
}

/* All queues empty; ring numbers begin at `start`. */
static void reset(uint32_t start)
{
    memset(ps, 0, sizeof(ps));
    memset(gs, 0, sizeof(gs));
    for (int i = 0; i < 4; i++)
        ps[i].runq.ring.head = ps[i].runq.ring.tail = start;
    global_first = global_last = NULL;
    global_n = 0;
}

static const uint32_t starts[] = {0, 1, 0x7fffff80, UINT32_MAX - 255, UINT32_MAX - 3, UINT32_MAX};
#define STARTS (sizeof(starts) / sizeof(starts[0]))

static void fill(struct p *p, uint32_t from, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        CHECK(runq_put(&p->runq, &gs[from + i]));
}

/* ---- the owner alone ---- */

TEST(what_is_put_comes_out_in_order)
{
    for (size_t s = 0; s < STARTS; s++) {
        reset(starts[s]);
        fill(&ps[0], 0, RUNQ_SIZE);
        CHECK_EQ(runq_len(&ps[0].runq), RUNQ_SIZE);
        CHECK(!runq_put(&ps[0].runq, &gs[RUNQ_SIZE]));
        CHECK_EQ(runq_len(&ps[0].runq), RUNQ_SIZE);
        for (uint32_t i = 0; i < RUNQ_SIZE; i++)
            CHECK(runq_get(&ps[0].runq) == &gs[i]);
        CHECK(runq_get(&ps[0].runq) == NULL);
        CHECK(runq_empty(&ps[0].runq));
    }
}

TEST(the_257th_takes_the_older_half_to_the_global_queue)
{
    for (size_t s = 0; s < STARTS; s++) {
        reset(starts[s]);
        fill(&ps[0], 0, RUNQ_SIZE);
        runq_put_tail(&ps[0], &gs[RUNQ_SIZE]);
        CHECK_EQ(global_n, RUNQ_SIZE / 2 + 1);
        for (uint32_t i = 0; i < RUNQ_SIZE / 2; i++)
            CHECK(global_take() == &gs[i]);
        CHECK(global_take() == &gs[RUNQ_SIZE]);
        CHECK(global_take() == NULL);
        for (uint32_t i = RUNQ_SIZE / 2; i < RUNQ_SIZE; i++)
            CHECK(runq_get(&ps[0].runq) == &gs[i]);
        CHECK(runq_empty(&ps[0].runq));
    }
}

TEST(runnext_goes_first_and_kicks_the_last_one_to_the_tail)
{
    reset(UINT32_MAX - 1);
    fill(&ps[0], 0, 3);
    for (uint32_t i = 3; i < 6; i++)
        runq_put_next(&ps[0], &gs[i]);
    CHECK_EQ(runq_len(&ps[0].runq), 6);
    CHECK(runq_take_next(&ps[0].runq) == &gs[5]);
    CHECK(runq_take_next(&ps[0].runq) == NULL);
    for (uint32_t i = 0; i < 5; i++)
        CHECK(runq_get(&ps[0].runq) == &gs[i]);
    CHECK(runq_empty(&ps[0].runq));
}

/* A queue as one would write it without thinking. */
struct model {
    struct g *ring[RUNQ_SIZE], *next;
    uint32_t n;
};

static void model_put(struct model *m, struct g *g, struct g **out, uint32_t *n_out)
{
    *n_out = 0;
    if (m->n < RUNQ_SIZE) {
        m->ring[m->n++] = g;
        return;
    }
    memcpy(out, m->ring, RUNQ_SIZE / 2 * sizeof(g));
    memmove(m->ring, m->ring + RUNQ_SIZE / 2, RUNQ_SIZE / 2 * sizeof(g));
    m->n -= RUNQ_SIZE / 2;
    out[RUNQ_SIZE / 2] = g;
    *n_out = RUNQ_SIZE / 2 + 1;
}

static struct g *model_get(struct model *m)
{
    if (m->n == 0)
        return NULL;
    struct g *g = m->ring[0];
    memmove(m->ring, m->ring + 1, --m->n * sizeof(g));
    return g;
}

TEST(the_owner_follows_the_model)
{
    for (size_t s = 0; s < STARTS; s++) {
        struct model m = {.n = 0};
        struct g *out[RUNQ_SIZE], *spare[GS];
        uint32_t rng = 12345 + (uint32_t)s, n_spare = 0, n_out = 0;
        reset(starts[s]);
        for (uint32_t i = 0; i < GS; i++)
            spare[n_spare++] = &gs[i];
        for (int op = 0; op < 100000; op++) {
            struct g *got = NULL, *want = NULL, *g = n_spare > 0 ? spare[n_spare - 1] : NULL;
            uint32_t dice = world_random(&rng) % 16, more = (uint32_t)op / 2000 % 2 * 6;
            n_out = 0;
            if (dice < 3 + more && g != NULL) {
                n_spare--;
                runq_put_tail(&ps[0], g);
                model_put(&m, g, out, &n_out);
            } else if (dice < 6 + more && g != NULL) {
                n_spare--;
                runq_put_next(&ps[0], g);
                if (m.next != NULL)
                    model_put(&m, m.next, out, &n_out);
                m.next = g;
            } else if (dice < 10) {
                got = runq_take_next(&ps[0].runq);
                want = m.next;
                m.next = NULL;
            } else {
                got = runq_get(&ps[0].runq);
                want = model_get(&m);
            }
            CHECK(got == want);
            if (got != NULL)
                spare[n_spare++] = got;
            for (uint32_t i = 0; i < n_out; i++) {
                CHECK(global_take() == out[i]);
                spare[n_spare++] = out[i];
            }
            CHECK(global_first == NULL);
            CHECK_EQ(runq_len(&ps[0].runq), m.n + (m.next != NULL));
            CHECK(runq_empty(&ps[0].runq) == (m.n == 0 && m.next == NULL));
        }
    }
}

/* ---- stealing, one at a time ---- */

TEST(steal_takes_half)
{
    for (size_t s = 0; s < STARTS; s++)
        for (uint32_t n = 1; n <= RUNQ_SIZE; n++) {
            reset(starts[s]);
            ps[1].runq.ring.head = ps[1].runq.ring.tail = starts[STARTS - 1 - s] + n;
            fill(&ps[0], 0, n);
            uint32_t half = n - n / 2, took = 0;
            struct g *g = runq_steal(&ps[1], &ps[0], false, &took);
            CHECK_EQ(took, half);
            CHECK(g == &gs[half - 1]); /* the newest of the catch runs, the rest keep their order */
            for (uint32_t i = 0; i + 1 < half; i++)
                CHECK(runq_get(&ps[1].runq) == &gs[i]);
            CHECK(runq_get(&ps[1].runq) == NULL);
            for (uint32_t i = half; i < n; i++)
                CHECK(runq_get(&ps[0].runq) == &gs[i]);
            CHECK(runq_get(&ps[0].runq) == NULL);
        }
}

TEST(runnext_is_stolen_only_on_demand_and_from_an_empty_ring)
{
    uint32_t n = 9;
    reset(0);
    CHECK(runq_steal(&ps[1], &ps[0], true, &n) == NULL);
    CHECK_EQ(n, 0);
    runq_put_next(&ps[0], &gs[0]);
    CHECK(runq_steal(&ps[1], &ps[0], false, &n) == NULL);
    CHECK_EQ(n, 0);
    fill(&ps[0], 1, 1);
    CHECK(runq_steal(&ps[1], &ps[0], true, &n) == &gs[1]);
    CHECK_EQ(n, 1);
    int64_t from = now;
    CHECK(runq_steal(&ps[1], &ps[0], true, &n) == &gs[0]);
    CHECK(now - from >= RUNNEXT_GRACE_NS); /* the owner had its chance */
    CHECK_EQ(n, 1);
    CHECK(runq_empty(&ps[0].runq));
    CHECK(runq_empty(&ps[1].runq));
}

TEST(an_inbox_comes_out_in_the_order_it_went_in)
{
    reset(0);
    CHECK(inbox_take(&ps[0].inbox) == NULL);
    for (uint32_t i = 0; i < 10; i++)
        inbox_put(&ps[0], &ps[0].inbox, &gs[i]);
    CHECK_EQ(ps[0].attention, ATTN_INBOX);
    struct g *g = inbox_take(&ps[0].inbox);
    for (uint32_t i = 0; i < 10; i++, g = g->link)
        CHECK(g == &gs[i]);
    CHECK(g == NULL);
    CHECK(inbox_take(&ps[0].inbox) == NULL);
}

/* ---- threads ---- */

static _Atomic bool stop;
static _Atomic uint32_t taken; /* by all */
static _Atomic uint32_t ready; /* threads that have begun */

/* Who takes a G writes to it without atomics: were it in two hands, ThreadSanitizer would say so.
 * parent counts the takes, errno_value is 1 while it is in a hand. */
static void in_hand(struct g *g)
{
    CHECK_EQ(g->errno_value, 0);
    g->errno_value = 1;
    g->parent++;
    atomic_fetch_add_explicit(&taken, 1, memory_order_relaxed);
}

static void out_of_hand(struct g *g)
{
    CHECK_EQ(g->errno_value, 1);
    g->errno_value = 0;
}

static void all_begin(uint32_t threads)
{
    atomic_fetch_add(&ready, 1);
    while (ready < threads)
        sched_yield();
}

#define THIEVES  3
#define CIRCLING 600 /* Gs: more than two rings, fewer than make the global queue all there is */

/* The end of a G's trip: back to the owner. */
static void send_home(struct g *g)
{
    in_hand(g);
    g->link = NULL;
    out_of_hand(g);
    inbox_put(&ps[0], &ps[0].inbox, g);
}

static void *thief(void *arg)
{
    struct p *mine = arg;
    uint32_t rng = (uint32_t)(mine - ps) * 999 + 7, n;
    all_begin(THIEVES + 1);
    while (!stop) {
        uint32_t dice = world_random(&rng);
        struct p *victim = &ps[dice % 4];
        struct g *g = victim == mine ? NULL : runq_steal(mine, victim, dice >> 8 & 1, &n), *rest;
        if (g != NULL)
            send_home(g);
        else if ((dice >> 9 & 7) == 0)
            for (g = inbox_take(&ps[0].inbox); g != NULL; g = rest) {
                rest = g->link;
                send_home(g);
            }
        while ((g = runq_get(&mine->runq)) != NULL) /* others steal from here meanwhile */
            send_home(g);
        if ((dice >> 16 & 15) == 0)
            sched_yield();
    }
    return NULL;
}

/* As arch_yield: publish the running one, then take the oldest, which had been read before. */
static struct g *yield(struct p *p, struct g *running)
{
    struct runq *q = &p->runq;
    uint32_t h = atomic_load_explicit(&q->ring.head, memory_order_acquire);
    uint32_t t = atomic_load_explicit(&q->ring.tail, memory_order_relaxed);
    if ((t - h) % RUNQ_SIZE == 0)
        return running;
    uintptr_t next = atomic_load_explicit(runq_slot(q, h), memory_order_relaxed);
    atomic_store_explicit(runq_slot(q, t), g_tp(running), memory_order_relaxed);
    out_of_hand(running);
    atomic_store_explicit(&q->ring.tail, t + 1, memory_order_release);
    struct g *g;
    if (atomic_compare_exchange_strong_explicit(&q->ring.head, &h, h + 1, memory_order_acq_rel,
                                                memory_order_relaxed))
        g = g_of(next);
    else
        g = runq_get(q);
    if (g != NULL) {
        in_hand(g);
        g->link = NULL;
    }
    return g;
}

static struct g *owner_take(struct p *p, uint32_t dice)
{
    struct g *g = dice % 2 == 0 ? runq_take_next(&p->runq) : NULL;
    if (g == NULL)
        g = runq_get(&p->runq);
    if (g == NULL)
        g = global_take();
    return g;
}

static void owner_drain_inbox(struct p *p)
{
    struct g *rest;
    for (struct g *g = inbox_take(&p->inbox); g != NULL; g = rest) {
        rest = g->link;
        g->link = NULL;
        runq_put_tail(p, g);
    }
}

static void owner(struct p *p, uint32_t ops)
{
    uint32_t rng = 4711;
    struct g *running = NULL, *g;
    all_begin(THIEVES + 1);
    for (uint32_t i = 0; i < ops; i++) {
        uint32_t dice = world_random(&rng);
        if (running == NULL) {
            if ((running = owner_take(p, dice)) != NULL) {
                in_hand(running);
                running->link = NULL;
            }
        } else if (dice % 8 < 4) {
            running = yield(p, running);
        } else {
            out_of_hand(running);
            if (dice % 8 < 6)
                runq_put_next(p, running);
            else
                runq_put_tail(p, running);
            running = NULL;
        }
        if ((dice >> 8 & 31) == 0)
            owner_drain_inbox(p);
        if ((dice >> 13 & 7) == 0 && (g = global_take()) != NULL)
            runq_put_tail(p, g);
    }
    if (running != NULL) {
        out_of_hand(running);
        runq_put_tail(p, running);
    }
}

/* Takes all there is, wherever it is; each of the first n is there once. */
static void each_is_there_once(uint32_t n)
{
    static uint8_t seen[GS];
    struct g *g, *rest;
    memset(seen, 0, sizeof(seen));
    for (int i = 0; i < 4; i++) {
        while ((g = runq_get(&ps[i].runq)) != NULL)
            seen[number(g)]++;
        if ((g = runq_take_next(&ps[i].runq)) != NULL)
            seen[number(g)]++;
        for (g = inbox_take(&ps[i].inbox); g != NULL; g = rest) {
            rest = g->link;
            seen[number(g)]++;
        }
        CHECK(runq_empty(&ps[i].runq));
    }
    while ((g = global_take()) != NULL)
        seen[number(g)]++;
    for (uint32_t i = 0; i < n; i++) {
        CHECK_EQ(seen[i], 1);
        CHECK_EQ(gs[i].errno_value, 0);
    }
}

TEST(thieves_lose_and_double_nothing)
{
    for (uint32_t round = 0; round < 4; round++) {
        pthread_t threads[THIEVES];
        reset(starts[round % STARTS]);
        uint32_t circling = round % 2 == 0 ? CIRCLING : 5; /* crowded, or fought for */
        for (uint32_t i = 0; i < circling; i++)
            runq_put_tail(&ps[0], &gs[i]);
        stop = false;
        taken = ready = 0;
        for (int i = 0; i < THIEVES; i++)
            pthread_create(&threads[i], NULL, thief, &ps[i + 1]);
        owner(&ps[0], OPS / 4);
        stop = true;
        for (int i = 0; i < THIEVES; i++)
            pthread_join(threads[i], NULL);
        each_is_there_once(circling);
        int64_t takes = 0;
        for (uint32_t i = 0; i < circling; i++)
            takes += gs[i].parent;
        CHECK_EQ(takes, taken);
    }
}

/* A goroutine that waits in runnext is kicked to the ring by another, which is taken at once. The
 * ring looks empty before, runnext after: never do both at one moment. */
static void *kicker(void *unused)
{
    (void)unused;
    all_begin(2);
    for (uint32_t i = 0; i < OPS / 4; i++) {
        struct g *waits = &gs[i % 2], *comes = &gs[(i + 1) % 2];
        runq_put_next(&ps[0], comes); /* waits is in the ring now */
        CHECK(runq_take_next(&ps[0].runq) == comes);
        runq_put_next(&ps[0], comes);
        CHECK(runq_get(&ps[0].runq) == waits);
    }
    stop = true;
    return NULL;
}

TEST(a_queue_whose_goroutines_change_places_never_looks_empty)
{
    pthread_t thread;
    reset(UINT32_MAX - 1000);
    runq_put_next(&ps[0], &gs[0]);
    stop = false;
    ready = 0;
    pthread_create(&thread, NULL, kicker, NULL);
    all_begin(2);
    while (!stop)
        CHECK(!runq_empty(&ps[0].runq));
    pthread_join(thread, NULL);
}

#define PUSHERS 3
#define EACH    (GS / PUSHERS)

static void *pusher(void *arg)
{
    uint32_t first = (uint32_t)(uintptr_t)arg * EACH;
    all_begin(PUSHERS + 1);
    for (uint32_t i = 0; i < EACH; i++) {
        gs[first + i].id = (int64_t)i; /* plain: published by the push */
        inbox_put(&ps[0], &ps[0].inbox, &gs[first + i]);
    }
    return NULL;
}

TEST(an_inbox_keeps_each_pushers_order_and_its_bit)
{
    for (uint32_t round = 0; round < 100; round++) {
        pthread_t threads[PUSHERS];
        uint32_t next[PUSHERS] = {0}, n = 0;
        reset(0);
        ready = 0;
        for (uint32_t i = 0; i < PUSHERS; i++)
            pthread_create(&threads[i], NULL, pusher, (void *)(uintptr_t)i);
        all_begin(PUSHERS + 1);
        while (n < PUSHERS * EACH) {
            /* As attend(): nothing may be left behind a bit that is clear. */
            if (atomic_load_explicit(&ps[0].attention, memory_order_relaxed) == 0) {
                sched_yield();
                continue;
            }
            atomic_exchange_explicit(&ps[0].attention, 0, memory_order_acquire);
            for (struct g *g = inbox_take(&ps[0].inbox); g != NULL; g = g->link, n++) {
                uint32_t from = number(g) / EACH;
                CHECK_EQ(g->id, next[from]);
                next[from]++;
            }
        }
        for (int i = 0; i < PUSHERS; i++)
            pthread_join(threads[i], NULL);
        CHECK(inbox_take(&ps[0].inbox) == NULL);
    }
}

UNIT_MAIN
