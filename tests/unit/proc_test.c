// with: sched/runq.c -DPINION_UNIT_TEST -pthread
/*
 * proc: the order in which a thief looks at the others, the batch from the global queue, and the
 * turns that the queues of one P take. The file is included, for what it keeps to itself.
 */
#include "tests/unit/unit.h"
#include "tests/unit/sched_world.h"
#include "sched/global.c"
#include "sched/pinned.c"
#include "sched/proc.c"

bool preempt_honour_true(void)
{
    abort();
}

/* ---- what proc.c calls ---- */

static int wakes;

int64_t clock_ns(void)
{
    return 0;
}

bool spin_may_start(struct m *m)
{
    (void)m;
    return true;
}

void spin_start(struct m *m)
{
    (void)m;
}

void spin_found(struct m *m)
{
    (void)m;
}

void idle_sleep(struct m *m)
{
    (void)m;
    abort();
}

void wake_p(struct p *p)
{
    (void)p;
    wakes++;
}

void wake_idle_slow(void);
void wake_idle_slow(void)
{
    wakes++;
}

void timers_run(struct p *p, int64_t now)
{
    (void)p, (void)now;
}

void timers_arm(struct m *m, struct p *p)
{
    (void)m, (void)p;
}

void timers_run_others(struct p *p, struct p *victim)
{
    (void)p, (void)victim;
}

/* ---- Ps and Gs ---- */

#define GS 1024
static struct g gs[GS], self;
static struct p ps[64];
static struct m ms[64];

static void reset(uint32_t n)
{
    memset(gs, 0, sizeof(gs));
    memset(ps, 0, sizeof(ps));
    memset(&sched, 0, sizeof(sched));
    sched.n_p = sched.n_m = n;
    for (uint32_t i = 0; i < n; i++) {
        sched.p[i] = &ps[i];
        sched.m[i] = &ms[i];
        ps[i].id = i;
        ps[i].tick = TICKS(GLOBAL_TICK);
        ps[i].rng = 0x9e3779b97f4a7c15u * (i + 1);
    }
    world_enter(&self, &ms[0], &ps[0]);
    wakes = 0;
}

TEST(a_thief_looks_at_each_p_once_a_round)
{
    for (uint32_t n = 1; n <= 64; n++) {
        reset(n);
        for (int round = 0; round < 200; round++) {
            uint64_t seen = 0;
            uint32_t at = p_random(&ps[0], n), step = random_step(&ps[0], n);
            for (uint32_t i = 0; i < n; i++, at = (at + step) % n) {
                CHECK(at < n);
                CHECK((seen >> at & 1) == 0);
                seen |= UINT64_C(1) << at;
            }
            CHECK(seen == (n == 64 ? UINT64_MAX : (UINT64_C(1) << n) - 1));
        }
    }
}

TEST(every_p_is_the_first_victim_about_equally_often)
{
    for (uint32_t n = 2; n <= 16; n++) {
        uint32_t first[16] = {0};
        reset(n);
        for (int round = 0; round < 16000; round++)
            first[p_random(&ps[n - 1], n)]++;
        for (uint32_t i = 0; i < n; i++)
            CHECK(first[i] > 16000 / n * 8 / 10 && first[i] < 16000 / n * 12 / 10);
    }
}

TEST(stealing_finds_the_only_goroutine_wherever_it_is)
{
    for (uint32_t where = 1; where < 8; where++) {
        reset(8);
        CHECK(runq_put(&ps[where].runq, &gs[0]));
        CHECK(steal(&ps[0]) == &gs[0]);
        CHECK_EQ(ps[0].count.steals, 1);
        CHECK_EQ(ps[0].count.stolen_gs, 1);
        inbox_put(&ps[where], &ps[where].inbox, &gs[1]);
        CHECK(steal(&ps[0]) == &gs[1]);
        CHECK(steal(&ps[0]) == NULL);
    }
}

static void fill_global(uint32_t n)
{
    for (uint32_t i = 0; i + 1 < n; i++)
        gs[i].link = &gs[i + 1];
    global_put_batch(&gs[0], &gs[n - 1], n);
}

TEST(a_batch_from_the_global_queue_is_a_fair_share)
{
    static const struct {
        uint32_t ps, queued, want;
    } cases[] = {{1, 1, 1}, {1, 100, 100}, {1, 1000, 128}, {4, 1, 1},   {4, 2, 1},
                 {4, 4, 2}, {4, 100, 26},  {4, 600, 128},  {64, 63, 1}, {64, 64, 2}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        reset(cases[i].ps);
        fill_global(cases[i].queued);
        CHECK(global_get(&ps[0], GLOBAL_BATCH) == &gs[0]); /* the first runs */
        CHECK_EQ(ps[0].count.global_gets, cases[i].want);
        CHECK_EQ(sched.global_n, cases[i].queued - cases[i].want);
        for (uint32_t k = 1; k < cases[i].want; k++)
            CHECK(runq_get(&ps[0].runq) == &gs[k]);
        CHECK(runq_empty(&ps[0].runq));
    }
}

/* One schedule, as sched_next counts it. */
static struct g *schedule(struct p *p)
{
    struct g *g = pick_local(p);
    if (g == NULL)
        g = pinned_get(p);
    CHECK(p->tick >= TICKS(1) && p->tick < TICKS(GLOBAL_TICK + 2));
    p->tick -= TICK;
    CHECK(p->tick >= TICKS(1));
    return g;
}

TEST(the_global_queue_is_looked_at_every_61_schedules)
{
    reset(2);
    fill_global(100);
    for (uint32_t i = 200; i < 210; i++)
        runq_put_tail(&ps[0], &gs[i]);
    uint32_t got = 0;
    for (int i = 0; i < 61 * 50; i++) {
        struct g *g = schedule(&ps[0]);
        if (g < &gs[100])
            CHECK(g == &gs[got++]);
        else
            runq_put_tail(&ps[0], g);
    }
    CHECK_EQ(got, 50);
    CHECK_EQ(p_switches(&ps[0]), 61 * 50);
}

TEST(a_pair_that_wakes_each_other_lets_the_ring_have_its_turn)
{
    reset(2);
    for (uint32_t i = 0; i < 5; i++)
        runq_put_tail(&ps[0], &gs[i]);
    uint32_t ring = 0, pair = 0;
    runq_put_next(&ps[0], &gs[10]);
    for (int i = 0; i < 6100; i++) {
        struct g *g = schedule(&ps[0]);
        if (g >= &gs[10]) {
            pair++;
            runq_put_next(&ps[0], g == &gs[10] ? &gs[11] : &gs[10]);
        } else {
            ring++;
            runq_put_tail(&ps[0], g);
        }
    }
    CHECK(ring >= 90);
    CHECK(pair > 5000);
}

/* Pinned goroutines take turns with the ring, and neither loses the others' fair turn. */
TEST(pinned_goroutines_and_the_ring_and_the_global_queue_all_run)
{
    for (uint32_t pinned = 1; pinned <= 4; pinned++)
        for (uint32_t ring = 0; ring <= 4; ring++) {
            uint32_t ran[3] = {0};
            reset(2);
            fill_global(500);
            for (uint32_t i = 0; i < pinned; i++) {
                gs[600 + i].flags = GF_PINNED;
                pinned_put(&ps[0], &gs[600 + i]);
            }
            for (uint32_t i = 0; i < ring; i++)
                runq_put_tail(&ps[0], &gs[700 + i]);
            for (int i = 0; i < 61 * 200; i++) {
                struct g *g = schedule(&ps[0]);
                if (g == NULL)
                    continue;
                if (g < &gs[500]) {
                    ran[2]++;
                } else if (g < &gs[700]) {
                    ran[0]++;
                    pinned_put(&ps[0], g);
                    pinned_note(&ps[0]);
                } else {
                    ran[1]++;
                    runq_put_tail(&ps[0], g);
                }
            }
            CHECK(ran[0] >= 61 * 60);
            CHECK(ring == 0 || ran[1] >= 61 * 60);
            CHECK(ran[2] >= 60);
        }
}

TEST(a_pinned_goroutine_goes_home)
{
    reset(4);
    gs[0].flags = GF_PINNED;
    gs[0].affinity = 1 << 2;
    pinned_enqueue(&ps[0], &gs[0]);
    CHECK(ps[2].pinbox == &gs[0]);
    CHECK_EQ(wakes, 1);
    CHECK(schedule(&ps[2]) == &gs[0] || schedule(&ps[2]) == &gs[0]);
    gs[1].flags = GF_PINNED;
    gs[1].affinity = 1 << 1 | 1 << 3;
    sched.idle_p = 1 << 3;
    pinned_enqueue(&ps[0], &gs[1]); /* to the idle one of the two */
    CHECK(ps[3].pinbox == &gs[1]);
    gs[2].flags = GF_PINNED;
    gs[2].affinity = 1 << 9; /* none of the Ps there are: stays where it is made ready */
    pinned_enqueue(&ps[0], &gs[2]);
    CHECK(ps[0].pinned_head == &gs[2]);
}

UNIT_MAIN
