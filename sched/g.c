/*
 * g: the life of a goroutine: its start, its stack, its end. Descriptors are chunk.c's.
 *
 * Dead Gs are kept, with their stacks, in their P's list, up to GFREE_MAX: the next spawn there
 * takes the last one that died, warm in the cache, and touches no lock. Beyond that, half of them
 * go to the global list with their stacks while that holds few (warm), else they lose these to the
 * stack pool and the descriptors go back to their chunks.
 *
 * A goroutine cannot bury itself: it is still on its stack. runtime_goexit leaves the stack by
 * arch_leave and g_bury runs on the scheduler's (trap 7).
 *
 * numgoroutine is the sum over all Ps of starts less ends there; no counter is shared.
 */
#include "sched/g.h"
#include <errno.h>
#include <pinion/go.h>
#include <pinion/sync.h>
#include "sched/atomic.h"
#include "sched/chunk.h"
#include "sched/defer.h"
#include "sched/idle.h"
#include "sched/libc.h"
#include "sched/lockorder.h"
#include "sched/preempt.h"
#include "sched/proc.h"
#include "sched/runq.h"
#include "sched/trace.h"
#include "sched/wired.h"

struct g *g_new_scheduler(struct m *m)
{
    struct g *g = chunk_take();
    if (g == NULL)
        return NULL;
    g->m = m;
    g->status = G_RUNNING;
    g->preempt_off = 1;
    g->name = "scheduler";
    return g;
}

uintptr_t g_created(const struct g *g)
{
    extern const char __text_start[];
    uint64_t text = (uintptr_t)__text_start;
    return g->created_at == 0 ? 0 : (uintptr_t)(text >> 32 << 32 | g->created_at);
}

/* Ends first: what starts while we count may be counted, but none is missing. */
LOOKS_ON int64_t g_count(void)
{
    int64_t n = 0;
    for (uint32_t i = 0; i < sched.n_m; i++)
        n -= (int64_t)sched.p[i]->ended;
    atomic_signal_fence(
        memory_order_seq_cst); /* order: the compiler's only; a moment old is fine */
    for (uint32_t i = 0; i < sched.n_m; i++)
        n += (int64_t)sched.p[i]->count.spawned;
    return n;
}

/* ---- free lists ---- */

static void drop_stack(struct g *g)
{
    stack_free(&g->stack);
    g->stack = (struct stack){0, 0};
}

/* Takes up to GFREE_BATCH dead Gs with their stacks from the global list, in one lock hold. */
static void refill(struct p *p)
{
    spin_lock(&sched.lock);
    for (uint32_t i = 0; i < GFREE_BATCH && sched.warm != NULL; i++) {
        struct g *g = sched.warm;
        sched.warm = g->link;
        sched.n_warm--;
        g->link = p->free;
        p->free = g;
        p->n_free++;
    }
    spin_unlock(&sched.lock);
}

/* Takes the stacks from a list of dead Gs and gives up the rest of them. */
static void drop_all(struct g *list)
{
    for (struct g *g = list; g != NULL; g = g->link)
        drop_stack(g);
    if (list != NULL)
        chunk_give(list);
}

/* A G with a stack for `size` bytes (0: default), or NULL. Preemption off. */
static struct g *g_take(struct p *p, size_t size)
{
    struct g *g;
    if (size == 0) {
        /* relaxed: a hint; refill looks under the lock. */
        if (p->free == NULL && atomic_load_explicit(&sched.n_warm, memory_order_relaxed) != 0)
            refill(p);
        if ((g = p->free) != NULL) {
            p->free = g->link;
            p->n_free--;
            return g;
        }
    }
    if ((g = chunk_take()) == NULL)
        return NULL;
    g->link = NULL;
    if (stack_alloc(&g->stack, size == 0 ? STACK_DEFAULT : size)) {
        g->pages = 1;
        return g;
    }
    chunk_give(g);
    return NULL;
}

/* Half of p's dead Gs go to the global list, with their stacks while that holds few. */
static __attribute__((noinline)) void shed(struct p *p)
{
    struct g *first = p->free, *last = first;
    for (uint32_t i = 1; i < GFREE_BATCH; i++)
        last = last->link;
    p->free = last->link;
    p->n_free -= GFREE_BATCH;
    last->link = NULL;
    spin_lock(&sched.lock);
    bool keep = sched.n_warm < GFREE_WARM;
    if (keep) {
        last->link = sched.warm;
        sched.warm = first;
        sched.n_warm += GFREE_BATCH;
    }
    spin_unlock(&sched.lock);
    if (!keep)
        drop_all(first);
}

/* Also see shed; p is to go. */
void g_give_all(struct p *p)
{
    while (p->n_free >= GFREE_BATCH)
        shed(p);
    struct g *rest = p->free;
    p->free = NULL;
    p->n_free = 0;
    drop_all(rest);
}

/* On the scheduler stack. */
static void g_give(struct p *p, struct g *g)
{
    if (g->stack.hi == 0) {
        g->link = NULL;
        chunk_give(g);
        return;
    }
    g->link = p->free;
    p->free = g;
    if (++p->n_free > GFREE_MAX)
        shed(p);
}

void g_trim(void)
{
    struct p *p = g_self()->m->p;
    struct g *mine = p->free;
    p->free = NULL;
    p->n_free = 0;
    spin_lock(&sched.lock);
    struct g *warm = sched.warm;
    sched.warm = NULL;
    sched.n_warm = 0;
    spin_unlock(&sched.lock);
    drop_all(mine);
    drop_all(warm);
    chunk_trim();
    stack_trim();
}

/* ---- start ---- */

static int64_t next_id(struct p *p)
{
    if (__builtin_expect(p->goid_next == p->goid_end, 0)) {
        /* relaxed: a number, nothing more. */
        p->goid_next = atomic_fetch_add_explicit(&sched.goid, GOID_BATCH, memory_order_relaxed) + 1;
        p->goid_end = p->goid_next + GOID_BATCH;
    }
    return p->goid_next++;
}

uint32_t g_more;

static __attribute__((noinline)) void prepare_more(struct g *g, uintptr_t fn)
{
    if (g_more & MORE_TLS)
        chunk_tls_init(g);
    if (g_more & MORE_CHAOS)
        g->flags |= GF_CHAOS;
    if (g_more & MORE_BLOCKS)
        g->watched |= WATCH_BLOCKS;
    if (g_more & MORE_TRACE)
        trace_create(g_self()->m, g, fn);
}

/* The same for go, where there mostly is no more than to note it. */
static inline void prepare_noted(struct m *m, struct p *p, struct g *g, uintptr_t fn)
{
    struct trace_ring *r = &m->trace[0];
    struct trace_record *at = r->next;
    if (__builtin_expect(g_more != MORE_TRACE || !trace_room(r, at, 1), 0)) {
        prepare_more(g, fn);
        return;
    }
    g->watched = WATCH_TRACE;
    g->flags = GF_ODD;
    trace_note_birth(at, arch_ticks(), g, fn, p->trace.create);
    trace_done(r, at + 1);
}

/* Fills in g, dead until now, but for what it will run. A dead G has no name, affinity, wg, defers or reent. */
static inline void g_prepare(struct g *g, struct p *p, uintptr_t pc, uint8_t flags)
{
    g->id = next_id(p);
    g->parent = g_self()->id;
    g->created_at = (uint32_t)pc;
    g->errno_value = 0;
    g->state = G_STATE(G_RUNNABLE, 1);
    g->arch_flags = 0;
    g->flags = flags;
    lockorder_begin(g);
}

static __attribute__((noinline)) int64_t fail(int error)
{
    errno = error;
    return -1;
}

/* go, when this P has no dead G at hand. */
static __attribute__((noinline)) int64_t go_slow(void (*fn)(void *), void *arg, uintptr_t pc)
{
    static const struct go_attr none;
    return g_spawn(&none, NULL, fn, arg, pc);
}

HOT int64_t go(void (*fn)(void *), void *arg)
{
    uintptr_t pc = (uintptr_t)__builtin_return_address(0);
    struct m *m = preempt_off();
    struct p *p = m->p;
    struct g *g = p->free;
    if (__builtin_expect(fn == NULL || g == NULL || p->goid_next == p->goid_end, 0)) {
        preempt_on();
        return go_slow(fn, arg, pc);
    }
    p->free = g->link;
    p->n_free--;
    g_prepare(g, p, pc, 0);
    if (__builtin_expect(g_more != 0, 0))
        prepare_noted(m, p, g, (uintptr_t)fn);
    arch_context_init(&g->ctx, g->stack.hi, fn, arg);
    p->count.spawned++;
    int64_t id = g->id;
    runq_put_next(p, g);
    slice_ensure(m);
    wake_idle();
    preempt_on();
    return id;
}

int64_t g_spawn(const struct go_attr *attr, struct waitgroup *wg, void (*fn)(void *), void *arg,
                uintptr_t pc)
{
    uint64_t exist = sched.n_m == 64 ? UINT64_MAX : (UINT64_C(1) << sched.n_m) - 1;
    if (fn == NULL || attr->stack_size > STACK_MAX ||
        (attr->affinity != 0 && (attr->affinity & exist) == 0))
        return fail(EINVAL);
    struct p *p = preempt_off()->p;
    struct g *g = g_take(p, attr->stack_size > STACK_DEFAULT ? attr->stack_size : 0);
    if (g == NULL) {
        preempt_on();
        return fail(ENOMEM);
    }
    g->name = attr->name;
    g->affinity = attr->affinity & exist;
    g->wg = wg;
    g_prepare(g, p, pc, g->affinity != 0 ? GF_PINNED : 0);
    if (g_more != 0)
        prepare_more(g, (uintptr_t)fn);
    arch_context_init(&g->ctx, g->stack.hi, fn, arg);
    if (wg != NULL || g->id == 1)
        g->flags |= GF_ENDING;
    if (g->name != NULL || g->affinity != 0 || g->stack.hi - g->stack.lo >= STACK_DEFAULT)
        g->flags |= GF_ODD | GF_DRESSED;
    p->count.spawned++;
    int64_t id = g->id;
    sched_spawn(p, g);
    preempt_on();
    return id;
}

int64_t go_with(const struct go_attr *attr, void (*fn)(void *), void *arg)
{
    static const struct go_attr none;
    return g_spawn(attr != NULL ? attr : &none, NULL, fn, arg,
                   (uintptr_t)__builtin_return_address(0));
}

/* ---- end ---- */

/* The parts of a burial that few goroutines have. */
static void g_undress(struct g *g)
{
    g->name = NULL;
    g->affinity = 0;
    g->locks = 0;
    if (g->flags & GF_WIRED)
        wired_end(g->m);
    if (g->stack.hi - g->stack.lo >= STACK_DEFAULT)
        drop_stack(g);
}

static __attribute__((noinline, cold)) void bury_slowly(struct g *g, struct m *m)
{
    if (g->flags & GF_ODD) {
        TRACE_G(m, g, 0, TRACE_WHAT(TRACE_END, 0, 0));
        g_undress(g);
    }
    g_give(m->p, g);
    sched_next(m);
}

/* g, which has its stack and nothing else, goes to p's list, which has room. */
static inline void bury(struct g *g, struct p *p, uint32_t n)
{
    g->link = p->free;
    p->free = g;
    p->n_free = n + 1;
}

NOTES static __attribute__((noinline)) void bury_noted(struct g *g, struct m *m, struct p *p)
{
    struct trace_ring *r = &m->trace[0];
    struct trace_record *at = r->next;
    uint32_t n = p->n_free;
    if (__builtin_expect(!trace_room(r, at, 1) || n >= GFREE_MAX, 0) ||
        __builtin_expect(!g_traced(g) || (g->flags & GF_DRESSED) != 0, 0)) {
        bury_slowly(g, m);
        return;
    }
    trace_note(at, arch_ticks(), g, 0, TRACE_WHAT(TRACE_END, 0, 0));
    trace_done(r, at + 1);
    bury(g, p, n);
    sched_next(m);
}

HOT static void g_bury(void *arg, struct arch_hart *hart)
{
    struct g *g = arg;
    struct m *m = (struct m *)hart;
    struct p *p = m->p;
    uint32_t n = p->n_free;
    g->status = G_DEAD;
    p->ended++;
    if (__builtin_expect(g->flags & GF_ODD, 0)) {
        bury_noted(g, m, p);
    } else if (__builtin_expect(n >= GFREE_MAX, 0)) {
        bury_slowly(g, m);
    } else {
        bury(g, p, n);
        sched_next(m);
    }
}

/* What few goroutines have to do before they go. */
static __attribute__((noinline)) void g_wind_up(struct g *g)
{
    if (g->defers != NULL)
        defer_run_all(g);
    if (g->reent != NULL)
        libc_g_exit(g);
    if (g->wg != NULL)
        waitgroup_done(g->wg);
    g->wg = NULL;
    if (g->id == 1)
        sched.main_exited = true;
}

HOT void runtime_goexit(void)
{
    struct g *g = g_self();
    if (__builtin_expect(g->flags & GF_ENDING, 0))
        g_wind_up(g);
    preempt_off();
    arch_leave(g, &g->m->hart, g_bury);
}

/* The switch calls it when a goroutine's function returns. */
_Noreturn void arch_context_done(void) __attribute__((alias("runtime_goexit")));

int64_t runtime_goid(void)
{
    return g_self()->id;
}

int runtime_numgoroutine(void)
{
    return (int)g_count();
}

int runtime_hart(void)
{
    return (int)g_self()->m->id;
}

int runtime_numcpu(void)
{
    return (int)sched.n_m;
}
