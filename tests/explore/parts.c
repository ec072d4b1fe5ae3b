/*
 * parts: what a scenario of parts starts from: for each hart an M that holds a P, and Gs that never run; or
 * goroutines that do, with as much of a scheduler's turn as they need.
 */
#include <string.h>
#include "kernel/clock.h"
#include "sched/atomic.h"
#include "sched/chunk.h"
#include "sched/global.h"
#include "sched/proc.h"
#include "sched/runq.h"
#include "tests/explore/engine.h"

static struct m *ms[HARTS_MAX];
static struct p *ps[HARTS_MAX];
static void (*fns[HARTS_MAX])(void);
static struct g *gs[16];

static struct g *new_g(struct m *m)
{
    struct g *g = arena_take(sizeof(*g));
    g->m = m;
    return g;
}

static void make(unsigned i)
{
    struct m *m = ms[i] = arena_take(sizeof(*m));
    struct p *p = ps[i] = arena_take(sizeof(*p));
    m->g0 = new_g(m);
    m->g0->status = G_RUNNING;
    m->g0->preempt_off = 1;
    m->hart.sched_tp = g_tp(m->g0);
    m->hart.sched_sp = arena_stack(64 << 10);
    m->id = m->hart_no = p->id = i;
    m->armed = CLOCK_NEVER;
    m->p = m->last_p = p;
    p->m = p->last_m = m;
    p->rng = 12345 + i;
    p->tick = TICKS(GLOBAL_TICK);
    store_relaxed(&p->status, P_RUNNING); /* relaxed: nobody else runs */
    store_relaxed(&p->timers.first, CLOCK_NEVER);
    store_relaxed(&m->slice_on, true);
    sched.m[i] = m;
    sched.p[i] = p;
}

static void run(void *unused, struct arch_hart *arch)
{
    (void)unused, (void)arch;
    fns[self]();
}

void parts_setup(const struct scenario *s)
{
    unsigned n = 0;
    while (n < HARTS_MAX && s->hart[n] != NULL)
        n++;
    n_harts = sched.n_m = sched.n_p = n;
    for (unsigned i = 0; i < n; i++) {
        make(i);
        fns[i] = s->hart[i];
        course_hart(i, &ms[i]->hart, ms[i]->hart.sched_sp, ms[i]->hart.sched_tp, run);
    }
    clock_init(1000000000);
    if (s->setup != NULL)
        s->setup();
}

struct p *part_p(unsigned i)
{
    return ps[i];
}

struct m *part_m(unsigned i)
{
    return ms[i];
}

struct g *part_g(unsigned n)
{
    if (gs[n] == NULL) {
        gs[n] = new_g(ms[0]);
        gs[n]->id = n;
        gs[n]->status = G_WAITING;
    }
    return gs[n];
}

bool part_interrupted(unsigned i)
{
    return hart[i].ipi;
}

void part_runs(struct g *g, void (*fn)(void *))
{
    arch_context_init(&g->ctx, arena_stack(64 << 10), fn, g);
    g->status = G_RUNNABLE;
}

void part_saves(struct g *g, uint64_t value)
{
    g->wait_data = (void *)value;
}

uint64_t part_resumes(struct g *g)
{
    return (uint64_t)g->wait_data;
}

/* ---- a scheduler between goroutines, which goes home when there is none ---- */

#define LEAVERS 5 /* a hart's: who parks, or ends, leaves to another */

static unsigned left[HARTS_MAX];
static void (*then[HARTS_MAX])(void);

static void turn(void *unused, struct arch_hart *arch);

static void leave(void *unused)
{
    (void)unused;
    arch_leave(NULL, &g_self()->m->hart, turn);
}

static void turn(void *unused, struct arch_hart *arch)
{
    (void)unused;
    struct m *m = (struct m *)arch;
    struct p *p = m->p;
    struct g *g = runq_take_next(&p->runq);
    if (g == NULL && (g = runq_get(&p->runq)) == NULL && (g = global_get(p, 1)) == NULL) {
        then[m->id]();
        return;
    }
    EXPECT(g->status == G_RUNNABLE, "goroutine %ld has been made ready twice", (long)g->id);
    EXPECT(left[m->id] < LEAVERS, "there is no end of goroutines");
    runq_put_tail(p, part_g(LEAVERS * m->id + left[m->id]++));
    sched_resume(m, g);
}

void part_has_goroutines(void)
{
    chunk_init();
    for (unsigned i = 0; i < LEAVERS * sched.n_m; i++)
        part_runs(part_g(i), leave);
    for (unsigned i = 0; i < sched.n_m; i++)
        ms[i]->slice_end = CLOCK_NEVER;
}

void part_runs_all(void (*fn)(void))
{
    struct m *m = ms[self];
    then[self] = fn;
    turn(NULL, &m->hart);
}
