// with: sched/timechan.c sched/timer.c sched/chan.c sched/select.c sched/alarm.c -DPINION_UNIT_TEST -pthread
/*
 * timechan: timers with channels where a board does not easily get: with no memory for a heap, in each
 * place that needs some; and freed while another hart has them in hand.
 *
 * One goroutine, the test. When it parks, what is to happen meanwhile happens: see arch_park.
 */
#include "tests/unit/unit.h"
#define WORLD_SWITCHES
#include "tests/unit/sched_world.h"
#include <pinion/go.h>
#include <pinion/sync.h>
#include "kernel/clock.h"
#include "kernel/page.h"
#include "sched/chan.h"
#include "sched/defer.h"
#include "sched/g.h"
#include "sched/proc.h"
#include "sched/timer.h"
#include "tests/unit/noted.h"

/* ---- what they call ---- */

struct sched sched;

static _Atomic int64_t now;
static _Atomic bool no_memory;
static int yields, parks;
static int64_t a_yield_takes;
static void (*while_parked)(void);
static _Atomic int readied;

int64_t clock_ns(void)
{
    return now;
}

void clock_arm(int64_t when)
{
    (void)when;
}

void *page_alloc_run(size_t n)
{
    return no_memory ? NULL : aligned_alloc(PAGE_SIZE, n * PAGE_SIZE);
}

void page_free_run(void *first, size_t n)
{
    (void)n;
    free(first);
}

void *pool_get(pool *of)
{
    return of->new ();
}

void pool_put(pool *of, void *x)
{
    of->drop(x);
}

void runtime_gosched(void)
{
    CHECK_EQ(g_self()->preempt_off, 0);
    yields++;
    now += a_yield_takes;
}

void sched_panic(const char *fmt, ...)
{
    printf("FAIL %s panics: %s\n", unit_name, fmt);
    exit(1);
}

void g_ready(struct g *g)
{
    CHECK_EQ(g->status, G_WAITING);
    g->status = G_RUNNABLE;
    readied++;
}

void g_ready_tail(struct g *g)
{
    g_ready(g);
}

bool g_ready_slowly(struct p *p, struct g *g)
{
    (void)p, (void)g;
    abort();
}

bool preempt_honour_true(void)
{
    abort();
}

int64_t g_spawn(const struct go_attr *attr, struct waitgroup *wg, void (*fn)(void *), void *arg,
                uintptr_t pc)
{
    (void)attr, (void)wg, (void)fn, (void)arg, (void)pc;
    abort();
}

void sched_next(struct m *m)
{
    (void)m;
}

void park_unlock(void *arg, struct arch_hart *hart)
{
    (void)hart;
    spin_unlock(arg);
}

void g_park(park_commit *commit, void *arg, enum wait_reason reason)
{
    g_park_here(commit, arg, reason);
}

/* Its context is saved, it is not ready yet; then it is, and goes on. */
void arch_park(void *arg, struct arch_hart *hart, park_commit *commit)
{
    struct g *g = g_self();
    commit(arg, hart);
    parks++;
    while_parked();
    CHECK_EQ(g->status, G_RUNNABLE);
    g->status = G_RUNNING;
    g->preempt_off = 0;
}

/* ---- a hart with two Ps to choose from ---- */

static struct g self;
static struct m m;
static struct p p, full;

static void begin(void)
{
    free(p.timers.heap);
    free(full.timers.heap);
    memset(&p, 0, sizeof(p));
    memset(&full, 0, sizeof(full));
    p.timers.first = full.timers.first = m.armed = CLOCK_NEVER;
    p.rng = full.rng = 1;
    world_enter(&self, &m, &p);
    self.preempt_off = 0;
    self.status = G_RUNNING;
    now = 1000;
    no_memory = false;
    yields = parks = 0;
    a_yield_takes = 0;
}

/* A P whose heap has room for no more than `room`, and there is no memory. */
#define PAGEFUL (PAGE_SIZE / sizeof(struct timer_entry))
static struct timer_node others[PAGEFUL];

static void fill(struct p *at, unsigned room)
{
    struct p *was = m.p;
    m.p = at;
    for (unsigned i = 0; i < PAGEFUL - room; i++)
        CHECK(timer_add(&others[i], CLOCK_NEVER - 1));
    m.p = was;
    no_memory = true;
}

static void fire_when_due(void)
{
    now = m.p->timers.first;
    self.preempt_off++;
    timers_run(m.p, now);
    self.preempt_off--;
}

/* A receiver that waits, as other goroutines do. */
struct receiver {
    struct g g;
    struct chan_waiter w;
    int64_t got;
};

static void wait_for(struct receiver *r, chan *c)
{
    memset(r, 0, sizeof(*r));
    r->g.status = G_WAITING;
    r->w = (struct chan_waiter){.g = &r->g, .elem = &r->got};
    chan_lock(c);
    CHECK(timechan_arm(c));
    chan_wait_to_receive(c, &r->w);
    chan_unlock(c);
}

/* ---- without memory ---- */

TEST(a_receiver_without_memory_looks_again_until_it_is_due)
{
    int64_t v = 0;
    begin();
    chan *c = time_after(1000);
    no_memory = true;
    a_yield_takes = 300;
    CHECK(chan_recv(c, &v));
    CHECK_EQ(v, 2000);
    CHECK_EQ(yields, 4); /* 2200 */
    CHECK_EQ(parks, 0);
    chan_free(c);
}

TEST(a_receiver_waits_as_soon_as_there_is_memory)
{
    int64_t v = 0;
    begin();
    while_parked = fire_when_due;
    fill(&full, 0);
    m.p = &full;
    chan *c = time_after(500);
    CHECK(timer_del(&others[3]));
    CHECK(chan_recv(c, &v));
    CHECK_EQ(v, 1500);
    CHECK_EQ(yields, 0);
    CHECK_EQ(parks, 1);
    chan_free(c);
}

static struct select_case from(chan *c, int64_t *v)
{
    return (struct select_case){c, SELECT_RECV, v, false};
}

/* Room for one of three: what was queued for the first is taken back before others run. */
TEST(a_select_without_memory_looks_again_and_leaves_nothing_queued)
{
    int64_t v = 0;
    begin();
    fill(&full, 1);
    m.p = &full;
    chan *c[3];
    struct select_case cases[3];
    for (int i = 0; i < 3; i++)
        cases[i] = from(c[i] = time_after(1000 + 700 * (2 - i)), &v);
    a_yield_takes = 400;
    CHECK_EQ(chan_select(cases, 3, true), 2);
    CHECK_EQ(v, 2000);
    CHECK_EQ(yields, 3);
    CHECK_EQ(full.timers.n, PAGEFUL - 1);
    CHECK_EQ(chan_select(cases, 2, false), -1);
    CHECK_EQ(full.timers.n, PAGEFUL - 1);
    for (int i = 0; i < 3; i++)
        chan_free(c[i]);
}

/* Of two who wait for a ticker the first gets the tick. The other needs the node queued anew, on the
 * P of the hart that fires, which has no room. */
TEST(who_cannot_be_woken_by_the_next_tick_is_sent_to_look)
{
    struct receiver r[3];
    begin();
    ticker *t = time_new_ticker(100);
    for (int i = 0; i < 3; i++)
        wait_for(&r[i], t->c);
    fill(&full, 0);
    now = 1250;
    m.p = &full;
    timers_run_others(&full, &p);
    CHECK(r[0].w.ok && r[0].got == 1100);
    for (int i = 1; i < 3; i++)
        CHECK(r[i].g.status == G_RUNNABLE && !r[i].w.ok && r[i].got == 0);
    CHECK_EQ(p.timers.n, 0);
    CHECK_EQ(full.timers.n, PAGEFUL);
    int64_t v;
    CHECK(!chan_try_recv(t->c, &v, NULL)); /* nothing is lost, nothing comes twice */
    now = 1300;
    CHECK(chan_try_recv(t->c, &v, NULL) && v == 1300);
    ticker_free(t);
}

static timer *reset_here;

static void reset_without_memory(void)
{
    m.p = &full;
    CHECK(timer_reset(reset_here, 700)); /* from p's heap, to one without room */
    CHECK_EQ(self.status, G_RUNNABLE);   /* sent to look */
    while_parked = fire_when_due;
    CHECK(timer_del(&others[0]));
}

TEST(a_reset_without_memory_sends_who_waits_to_look)
{
    int64_t v = 0;
    begin();
    reset_here = time_new_timer(100);
    fill(&full, 0);
    no_memory = false;
    while_parked = reset_without_memory;
    CHECK(timers_reserve(&p, 1));
    no_memory = true;
    CHECK(chan_recv(reset_here->c, &v)); /* parks, is sent away, parks again */
    CHECK_EQ(v, 1700);
    CHECK_EQ(parks, 2);
    timer_free(reset_here);
}

TEST(a_select_that_is_sent_to_look_begins_again)
{
    int64_t v = 0;
    begin();
    chan *never = chan_make(8, 0);
    reset_here = time_new_timer(100);
    fill(&full, 0);
    no_memory = false;
    while_parked = reset_without_memory;
    CHECK(timers_reserve(&p, 1));
    no_memory = true;
    struct select_case cases[] = {from(never, &v), from(reset_here->c, &v)};
    CHECK_EQ(chan_select(cases, 2, true), 1);
    CHECK(cases[1].ok);
    CHECK_EQ(v, 1700);
    CHECK_EQ(parks, 2);
    CHECK_EQ(chan_select(cases, 2, false), -1);
    timer_free(reset_here);
    chan_free(never);
}

/* ---- phases ---- */

TEST(missed_ticks_are_passed_over_and_the_phase_stays)
{
    int64_t v;
    begin();
    ticker *t = time_new_ticker(100);
    static const int64_t looks[][2] = {
        {1099, 0},    {1100, 1100}, {1100, 0},         {1250, 1200},   {1299, 0},
        {1999, 1300}, {2000, 2000}, {987654321, 2100}, {987654399, 0}, {987654400, 987654400}};
    for (size_t i = 0; i < sizeof looks / sizeof *looks; i++) {
        now = looks[i][0];
        v = 0;
        CHECK(chan_try_recv(t->c, &v, NULL) == (looks[i][1] != 0));
        CHECK_EQ(v, looks[i][1]);
    }
    ticker_reset(t, INT64_MAX);
    now = CLOCK_NEVER - 2;
    CHECK(!chan_try_recv(t->c, &v, NULL));
    ticker_reset(t, INT64_MAX - 5);
    now = CLOCK_NEVER - 1; /* the last moment there is, as often as one likes to look */
    CHECK(chan_try_recv(t->c, &v, NULL) && v == CLOCK_NEVER - 1);
    CHECK(chan_try_recv(t->c, &v, NULL) && v == CLOCK_NEVER - 1);
    ticker_free(t);
}

/* ---- freed while another hart has it in hand: the sanitizer sees it if that is too early ---- */

static _Atomic bool over;
static struct p victim;
static unsigned long fires;

static void *fire_always(void *unused)
{
    static struct g g;
    static struct m mine;
    static struct p thief;
    (void)unused;
    mine.armed = thief.timers.first = CLOCK_NEVER;
    world_enter(&g, &mine, &thief);
    while (!over)
        timers_run_others(&thief, &victim);
    fires = thief.count.timer_fires;
    return NULL;
}

/* We are on victim, whose timers another thread fires. */
static pthread_t begin_with_thief(void)
{
    pthread_t thread;
    begin();
    free(victim.timers.heap);
    memset(&victim, 0, sizeof(victim));
    victim.timers.first = CLOCK_NEVER;
    m.p = &victim;
    over = false;
    CHECK_EQ(pthread_create(&thread, NULL, fire_always, NULL), 0);
    return thread;
}

static void end_with_thief(pthread_t thread)
{
    over = true;
    pthread_join(thread, NULL);
    CHECK(fires > 100); /* or it shows nothing */
    CHECK_EQ(victim.timers.n, 0);
}

/* Until what is due has been taken out of the heap, or for a moment. */
static void let_it_be_taken(void)
{
    for (unsigned k = 0; k < 200 && victim.timers.first != CLOCK_NEVER; k++)
        arch_relax(k);
}

TEST(a_timer_is_freed_only_when_nobody_has_it_in_hand)
{
    pthread_t thread = begin_with_thief();
    for (int i = 0; i < 2000; i++) {
        chan *c = time_after(0);
        chan_lock(c);
        CHECK(timechan_arm(c));
        chan_unlock(c); /* it may fire now */
        let_it_be_taken();
        chan_lock(c);
        timechan_left(c); /* taken back, or in the other's hands, or fired */
        chan_unlock(c);
        chan_free(c);
    }
    end_with_thief(thread);
}

/* A reset that says true has come first, though the node is in the other's hands: who waits gets
 * nothing before the new time. */
TEST(a_reset_is_not_overtaken_by_who_fires)
{
    struct receiver r;
    pthread_t thread = begin_with_thief();
    for (int i = 0; i < 2000; i++) {
        timer *t = time_new_timer(0);
        readied = 0;
        wait_for(&r, t->c);
        let_it_be_taken();
        bool back = timer_reset(t, HOUR);
        for (unsigned k = 0; back ? k < 30 : readied == 0; k++)
            arch_relax(k);
        CHECK_EQ(readied, back ? 0 : 1);
        if (!back)
            CHECK(r.w.ok && r.got == now);
        chan_lock(t->c);
        if (back)
            chan_queue_remove(&t->c->receivers, &r.w);
        timechan_left(t->c);
        chan_unlock(t->c);
        CHECK(timer_stop(t));
        timer_free(t);
    }
    end_with_thief(thread);
}

UNIT_MAIN
