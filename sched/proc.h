/*
 * proc: the scheduler: making goroutines runnable, picking the next, going idle, waking.
 */
#pragma once
#include "sched/atomic.h"
#include "sched/gmp.h"
#include "sched/idle.h"

/*
 * Preemption off, for the running goroutine: between the two its M and P stay what they are.
 * Nests. A plain byte: only the goroutine itself, and interrupts on its own hart, look at it.
 */
static inline struct m *preempt_off(void)
{
    struct g *g = g_self();
    g->preempt_off++;
    atomic_signal_fence(
        memory_order_seq_cst); /* order: for interrupts on this hart: before what follows */
    return g->m;
}

/* preempt.c: an interrupt found preemption off and left word. */
void preempt_honour(void);

static inline void preempt_on(void)
{
    struct g *g = g_self();
    atomic_signal_fence(
        memory_order_seq_cst); /* order: for interrupts on this hart: after what came before */
    g->preempt_off--;
    atomic_signal_fence(
        memory_order_seq_cst); /* order: for interrupts on this hart: they see 0, or we their word */
    if (__builtin_expect(g->preempt_wanted != 0, 0) && g->preempt_off == 0)
        preempt_honour();
}

/*
 * The same for hot functions that would call nothing, or nothing but at their end, and should stay so:
 * they remember the count, and `return preempt_back(was)` (true) is a jump if it is anything.
 */
static inline uint8_t preempt_off_was(void)
{
    struct g *g = g_self();
    uint8_t was = g->preempt_off;
    g->preempt_off = was + 1;
    atomic_signal_fence(memory_order_seq_cst); /* order: as in preempt_off */
    return was;
}

/* preempt_honour, if the count is 0; true. */
bool preempt_honour_true(void);

/* preempt_back in two steps: first the count, … */
static inline void preempt_restore(uint8_t was)
{
    atomic_signal_fence(memory_order_seq_cst); /* order: as in preempt_on */
    g_self()->preempt_off = was;
    atomic_signal_fence(memory_order_seq_cst); /* order: as in preempt_on */
}

/* … then, for last, the word. Whether the count is 0 is looked at where it is worth an instruction. */
static inline bool preempt_look(void)
{
    if (__builtin_expect(g_self()->preempt_wanted != 0, 0))
        return preempt_honour_true();
    return true;
}

static inline bool preempt_back(uint8_t was)
{
    preempt_restore(was);
    return preempt_look();
}

/* What a goroutine does for last before another runs: see g_park. */
typedef void park_commit(void *arg, struct arch_hart *hart);

/*
 * Parks the running goroutine for `reason`. Preemption is off (once) when called and on when it
 * returns, made ready by g_ready; the hart may be another then. commit runs on the scheduler's
 * stack after the goroutine's context is saved; it must make the goroutine reachable for its waker
 * (by unlocking what the waker must lock, for instance) and end with sched_next. From that moment
 * the goroutine may run again elsewhere: commit reads nothing of it afterwards.
 */
void g_park(park_commit *commit, void *arg, enum wait_reason reason);
/* The commonest commit: arg is a struct spin * to unlock. */
park_commit park_unlock;

/*
 * Makes a waiting G runnable, to run next on this P. The caller has preemption off or is on a
 * scheduler stack with a P, and holds what protects the G's waiting (see struct g's table).
 */
void g_ready(struct g *g);
/* As g_ready, but at the tail of the queue. */
void g_ready_tail(struct g *g);

/* A new G becomes runnable on p, the caller's P; preemption off. */
void sched_spawn(struct p *p, struct g *g);

/* Ends the scheduler's turn: picks a G for this M and runs it. On the scheduler stack, with a P. Does
 * not return, which the compiler is not told: of a last call to such a function it makes no jump. */
void sched_next(struct m *m);

/* g, runnable, goes to the tail of p, the caller's P, or to where it is pinned. */
void sched_put_tail(struct p *p, struct g *g);
/*
 * As sched_next, with g interrupted in the middle of its slice: what has become due runs first, g
 * right after it.
 */
void sched_look(struct m *m, struct g *g);
/* m, with a P that it has just got, runs g, which is in hand. */
void sched_resume(struct m *m, struct g *g);
/* p, the caller's or the stopper's: what is queued goes to the head of the global queue. */
void sched_spill(struct p *p);
/* p, the caller's: its due timers, its inboxes; then as sched_spill. */
void sched_serve(struct p *p);

/* Schedules on p so far. */
LOOKS_ON static inline uint64_t p_switches(const struct p *p)
{
    return (uint64_t)p->refills * GLOBAL_TICK + GLOBAL_TICK - (uint32_t)(p->tick - TICKS(0)) / TICK;
}

/* Starts the count to the next fair turn; the present schedule is counted as well. p: the caller's. */
static inline void p_tick_restart(struct p *p)
{
    p->inherited += (uint32_t)p->tick % TICK;
    p->tick = TICKS(GLOBAL_TICK + 1);
    p->refills++;
}

/* For last on the scheduler stack: the G with this tp, taken from a queue, goes on, on m. */
static inline void g_resume(struct m *m, uintptr_t tp)
{
    struct g *g = g_of(tp);
    g->m = m;
    g->status = G_RUNNING;
    g->preempt_off = 0;
    arch_resume(tp);
}

/* A random number below n; each P has its own sequence (xorshift). Its owner, preemption off. */
static inline uint32_t p_random(struct p *p, uint32_t n)
{
    p->rng ^= p->rng << 13;
    p->rng ^= p->rng >> 7;
    p->rng ^= p->rng << 17;
    return (uint32_t)((p->rng >> 32) * n >> 32);
}

/* ---- inline forms, for the hot paths of channels ---- */

/* g_park of one that is watched, or wrong. state: the word that says so. */
void g_park_noted(void *arg, struct m *m, park_commit *commit, enum wait_reason reason,
                  uint32_t state);

/* profile_block.c: of one whose waits are counted, what is noted else has been. */
void block_profile_park(park_commit *commit, void *arg, enum wait_reason reason);

/* g_park of g, the running goroutine, when what is to be noted is. */
static inline void g_park_now(struct g *g, park_commit *commit, void *arg, enum wait_reason reason)
{
    g->wait_reason = (uint8_t)reason;
    g->status = G_WAITING;
    arch_park(arg, &g->m->hart, commit);
}

/* As g_park. */
static inline void g_park_here(park_commit *commit, void *arg, enum wait_reason reason)
{
    struct g *g = g_self();
    uint32_t state = g->state;
    if (__builtin_expect(state != G_STATE(G_RUNNING, 1), 0)) {
        g_park_noted(arg, g->m, commit, reason, state);
        return;
    }
    g_park_now(g, commit, arg, reason);
}

/* The rest of g_ready_and_back when it is not the common case. g: who is still to be queued, or NULL. */
bool g_ready_slowly(struct p *p, struct g *g);
/* g_ready_and_back of one that is watched, or wrong. state: as above. */
bool g_ready_noted(struct g *g, uint8_t was, uint32_t state);

/* g, runnable and not set aside, runs next on p, which is m's. false: that is not all; *rest: who is
 * still to be queued, or NULL, and then slice_ensure and wake_idle follow. */
static inline bool run_next_at_once(struct m *m, struct p *p, struct g *g, struct g **rest)
{
    /* O1: release: as in runq_put_next. */
    *rest = atomic_exchange_explicit(&p->runq.next, g, memory_order_release);
    if (__builtin_expect(*rest != NULL, 0))
        return false;
    /* Its own word: an ordinary load; see slice_ensure. */
    return !wake_wanted() && __builtin_expect(*(const bool *)(const void *)&m->slice_on, 1);
}

/* The same of any. */
static inline bool run_next_simply(struct m *m, struct g *g, struct g **rest)
{
    *rest = g;
    if (__builtin_expect(g->flags & GF_ASIDE, 0))
        return false;
    return run_next_at_once(m, m->p, g, rest);
}

/* g_ready, then preempt_back; returns true, for who ends in it: it calls nothing but at its end. */
static inline bool g_ready_and_back(struct g *g, uint8_t was)
{
    struct m *m = g_self()->m;
    struct g *rest;
    uint32_t state = g->state;
    if (__builtin_expect(state != G_STATE(G_WAITING, 1), 0))
        return g_ready_noted(g, was, state);
    g->status = G_RUNNABLE;
    if (__builtin_expect(!run_next_simply(m, g, &rest), 0))
        return g_ready_slowly(m->p, rest);
    return preempt_back(was);
}
