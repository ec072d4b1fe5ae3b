/*
 * pinned: goroutines that may run on some Ps only (go_with's affinity), and wired ones on their way.
 *
 * They never enter a ring, so that thieves need no look at what they take. They have a queue of
 * their own per P, the owner's alone, which takes turns with the ring, and a pinbox to arrive in from
 * other harts. (What chaos has marked comes by here too, and goes on to chaos.c.) ATTN_PINNED keeps the P
 * on the slow path while one is about: queued, or running.
 */
#include "sched/pinned.h"
#include "sched/atomic.h"
#include "sched/chaos.h"
#include "sched/idle.h"
#include "sched/preempt.h"
#include "sched/runq.h"
#include "sched/wired.h"

void pinned_put(struct p *p, struct g *g)
{
    g->link = NULL;
    if (p->pinned_tail != NULL)
        p->pinned_tail->link = g;
    else
        p->pinned_head = g;
    p->pinned_tail = g;
    pinned_note(p);
}

void pinned_put_back(struct p *p, struct g *g)
{
    g->link = p->pinned_head;
    if (p->pinned_head == NULL)
        p->pinned_tail = g;
    p->pinned_head = g;
    pinned_note(p);
}

/* The P among those g may use that it should go to from p: p itself, an idle one, or any. */
static struct p *home_from(struct p *p, struct g *g)
{
    uint64_t in_use = sched.n_p == 64 ? UINT64_MAX : (UINT64_C(1) << sched.n_p) - 1;
    uint64_t may = g->affinity & in_use;
    if (may == 0 || (may >> p->id & 1) != 0)
        return p;
    /* relaxed: a preference only. */
    uint64_t idle = may & load_relaxed(&sched.idle_p);
    return sched.p[lowest(idle != 0 ? idle : may)];
}

static void enqueue_pinned(struct p *p, struct g *g)
{
    struct p *home = home_from(p, g);
    if (home == p) {
        pinned_put(p, g);
        slice_ensure(g_self()->m);
        return;
    }
    inbox_put(home, &home->pinbox, g);
    wake_p(home); /* a busy one gets an interrupt too: S1 */
}

/* Wired, or left to chance. */
static __attribute__((noinline)) void enqueue_odd(struct p *p, struct g *g)
{
    if (g->flags & GF_WIRED) {
        wired_ready(g);
    } else if (g->flags & GF_PINNED) {
        enqueue_pinned(p, g);
    } else {
        chaos_put(p, g);
        slice_ensure(g_self()->m);
    }
}

void pinned_enqueue(struct p *p, struct g *g)
{
    if (g->flags & (GF_WIRED | GF_CHAOS))
        enqueue_odd(p, g);
    else
        enqueue_pinned(p, g);
}

static void move_apart(struct p *p, struct g *g)
{
    if (g->flags & GF_WIRED)
        pinned_put(p, g); /* it was taken from the global queue, on its way to its hart */
    else
        pinned_enqueue(p, g);
}

void pinned_move(struct p *from)
{
    struct p *p = g_self()->m->p;
    struct g *g;
    while ((g = pinned_get(from)) != NULL)
        move_apart(p, g);
    for (g = inbox_take(&from->pinbox); g != NULL;) {
        struct g *rest = g->link;
        move_apart(p, g);
        g = rest;
    }
}

struct p *pinned_home(struct g *g)
{
    return home_from(sched.p[0], g);
}
