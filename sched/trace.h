/*
 * trace: what every goroutine, hart and P did, as records of 32 bytes in rings of memory. See trace.c;
 * docs/trace.md has the format of the file.
 */
#pragma once
#include <string.h>
#include "sched/gmp.h"

/* Numbers of the file's format. Those down to TRACE_EXIT are about a goroutine and carry its count. */
enum trace_event {
    TRACE_STATUS = 1,  /* the goroutine lived when the trace began; aux its status */
    TRACE_CREATE = 2,  /* arg its function; seq the caller, counted from the image's base */
    TRACE_START = 3,   /* runs from here on */
    TRACE_SCHED = 4,   /* yields */
    TRACE_PREEMPT = 5, /* is taken off; aux TRACE_WHY_… */
    TRACE_BLOCK = 6,   /* parks; aux wait reason */
    TRACE_UNBLOCK = 7, /* was made ready; arg by which goroutine */
    TRACE_END = 8,
    TRACE_ENTER = 9, /* a blocking section; p left there */
    TRACE_EXIT = 10, /* aux 0 with that P, 1 with another, 2 without: it queues */
    TRACE_P_START = 11,
    TRACE_P_STOP = 12, /* aux 1 idle, 2 the world stops */
    TRACE_STEAL = 13,  /* arg how many, p from whom */
    TRACE_GLOBAL_GET = 14,
    TRACE_SPILL = 15, /* arg so many of the ring's head went to the global queue */
    TRACE_IPI_SEND = 16,
    TRACE_TIMER_FIRE = 17,
    TRACE_STW_BEGIN = 18,
    TRACE_STW_END = 19,
    TRACE_GOMAXPROCS = 20,
    TRACE_RETAKE = 21,
    TRACE_NAME = 22, /* a goroutine's; text follows */
    TRACE_BEHIND = 23,
    TRACE_LOG = 24, /* the program's own (annotation.c); arg the task; text follows */
    TRACE_REGION_BEGIN = 25,
    TRACE_REGION_END = 26,
    TRACE_TASK_BEGIN = 27, /* seq the task that it is part of */
    TRACE_TASK_END = 28,
    TRACE_TEXT = 31,
    TRACE_IPI_RECEIVED = 32, /* from here on: interrupt handlers' */
    TRACE_TIMER_IRQ = 33,
    TRACE_WANTED = 34,
};

/* Where one that is runnable went. */
enum trace_place {
    TRACE_NEXT,
    TRACE_TAIL,
    TRACE_INBOX,
    TRACE_GLOBAL,
    TRACE_PINNED,
    TRACE_WIRED,
    TRACE_GLOBAL_HEAD,
};

enum { TRACE_WHY_SLICE = 1, TRACE_WHY_LOOK = 2, TRACE_WHY_CHAOS = 4 };

struct trace_record {
    uint64_t time; /* ticks of the hardware counter */
    uint64_t g;    /* goroutine, or 0 */
    uint64_t arg;
    uint32_t what; /* TRACE_WHAT */
    uint32_t seq;  /* of the goroutine's events, this one's number */
};
_Static_assert(sizeof(struct trace_record) == 32, "the file's format");

/* An event, its aux and the P that it is about, in the order of the file's bytes. */
#define TRACE_WHAT(event, aux, p) ((uint32_t)(event) | (uint32_t)(aux) << 8 | (uint32_t)(p) << 16)

/* Places of a full ring that keeps the oldest, for what comes later: nobody reads them. */
#define TRACE_SPARE 64

/* Places for records, without the spare ones. */
static inline uint64_t trace_places(const struct trace_ring *r)
{
    return (uint64_t)((r->again == r->first ? r->again_end : r->again) - r->first);
}

/* Records so far, those too that are not kept. Its hart's own, or of one that stands still. */
static inline uint64_t trace_written(const struct trace_ring *r)
{
    return r->before + (uint64_t)(r->next - r->begin);
}

/* ---- the short way, for who is hot (NOTES): room, note, done ---- */

/* Are there places for n records, and one more, in this turn of the ring? If not: the long way, trace_g,
 * which alone fills the last one, and turns the ring. */
static inline bool trace_room(const struct trace_ring *r, struct trace_record *next, unsigned n)
{
    return next + n < r->end;
}

/* g's next event, at `at`. */
static inline void trace_note(struct trace_record *at, uint64_t time, struct g *g, uint64_t arg,
                              uint32_t what)
{
    uint32_t seq = g->trace_seq + 1;
    at->time = time;
    at->g = (uint64_t)g->id;
    at->arg = arg;
    at->what = what;
    at->seq = seq;
    g->trace_seq = seq;
}

/* g's first event: it will run fn, and was started by a call (go's own: it has a place) from there. */
static inline void trace_note_birth(struct trace_record *at, uint64_t time, struct g *g,
                                    uint64_t fn, uint32_t what)
{
    extern const char __text_start[];
    at->time = time;
    at->g = (uint64_t)g->id;
    at->arg = fn;
    at->what = what;
    at->seq = g->created_at - (uint32_t)(uintptr_t)__text_start;
    g->trace_seq = 0;
}

/* They are written, up to `next`: from here on they count. */
static inline void trace_done(struct trace_ring *r, struct trace_record *next)
{
    __asm__("" : "+r"(next) : "m"(next[-1])); /* not before the last one is whole */
    r->next = next;
}

/* ---- the long way ---- */

/*
 * One record in the ring of m, the caller's, preemption off or on its scheduler stack: about g, which is
 * in the caller's hands (struct gmp's table) and traced; about something else; and from its interrupt
 * handlers, interrupts masked, m with a P.
 */
void trace_g(struct m *m, struct g *g, uint64_t arg, uint32_t what);
void trace_m(struct m *m, uint64_t g, uint64_t arg, uint32_t what);
void trace_irq(struct m *m, uint64_t arg, uint32_t what);
/* As trace_m, with seq: of a goroutine's first record where it was called from, counted from the image's base. */
void trace_numbered(struct m *m, uint64_t g, uint64_t arg, uint32_t what, uint32_t seq);
/* So many bytes of text. */
#define TRACE_TEXT_BYTES 24
void trace_text(struct m *m, const uint64_t words[3]);

/* For places that are rare: ask first; what is to be noted is not looked for before. Where it is hot, a
 * goroutine's state is compared (G_STATE). */
#define TRACE_G(m, g, arg, what)              \
    do {                                      \
        if (__builtin_expect(g_traced(g), 0)) \
            trace_g((m), (g), (arg), (what)); \
    } while (0)

#define TRACE_M(m, g, arg, what)               \
    do {                                       \
        if (__builtin_expect((m)->tracing, 0)) \
            trace_m((m), (g), (arg), (what));  \
    } while (0)

/* A handler's, on a hart with a P. */
static inline void trace_irq_if(struct m *m, uint32_t what)
{
    if (__builtin_expect(m->tracing, 0))
        trace_irq(m, 0, what);
}

/* tracing.c. A new goroutine, whose flags are set, and which will run fn: watched from now on. */
void trace_create(struct m *m, struct g *g, uintptr_t fn);
/* Its name, or another's. */
void trace_name(struct m *m, const struct g *g);
/* How many records a ring has to show; *oldest: the place of the first of them, behind the last place comes
 * place 0. Its writer may have halted in the middle of a record. */
uint64_t trace_kept(const struct trace_ring *r, uint64_t *oldest);
/* Text, in records behind the record that it is of; the caller as of that one. */
static inline void trace_put_text(struct m *m, const char *s, size_t n)
{
    for (size_t at = 0; at < n; at += TRACE_TEXT_BYTES) {
        uint64_t words[3] = {0};
        memcpy(words, s + at, n - at < sizeof(words) ? n - at : sizeof(words));
        trace_text(m, words);
    }
}
/* The place of g, which is to go to that one of p if it may go anywhere. */
static inline uint32_t trace_where(const struct g *g, uint32_t place, const struct p *p)
{
    if (__builtin_expect(g->flags & GF_APART, 0))
        place = g->flags & GF_WIRED ? TRACE_WIRED : TRACE_PINNED;
    return TRACE_WHAT(0, place, p->id);
}
