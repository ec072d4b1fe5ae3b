/*
 * trace: what every goroutine, hart and P does, as it happens.
 *
 * A record has 32 bytes: the counter's ticks, a goroutine, an argument, what it was, and a number. Each
 * hart has a ring of its own and is alone in writing it, so there is no lock and no atomic: a record costs
 * some twenty instructions, none of them a call. An interrupt may come between any two of them, and its
 * handler has something to say as well: handlers have a second ring. (One ring for both would need an
 * atomic for each place.) A P's history is in those of the harts that held it, by P_START and P_STOP.
 *
 * Order. In a ring it is the order of events. Between rings there is the time; but many events fall
 * into one tick of a slow counter, and no program can repair "ran before it was made ready" afterwards.
 * So a goroutine counts its events: whoever notes one has the goroutine in hand by the scheduler's own
 * rules (gmp.h, I1 and the table of states), and hands it on with release and acquire; the count goes
 * with it. The number decides where times are equal, or a board's counters a little apart.
 *
 * When it is off it costs nothing where it is hot. Who parks, readies or runs a goroutine compares its
 * state with the one that it must have, to assert it; `watched` is part of the word that is compared, so
 * a watched goroutine leaves by the same branch as a wrong one, and is told from it there (g_park_noted,
 * ready_noted, run_noted). Who yields loads his P's attention; the P's own `watched` is the other half of
 * the word that he loads. A new goroutine is seen by g_more, a dead one by GF_ODD. Where it is rare,
 * m->tracing or watched is looked at.
 *
 * TR1  watched, tracing and the rings are written with the world stopped and sched.lock held. Who has
 *      a P reads them as of the stop, since he has got it afterwards; who leaves a blocking section without
 *      one reads them with the lock held. A handler on a hart without a P notes nothing.
 * TR2  A ring's memory is never given back; a new start uses it again.
 *
 * A ring has 2^k places and one more. Where the newest are kept, a record's place is its number modulo 2^k;
 * where the oldest are, it is the number itself, and all that come later go to the one more. So there is
 * no case in which to call something, and those who are hot make no frame.
 */
#include "sched/trace.h"

void trace_g(struct m *m, struct g *g, uint64_t arg, uint32_t what)
{
    trace_g_here(m, g, arg, what);
}

void trace_m(struct m *m, uint64_t g, uint64_t arg, uint32_t what)
{
    trace_put(&m->trace[0], g, arg, what, 0);
}

void trace_irq(struct m *m, uint64_t arg, uint32_t what)
{
    trace_put(&m->trace[1], 0, arg, what, 0);
}

void trace_born(struct m *m, uint64_t g, uint64_t fn, uint32_t what, uint32_t called)
{
    trace_put(&m->trace[0], g, fn, what, called);
}

void trace_text(struct m *m, const uint64_t words[3])
{
    struct trace_ring *r = &m->trace[0];
    *trace_place(r) = (struct trace_record){words[0], words[1], words[2], TRACE_TEXT, 0};
    r->n++;
}
