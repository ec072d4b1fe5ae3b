/*
 * chan_model: channels and select against a model of them, which is a few arrays.
 *
 * Goroutines (pretend.h) do random operations on random channels. The model says whether each ends
 * at once, and how, or waits; whom else it completes, and in which order those are made ready. A
 * goroutine that waits stays until another one's operation completes its own; one that is ready goes
 * on at once or later, as the dice fall, and must then show what the model has noted.
 *
 * A plain send or receive is a select with one case, here. Where several cases of a select can go
 * the model allows each, looks which it was, and goes by it. A select's sends to one channel all
 * carry one number, so that it does not matter which of them a peer took.
 *
 * An element is made of its number, to the last byte, and lies aligned or not.
 */
#pragma once
#include <pinion/chan.h>
#include "tests/unit/unit.h"
#include "tests/unit/pretend.h"
#include "sched/chan.h"

#define MODEL_GS    14
#define MODEL_CHANS 6
#define MODEL_CASES 70
#define MODEL_CAP   4
#define ELEM_MAX    40

enum model_op { OP_SEND, OP_RECV, OP_TRY_SEND, OP_TRY_RECV, OP_CLOSE, OP_SELECT, OP_TRY_SELECT };

struct model_case {
    int chan; /* -1: NULL */
    enum select_dir dir;
    unsigned number; /* of the element that is sent, or lies there until one is received */
    bool drop;       /* a receive into NULL */
    unsigned skew;   /* bytes: the element lies in room from here */
    uint64_t room[ELEM_MAX / 8 + 1];
};

struct model_g {
    struct pretend real; /* first */
    enum model_op op;
    int n; /* cases */
    struct model_case k[MODEL_CASES];
    struct select_case select[MODEL_CASES];

    /* What it says. */
    int went; /* case; -1: none */
    bool ok;

    /* What the model says: it goes, or went, by this. */
    int chan;
    enum select_dir dir;
    bool closed;  /* by a close: a send panics, a receive is not ok */
    unsigned got; /* the element received, 0: zeroes */
};

struct model_chan {
    chan *real;
    size_t size, cap;
    bool closed;
    unsigned buffer[MODEL_CAP];
    size_t n;
    struct { /* by direction; a select is in it once for each case it has here */
        struct model_g *g[MODEL_GS * MODEL_CASES];
        int n;
    } queue[2];
};

static struct model_g gs[MODEL_GS]; /* the first never waits */
static struct model_chan chans[MODEL_CHANS];
static uint32_t model_rng;
static unsigned model_number;
static struct model_g *completed[MODEL_GS]; /* by the present operation, in this order */
static int n_completed;
static struct {
    long waited, completed, late, panicked;
} seen;

static inline uint32_t dice(uint32_t n)
{
    return world_random(&model_rng) % n;
}

/* ---- elements ---- */

static inline char *elem_at(struct model_case *k)
{
    return (char *)k->room + k->skew;
}

static inline char elem_byte(unsigned number, size_t i)
{
    return (char)(number == 0 ? 0 : number >> i % 4 * 8 ^ i / 4 * 17);
}

static inline bool elem_is(struct model_case *k, unsigned number)
{
    for (size_t i = 0; i < chans[k->chan].size; i++)
        if (elem_at(k)[i] != elem_byte(number, i))
            return false;
    return true;
}

/* ---- the model ---- */

static inline bool model_can_go(const struct model_case *k)
{
    if (k->chan < 0)
        return false;
    const struct model_chan *c = &chans[k->chan];
    return c->closed || c->queue[!k->dir].n > 0 ||
           (k->dir == SELECT_SEND ? c->n < c->cap : c->n > 0);
}

static inline void model_unqueue(struct model_g *g)
{
    for (int i = 0; i < 2 * MODEL_CHANS; i++) {
        __auto_type q = &chans[i / 2].queue[i % 2];
        int left = 0;
        for (int at = 0; at < q->n; at++)
            if (q->g[at] != g)
                q->g[left++] = q->g[at];
        q->n = left;
    }
}

static inline void model_queue(struct model_g *g)
{
    for (struct model_case *k = g->k; k < g->k + g->n; k++)
        if (k->chan >= 0) {
            __auto_type q = &chans[k->chan].queue[k->dir];
            q->g[q->n++] = g;
        }
}

static inline void model_goes(struct model_g *g, int where, enum select_dir dir, bool closed,
                              unsigned got)
{
    g->chan = where;
    g->dir = dir;
    g->closed = closed;
    g->got = got;
}

/* w, which waits, goes by way of chan. */
static inline void model_complete(struct model_g *w, int where, enum select_dir dir, bool closed,
                                  unsigned got)
{
    model_goes(w, where, dir, closed, got);
    model_unqueue(w);
    completed[n_completed++] = w;
}

static inline unsigned model_offer(const struct model_g *w, int where)
{
    const struct model_case *k = w->k;
    while (k->chan != where || k->dir != SELECT_SEND)
        k++;
    return k->number;
}

static inline unsigned model_shift(struct model_chan *c)
{
    unsigned first = c->buffer[0];
    memmove(c->buffer, c->buffer + 1, --c->n * sizeof(c->buffer[0]));
    return first;
}

/* What Go's specification says of a send or receive that can go. */
static inline void model_go(struct model_g *g, const struct model_case *k)
{
    struct model_chan *c = &chans[k->chan];
    struct model_g *peer = c->queue[!k->dir].n > 0 ? c->queue[!k->dir].g[0] : NULL;
    if (k->dir == SELECT_SEND) {
        model_goes(g, k->chan, SELECT_SEND, c->closed, 0);
        if (peer != NULL)
            model_complete(peer, k->chan, SELECT_RECV, false, k->number);
        else if (!c->closed)
            c->buffer[c->n++] = k->number;
        return;
    }
    if (peer != NULL)
        c->buffer[c->n++] = model_offer(peer, k->chan); /* behind what is there, if anything is */
    bool drained = c->n == 0;
    model_goes(g, k->chan, SELECT_RECV, drained, drained ? 0 : model_shift(c));
    if (peer != NULL)
        model_complete(peer, k->chan, SELECT_SEND, false, 0);
}

static inline void model_close(struct model_g *g, int where)
{
    struct model_chan *c = &chans[where];
    model_goes(g, where, SELECT_SEND, c->closed, 0);
    c->closed = true;
    while (c->queue[SELECT_RECV].n > 0)
        model_complete(c->queue[SELECT_RECV].g[0], where, SELECT_RECV, true, 0);
    while (c->queue[SELECT_SEND].n > 0)
        model_complete(c->queue[SELECT_SEND].g[0], where, SELECT_SEND, true, 0);
}

/* ---- both held against each other ---- */

static inline void model_task(void *arg)
{
    struct model_g *g = arg;
    struct model_case *k = &g->k[0];
    chan *c = g->select[0].c;
    void *elem = g->select[0].elem;
    g->went = 0;
    g->ok = true;
    switch (g->op) {
    case OP_SEND: chan_send(c, elem); break;
    case OP_RECV: g->ok = chan_recv(c, elem); break;
    case OP_TRY_SEND: g->went = chan_try_send(c, elem) ? 0 : -1; break;
    case OP_TRY_RECV: g->went = chan_try_recv(c, elem, &g->ok) ? 0 : -1; break;
    case OP_CLOSE: chan_close(chans[k->chan].real); break;
    case OP_SELECT:
    case OP_TRY_SELECT: g->went = chan_select(g->select, g->n, g->op == OP_SELECT); break;
    }
    if (g->went >= 0 && g->op >= OP_SELECT)
        g->ok = g->select[g->went].ok;
}

/* g's operation has come to its end, in the way that the model has noted. */
static inline void check_end(struct model_g *g)
{
    CHECK(g->real.state == PRETEND_IDLE);
    if (g->op == OP_CLOSE) {
        CHECK_STR(g->real.panic, g->closed ? "close of closed channel" : "");
        return;
    }
    bool panics = g->dir == SELECT_SEND && g->closed;
    CHECK_STR(g->real.panic, panics ? "send on closed channel" : "");
    seen.panicked += panics;
    for (int i = 0; i < g->n; i++) {
        struct model_case *k = &g->k[i];
        if (panics || i != g->went) {
            CHECK(k->chan < 0 || elem_is(k, k->number)); /* untouched */
            continue;
        }
        CHECK(k->chan == g->chan && k->dir == g->dir);
        if (k->dir == SELECT_RECV) {
            CHECK(g->ok == !g->closed);
            CHECK(elem_is(k, k->drop ? k->number : g->got));
        }
    }
}

/* Those who were made ready since there were `before` are those that the model has completed. */
static inline void check_ready(int before)
{
    CHECK_EQ(pretend.n_ready - before, n_completed);
    for (int i = 0; i < n_completed && before + i < pretend.n_ready; i++)
        CHECK(pretend.ready[before + i] == &completed[i]->real);
    seen.completed += n_completed;
    n_completed = 0;
}

static inline void check_queue(const struct chan_queue *q, struct model_g *const *want, int n)
{
    int at = 0;
    for (const struct chan_waiter *w = q->first; w != NULL; w = w->next) {
        CHECK(w->next != NULL ? w->next->prev == w : q->last == w);
        if (w->won != NULL && *w->won != NULL)
            continue; /* a select that was served elsewhere and has not run since */
        CHECK(at < n && w->g == &want[at]->real.g); /* C3 */
        at++;
    }
    CHECK_EQ(at, n);
}

static inline void check_chan(const struct model_chan *c)
{
    const struct chan *real = c->real;
    CHECK_EQ(real->lock.word, 0);
    CHECK_EQ(chan_len(c->real), c->n);
    CHECK_EQ(chan_cap(c->real), c->cap);
    CHECK(real->closed == c->closed);
    check_queue(&real->receivers, c->queue[SELECT_RECV].g, c->queue[SELECT_RECV].n);
    check_queue(&real->senders, c->queue[SELECT_SEND].g, c->queue[SELECT_SEND].n);
    /* C1, C2 */
    CHECK(real->limit == 0 || (real->limit == c->cap && !c->closed && !real->receivers.first));
    CHECK(real->floor != 0 || !real->senders.first);
    CHECK(c->queue[SELECT_RECV].n == 0 || (c->n == 0 && !c->closed));
    CHECK(c->queue[SELECT_SEND].n == 0 || (c->n == c->cap && !c->closed));
}

/* The case by which g went. Of those that panic we cannot know which: any, for none changes anything. */
static inline const struct model_case *case_that_went(struct model_g *g)
{
    if (g->real.panic[0] == '\0') {
        CHECK(g->went >= 0);
        return g->went >= 0 ? &g->k[g->went] : &g->k[0];
    }
    for (struct model_case *k = g->k; k < g->k + g->n; k++)
        if (k->chan >= 0 && k->dir == SELECT_SEND && chans[k->chan].closed)
            return k;
    CHECK(!"a panic without a closed channel");
    return &g->k[0];
}

/* g's cases are set: does it, here and there. */
static inline void model_do(struct model_g *g)
{
    bool able = false, waits = g->op == OP_SEND || g->op == OP_RECV || g->op == OP_SELECT;
    int before = pretend.n_ready;
    for (int i = 0; i < g->n; i++)
        able |= model_can_go(&g->k[i]);
    pretend_do(&g->real, model_task, g);
    if (g->op == OP_CLOSE) {
        model_close(g, g->k[0].chan);
    } else if (able) {
        CHECK(g->real.state == PRETEND_IDLE);
        const struct model_case *k = case_that_went(g);
        CHECK(model_can_go(k));
        model_go(g, k);
    } else if (waits) {
        CHECK(g->real.state == PRETEND_PARKED);
        model_queue(g);
        seen.waited++;
    } else {
        CHECK_EQ(g->went, -1);
        model_goes(g, -1, SELECT_RECV, false, 0);
    }
    check_ready(before);
    if (able || !waits)
        check_end(g);
}

/* ---- random courses ---- */

static inline void choose_case(struct model_g *g, int i, bool may_be_null)
{
    struct model_case *k = &g->k[i];
    k->chan = may_be_null && dice(8) == 0 ? -1 : (int)dice(MODEL_CHANS);
    k->dir = dice(2) == 0 ? SELECT_SEND : SELECT_RECV;
    k->number = ++model_number;
    for (int other = 0; other < i; other++)
        if (k->dir == SELECT_SEND && g->k[other].chan == k->chan && g->k[other].dir == SELECT_SEND)
            k->number = g->k[other].number;
    k->drop = k->dir == SELECT_RECV && dice(8) == 0;
    k->skew = dice(4) == 0 ? dice(8) : 0;
    for (size_t n = 0; k->chan >= 0 && n < chans[k->chan].size; n++)
        elem_at(k)[n] = elem_byte(k->number, n);
    g->select[i] = (struct select_case){.c = k->chan < 0 ? NULL : chans[k->chan].real,
                                        .dir = k->dir,
                                        .elem = k->drop ? NULL : elem_at(k),
                                        .ok = true};
}

static inline void choose_op(struct model_g *g, bool selects)
{
    g->op = dice(80) == 0                 ? OP_CLOSE
            : selects && dice(3) > 0      ? (dice(3) == 0 ? OP_TRY_SELECT : OP_SELECT)
            : dice(4) == 0 || g == &gs[0] ? OP_TRY_SEND
                                          : OP_SEND;
    if (g->op == OP_SELECT && g == &gs[0])
        g->op = OP_TRY_SELECT;
    g->n = g->op < OP_SELECT ? 1 : dice(64) == 0 ? MODEL_CASES : (int)(1 + dice(5));
    for (int i = 0; i < g->n; i++)
        choose_case(g, i, i > 0 || g->op == OP_TRY_SEND);
    if ((g->op == OP_SEND || g->op == OP_TRY_SEND) && g->k[0].dir == SELECT_RECV)
        g->op++; /* its receive */
}

/* A closed channel that nobody is at any more goes, and another comes in its place. */
static inline void renew(int i)
{
    static const size_t sizes[] = {8, 8, 8, 4, 0, 24, ELEM_MAX};
    struct model_chan *c = &chans[i];
    for (struct model_g *g = gs; g < gs + MODEL_GS; g++)
        for (int at = 0; at < g->n && g->real.state != PRETEND_IDLE; at++)
            if (g->k[at].chan == i)
                return;
    chan_free(c->real);
    memset(c, 0, sizeof(*c));
    c->size = sizes[dice(sizeof(sizes) / sizeof(sizes[0]))];
    c->cap = dice(2) == 0 ? 0 : 1 + dice(MODEL_CAP);
    if (c->cap > MODEL_CAP - 1)
        c->cap = MODEL_CAP - 1; /* the model needs one more for a moment */
    c->real = chan_make(c->size, c->cap);
    CHECK(c->real != NULL);
}

static inline void run_ready(void)
{
    struct pretend *who = pretend.ready[dice((uint32_t)pretend.n_ready)];
    seen.late += who != pretend.ready[0];
    pretend_run(who);
    pretend_take_next();
    check_end((struct model_g *)who);
}

static inline void model_step(bool selects)
{
    struct model_g *g;
    int c = (int)dice(MODEL_CHANS);
    do
        g = &gs[dice(MODEL_GS)];
    while (g->real.state != PRETEND_IDLE);
    if (pretend.n_ready > 0 && dice(3) == 0) {
        run_ready();
    } else {
        choose_op(g, selects);
        model_do(g);
    }
    if (chans[c].closed && dice(4) == 0)
        renew(c);
    for (int i = 0; i < MODEL_CHANS; i++)
        check_chan(&chans[i]);
}

/* All channels are closed: everybody comes back. */
static inline void model_end(void)
{
    for (int i = 0; i < MODEL_CHANS; i++) {
        gs[0].op = OP_CLOSE;
        gs[0].n = 1;
        gs[0].k[0].chan = i;
        model_do(&gs[0]);
    }
    while (pretend.n_ready > 0)
        run_ready();
    CHECK_EQ(seen.waited, seen.completed);
    for (int i = 0; i < MODEL_GS; i++)
        pretend_end(&gs[i].real);
    for (int i = 0; i < MODEL_CHANS; i++)
        chan_free(chans[i].real);
}

static inline void model_course(uint32_t seed, long steps, bool selects)
{
    model_rng = seed * 2654435761u | 1;
    model_number = 0;
    memset(&seen, 0, sizeof(seen));
    memset(chans, 0, sizeof(chans));
    pretend_world();
    for (int i = 0; i < MODEL_GS; i++) {
        memset(&gs[i], 0, sizeof(gs[i]));
        pretend_begin(&gs[i].real);
    }
    for (int i = 0; i < MODEL_CHANS; i++)
        renew(i);
    for (long i = 0; i < steps && unit_fails == 0; i++)
        model_step(selects);
    if (unit_fails == 0)
        model_end();
    else
        printf("seed %u\n", seed);
}
