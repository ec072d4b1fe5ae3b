/*
 * trace: what every goroutine, hart and P does, as it happens.
 *
 * A record has 32 bytes: the counter's ticks, a goroutine, an argument, what it was, and a number. Each
 * hart has a ring of its own and is alone in writing it, so there is no lock and no atomic: a record costs
 * some sixteen instructions. An interrupt may come between any two of them, and its handler has something
 * to say as well: handlers have a second ring. (One ring for both would need an atomic for each place.)
 * A P's own history is in those of the harts that held it, by TRACE_P_START and TRACE_P_STOP.
 *
 * Order. In a ring it is the order of events. Between rings there is the time; but many events fall
 * into one tick of a slow counter, and no program can repair "ran before it was made ready" afterwards.
 * So a goroutine counts its events: whoever notes one has the goroutine in hand by the scheduler's own
 * rules (gmp.h, I1 and the table of states), and hands it on with release and acquire; the count goes
 * with it. The number decides where times are equal, or a board's counters a little apart.
 *
 * When it is off it costs nothing where it is hot. Who parks, readies or runs a goroutine compares its
 * state with the one that it must have, to assert it; `watched` is part of the word that is compared, so
 * a watched goroutine leaves by the same branch as a wrong one, and is told from it there (park_noted,
 * ready_noted, run_noted). A new one is seen by g_more, a dead one by GF_ODD; a yield alone asks for itself.
 * Where it is rare, m->tracing or watched is looked at.
 *
 * TR1  watched, tracing and the rings are written with the world stopped and sched.lock held. Who has
 *      a P reads them as of the stop, since he has got it afterwards; who leaves a blocking section without
 *      one reads them with the lock held. A handler on a hart without a P notes nothing.
 * TR2  A ring's memory is never given back: an end of the trace makes it full, and what still comes
 *      is lost and counted. A new start uses it again.
 *
 * Full, a ring either keeps the newest, and has lost as many as it has written too much; or the oldest.
 */
#include "sched/trace.h"

/* The ring is full: where to go on, or NULL. */
static __attribute__((noinline)) struct trace_record *come_round(struct trace_ring *r)
{
    if (r->keeps_oldest) {
        r->lost++;
        return NULL;
    }
    r->lost += r->rounds++ > 0 ? (uint64_t)(r->end - r->first) : 0;
    return r->first;
}

static inline void put(struct trace_ring *r, uint64_t g, uint64_t arg, uint32_t what, uint32_t seq)
{
    struct trace_record *at = r->at;
    if (__builtin_expect(at == r->end, 0) && (at = come_round(r)) == NULL)
        return;
    at->time = arch_ticks();
    at->g = g;
    at->arg = arg;
    at->what = what;
    at->seq = seq;
    r->at = at + 1;
}

HOT void trace_g(struct m *m, struct g *g, uint64_t arg, uint32_t what)
{
    put(&m->trace[0], (uint64_t)g->id, arg, what, ++g->trace_seq);
}

HOT void trace_m(struct m *m, uint64_t g, uint64_t arg, uint32_t what)
{
    put(&m->trace[0], g, arg, what, 0);
}

HOT void trace_irq(struct m *m, uint64_t arg, uint32_t what)
{
    put(&m->trace[1], 0, arg, what, 0);
}

void trace_born(struct m *m, uint64_t g, uint64_t fn, uint32_t what, uint32_t called)
{
    put(&m->trace[0], g, fn, what, called);
}

void trace_text(struct m *m, const uint64_t words[3])
{
    struct trace_ring *r = &m->trace[0];
    put(r, words[1], words[2], TRACE_TEXT, 0);
    if (r->at > r->first && r->at[-1].what == TRACE_TEXT)
        r->at[-1].time = words[0];
}

uint32_t trace_where(const struct g *g, uint32_t place, const struct p *p)
{
    if (g->flags & GF_WIRED)
        place = TRACE_WIRED;
    else if (g->flags & GF_PINNED)
        place = TRACE_PINNED;
    return TRACE_WHAT(0, place, p->id);
}
