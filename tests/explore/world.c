/*
 * world: what a program starts from: the scheduler as boot makes it, on as many harts as the scenario
 * says. Its choices count once all harts but main's sleep.
 */
#include "kernel/clock.h"
#include "sched/atomic.h"
#include "sched/g.h"
#include "sched/preempt.h"
#include "sched/sched.h"
#include "tests/explore/engine.h"
#include <pinion/go.h>

static void (*program)(void *);

static void main_of_world(void *arg)
{
    uint64_t others = bit(sched.n_m) - 1;
    /* relaxed: a look; a hart that is in the set goes on to its WFI by itself. */
    for (;;) {
        uint64_t idle = load_relaxed(&sched.idle_m) | bit(g_self()->m->id);
        if (idle == others)
            break;
        explore_relax();
    }
    for (int i = 0; i < 50; i++) /* … while this one waits */
        explore_relax();
    open_ = true;
    program(arg);
    course_end();
}

static void start(void *unused, struct arch_hart *arch)
{
    (void)unused;
    sched_start((struct m *)arch);
}

void world_setup(const struct scenario *s)
{
    uint64_t hwid[HARTS_MAX] = {0, 1, 2};
    struct arch_hart *first;
    n_harts = s->harts == 0 ? 2 : s->harts;
    program = s->main;
    clock_init(1000000000);
    /* Who asks for the thread pointer meanwhile gets the first hart's, which sched_init makes. */
    struct g *boot = arena_take(sizeof(*boot));
    hart[0].tp = g_tp(boot);
    if (sched_init(n_harts, hwid, 0) < 0)
        explore_fail("sched_init has failed");
    for (unsigned i = 0; i < n_harts; i++) {
        struct arch_hart *arch = &sched_hart(i)->hart;
        course_hart(i, arch, arch->sched_sp, arch->sched_tp, start);
        hart[i].masked = true;
    }
    sched_settle(bit(n_harts) - 1, 0);
    first = &sched_hart(0)->hart;
    sched_main((struct m *)first, main_of_world, NULL);
    if (s->setup != NULL)
        s->setup();
}
