// with: sched/runq.c -DPINION_UNIT_TEST -pthread
/*
 * idle: who is woken, what for, and what keeps a hart from going to sleep. proc.c and idle.c are
 * included as they are; a hart that sleeps finds itself back in the test.
 */
#include <setjmp.h>
#include "tests/unit/unit.h"
#include "tests/unit/sched_world.h"
#include "sched/global.c"
#include "sched/pinned.c"
#include "sched/proc.c"
#include "sched/idle.c"

bool preempt_honour_true(void)
{
    abort();
}

/* ---- what they call ---- */

static int ipis, last_ipi;
static bool deadlock;
static jmp_buf asleep;

/* The clock is read on the way to sleep and by thieves who wait for a runnext: not here. */
int64_t clock_ns(void)
{
    return 0;
}

void irq_send_ipi(unsigned hart)
{
    ipis++;
    last_ipi = (int)hart;
}

enum irq_event irq_poll(unsigned hart)
{
    (void)hart;
    return IRQ_NONE;
}

struct m *_Atomic freezer;
struct timer_node pool_timer;

void timers_interrupt_at(struct m *m, struct arch_frame *f)
{
    (void)m, (void)f;
}

void fatal_deadlock(int64_t live)
{
    (void)live;
    deadlock = true;
    longjmp(asleep, 1);
}

void timers_run(struct p *p, int64_t now)
{
    (void)p, (void)now;
}

/* A thief calls it for each victim in its last round; with the last of them something arrives. */
static int looks_left;
static struct g *arrives;

void timers_run_others(struct p *p, struct p *victim)
{
    (void)victim;
    if (--looks_left == 0)
        inbox_put(p, &p->pinbox, arrives);
}

/* The hart is about to sleep: in idle_sleep, without a P. */
void timers_arm(struct m *m, struct p *p)
{
    (void)p;
    if (m->p == NULL)
        longjmp(asleep, 1);
}

/* ---- Ms, Ps, Gs ---- */

static struct g gs[300], self;
static struct p ps[4];
static struct m ms[4];

static void reset(void)
{
    memset(gs, 0, sizeof(gs));
    memset(ps, 0, sizeof(ps));
    memset(ms, 0, sizeof(ms));
    memset(&sched, 0, sizeof(sched));
    sched.n_p = sched.n_m = 4;
    for (uint32_t i = 0; i < 4; i++) {
        sched.p[i] = &ps[i];
        sched.m[i] = &ms[i];
        ps[i] = (struct p){.id = i, .tick = TICKS(GLOBAL_TICK), .rng = i + 1, .status = P_RUNNING};
        ps[i].m = &ms[i];
        ps[i].timers.first = CLOCK_NEVER;
        ms[i].id = ms[i].hart_no = i;
        ms[i].p = ms[i].last_p = &ps[i];
    }
    world_enter(&self, &ms[0], &ps[0]);
    ipis = 0;
    deadlock = false;
}

static void now_on(uint32_t i)
{
    world_enter(&self, &ms[i], &ps[i]);
}

/* idle_sleep on hart i: true if it slept, false if it came back with a P at once. */
static bool sleeps(uint32_t i)
{
    now_on(i);
    if (setjmp(asleep) != 0)
        return true;
    idle_sleep(&ms[i]);
    return false;
}

TEST(a_hart_with_nothing_in_sight_sleeps)
{
    reset();
    CHECK(sleeps(2));
    CHECK_EQ(sched.idle_m, 1 << 2);
    CHECK_EQ(sched.idle_p, 1 << 2);
    CHECK(ms[2].p == NULL);
    CHECK(!deadlock);
}

TEST(all_asleep_is_a_deadlock)
{
    reset();
    for (uint32_t i = 0; i < 4; i++) {
        CHECK(sleeps(i));
        CHECK(deadlock == (i == 3));
    }
}

TEST(a_timer_anywhere_is_no_deadlock)
{
    reset();
    ps[1].timers.first = 1000;
    for (uint32_t i = 0; i < 4; i++)
        CHECK(sleeps(i));
    CHECK(!deadlock);
}

TEST(a_trim_of_pools_to_come_is_a_deadlock_all_the_same)
{
    struct timer_entry heap[2] = {{1000, &pool_timer}};
    for (uint32_t others = 0; others < 2; others++) {
        reset();
        ps[1].timers = (struct timers){.heap = heap, .n = 1 + others, .first = 1000};
        for (uint32_t i = 0; i < 4; i++)
            CHECK(sleeps(i));
        CHECK(deadlock == (others == 0));
    }
}

TEST(any_work_in_sight_keeps_a_hart_awake)
{
    for (int where = 0; where < 5; where++) {
        reset();
        switch (where) {
        case 0: CHECK(runq_put(&ps[3].runq, &gs[0])); break;
        case 1: ps[3].runq.next = &gs[0]; break;
        case 2: inbox_put(&ps[3], &ps[3].inbox, &gs[0]); break;
        case 3: inbox_put(&ps[2], &ps[2].pinbox, &gs[0]); break;
        case 4: global_put_batch(&gs[0], &gs[0], 1); break;
        }
        CHECK(!sleeps(2));
        CHECK(ms[2].p == &ps[2]);
        CHECK_EQ(sched.idle_m | sched.idle_p, 0);
    }
}

/* Found by tests/stress/storm.c: the last look for something to steal attends to the pinbox. */
TEST(a_pinned_goroutine_that_comes_during_the_last_look_is_not_left_behind)
{
    for (int turn = 0; turn < 2; turn++) {
        reset();
        now_on(2);
        gs[0].flags = GF_PINNED;
        gs[0].affinity = 1 << 2;
        arrives = &gs[0];
        looks_left = 3;
        ps[2].pinned_turn = turn;
        struct g *g = steal(&ps[2]);
        if (g == NULL) {
            CHECK(!sleeps(2));
            g = pinned_get(&ps[2]);
        }
        CHECK(g == &gs[0]);
    }
}

TEST(a_wake_takes_one_hart_and_one_interrupt)
{
    reset();
    CHECK(sleeps(1));
    CHECK(sleeps(3));
    now_on(0);
    wake_idle();
    CHECK_EQ(ipis, 1);
    CHECK_EQ(sched.spinning, 1);
    CHECK_EQ(ps[0].count.wakeups, 1);
    CHECK_EQ(ms[0].ipis_sent, 1);
    struct m *woken = &ms[last_ipi];
    CHECK(woken->next_p == &ps[last_ipi]);
    CHECK_EQ(__builtin_popcountll(sched.idle_m), 1);
    CHECK_EQ(sched.idle_m, sched.idle_p);
    wake_idle(); /* one searches: no other is woken */
    CHECK_EQ(ipis, 1);
}

TEST(a_wake_without_anyone_idle_leaves_no_claim)
{
    reset();
    wake_idle_slow();
    CHECK_EQ(ipis, 0);
    CHECK_EQ(sched.spinning, 0);
}

TEST(a_p_that_must_run_is_run_by_a_hart_that_is_idle)
{
    reset();
    CHECK(sleeps(1));
    now_on(0);
    ms[3].slice_on = true;
    wake_p(&ps[3]); /* it runs already, and what it runs ends in time */
    CHECK_EQ(ipis, 0);
    wake_p(&ps[1]);
    CHECK_EQ(ipis, 1);
    CHECK_EQ(last_ipi, 1);
    CHECK(ms[1].next_p == &ps[1]);
    CHECK_EQ(sched.idle_m | sched.idle_p, 0);
    ms[3].slice_on = false; /* what it runs might never end: it is told */
    ps[3].m = &ms[3];
    wake_p(&ps[3]);
    CHECK_EQ(ipis, 2);
    CHECK_EQ(last_ipi, 3);
}

TEST(half_of_the_busy_may_search)
{
    reset();
    CHECK(spin_may_start(&ms[0]));
    sched.spinning = 1;
    CHECK(spin_may_start(&ms[0]));
    sched.spinning = 2;
    CHECK(!spin_may_start(&ms[0]));
    sched.spinning = 1;
    sched.idle_p = 0xc;
    CHECK(!spin_may_start(&ms[0]));
}

UNIT_MAIN
