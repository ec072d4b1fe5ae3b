/*
 * memory: what an atomic access may read and write, under three models.
 *
 *     sc     every store is at once everywhere
 *     tso    each hart has a buffer of stores: they go out in order, later; its own loads see them;
 *            a full fence, a read-modify-write and an interrupt to another hart empty it first (x86)
 *     weak   what C11's orders allow, but for loads that overtake what comes after them
 *
 * Weak is a machine of views (after the operational models of Kang et al., "A promising semantics for
 * relaxed-memory concurrency", 2017, without promises). A location is a row of *messages*, oldest first,
 * numbered. A hart's *view* says for each location the oldest message that it may still read. A load
 * takes any from there on, and raises the view to it. Stores append. A message may carry a view, what
 * its writer knew:
 *
 *     store, release        carries the writer's view; relaxed: the one at its last release fence
 *     read-modify-write     reads the newest; what that carried is carried on (release sequences)
 *     load, acquire         adds what is carried to the view; relaxed: remembered, until …
 *     acquire fence         … adds what was remembered
 *     seq_cst fence         both, and trades locations with one view that all such fences share
 *
 * So a hart's relaxed stores to two locations are seen in either order, and a load may read what was
 * overwritten long ago, as long as nothing that the hart has acquired says otherwise.
 *
 * Views hold the clocks of race.c too. Those are traded by acquire and release alone, in all three
 * modes: a data race is one by C11's rules even where the machine is stronger.
 *
 * Loads that overtake, or rather: loads that are late. A view machine has none: what is read has been
 * written. But O2 is about nothing else: a thief's reads of slots against the owner's later writes
 * of them. So a scenario may name memory whose relaxed loads may be late (explore_late), in weak: such
 * a load may return what another hart *will* store there, a guess from what was stored in
 * earlier courses. The guess comes true when another hart stores that value and has not acquired
 * anything that the reader has released since. A course whose guesses have not all come true at its
 * end counts for nothing; one that fails meanwhile goes on without the hart that failed, and has failed
 * only if they do. It is for the scenario to see to it that the stores in between do not depend on what
 * is loaded: nobody keeps track of that.
 *
 * Stores that are late, in weak. By the view alone a load misses a store; but a read-modify-write
 * always finds the newest, so it would never miss one that its writer has followed by another store (O4:
 * the push on an inbox, then the bit). So a store or read-modify-write that does not acquire may be held
 * back, if another hart does read-modify-writes there: until its hart comes to a release or a fence that
 * orders it, uses that location again, or waits. A read-modify-write that is held back has had its
 * answer; if the location has changed when it goes out, the answer was wrong, and the course counts for
 * nothing.
 */
#include <stdatomic.h>
#include <string.h>
#include "tests/explore/location.h"

#define OLDER   3 /* how far behind the newest a choice reaches, in messages */
#define BUFFER  6 /* stores in a buffer, at most */
#define GUESSES 8 /* of one hart in a memory_course */
#define POOL    (8u << 20)

struct guess {
    struct loc *loc;
    uint64_t value;
    uint32_t clock; /* the reader's, of the load */
    bool true_;     /* it has come true */
};

struct held {
    struct loc *loc;
    uintptr_t at;
    uint8_t size;
    uint64_t value;
    const struct view *carries;
    bool change;  /* a read-modify-write, … */
    uint64_t old; /* … which has found this */
};

static struct {
    struct view now, acquired;   /* acquired: and remembered; contains now */
    const struct view *released; /* at its last release fence */
    const struct view *sent[HARTS_MAX];
    struct held held[BUFFER];
    unsigned n_held;
    struct guess guess[GUESSES];
    unsigned n_guesses;
} of[HARTS_MAX] KEPT;

static struct view fences KEPT; /* what seq_cst fences trade; its clocks are not used */
static char pool[POOL] KEPT;
static size_t pool_used KEPT;

static size_t view_size(void)
{
    return offsetof(struct view, oldest) + n_shared * sizeof(uint16_t);
}

void memory_reset(void)
{
    memory_course++;
    pool_used = 0;
    memset(&fences, 0, view_size());
    for (unsigned i = 0; i < HARTS_MAX; i++) {
        memset(&of[i].now, 0, view_size());
        of[i].now.clock[i] = 1;
        memcpy(&of[i].acquired, &of[i].now, view_size());
        of[i].released = NULL;
        of[i].n_held = of[i].n_guesses = 0;
        memset(of[i].sent, 0, sizeof(of[i].sent));
    }
}

uint32_t memory_clock(unsigned whose)
{
    return of[self].now.clock[whose];
}

/* ---- views ---- */

static struct view *new_view(void)
{
    size_t n = (view_size() + 15) & ~(size_t)15;
    if (pool_used + n > POOL)
        explore_fail("the explorer has no room for more views");
    struct view *v = (struct view *)(pool + pool_used);
    pool_used += n;
    return v;
}

static void join_places(struct view *v, const struct view *more)
{
    for (unsigned i = 0; i < n_shared; i++)
        if (v->oldest[i] < more->oldest[i])
            v->oldest[i] = more->oldest[i];
}

static void join(struct view *v, const struct view *more)
{
    if (more == NULL)
        return;
    for (unsigned i = 0; i < HARTS_MAX; i++)
        if (v->clock[i] < more->clock[i])
            v->clock[i] = more->clock[i];
    join_places(v, more);
}

/* What this hart knows, to be carried; its later accesses are of a new time. */
static struct view *release(void)
{
    struct view *v = new_view();
    memcpy(v, &of[self].now, view_size());
    of[self].acquired.clock[self] = ++of[self].now.clock[self];
    return v;
}

static bool acquires(int order)
{
    return order == __ATOMIC_ACQUIRE || order == __ATOMIC_CONSUME || order == __ATOMIC_ACQ_REL ||
           order == __ATOMIC_SEQ_CST;
}

static bool releases(int order)
{
    return order == __ATOMIC_RELEASE || order == __ATOMIC_ACQ_REL || order == __ATOMIC_SEQ_CST;
}

/* Message i of l has been read or written. */
static void seen(struct loc *l, unsigned i)
{
    if (l->no < 0)
        return;
    if (of[self].now.oldest[l->no] < i)
        of[self].now.oldest[l->no] = (uint16_t)i;
    if (of[self].acquired.oldest[l->no] < i)
        of[self].acquired.oldest[l->no] = (uint16_t)i;
}

static void take_along(const struct message *m, int order)
{
    join(&of[self].acquired, m->carries);
    if (acquires(order))
        join(&of[self].now, m->carries);
}

static void raw_store(uintptr_t at, unsigned size, uint64_t value)
{
    memcpy((void *)at, &value, size);
}

/* ---- late loads ---- */

static uintptr_t late_at;
static size_t late_bytes;

void explore_late(void *at, size_t n)
{
    late_at = (uintptr_t)at;
    late_bytes = n;
}

static bool may_be_late(const struct loc *l)
{
    return mode == WEAK && l->at - late_at < late_bytes;
}

bool memory_guesses(void)
{
    bool open = false;
    for (unsigned i = 0; i < n_harts; i++)
        for (unsigned j = 0; j < of[i].n_guesses; j++)
            open |= !of[i].guess[j].true_;
    return open;
}

/* For courses to come. */
static void note_future(struct loc *l, uint64_t value)
{
    for (unsigned i = 0; i < l->n_stored; i++)
        if (l->future[i] == value)
            return;
    if (l->n_stored == FUTURES)
        return;
    l->future[l->n_stored++] = value;
    locs_grown = true;
}

/* This hart stores value at l. */
static void come_true(struct loc *l, uint64_t value)
{
    bool any = false;
    for (unsigned i = 0; i < n_harts; i++)
        for (unsigned j = 0; j < of[i].n_guesses && i != self; j++) {
            struct guess *g = &of[i].guess[j];
            if (g->loc == l && g->value == value && of[self].now.clock[i] < g->clock)
                any = g->true_ = true;
        }
    if (any)
        course_guessed();
}

static uint64_t guess(struct loc *l, unsigned which, uintptr_t pc)
{
    uint64_t value = l->future[which];
    if (of[self].n_guesses == GUESSES)
        explore_fail("too many late loads");
    of[self].guess[of[self].n_guesses++] =
        (struct guess){l, value, of[self].now.clock[self], false};
    if (tracing)
        course_trace(pc, "load %lx = %lx  LATE", (unsigned long)l->at, (unsigned long)value);
    return value;
}

/* A store becomes visible. */
static void publish(struct loc *l, uintptr_t at, unsigned size, uint64_t value,
                    const struct view *carries)
{
    raw_store(at, size, value);
    if (l->newest == UINT16_MAX)
        explore_fail("one location is written too often");
    l->newest++;
    if (l->newest - l->floor >= MESSAGES)
        l->floor = (uint16_t)(l->newest - MESSAGES + 1);
    *loc_newest(l) = (struct message){loc_value(l), carries};
    if (may_be_late(l)) {
        note_future(l, loc_newest(l)->value);
        come_true(l, loc_newest(l)->value);
    }
}

/* ---- buffers of stores ---- */

/* What a read-modify-write carries: its own, and what the message that it has read did. */
static const struct view *carried_on(const struct view *own, const struct message *read)
{
    join(&of[self].acquired, read->carries);
    if (own == NULL || read->carries == NULL)
        return own == NULL ? read->carries : own;
    struct view *both = new_view();
    memcpy(both, own, view_size());
    join(both, read->carries);
    return both;
}

static void flush_one(void)
{
    struct held h = of[self].held[0];
    of[self].n_held--;
    memmove(of[self].held, of[self].held + 1, of[self].n_held * sizeof(h));
    if (h.change && (h.loc->anew || loc_newest(h.loc)->value != h.old))
        course_void();
    if (h.loc->course != memory_course || h.loc->anew)
        loc_begin(h.loc);
    if (h.change)
        h.carries = carried_on(h.carries, loc_newest(h.loc));
    publish(h.loc, h.at, h.size, h.value, h.carries);
    seen(h.loc, h.loc->newest);
}

void memory_drain(void)
{
    while (of[self].n_held > 0)
        flush_one();
}

/* The last moment at which others can do without what is held back. */
void memory_drain_here(uintptr_t pc)
{
    if (of[self].n_held > 0) {
        course_point(pc);
        memory_drain();
    }
}

void memory_drain_all(void)
{
    unsigned was = self;
    for (self = 0; self < n_harts; self++)
        memory_drain();
    self = was;
}

static const struct held *newest_held(const struct loc *l)
{
    for (unsigned i = of[self].n_held; i > 0; i--)
        if (of[self].held[i - 1].loc == l)
            return &of[self].held[i - 1];
    return NULL;
}

static void hold(struct held h)
{
    if (of[self].n_held == BUFFER)
        flush_one();
    of[self].held[of[self].n_held++] = h;
}

/* tso: does this store wait? Once one does, those after it must, or all go out. */
static bool waits_in_line(const struct loc *l)
{
    bool some = of[self].n_held > 0;
    if (l->no < 0 && !some)
        return false;
    if ((choose(2) == 1) == some)
        memory_drain();
    return of[self].n_held > 0 || !some;
}

/* Must what is held back go out before this store, or read-modify-write, of l? */
static bool must_drain(const struct loc *l, bool change, int order)
{
    return mode == TSO ? change : releases(order) || newest_held(l) != NULL;
}

/* weak: is this store, or read-modify-write, late? */
static bool is_late(const struct loc *l, int order)
{
    bool others = (l->changed_by & ~(1u << self)) != 0;
    return mode == WEAK && l->no >= 0 && others && !acquires(order) && choose(2) == 1;
}

/* ---- accesses ---- */

static const char *order_name(int order)
{
    static const char *const names[] = {"relaxed", "consume", "acquire",
                                        "release", "acq_rel", "seq_cst"};
    return names[order];
}

enum how { LOAD, STORE, CHANGE };

static struct loc *access(void *at, unsigned size, enum how how, int order, uintptr_t pc)
{
    struct loc *l = loc_find((uintptr_t)at, size);
    if (how != LOAD && must_drain(l, how == CHANGE, order))
        memory_drain_here(pc);
    if (l->no >= 0 || learning)
        course_point(pc);
    else
        course_step(pc);
    if (l->course != memory_course || l->anew)
        loc_begin(l);
    race_access((uintptr_t)at, size, how == LOAD ? ATOMIC_READ : ATOMIC_WRITE, pc);
    return l;
}

uint64_t memory_load(void *where, unsigned size, int order, uintptr_t pc)
{
    uintptr_t at = (uintptr_t)where;
    struct loc *l = access(where, size, LOAD, order, pc);
    const struct held *h = newest_held(l);
    if (h != NULL && h->at == at && h->size == size)
        return h->value;
    if (h != NULL)
        memory_drain();
    unsigned older = 0;
    if (mode == WEAK && l->no >= 0) {
        unsigned from = of[self].now.oldest[l->no];
        from = from > l->floor ? from : l->floor;
        unsigned n = l->newest - from < OLDER ? l->newest - from : OLDER;
        bool late = order == __ATOMIC_RELAXED && may_be_late(l);
        older = choose(n + 1 + (late ? l->n_future : 0));
        if (older > n)
            return guess(l, older - n - 1, pc);
    }
    const struct message *m = &l->row[(l->newest - older) % MESSAGES];
    seen(l, l->newest - older);
    take_along(m, order);
    uint64_t value = loc_part(l, m->value, at, size);
    if (tracing)
        course_trace(pc, "load %s %lx = %lx%s", order_name(order), (unsigned long)at,
                     (unsigned long)value, older > 0 ? "  OLD" : "");
    return value;
}

void memory_store(void *where, unsigned size, uint64_t value, int order, uintptr_t pc)
{
    uintptr_t at = (uintptr_t)where;
    struct loc *l = access(where, size, STORE, order, pc);
    const struct view *carries = of[self].released;
    if (releases(order))
        carries = release();
    bool held = mode == TSO ? waits_in_line(l) : is_late(l, order);
    if (held) {
        hold((struct held){l, at, (uint8_t)size, value, carries, false, 0});
    } else {
        publish(l, at, size, value, carries);
        seen(l, l->newest);
    }
    if (tracing)
        course_trace(pc, "store %s %lx = %lx%s", order_name(order), (unsigned long)at,
                     (unsigned long)value, held ? "  HELD BACK" : "");
}

/* The newest message of l is read, and one appended that holds value. */
static void exchange(struct loc *l, uintptr_t at, unsigned size, uint64_t value, int order)
{
    locs_grown |= (l->changers & 1u << self) == 0;
    l->changers |= (uint8_t)(1u << self);
    const struct view *own = of[self].released;
    seen(l, l->newest);
    take_along(loc_newest(l), order);
    if (releases(order))
        own = release();
    if (is_late(l, order)) {
        hold((struct held){l, at, (uint8_t)size, value, own, true, loc_newest(l)->value});
    } else {
        publish(l, at, size, value, carried_on(own, loc_newest(l)));
        seen(l, l->newest);
    }
}

uint64_t memory_change(void *where, unsigned size, change_fn *fn, uint64_t operand, int order,
                       uintptr_t pc)
{
    uintptr_t at = (uintptr_t)where;
    struct loc *l = access(where, size, CHANGE, order, pc);
    uint64_t old = loc_part(l, loc_newest(l)->value, at, size), value = fn(old, operand);
    exchange(l, at, size, value, order);
    if (tracing)
        course_trace(pc, "change %s %lx: %lx -> %lx%s", order_name(order), (unsigned long)at,
                     (unsigned long)old, (unsigned long)value,
                     newest_held(l) != NULL ? "  HELD BACK" : "");
    return old;
}

bool memory_cas(void *where, unsigned size, uint64_t *expected, uint64_t value, int order,
                int failure, uintptr_t pc)
{
    uintptr_t at = (uintptr_t)where;
    struct loc *l = access(where, size, CHANGE, order, pc);
    uint64_t old = loc_part(l, loc_newest(l)->value, at, size);
    bool swapped = old == *expected;
    if (swapped) {
        exchange(l, at, size, value, order);
    } else {
        seen(l, l->newest);
        take_along(loc_newest(l), failure);
        *expected = old;
    }
    if (tracing)
        course_trace(pc, "swap %s %lx: %lx -> %lx%s", order_name(order), (unsigned long)at,
                     (unsigned long)old, (unsigned long)value,
                     !swapped                 ? "  FAILS"
                     : newest_held(l) != NULL ? "  HELD BACK"
                                              : "");
    return swapped;
}

void memory_fence(int order, uintptr_t pc)
{
    if (acquires(order))
        memcpy(&of[self].now, &of[self].acquired, view_size());
    if (releases(order))
        memory_drain_here(pc);
    if (order == __ATOMIC_SEQ_CST) {
        join_places(&of[self].now, &fences);
        memcpy(fences.oldest, of[self].now.oldest, n_shared * sizeof(uint16_t));
        join_places(&of[self].acquired, &fences);
    }
    if (releases(order))
        of[self].released = release();
    if (tracing)
        course_trace(pc, "fence %s", order_name(order));
}

/* ---- others ---- */

void memory_send(unsigned to)
{
    memory_drain();
    struct view *v = release();
    join(v, of[to].sent[self]);
    of[to].sent[self] = v;
}

void memory_receive(void)
{
    for (unsigned i = 0; i < n_harts; i++) {
        join(&of[self].now, of[self].sent[i]);
        join(&of[self].acquired, of[self].sent[i]);
    }
}

static void plain_part(uintptr_t at, uintptr_t end, uintptr_t from, bool write)
{
    for (uintptr_t where = from; where < end && where < from + 8; where++) {
        struct loc *l = loc_at(where);
        if (l == NULL || l->course != memory_course || where + l->size <= at)
            continue;
        if (newest_held(l) != NULL)
            memory_drain();
        l->anew |= write;
    }
}

void memory_plain(uintptr_t at, size_t n, bool write)
{
    for (uintptr_t from = at & ~(uintptr_t)7; from < at + n; from += 8)
        if (loc_near(from))
            plain_part(at, at + n, from, write);
}
