// with: sched/timer.c -DPINION_UNIT_TEST -pthread
/*
 * timer: the heap against a model that looks through all timers; the comparator; memory that ends.
 */
#include "tests/unit/unit.h"
#include "tests/unit/sched_world.h"
#include "kernel/clock.h"
#include "kernel/page.h"
#include "sched/proc.h"
#include "sched/timer.h"

/* ---- what timer.c calls ---- */

static int64_t now, armed = CLOCK_NEVER;
static bool no_memory;
static long pages;

int64_t clock_ns(void)
{
    return now;
}

void clock_arm(int64_t when)
{
    armed = when;
}

/* Runs that were allocated, so that a part can be given back: it is noted, and goes with the rest. */
static struct {
    char *at;
    size_t n;
} runs[64];
static pthread_mutex_t runs_lock = PTHREAD_MUTEX_INITIALIZER;

void *page_alloc_run(size_t n)
{
    if (no_memory)
        return NULL;
    int i = 0;
    void *at = aligned_alloc(PAGE_SIZE, n * PAGE_SIZE);
    pthread_mutex_lock(&runs_lock);
    while (runs[i].at != NULL)
        i++;
    pages += (long)n;
    runs[i].at = at;
    runs[i].n = n;
    pthread_mutex_unlock(&runs_lock);
    return at;
}

void page_free_run(void *first, size_t n)
{
    int i = 0;
    pthread_mutex_lock(&runs_lock);
    while (runs[i].at == NULL || (char *)first < runs[i].at ||
           (char *)first >= runs[i].at + runs[i].n * PAGE_SIZE)
        i++;
    pages -= (long)n;
    runs[i].n -= n;
    CHECK((char *)first == runs[i].at + runs[i].n * PAGE_SIZE); /* the whole, or its end */
    if (runs[i].n == 0) {
        free(runs[i].at);
        runs[i].at = NULL;
    }
    pthread_mutex_unlock(&runs_lock);
}

void g_ready(struct g *g)
{
    (void)g;
}

void g_ready_tail(struct g *g)
{
    (void)g;
}

void sched_next(struct m *m)
{
    (void)m;
    abort();
}

void g_park(park_commit *commit, void *arg, enum wait_reason reason)
{
    (void)commit, (void)arg, (void)reason;
    abort();
}

/* ---- one P ---- */

static struct g self;
static struct m m;
static struct p p, other;

static void reset(void)
{
    if (p.timers.heap != NULL)
        page_free_run(p.timers.heap, p.timers.cap * sizeof(struct timer_entry) / PAGE_SIZE);
    memset(&p, 0, sizeof(p));
    memset(&m, 0, sizeof(m));
    p.timers.first = CLOCK_NEVER;
    m.armed = armed = CLOCK_NEVER;
    world_enter(&self, &m, &p);
    pages = 0;
    now = 0;
}

#define TIMERS 2000

static struct test_timer {
    struct timer_node node;
    int64_t when;
    bool queued;
    int fired;
} timers[TIMERS];

static int64_t last_fired;
static int fires;

static void fired(struct timer_node *node)
{
    struct test_timer *t = (struct test_timer *)node;
    CHECK(t->queued);
    CHECK(t->when <= now);
    CHECK(t->when >= last_fired); /* earliest first */
    CHECK_EQ(t->node.index, TIMER_NOT_QUEUED);
    last_fired = t->when;
    t->queued = false;
    t->fired++;
    fires++;
}

static void heap_is_sound(void)
{
    const struct timers *h = &p.timers;
    for (uint32_t i = 0; i < h->n; i++) {
        CHECK_EQ(h->heap[i].node->index, i); /* T2 */
        CHECK(i == 0 || h->heap[(i - 1) / 4].when <= h->heap[i].when);
        CHECK_EQ(((struct test_timer *)h->heap[i].node)->when, h->heap[i].when);
    }
    CHECK_EQ(h->first, h->n > 0 ? h->heap[0].when : CLOCK_NEVER); /* T1 */
}

static int64_t earliest(uint32_t *n)
{
    int64_t when = CLOCK_NEVER;
    *n = 0;
    for (int i = 0; i < TIMERS; i++)
        if (timers[i].queued) {
            ++*n;
            when = timers[i].when < when ? timers[i].when : when;
        }
    return when;
}

TEST(timers_follow_the_model)
{
    uint32_t rng = 7, n;
    reset();
    memset(timers, 0, sizeof(timers));
    for (int op = 0; op < 60000; op++) {
        uint32_t dice = world_random(&rng);
        struct test_timer *t = &timers[(dice >> 8) % (op < 30000 ? 300 : TIMERS)];
        if (dice % 8 < 4) {
            if (!t->queued) {
                t->node.fire = fired;
                t->when = now + (int64_t)(world_random(&rng) % 5000) - 20;
                t->queued = true;
                CHECK(timer_add(&t->node, t->when));
                CHECK(t->node.p == &p);
            }
        } else if (dice % 8 < 6) {
            if (t->fired > 0 || t->queued) { /* it has been in the heap */
                CHECK(timer_del(&t->node) == t->queued);
                t->queued = false;
            }
        } else {
            now += dice >> 24;
            last_fired = INT64_MIN;
            timers_run(&p, now);
            CHECK(earliest(&n) > now);
            CHECK_EQ(p.timers.n, n);
        }
        CHECK(m.armed <= p.timers.first); /* T3 */
        CHECK_EQ(m.armed, armed);
        if (op % 16 == 0)
            heap_is_sound();
        if (armed <= now) {
            timers_interrupt(&m);
            /* What is due has been told; for what is not, it is armed. */
            CHECK_EQ(armed, p.timers.first <= now ? CLOCK_NEVER : p.timers.first);
            CHECK(p.attention & ATTN_TIMER);
            p.attention = 0;
            last_fired = INT64_MIN;
            timers_run(&p, now);
        }
    }
    CHECK(fires > 5000);
    now = CLOCK_NEVER - 1;
    last_fired = INT64_MIN;
    timers_run(&p, now);
    CHECK_EQ(p.timers.n, 0);
    CHECK_EQ(earliest(&n), CLOCK_NEVER);
    CHECK_EQ(pages, p.timers.cap * sizeof(struct timer_entry) / PAGE_SIZE);
}

TEST(equal_times_all_fire_and_far_ones_stay)
{
    reset();
    memset(timers, 0, sizeof(timers));
    for (int i = 0; i < TIMERS; i++) {
        timers[i].node.fire = fired;
        timers[i].when = i % 2 == 0 ? 1000 : CLOCK_NEVER - 1;
        timers[i].queued = true;
        CHECK(timer_add(&timers[i].node, timers[i].when));
    }
    CHECK_EQ(armed, 1000);
    now = 999;
    timers_run(&p, now);
    CHECK_EQ(p.timers.n, TIMERS);
    now = 1000;
    last_fired = fires = 0;
    timers_run(&p, now);
    CHECK_EQ(fires, TIMERS / 2);
    CHECK_EQ(p.timers.n, TIMERS / 2);
    heap_is_sound();
}

TEST(without_memory_a_timer_is_refused_and_the_rest_stand)
{
    reset();
    memset(timers, 0, sizeof(timers));
    int i = 0;
    for (; i < TIMERS; i++) {
        no_memory = i > 0;
        timers[i].node.fire = fired;
        timers[i].when = 5000 - i;
        if (!timer_add(&timers[i].node, timers[i].when))
            break;
        timers[i].queued = true;
    }
    CHECK_EQ(i, PAGE_SIZE / sizeof(struct timer_entry));
    CHECK_EQ(p.timers.n, i);
    heap_is_sound();
    CHECK(timer_del(&timers[0].node));
    timers[0].queued = false;
    timers[i].queued = true;
    CHECK(timer_add(&timers[i].node, timers[i].when));
    CHECK_EQ(armed, timers[i].when);
    no_memory = false;
    now = 6000;
    last_fired = fires = 0;
    timers_run(&p, now);
    CHECK_EQ(fires, i);
}

TEST(a_thief_fires_what_is_due_on_another_p)
{
    reset();
    memset(timers, 0, sizeof(timers));
    for (int i = 0; i < 10; i++) {
        timers[i].node.fire = fired;
        timers[i].when = 100 * i;
        timers[i].queued = true;
        CHECK(timer_add(&timers[i].node, timers[i].when));
    }
    m.p = &other;
    now = 450;
    last_fired = fires = 0;
    timers_run_others(&other, &p);
    CHECK_EQ(fires, 5);
    CHECK_EQ(other.count.timer_fires, 5);
    CHECK_EQ(p.timers.first, 500);
    CHECK(timer_del(&timers[9].node)); /* from another P than it is on */
    timers[9].queued = false;
    heap_is_sound();
}

/* A handler may queue its own timer again, and take others back. */
static void again(struct timer_node *node)
{
    struct test_timer *t = (struct test_timer *)node;
    t->fired++;
    if (t->fired < 5) {
        t->when += 100;
        CHECK(timer_add(node, t->when));
    }
    if (t == &timers[0])
        CHECK(timer_del(&timers[1].node) == (t->fired == 1));
}

TEST(a_timer_that_fires_may_be_queued_again)
{
    reset();
    memset(timers, 0, sizeof(timers));
    for (int i = 0; i < 2; i++) {
        timers[i].node.fire = again;
        timers[i].when = 100 + i;
        CHECK(timer_add(&timers[i].node, timers[i].when));
    }
    now = 1000;
    timers_run(&p, now);
    CHECK_EQ(timers[0].fired, 5);
    CHECK_EQ(timers[1].fired, 0);
    CHECK_EQ(p.timers.n, 0);
}

/* One with begin leaves the heap in one step with that, or stays for a moment later. */
static int begun, refusals;

static bool begin(struct timer_node *node)
{
    CHECK_EQ(node->index, TIMER_BEGUN);
    CHECK(!spin_try_lock(&p.timers.lock));
    if (refusals > 0) {
        refusals--;
        return false;
    }
    begun++;
    return true;
}

TEST(a_timer_that_cannot_begin_stays_queued_without_new_memory)
{
    reset();
    memset(timers, 0, sizeof(timers));
    for (int i = 0; i < 600; i++) { /* more than a page of them, so that the heap shrinks too */
        timers[i].node.begin = begin;
        timers[i].when = 100;
        timers[i].queued = true;
        CHECK(timer_add(&timers[i].node, timers[i].when));
    }
    no_memory = true;
    begun = 0;
    refusals = 700;
    now = 100;
    timers_interrupt(&m);
    timers_run(&p, now);
    CHECK_EQ(begun, 0);
    CHECK_EQ(p.timers.n, 600);
    CHECK_EQ(p.timers.first, 100 + TIMER_RETRY_NS);
    CHECK_EQ(armed, 100 + TIMER_RETRY_NS);
    CHECK(timer_del(&timers[7].node));
    now += TIMER_RETRY_NS;
    timers_run(&p, now);
    CHECK_EQ(begun, 499);
    CHECK_EQ(p.timers.n, 100);
    now += TIMER_RETRY_NS;
    timers_run(&p, now);
    CHECK_EQ(begun, 599);
    CHECK_EQ(p.timers.n, 0);
    CHECK(!timer_del(&timers[8].node));
    no_memory = false;
}

/* A hart that is asleep learns of its timer by self_wake. */
TEST(the_interrupt_leaves_word_for_whoever_looks_next)
{
    reset();
    m.p = NULL;
    timers_interrupt(&m);
    CHECK(m.self_wake);
    CHECK_EQ(p.attention, 0);
    m.p = &p;
    m.self_wake = false;
    timers_interrupt(&m);
    CHECK_EQ(p.attention, ATTN_TIMER);
}

/* ---- threads: each adds and takes back on a P of its own, a thief fires on all ---- */

static struct p many[3];
static _Atomic uint32_t thread_fires, thread_dels, running;

static void count(struct timer_node *node)
{
    ((struct test_timer *)node)->fired++; /* plain: a timer fires in one place */
    atomic_fetch_add(&thread_fires, 1);
}

static void *adder(void *arg)
{
    struct p *mine = arg;
    struct g me = {.id = 0};
    struct m my_m = {.id = 0};
    struct test_timer *t = calloc(4000, sizeof(*t));
    uint32_t rng = (uint32_t)(mine - many) + 5;
    my_m.armed = CLOCK_NEVER;
    world_enter(&me, &my_m, mine);
    for (int i = 0; i < 4000; i++) {
        t[i].node.fire = count;
        CHECK(timer_add(&t[i].node, world_random(&rng) % 2));
        if (world_random(&rng) % 2 == 0 && timer_del(&t[i].node)) {
            CHECK_EQ(t[i].fired, 0);
            atomic_fetch_add(&thread_dels, 1);
        }
    }
    atomic_fetch_sub(&running, 1);
    return t;
}

TEST(threads_fire_or_take_back_each_timer_once)
{
    pthread_t threads[3];
    reset();
    now = 1;
    running = 3;
    for (int i = 0; i < 3; i++) {
        many[i].timers.first = CLOCK_NEVER;
        pthread_create(&threads[i], NULL, adder, &many[i]);
    }
    while (running > 0)
        for (int i = 0; i < 3; i++)
            timers_run_others(&p, &many[i]);
    for (int i = 0; i < 3; i++)
        timers_run_others(&p, &many[i]);
    for (int i = 0; i < 3; i++) {
        void *t;
        pthread_join(threads[i], &t);
        free(t);
        CHECK_EQ(many[i].timers.n, 0);
    }
    CHECK_EQ(thread_fires + thread_dels, 3 * 4000);
}

UNIT_MAIN
