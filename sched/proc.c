/*
 * proc: which goroutine runs next, and where one that becomes runnable goes.
 *
 * Go's scheduler, read aloud: a hart with a P runs the goroutine in runnext, else the oldest of
 * its own queue, else a batch of the global queue, else half of another P's queue, else it sleeps.
 * Every GLOBAL_TICK-th time it looks at the global queue first and lets its ring go before
 * runnext, so that neither a busy ring nor two goroutines that keep waking each other starve
 * anyone.
 *
 * All here but g_ready runs on the hart's scheduler stack, where sched_next is what every way out of a
 * goroutine ends in; those ways are park.c's. The queue that all share is global.c's; goroutines that may
 * run on some Ps only, which never enter a ring, are pinned.c's.
 */
#include "sched/proc.h"
#include <pinion/go.h>
#include <pinion/runtime.h>
#include "kernel/clock.h"
#include "sched/atomic.h"
#include "sched/chaos.h"
#include "sched/g.h"
#include "sched/global.h"
#include "sched/idle.h"
#include "sched/pinned.h"
#include "sched/preempt.h"
#include "sched/runq.h"
#include "sched/section.h"
#include "sched/timer.h"
#include "sched/trace.h"
#include "sched/wired.h"
#include "sched/world.h"

struct sched sched;

/* ---- where a runnable G goes ---- */

void sched_put_tail(struct p *p, struct g *g)
{
    if (g->flags & GF_ASIDE)
        pinned_enqueue(p, g);
    else
        runq_put_tail(p, g);
}

static void sched_put_first(struct p *p, struct g *g)
{
    if (g->flags & GF_ASIDE)
        pinned_enqueue(p, g);
    else
        runq_put_next(p, g);
}

/* What run_next_simply has left. */
static __attribute__((noinline)) void run_next_slowly(struct p *p, struct g *g)
{
    /* Looked at first: once it is queued it may run elsewhere, and die. */
    bool aside = g != NULL && (g->flags & GF_ASIDE) != 0;
    if (g != NULL)
        sched_put_tail(p, g);
    if (!aside)
        slice_ensure(g_self()->m);
    wake_idle();
}

static inline void ready(struct m *m, struct g *g)
{
    struct g *rest;
    g->status = G_RUNNABLE;
    if (__builtin_expect(!run_next_simply(m, g, &rest), 0))
        run_next_slowly(m->p, rest);
}

/* g is about to become runnable, and its state is out of the ordinary. */
static void note_ready(struct m *m, struct g *g, uint32_t place)
{
    ASSERT(g->status == G_WAITING, "g_ready: goroutine is not waiting");
    TRACE_G(m, g, (uint64_t)g_self()->id,
            TRACE_WHAT(TRACE_UNBLOCK, 0, 0) | trace_where(g, place, m->p));
}

static __attribute__((noinline, cold)) bool ready_slowly(struct g *g, uint8_t was)
{
    struct m *m = g_self()->m;
    note_ready(m, g, TRACE_NEXT);
    g->status = G_RUNNABLE;
    sched_spawn(m->p, g);
    return preempt_back(was);
}

/* Mostly g is watched and nothing else: that is noted. false: it is not that simple. */
static inline bool ready_noted(struct m *m, struct p *p, struct g *g, uint32_t state)
{
    struct trace_ring *r = &m->trace[0];
    struct trace_record *at = r->next;
    if (__builtin_expect(!trace_room(r, at, 1) || state != G_WATCHED(G_WAITING, 1), 0) ||
        __builtin_expect(g->flags & GF_ASIDE, 0))
        return false;
    trace_note(at, arch_ticks(), g, (uint64_t)g_self()->id, p->trace.unblock);
    trace_done(r, at + 1);
    g->status = G_RUNNABLE;
    return true;
}

/* g_ready of one that is watched, or wrong. */
NOTES static __attribute__((noinline)) void g_ready_watched(struct g *g, uint32_t state)
{
    struct m *m = g_self()->m;
    struct p *p = m->p;
    struct g *rest;
    if (!ready_noted(m, p, g, state))
        ready_slowly(g, g_self()->preempt_off);
    else if (__builtin_expect(!run_next_at_once(m, p, g, &rest), 0))
        run_next_slowly(p, rest);
}

NOTES bool g_ready_noted(struct g *g, uint8_t was, uint32_t state)
{
    struct m *m = g_self()->m;
    struct p *p = m->p;
    struct g *rest;
    if (!ready_noted(m, p, g, state))
        return ready_slowly(g, was);
    if (__builtin_expect(!run_next_at_once(m, p, g, &rest), 0))
        return g_ready_slowly(p, rest);
    return preempt_back(was);
}

HOT void g_ready(struct g *g)
{
    uint32_t state = g->state;
    if (__builtin_expect(state != G_STATE(G_WAITING, 1), 0))
        g_ready_watched(g, state);
    else
        ready(g_self()->m, g);
}

__attribute__((noinline)) bool g_ready_slowly(struct p *p, struct g *g)
{
    run_next_slowly(p, g);
    preempt_on();
    return true;
}

void g_ready_tail(struct g *g)
{
    struct m *m = g_self()->m;
    note_ready(m, g, TRACE_TAIL);
    g->status = G_RUNNABLE;
    run_next_slowly(m->p, g);
}

void sched_spawn(struct p *p, struct g *g)
{
    bool aside = (g->flags & GF_ASIDE) != 0; /* as in run_next_slowly */
    sched_put_first(p, g);
    if (!aside)
        slice_ensure(g_self()->m);
    wake_idle();
}

/* ---- picking ---- */

/* What interrupts and other harts have left for this P; mostly nothing. */
static void attend(struct p *p)
{
    /* O4: acquire pairs with the release in inbox_put: a bit cleared here means its push is seen
     * below, and a push after this sets the bit again (trap 1: clear first, look afterwards). */
    uint32_t bits = atomic_exchange_explicit(&p->attention, 0, memory_order_acquire);
    if (bits & ATTN_INBOX) {
        struct g *g = inbox_take(&p->inbox);
        bool more = g != NULL && g->link != NULL;
        for (struct g *rest; g != NULL; g = rest) {
            rest = g->link;
            runq_put_tail(p, g);
        }
        if (more) /* than this hart runs next */
            wake_idle();
        g = inbox_take(&p->pinbox);
        for (struct g *rest; g != NULL; g = rest) {
            rest = g->link;
            pinned_put(p, g);
        }
    }
    if (bits & ATTN_TIMER)
        timers_run(p, clock_ns());
    if (bits & ATTN_LATE)
        section_run_timers(p);
    if ((bits & ATTN_STOP) != 0 && world_stops())
        /* relaxed: to ourselves: at the next schedule. */
        atomic_fetch_or_explicit(&p->attention, ATTN_STOP, memory_order_relaxed);
    if (p->pinned_head != NULL)
        pinned_note(p);
}

/* The GLOBAL_TICK-th schedule: the global queue, then the ring, go before runnext. */
static struct g *pick_fair(struct p *p)
{
    struct g *g = global_get(p, 1);
    return g != NULL ? g : runq_get(&p->runq);
}

/* Attention is wanted, or the GLOBAL_TICK-th time has come: a turn for the pinned and the global. But
 * whom a timer has woken runs first: a fair turn may take a slice, and is put off to the next time. */
static struct g *pick_special(struct p *p)
{
    struct g *g = NULL;
    bool timer = false;
    /* relaxed: attend acquires what it clears. */
    uint32_t wanted = load_relaxed(&p->attention);
    if (wanted != 0) {
        attend(p);
        /* relaxed: our own. */
        timer = (wanted & ATTN_TIMER) != 0 && load_relaxed(&p->runq.next) != NULL;
        p->pinned_turn = !p->pinned_turn;
        if (p->pinned_turn)
            g = pinned_get(p);
    }
    if (p->tick < 0) {
        p_tick_restart(p);
        if (g == NULL && !timer)
            g = pick_fair(p);
    }
    return g;
}

/* relaxed: a bit set a moment later is seen next time. */
static inline bool is_special(struct p *p, int32_t tick)
{
    return load_relaxed(&p->attention) != 0 || tick < 0;
}

/* The next of this P's runnext and ring, or NULL. *tick, which is p's, comes to be what it is when that
 * one has run. */
static inline struct g *pick_queued(struct p *p, int32_t *tick)
{
    struct g *g = runq_take_next(&p->runq);
    if (g != NULL) {
        *tick -= TICK - 1;
    } else {
        g = runq_get(&p->runq);
        *tick -= TICK;
    }
    return g;
}

/* The next of this P's own, or NULL. */
static struct g *pick_local(struct p *p)
{
    struct g *g = is_special(p, p->tick) ? pick_special(p) : NULL;
    if (g != NULL)
        return g;
    int32_t tick = p->tick;
    g = pick_queued(p, &tick);
    p->tick = tick + TICK; /* run counts the schedule */
    return g;
}

static uint32_t gcd(uint32_t a, uint32_t b)
{
    return b == 0 ? a : gcd(b, a % b);
}

/* A random step that reaches every one of n Ps: one that shares no factor with n. */
static uint32_t random_step(struct p *p, uint32_t n)
{
    uint32_t step;
    do
        step = 1 + p_random(p, n);
    while (gcd(step, n) != 1);
    return step;
}

/* One look at one victim. Its inbox is taken whole: whoever fed it may be unable to serve it. */
static struct g *steal_from(struct p *p, struct p *victim, bool last)
{
    uint32_t n;
    struct g *g = runq_steal(p, victim, last, &n);
    if (g == NULL && last) {
        timers_run_others(p, victim);
        struct g *in = inbox_take(&victim->inbox);
        for (n = 0; in != NULL; n++) {
            struct g *rest = in->link;
            runq_put_tail(p, in);
            in = rest;
        }
        /* A timer may have readied one that is pinned to us: not to be left behind in idle_sleep. */
        g = pick_local(p);
        if (g == NULL)
            g = pinned_get(p);
    }
    if (g != NULL && n > 0) {
        TRACE_M(g_self()->m, (uint64_t)g->id, n, TRACE_WHAT(TRACE_STEAL, 0, victim->id));
        p->count.steals++;
        p->count.stolen_gs += n;
    }
    return g;
}

static struct g *steal(struct p *p)
{
    for (int round = 0; round < STEAL_ROUNDS; round++) {
        uint32_t n = sched.n_p, at = p_random(p, n), step = random_step(p, n);
        for (uint32_t i = 0; i < n; i++, at = (at + step) % n) {
            struct p *victim = sched.p[at];
            if (victim == p)
                continue;
            struct g *g = steal_from(p, victim, round == STEAL_ROUNDS - 1);
            if (g != NULL)
                return g;
        }
    }
    return NULL;
}

/* Nothing local: global queue, timers, other Ps, sleep; until there is one. */
static __attribute__((noinline)) struct g *find_runnable(struct m *m)
{
    for (;;) {
        if (world_stops())
            world_wait(m);
        struct p *p = m->p;
        /* relaxed: T1 of timer.c; without timers the clock need not be read. */
        if (load_relaxed(&p->timers.first) != CLOCK_NEVER)
            timers_run(p, clock_ns());
        struct g *g = pick_local(p);
        if (g == NULL)
            g = pinned_get(p);
        if (g == NULL)
            g = global_get(p, GLOBAL_BATCH);
        if (g == NULL && (m->spinning || spin_may_start(m))) {
            spin_start(m);
            g = steal(p);
        }
        if (g != NULL)
            return g;
        idle_sleep(m);
    }
}

/* From here on to the end of sched_next every call that ends in a goroutine is its caller's last. */
static void next_slow(struct m *m);

static __attribute__((noinline)) void run_slowly(struct m *m, struct g *g)
{
    TRACE_G(m, g, 0, m->p->trace.start);
    g_resume(m, g_tp(g));
}

/* Wired, or left to chance. */
static __attribute__((noinline)) void run_odd(struct m *m, struct g *g)
{
    if ((g->flags & GF_WIRED) != 0 && g->m != m) {
        m->p->tick += TICK; /* it does not run here: run has counted too early */
        wired_hand_over(m, g);
        timers_arm(m, m->p);
        next_slow(m);
        return;
    }
    if ((g->flags & GF_CHAOS) != 0 && chaos_passes_over(m, g)) {
        next_slow(m);
        return;
    }
    if (g->flags & GF_APART)
        pinned_note(m->p);
    run_slowly(m, g);
}

/* One that is set aside, or wrong, or watched when there is more to do than to note it. */
static __attribute__((noinline)) void run_aside(struct m *m, struct g *g)
{
    ASSERT(g->status == G_RUNNABLE, "sched_next: goroutine is not runnable");
    if (g->flags & (GF_WIRED | GF_CHAOS)) {
        run_odd(m, g);
        return;
    }
    if (g->flags & GF_PINNED)
        pinned_note(m->p);
    run_slowly(m, g);
}

/* One that is watched, or run_aside's. */
NOTES static __attribute__((noinline)) void run_noted(struct m *m, struct g *g, uint32_t state)
{
    struct trace_ring *r = &m->trace[0];
    struct trace_record *at = r->next;
    if (__builtin_expect(!trace_room(r, at, 1) || state != G_WATCHED(G_RUNNABLE, 1), 0) ||
        __builtin_expect(g->flags & GF_ASIDE, 0)) {
        run_aside(m, g);
        return;
    }
    trace_note(at, arch_ticks(), g, 0, m->p->trace.start);
    trace_done(r, at + 1);
    g_resume(m, g_tp(g));
}

/* Runs g, picked from p, which m holds. tick is what p's comes to be. */
static inline __attribute__((always_inline)) void run(struct m *m, struct p *p, struct g *g,
                                                      int32_t tick)
{
    uint32_t state = g->state;
    p->tick = tick;
    if (__builtin_expect(state != G_STATE(G_RUNNABLE, 1), 0))
        run_noted(m, g, state);
    else if (__builtin_expect(g->flags & GF_ASIDE, 0))
        run_aside(m, g);
    else
        g_resume(m, g_tp(g));
}

/* Runnext first, then the ring, then what had not arrived yet. */
void sched_spill(struct p *p)
{
    struct g *first = NULL, **end = &first, *last = NULL, *g;
    uint32_t n = 0;
    while ((g = runq_take_next(&p->runq)) != NULL || (g = runq_get(&p->runq)) != NULL) {
        *end = last = g;
        end = &g->link;
        n++;
    }
    for (g = inbox_take(&p->inbox); g != NULL; g = g->link) {
        *end = last = g;
        end = &g->link;
        n++;
    }
    *end = NULL;
    if (n > 0)
        global_put_back(first, last, n);
}

void sched_serve(struct p *p)
{
    attend(p);
    timers_run(p, clock_ns());
    sched_spill(p);
}

/* g was not simply the next of a queue: there may be more than it, behind it. */
static void run_found(struct m *m, struct g *g)
{
    if (m->spinning)
        spin_found(m);
    slice_check(m); /* S1 */
    run(m, m->p, g, m->p->tick - TICK);
}

static __attribute__((noinline)) void next_slow(struct m *m)
{
    if (m->wired != NULL) {
        wired_next(m);
        return;
    }
    if (world_stops())
        world_wait(m);
    struct g *g = pick_local(m->p);
    run_found(m, g != NULL ? g : find_runnable(m));
}

STRAIGHT void sched_next(struct m *m)
{
    struct p *p = m->p;
    int32_t tick = p->tick;
    struct g *g;
    if (__builtin_expect(is_special(p, tick), 0) ||
        __builtin_expect((g = pick_queued(p, &tick)) == NULL, 0))
        next_slow(m);
    else
        run(m, p, g, tick);
}

void sched_look(struct m *m, struct g *g)
{
    struct p *p = m->p;
    if (world_stops() || m->wired != NULL) {
        sched_put_first(p, g);
        next_slow(m);
        return;
    }
    attend(p);
    p->inherited++;
    if (p->tick < 0) /* this is no choice that could be fair: put off to the next time */
        p_tick_restart(p);
    struct g *first = runq_take_next(&p->runq);
    if (first != NULL && (g->flags & GF_PINNED) != 0)
        pinned_put_back(p, g);
    else if (first != NULL)
        sched_put_first(p, g);
    m->host = first != NULL ? g : NULL;
    m->guest_at = p_switches(p) + 1;
    run_found(m, first != NULL ? first : g);
}

void sched_resume(struct m *m, struct g *g)
{
    timers_arm(m, m->p);
    run_found(m, g);
}
