/*
 * idle_cases: a hart goes to sleep while another makes work, and is not left to sleep.
 *
 * A wake that is lost is seldom lost for ever: the end of a slice, 10 ms, brings what is queued to
 * light. So these measure: nothing here takes longer than LONG_NS of the course's clock, which goes on
 * only when somebody waits.
 */
#include <pinion.h>
#include "sched/atomic.h"
#include "sched/proc.h"
#include "sched/runq.h"
#include "tests/explore/explore.h"

#define LONG_NS 2000000

static _Atomic int done;

static void mark(void *unused)
{
    (void)unused;
    atomic_fetch_add_explicit(&done, 1, memory_order_release);
}

/* Holds on to its hart: another has to run what is waited for. */
static void wait_for(int n)
{
    int64_t until = time_now() + LONG_NS;
    while (atomic_load_explicit(&done, memory_order_acquire) < n) {
        EXPECT(time_now() < until, "a goroutine waits while a hart sleeps");
        arch_relax(0);
    }
}

static void spawn_twice(void *unused)
{
    (void)unused;
    for (int i = 1; i <= 2; i++) {
        go(mark, NULL);
        wait_for(i);
    }
}

SCENARIO(a_spawn_wakes_a_hart_that_goes_to_sleep, .main = spawn_twice);

/* It holds on to its hart until both run. */
static void mark_and_wait(void *unused)
{
    mark(unused);
    wait_for(2);
}

/* The first wakes a hart; for the second that hart has to wake another, since this one sees it search. */
static void spawn_two_that_wait(void *unused)
{
    (void)unused;
    go(mark_and_wait, NULL);
    go(mark_and_wait, NULL);
    wait_for(2);
}

SCENARIO(who_finds_work_wakes_the_next, .main = spawn_two_that_wait, .harts = 3, .sampled = 50);

static void spawn_pinned(void *unused)
{
    static const struct go_attr there = {.affinity = 2};
    (void)unused;
    for (int i = 1; i <= 2; i++) {
        go_with(&there, mark, NULL);
        wait_for(i);
    }
}

SCENARIO(a_pinned_goroutine_wakes_its_hart, .main = spawn_pinned);

static void sleep_twice(void *unused)
{
    (void)unused;
    for (int i = 0; i < 2; i++) {
        int64_t before = time_now();
        time_sleep(1000);
        EXPECT(time_now() - before < LONG_NS, "a sleeper has slept too long");
    }
}

SCENARIO(a_sleeper_is_woken_in_time, .main = sleep_twice);

static void sleep_and_mark(void *unused)
{
    (void)unused;
    time_sleep(3000);
    mark(NULL);
}

static void wait_for_a_sleeper(void *unused)
{
    (void)unused;
    go(sleep_and_mark, NULL);
    go(sleep_and_mark, NULL);
    wait_for(2);
}

SCENARIO(sleepers_are_woken_while_a_hart_is_busy, .main = wait_for_a_sleeper);

/* ---- the race by itself: harts that make work and go on for ever, and one that goes to sleep ---- */

static unsigned taken;

static void make_work(unsigned i)
{
    runq_put(&part_p(i)->runq, part_g(i));
    wake_idle();
}

static void submitter(void)
{
    make_work(0);
}

static void another_submitter(void)
{
    make_work(2);
}

static void steal_all(struct m *m)
{
    uint32_t n;
    for (unsigned i = 0; i < sched.n_m; i++)
        while (runq_steal(m->p, sched.p[i], false, &n) != NULL)
            taken++;
}

/* As find_runnable: what it finds it runs, and it goes to sleep when there is nothing. */
static void sleeper(void)
{
    struct m *m = part_m(1);
    spin_start(m);
    for (;;) {
        unsigned before = taken;
        steal_all(m);
        if (taken > before && m->spinning)
            spin_found(m);
        else
            idle_sleep(m);
    }
}

static void nothing_lies_about(void)
{
    for (unsigned i = 0; i < sched.n_m; i++)
        EXPECT(runq_empty(&sched.p[i]->runq), "a goroutine lies in a queue, and the hart sleeps");
}

static void make_gs(void)
{
    for (unsigned i = 0; i < 3; i++)
        part_g(i);
}

SCENARIO(a_sleeper_sees_work_or_is_woken, .setup = make_gs, .hart = {submitter, sleeper},
         .check = nothing_lies_about, .may_sleep = true);
SCENARIO(a_sleeper_of_two_submitters_is_woken, .setup = make_gs,
         .hart = {submitter, sleeper, another_submitter}, .check = nothing_lies_about,
         .may_sleep = true);

/* The one idle hart wakes by itself, as by a timer, between a claim and the look under the lock: the claim
 * is given back, and another submitter has relied on it. */
static void one_is_idle(void)
{
    struct m *m = part_m(1);
    make_gs();
    store_relaxed(&sched.idle_p, bit(1));
    store_relaxed(&sched.idle_m, bit(1));
    store_relaxed(&m->self_wake, true);
    m->p->m = NULL;
    m->p = NULL;
}

static void sleeper_that_wakes(void)
{
    idle_stopped(part_m(1));
    sleeper();
}

SCENARIO(a_claim_that_is_given_back_is_asked_for_again, .setup = one_is_idle,
         .hart = {submitter, sleeper_that_wakes, another_submitter}, .check = nothing_lies_about,
         .may_sleep = true, .sampled = 400);

/* ---- a P that is handed over ---- */

static void give_p(void)
{
    struct p *p = part_p(0);
    p->ended = 7;
    part_m(0)->p = NULL;
    idle_hand_over(part_m(1), p);
}

static void get_p(void)
{
    struct m *m = part_m(1);
    m->p = NULL;
    idle_stopped(m);
    EXPECT(m->p == part_p(0) && m->p->ended == 7, "it is not all there");
    m->p->ended++;
}

SCENARIO(a_p_arrives_with_its_fields, .hart = {give_p, get_p});

/* ---- a ring that never is empty ---- */

static struct g *ready[3];

static void one_queued(void)
{
    for (unsigned i = 0; i < 3; i++)
        ready[i] = part_g(i);
    runq_put(&part_p(0)->runq, ready[0]);
}

/* As a yield does on the scheduler's stack: puts one and takes one, so that one is always there. */
static void yields(void)
{
    struct runq *q = &part_p(0)->runq;
    runq_put(q, ready[1]);
    EXPECT(runq_get(q) == ready[0], "the oldest comes first");
    runq_put(q, ready[2]);
    EXPECT(runq_get(q) == ready[1], "the oldest comes first");
}

static void looks(void)
{
    EXPECT(!runq_empty(&part_p(0)->runq), "a queue that never was empty looks so");
}

SCENARIO(a_ring_is_not_empty_while_one_yields, .setup = one_queued, .hart = {yields, looks});

/* The same by way of runnext: who yields goes to the tail, and runnext runs. */
static void yields_to_next(void)
{
    struct runq *q = &part_p(0)->runq;
    runq_put(q, ready[1]);
    EXPECT(runq_take_next(q) == ready[0], "runnext comes first");
}

static void none_but_next(void)
{
    for (unsigned i = 0; i < 3; i++)
        ready[i] = part_g(i);
    runq_put_next(part_p(0), ready[0]);
}

/* Runnext is kicked to the ring, and taken, with one in the ring meanwhile. */
static void kicks(void)
{
    struct runq *q = &part_p(0)->runq;
    runq_put_next(part_p(0), ready[1]);
    EXPECT(runq_take_next(q) == ready[1], "runnext comes first");
}

SCENARIO(a_queue_is_not_empty_while_runnext_is_kicked, .setup = none_but_next,
         .hart = {kicks, looks});

SCENARIO(a_queue_is_not_empty_while_one_yields_to_runnext, .setup = none_but_next,
         .hart = {yields_to_next, looks});
