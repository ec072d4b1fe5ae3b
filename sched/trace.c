/*
 * trace: what every goroutine, hart and P does, as it happens.
 *
 * A record has 32 bytes: the counter's ticks, a goroutine, an argument, what it was, and a number. Each
 * hart has a ring of its own and is alone in writing it, so there is no lock and no atomic. An interrupt
 * may come between any two instructions, and its handler has something to say as well: handlers have a
 * second ring. (One ring for both would need an atomic for each place.) A P's history is in those of the
 * harts that held it, by P_START and P_STOP.
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
 * g_ready_noted, run_noted), by one comparison of the same word, which comes along. Who yields asks whether
 * anything is unusual; the P's own `watched` is one half of the word that says so, its attention the
 * other. A new goroutine is seen by g_more, a dead one by GF_ODD. Where it is rare, m->tracing or watched
 * is looked at.
 *
 * When it is on an event costs some twenty instructions. What is not done saves most:
 *
 *   no call       The noted ways hold the record's stores themselves and go on as the ordinary ones would,
 *                 so they have no frame, and what they hand on stays in its registers.
 *   no arithmetic The ring has a pointer to the next place. It is compared with the end of the turn, and
 *                 stored back: that is all. How many records there are is known from where the turn began
 *                 and from `before`, which changes once a turn.
 *   no case       The short ways give up (trace_room) when the ring is at its end, as they do when the
 *                 goroutine is pinned or wrong: the long way, which calls, fills the last place and turns.
 *   no looking up What a P says of itself is in the P, ready-made (struct p's trace).
 *
 * A yield keeps most of its fast way: yield_commit_noted does what arch_yield does, but on the scheduler's
 * stack, since the next goroutine may be noted only when it has been taken and could not be there any more.
 * We thought of goroutines that note their own start when they come back from a yield: then an interrupt
 * may take one off before it has, and who takes it from the ring must know from outside whether it will.
 *
 * TR1  watched and tracing are written, and the rings made empty, with the world stopped and sched.lock
 *      held. Who has a P reads them as of the stop, since he has got it afterwards; who leaves a blocking
 *      section without one reads them with the lock held. A handler on a hart without a P notes nothing.
 *      So while a P is watched, all goroutines are.
 * TR2  A ring's memory is never given back; a new start uses it again.
 * TR3  A hart that is stopped for good stops in an interrupt, anywhere. `next` moves when what lies before it
 *      is whole (trace_done), in one store; a turn moves three things and masks interrupts. So what is
 *      counted is there. And there always is a place at `next`: the short ways leave one to the long way,
 *      which turns when it has taken the last.
 *
 * A turn is 2^k places. Where the newest are kept all turns use the same; where the oldest are kept, all but
 * the first use TRACE_SPARE places behind them, which nobody reads.
 */
#include "sched/trace.h"

/* All places of this turn are full. */
static __attribute__((noinline, cold)) void turn(struct trace_ring *r)
{
    uintptr_t was = arch_irq_save(); /* TR3 */
    r->before += (uint64_t)(r->end - r->begin);
    r->begin = r->next = r->again;
    r->end = r->again_end;
    arch_irq_restore(was);
}

/* The turn comes after, so that nothing does after the turn: no frame. */
static inline void put(struct trace_ring *r, uint64_t time, uint64_t g, uint64_t arg, uint32_t what,
                       uint32_t seq)
{
    struct trace_record *at = r->next, *next = at + 1;
    *at = (struct trace_record){time, g, arg, what, seq};
    trace_done(r, next);
    if (__builtin_expect(next == r->end, 0))
        turn(r);
}

NOTES __attribute__((noinline)) void trace_numbered(struct m *m, uint64_t g, uint64_t arg,
                                                    uint32_t what, uint32_t seq)
{
    put(&m->trace[0], arch_ticks(), g, arg, what, seq);
}

NOTES void trace_g(struct m *m, struct g *g, uint64_t arg, uint32_t what)
{
    trace_numbered(m, (uint64_t)g->id, arg, what, ++g->trace_seq);
}

NOTES void trace_m(struct m *m, uint64_t g, uint64_t arg, uint32_t what)
{
    put(&m->trace[0], arch_ticks(), g, arg, what, 0);
}

NOTES void trace_irq(struct m *m, uint64_t arg, uint32_t what)
{
    put(&m->trace[1], arch_ticks(), 0, arg, what, 0);
}

void trace_text(struct m *m, const uint64_t words[3])
{
    put(&m->trace[0], words[0], words[1], words[2], TRACE_TEXT, 0);
}
