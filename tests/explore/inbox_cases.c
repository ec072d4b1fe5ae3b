/*
 * inbox_cases: a P's inbox: its bit comes after its push, and is cleared before the look.
 */
#include "sched/atomic.h"
#include "sched/proc.h"
#include "sched/runq.h"
#include "tests/explore/explore.h"

#define MANY  3
#define LOOKS 3 /* of the owner's */

static unsigned arrived[MANY], looks;

static void arrive(void *arg)
{
    struct g *g = arg;
    EXPECT(part_resumes(g) == 100 + (uint64_t)g->id, "a goroutine without its context");
    arrived[g->id]++;
}

static void look(void *unused, struct arch_hart *hart);

static void arrive_and_leave(void *g)
{
    arrive(g);
    arch_leave(NULL, &part_m(0)->hart, look);
}

static void only_leave(void *g)
{
    (void)g;
    arch_leave(NULL, &part_m(0)->hart, look);
}

static void make_gs(void)
{
    for (unsigned i = 0; i < MANY; i++)
        part_runs(part_g(i), arrive_and_leave);
    for (unsigned i = 0; i < LOOKS; i++)
        part_runs(part_g(MANY + i), only_leave);
}

static void send(unsigned n)
{
    struct g *g = part_g(n);
    part_saves(g, 100 + n);
    inbox_put(part_p(0), &part_p(0)->inbox, g);
}

static void first_sender(void)
{
    send(0);
}

static void second_sender(void)
{
    send(1);
    send(2);
}

/* The scheduler between two goroutines: it attends to the inbox if the word says so. There is always
 * somebody to run next. */
static void look(void *unused, struct arch_hart *hart)
{
    (void)unused;
    if (looks == LOOKS)
        return;
    runq_put_tail(part_p(0), part_g(MANY + looks++));
    sched_next((struct m *)hart);
}

static void owner(void)
{
    look(NULL, &part_m(0)->hart);
}

/* What is queued will be run; and the inbox will be looked at, if the word says so. */
static void none_is_left(void)
{
    struct p *p = part_p(0);
    for (struct g *g; (g = runq_get(&p->runq)) != NULL;)
        if (g->id < MANY)
            arrive(g);
    if ((load_relaxed(&p->attention) & ATTN_INBOX) != 0)
        for (struct g *g = inbox_take(&p->inbox); g != NULL; g = g->link)
            arrive(g);
    for (unsigned i = 0; i < MANY; i++)
        EXPECT(arrived[i] == 1, "goroutine %u has arrived %u times", i, arrived[i]);
}

SCENARIO(what_is_in_the_inbox_is_announced, .setup = make_gs,
         .hart = {owner, first_sender, second_sender}, .check = none_is_left);
