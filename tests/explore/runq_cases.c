/*
 * runq_cases: a ring, its owner and its thieves; an inbox. (RUNQ_SIZE is 4 here.)
 *
 * Each goroutine takes a number along, which who gets it checks: an order that is missing is a race or
 * an old number. In the end every goroutine must be in one place.
 */
#include "sched/atomic.h"
#include "sched/global.h"
#include "sched/proc.h"
#include "sched/runq.h"
#include "tests/explore/explore.h"

#define MANY 8

static unsigned taken[MANY]; /* how often each has come out; its taker's */

static void put(struct p *p, unsigned n)
{
    struct g *g = part_g(n);
    part_saves(g, 100 + n);
    runq_put_tail(p, g);
}

static void take(struct g *g)
{
    EXPECT(g->id >= 0 && g->id < MANY, "no such goroutine came out of a queue");
    EXPECT(part_resumes(g) == 100 + (uint64_t)g->id, "a goroutine without its context");
    taken[g->id]++;
}

static void take_all(struct p *p)
{
    for (struct g *g; (g = runq_take_next(&p->runq)) != NULL || (g = runq_get(&p->runq)) != NULL;)
        take(g);
}

static void steal_once(struct p *mine, struct p *victim, bool runnext)
{
    uint32_t n;
    struct g *g = runq_steal(mine, victim, runnext, &n);
    if (g != NULL)
        take(g);
    take_all(mine);
}

static void make_gs(void)
{
    for (unsigned i = 0; i < MANY; i++)
        part_g(i);
}

static void all_once(unsigned n)
{
    for (struct g *g = sched.global_head; g != NULL; g = g->link)
        taken[g->id]++;
    for (unsigned i = 0; i < HARTS_MAX; i++)
        if (part_p(i) != NULL)
            take_all(part_p(i));
    for (unsigned i = 0; i < n; i++)
        EXPECT(taken[i] == 1, "goroutine %u has come out of the queues %u times", i, taken[i]);
}

/* ---- put against steal ---- */

static void owner_puts_two(void)
{
    put(part_p(0), 0);
    put(part_p(0), 1);
}

static void thief(void)
{
    steal_once(part_p(1), part_p(0), false);
}

static void check_two(void)
{
    all_once(2);
}

SCENARIO(what_a_thief_takes_has_its_context, .setup = make_gs, .hart = {owner_puts_two, thief},
         .check = check_two);

/* ---- the ring comes round ---- */

static void fill(void)
{
    make_gs();
    for (unsigned i = 0; i < RUNQ_SIZE; i++)
        put(part_p(0), i);
    /* R2: what has been read from a slot counts once the swap of head has succeeded; the swap does
     * not depend on it. */
    explore_late(part_p(0)->runq.slot, sizeof(part_p(0)->runq.slot));
}

static void owner_takes_one_and_puts_two(void)
{
    struct g *g = runq_get(&part_p(0)->runq);
    if (g != NULL)
        take(g);
    put(part_p(0), 4);
    put(part_p(0), 5);
}

static void check_six(void)
{
    all_once(6);
}

SCENARIO(a_slot_is_not_reused_under_a_thief, .setup = fill,
         .hart = {owner_takes_one_and_puts_two, thief}, .check = check_six);

static void thief_two(void)
{
    steal_once(part_p(2), part_p(0), false);
}

static void owner_puts_one(void)
{
    put(part_p(0), 4);
}

static void check_five(void)
{
    all_once(5);
}

SCENARIO(two_thieves_and_a_full_ring, .setup = fill, .hart = {owner_puts_one, thief, thief_two},
         .check = check_five);

/* ---- from thief to thief ---- */

static void first_thief(void)
{
    uint32_t n;
    struct g *g = runq_steal(part_p(1), part_p(0), false, &n);
    if (g != NULL)
        take(g);
}

static void second_thief(void)
{
    steal_once(part_p(2), part_p(1), false);
}

static void owner_rests(void)
{
}

static void check_four(void)
{
    all_once(RUNQ_SIZE);
}

SCENARIO(what_is_stolen_twice_has_its_context, .setup = fill,
         .hart = {owner_rests, first_thief, second_thief}, .check = check_four);

/* ---- runnext ---- */

static void owner_puts_next(void)
{
    for (unsigned i = 0; i < 2; i++) {
        part_saves(part_g(i), 100 + i);
        runq_put_next(part_p(0), part_g(i));
    }
    for (unsigned i = 0; i < 10; i++) /* a thief is patient */
        arch_relax(0);
    struct g *g = runq_take_next(&part_p(0)->runq);
    if (g != NULL)
        take(g);
}

static void thief_of_next(void)
{
    steal_once(part_p(1), part_p(0), true);
}

SCENARIO(runnext_is_taken_once_with_its_context, .setup = make_gs,
         .hart = {owner_puts_next, thief_of_next}, .check = check_two);

/* ---- full ---- */

/* Half of the ring goes to the global queue, or a thief has made room. */
static void owner_overflows(void)
{
    put(part_p(0), 4);
    put(part_p(0), 5);
    put(part_p(0), 6);
}

static void check_seven(void)
{
    all_once(7);
}

SCENARIO(an_overflow_and_a_thief_share_a_ring, .setup = fill, .hart = {owner_overflows, thief},
         .check = check_seven);
