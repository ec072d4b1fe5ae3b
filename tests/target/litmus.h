/*
 * litmus: a few instructions on two to four harts at the same time, again and again, and what they have
 * seen: the outcomes that the orders forbid must never come, the others are counted.
 *
 * A shape is what each hart does with a cell of a few words, all zero before. The harts keep their
 * places while they work (preemption off). They meet, begin at a time that the first of them says, and
 * go through CELLS cells; at each one they wait for each other, but not long: who is alone, since the
 * host has given the others no processor, goes on alone through the rest, and no harm is done, only
 * nothing tried. A few wasted turns of a loop make now this one the first and now that one. Then the
 * first hart looks at what was seen and clears the cells.
 *
 * A run is over after ROUNDS, and not before two different outcomes have come; and if it is of two harts,
 * not before they were at it together often enough. (Three are on a host of four processors only; they
 * are in turns elsewhere.) That may take long on a busy host, and is no failure until the time of
 * tests/list is up. A shape that `shows` runs until the outcome has come that its orders would have
 * forbidden: what that says of the others is that they would show it too.
 */
#pragma once
#include "kernel/clock.h"
#include "sched/atomic.h"
#include "sched/proc.h"
#include "tests/target/check.h"

#define HARTS    4
#define CELLS    256
#define ROUNDS   (100 * CELLS)
#define LOOKS    5000   /* for the others, before one goes on alone */
#define TOGETHER CELLS  /* cells at least to which two harts came together */
#define AHEAD_NS 100000 /* from the meeting to the beginning: longer than a sleep in arch_relax */
#define OUTCOMES 40

typedef _Atomic uint32_t word;

/* Each on a cache line of its own, since the harts are. */
struct cell {
    _Alignas(64) word x;
    _Alignas(64) word y;
    _Alignas(64) word z;
    _Alignas(64) struct spin lock;
    struct {
        _Alignas(64) uint8_t a, b; /* what a hart has seen */
        bool together;             /* with all others */
    } saw[HARTS];
};

struct shape {
    const char *name;
    unsigned harts;
    bool shows;
    bool strict; /* its harts wait for each other within a cell, as long as it takes */
    void (*run[HARTS])(struct cell *);
    bool (*forbidden)(const struct cell *);
    void (*before)(unsigned hart), (*after)(unsigned hart); /* all its cells; NULL: nothing */
};

static struct {
    const struct shape *shape;
    bool over;
    struct {
        _Alignas(64) word at; /* how many meetings this hart has come to */
        word cell;            /* in how many cells it is or was */
    } place[HARTS];
    _Atomic uint64_t begin; /* ticks */
    struct cell cell[CELLS];
    unsigned rounds, together, forbidden, n;
    struct outcome {
        uint64_t key;
        unsigned times;
    } outcome[OUTCOMES];
} lit;

/* ---- at work ---- */

static void litmus_meet(unsigned self, uint32_t *meeting)
{
    /* order: release and acquire: all before the meeting is there for all behind it. */
    store_release(&lit.place[self].at, ++*meeting);
    for (unsigned i = 0; i < lit.shape->harts; i++)
        for (unsigned n = 0; (int32_t)(load_acquire(&lit.place[i].at) - *meeting) < 0; n++)
            arch_relax(n);
}

/* Meets, and goes on when all others do, nearly. Who waits in a meeting may sleep (arch_relax). */
static void litmus_begin(unsigned self, uint32_t *meeting)
{
    litmus_meet(self, meeting);
    if (self == 0)
        /* relaxed: a time and nothing else; the meetings before and after keep it in its place. */
        store_relaxed(&lit.begin, arch_ticks() + clock_hz() / (SECOND / AHEAD_NS));
    litmus_meet(self, meeting);
    while (arch_ticks() < load_relaxed(&lit.begin)) /* relaxed: as above */
        continue;
}

/* Has every hart come to cell i? Waits for that a moment. relaxed: only a matter of time. */
static bool litmus_together(unsigned self, uint32_t i)
{
    store_relaxed(&lit.place[self].cell, i + 1);
    for (unsigned hart = 0; hart < lit.shape->harts; hart++)
        for (unsigned n = 0; load_relaxed(&lit.place[hart].cell) <= i; n++)
            if (n == LOOKS)
                return false;
    return true;
}

static inline void litmus_dawdle(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    for (uint32_t n = *seed >> 26; n > 0; n--)
        __asm__ volatile("");
}

/* What all harts have seen in a cell, and what is left in x, two bits each. */
static uint64_t litmus_key(const struct cell *c)
{
    uint64_t key = load_relaxed(&c->x) & 3; /* relaxed: all have met */
    for (unsigned i = 0; i < HARTS; i++)
        key = key << 4 | (c->saw[i].a & 3u) << 2 | (c->saw[i].b & 3u);
    return key;
}

static void litmus_count(struct cell *c)
{
    uint64_t key = litmus_key(c);
    unsigned i = 0;
    while (i < lit.n && lit.outcome[i].key != key)
        i++;
    CHECK(i < OUTCOMES);
    if (i == lit.n)
        lit.outcome[lit.n++] = (struct outcome){key, 0};
    lit.outcome[i].times++;
    lit.rounds++;
    lit.together += c->saw[0].together && c->saw[1].together;
    lit.forbidden += lit.shape->forbidden(c);
    memset(c, 0, sizeof *c);
}

static void litmus_tally(void)
{
    for (unsigned i = 0; i < CELLS; i++)
        litmus_count(&lit.cell[i]);
    bool seen = lit.shape->shows ? lit.forbidden > 0 : lit.n > 1;
    bool tried = lit.shape->harts > 2 || lit.shape->strict || lit.together >= TOGETHER;
    unsigned rounds = lit.shape->strict ? ROUNDS / 5 : ROUNDS;
    lit.over = (lit.forbidden > 0 && !lit.shape->shows) || (lit.rounds >= rounds && seen && tried);
}

static void litmus_cells(unsigned self, uint32_t *meeting, uint32_t *seed)
{
    const struct shape *s = lit.shape;
    bool together = true;
    if (s->before)
        s->before(self);
    /* relaxed: the meeting that begins follows. */
    store_relaxed(&lit.place[self].cell, 0);
    litmus_begin(self, meeting);
    for (unsigned i = 0; i < CELLS; i++) {
        lit.cell[i].saw[self].together = together = together && litmus_together(self, i);
        litmus_dawdle(seed);
        s->run[self](&lit.cell[i]);
    }
    store_relaxed(&lit.place[self].cell, CELLS); /* relaxed: nobody needs to wait for us */
    if (s->after)
        s->after(self);
}

static void litmus_hart(void *which)
{
    unsigned self = (unsigned)(uintptr_t)which;
    uint32_t meeting = 0, seed = self * 77 + 1;
    bool over;
    do {
        preempt_off();
        litmus_cells(self, &meeting, &seed);
        litmus_meet(self, &meeting);
        if (self == 0)
            litmus_tally();
        litmus_meet(self, &meeting);
        over = lit.over;
        litmus_meet(self, &meeting);
        preempt_on();
    } while (!over);
}

/* ---- what came of it ---- */

/* "[00 10 x0] 12": what each hart has seen, x in the end, and how often. */
static void litmus_show_outcome(const struct outcome *o)
{
    printf("  [");
    for (unsigned i = 0; i < lit.shape->harts; i++) {
        unsigned saw = o->key >> 4 * (HARTS - 1 - i) & 15;
        printf("%u%u ", saw >> 2, saw & 3);
    }
    printf("x%u] %u", (unsigned)(o->key >> 4 * HARTS), o->times);
}

static void litmus_show(void)
{
    printf("%s: %u rounds, %u together, forbidden %u:", lit.shape->name, lit.rounds, lit.together,
           lit.forbidden);
    for (unsigned i = 0; i < lit.n; i++)
        litmus_show_outcome(&lit.outcome[i]);
    printf("\n");
    fflush(stdout);
}

static void litmus(const struct shape *s)
{
    if ((int)s->harts > runtime_numcpu())
        return;
    memset(&lit, 0, sizeof lit);
    lit.shape = s;
    in_parallel((int)s->harts, litmus_hart);
    litmus_show();
    CHECK((lit.forbidden > 0) == s->shows);
}
