/*
 * init: making Ms and Ps, and letting harts in.
 *
 * All memory of a hart (its M, its P with a cache, two stacks) is taken here, on the first hart, before
 * any other runs, so coming up cannot fail for lack of it. The stacks lie in the slots of the stack
 * window like goroutines' do, so that they too have a page below them that faults, but wholly
 * mapped: a trap stack cannot grow by trapping (trap 19).
 */
#include "sched/sched.h"
#include <pinion/go.h>
#include <string.h>
#include "kernel/clock.h"
#include "kernel/page.h"
#include "sched/atomic.h"
#include "sched/cache.h"
#include "sched/chunk.h"
#include "sched/g.h"
#include "sched/idle.h"
#include "sched/proc.h"
#include "sched/timer.h"
#include "sched/trace.h"

static struct m *made[64];

static void *zeroed(size_t n)
{
    void *at = page_alloc_run((n + PAGE_SIZE - 1) / PAGE_SIZE);
    if (at != NULL)
        memset(at, 0, n);
    return at;
}

/* Both stacks from one slot each; a page at the top of the trap stack is the port's. */
static bool make_stacks(struct m *m, struct g *g0)
{
    struct stack trap;
    if (!stack_alloc(&g0->stack, STACK_DEFAULT) || !stack_fill(&g0->stack, SCHED_STACK_SIZE) ||
        !stack_alloc(&trap, STACK_DEFAULT) || !stack_fill(&trap, TRAP_STACK_SIZE))
        return false;
    m->hart.sched_sp = g0->stack.hi;
    m->hart.trap_sp = trap.hi - 16; /* the port keeps a word above it */
    return true;
}

static struct m *make_m(unsigned no, uint64_t hwid, uintptr_t root)
{
    struct m *m = zeroed(sizeof(*m));
    if (m == NULL || (m->g0 = g_new_scheduler(m)) == NULL || !make_stacks(m, m->g0))
        return NULL;
    m->hart.sched_tp = g_tp(m->g0);
    m->hart.hwid = hwid;
    m->hart.root = root;
    m->hart_no = no;
    m->armed = CLOCK_NEVER;
    return m;
}

static struct p *make_p(unsigned i)
{
    struct p *p = zeroed(sizeof(*p));
    if (p == NULL || !cache_make(p))
        return NULL;
    p->id = i;
    p->trace.sched = TRACE_WHAT(TRACE_SCHED, TRACE_TAIL, i);
    p->trace.start = TRACE_WHAT(TRACE_START, 0, i);
    p->trace.unblock = TRACE_WHAT(TRACE_UNBLOCK, TRACE_NEXT, i);
    p->trace.create = TRACE_WHAT(TRACE_CREATE, TRACE_NEXT, i);
    p->tick = TICKS(GLOBAL_TICK);
    p->rng = 0x9e3779b97f4a7c15u * (i + 1);
    store_relaxed(&p->status, P_DEAD); /* relaxed: nobody else runs */
    /* relaxed: nobody else runs. */
    atomic_store_explicit(&p->timers.first, CLOCK_NEVER, memory_order_relaxed);
    return p;
}

int sched_init(unsigned n, const uint64_t hwid[], uintptr_t root)
{
    g_more = chunk_init() ? MORE_TLS : 0;
    for (unsigned i = 0; i < n; i++) {
        made[i] = make_m(i, hwid[i], root);
        sched.p[i] = make_p(i);
        if (made[i] == NULL || sched.p[i] == NULL)
            return -1;
    }
    return 0;
}

struct m *sched_hart(unsigned i)
{
    return made[i];
}

void sched_settle(uint64_t up, unsigned gomaxprocs)
{
    for (unsigned i = 0; i < 64; i++)
        if (up >> i & 1) {
            made[i]->id = sched.n_m;
            sched.m[sched.n_m++] = made[i];
        }
    sched.n_p = gomaxprocs == 0 || gomaxprocs > sched.n_m ? sched.n_m : gomaxprocs;
    for (unsigned i = 0; i < sched.n_p; i++) {
        sched.m[i]->p = sched.m[i]->last_p = sched.p[i];
        sched.p[i]->m = sched.m[i];
        store_relaxed(&sched.p[i]->status, P_RUNNING); /* relaxed: nobody else runs */
    }
}

void sched_main(struct m *m, void (*fn)(void *), void *arg)
{
    static const struct go_attr attr = {.name = "main", .stack_size = STACK_MAIN};
    struct p *p = m->p;
    if (p == NULL) /* the first hart is beyond gomaxprocs: another one's P gets it */
        m->p = sched.p[0];
    /* The spawn wakes nobody: no hart is idle before it is let in. */
    g_spawn(&attr, NULL, fn, arg, 0);
    m->p = p;
}

void sched_start(struct m *m)
{
    timers_extra(m);
    arch_irq_enable();
    if (m->p == NULL)
        idle_without_p(m);
    else
        TRACE_M(m, 0, 0, TRACE_WHAT(TRACE_P_START, 0, m->p->id));
    sched_next(m);
    __builtin_unreachable();
}
