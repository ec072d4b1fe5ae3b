/*
 * chaos: with `pinion.chaos=SEED` the scheduler does at random what it is free to do, so that a program
 * meets in a second what it otherwise meets in a year.
 *
 * What a program may count on stays as API.md and GO.md have it:
 *
 *     channels are first in, first out, and so are those who wait for one, for a semaphore, for a
 *     mutex in starvation mode, for a rwmutex; a select is fair; once is once
 *     a sleeper or a timer is never early; what was stopped or reset never comes
 *     memory that is there is not denied: malloc, go and the like do not fail for it
 *     a pinned goroutine runs on its Ps only, a wired one on its hart, which runs nothing else
 *     who is runnable runs, some time; a deadlock is found; a panic is shown
 *
 * What it may not count on, and does not get:
 *
 *     order among runnables  a goroutine made ready may come to be runnext, the last of the ring, the
 *                            last of the global queue, or go by the inbox; one that was picked may be
 *                            passed over; one that yields may run next; what is queued may all go to the
 *                            global queue
 *     slices                 what runs is taken off after some microseconds, at any instruction, or
 *                            has a shorter slice than SLICE_NS
 *     punctuality            a timer that is due, an IPI that was sent, is heeded some microseconds
 *                            later; a timer's goroutine now and then TIMER_RETRY_NS later
 *     calm                   harts are interrupted for nothing, and sleeping ones look for work that is
 *                            not there; attention is asked for where nothing is
 *     ways                   a thief takes any number, not half; a P's free objects, dead goroutines and
 *                            stacks are taken from it, so that the next ones come the long way; all of
 *                            malloc's go the long way for a while
 *     first refusals         malloc's (it must reclaim, then stop the world, before it asks), a block's growth
 *                            in its place (realloc moves it), a heap's for a sleeper (he polls), a
 *                            timer's goroutine, room for the registers of who is taken off
 *
 * What it costs when it is off: nothing on the paths that are measured, three instructions in a theft from
 * a ring. What a hot path asks anyway is given another answer:
 *
 *     struct g's flags    what asks for GF_APART, a pinned goroutine, asks for a third bit as well.
 *                         GF_CHAOS marks who is to be met at each of these places. Not for ever: the hot
 *                         paths are to be met too, so a mark goes after some schedules and comes back
 *                         when its goroutine is taken off
 *     g_more, timer_extras, the doors of irq.c: each is one word that was looked at before
 *     a cache's short_cuts likewise
 *
 * and the rest stands where it is rare: where a timer's goroutine is made, where a block grows.
 *
 * Decisions. Each hart has a generator of its own, seeded by SEED and its number; each P's own (for
 * victims and select) is seeded too. Nothing else goes in, so where a run comes again, its decisions
 * do: under ICOUNT=1 the same SEED gives the same run. All a hart's decisions, with the time of each,
 * go into a sum that is printed at the end: two runs that say the same have been the same.
 *
 * A hart draws with its interrupts masked, since its timer interrupt draws too.
 *
 * The tick. Each hart's timer also goes off at random times for chaos alone, between some
 * microseconds and a quarter of a millisecond apart while it has a P, and at growing distances, up to a
 * second, while it sleeps. Where that is late the next one is later still by a multiple: so
 * chaos leaves most of a slow machine's time to the program.
 *
 *   X1  What is held back comes: IPIs that wait are in `held`, and while there is any, or a timer's word
 *       has been withheld, this hart's comparator is set for the time at which it goes on. timers_interrupt
 *       looks at what is due every time, so a withheld word is found again by the tick.
 *   X2  Who stops the others for good, or stands them still, is not held up: he waits for them.
 *   X3  A goroutine is put only where it could have been put: the inbox, the ring or the global queue, and
 *       by those who put goroutines there; a marked one that is pinned or wired goes the way of these.
 *       What makes sure that queued work is seen (slice_check, wake_idle) follows as it always does.
 *   X4  Only a first request is refused; what follows it is what follows a request that has failed, and
 *       ends in requests that are granted if they can be.
 */
#include "sched/chaos.h"
#include "kernel/central.h"
#include "kernel/clock.h"
#include "kernel/console.h"
#include "kernel/irq.h"
#include "kernel/power.h"
#include "sched/atomic.h"
#include "sched/cache.h"
#include "sched/freeze.h"
#include "sched/g.h"
#include "sched/global.h"
#include "sched/heap_check.h"
#include "sched/idle.h"
#include "sched/preempt.h"
#include "sched/proc.h"
#include "sched/runq.h"
#include "sched/sched.h"
#include "sched/timer.h"

bool chaos_on;
static uint64_t seed;

/* By number of its M. All of it is the hart's own, interrupts masked. */
static struct chaos_hart {
    uint64_t rng;
    uint64_t sum, decisions;
    int64_t next;    /* its next tick */
    int64_t send_at; /* when what is held goes out */
    uint64_t held;   /* harts to be interrupted (X1) */
    unsigned asleep; /* ticks in a row without a P */
} __attribute__((aligned(64))) harts[64];

/* ---- drawing ---- */

enum question {
    WHICH_QUEUE = 1,
    PASS_OVER,
    WHICH_UPSET,
    HOW_MANY,
    REFUSE,
    WHAT_NOW,
    WHICH_HART,
    HOW_LONG,
    HOLD_IPI,
    SECOND_IPI,
    WITHHOLD,
    STIR_SLEEPER,
};

static struct chaos_hart *this_hart(void)
{
    return &harts[g_self()->m->id];
}

static uint64_t scramble(uint64_t x)
{
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return x;
}

static void note(struct chaos_hart *h, enum question q, uint32_t answer)
{
    uint64_t what = (uint64_t)clock_ns() << 20 ^ (uint64_t)q << 16 ^ answer;
    h->sum = (h->sum ^ what) * UINT64_C(1099511628211);
    h->decisions++;
}

/* A number below n. */
static uint32_t draw(enum question q, uint32_t n)
{
    uintptr_t was = arch_irq_save();
    struct chaos_hart *h = this_hart();
    h->rng = scramble(h->rng);
    uint32_t answer = (uint32_t)((h->rng >> 32) * n >> 32);
    note(h, q, answer);
    arch_irq_restore(was);
    return answer;
}

/* One time in n. */
static bool once_in(uint32_t n, enum question q)
{
    return draw(q, n) == 0;
}

/* Nanoseconds below 2^bits: of each power of two as often. */
static int64_t some_ns(unsigned bits)
{
    unsigned most = bits < 10 ? bits : 10 + draw(HOW_LONG, bits - 9);
    return 1 + draw(HOW_LONG, UINT32_C(1) << most);
}

/* ---- queues ---- */

/* m works: its next tick may have been set for a hart that sleeps. */
static void stir(struct m *m)
{
    uintptr_t was = arch_irq_save();
    struct chaos_hart *h = &harts[m->id];
    int64_t soon = clock_ns() + CHAOS_TICK_NS;
    if (h->asleep > 0 && m->p != NULL) {
        h->asleep = 0;
        h->next = h->next < soon ? h->next : soon;
        timers_arm_at(m, h->next);
    }
    arch_irq_restore(was);
}

void chaos_put(struct p *p, struct g *g)
{
    switch (draw(WHICH_QUEUE, 8)) {
    case 0:
    case 1:
    case 2: runq_put_next(p, g); break;
    case 3: global_put_batch(g, g, 1); break;
    case 4: inbox_put(p, &p->inbox, g); break;
    default: runq_put_tail(p, g);
    }
}

/* What p keeps for later is taken from it, or what it has queued. */
static void upset(struct p *p)
{
    switch (draw(WHICH_UPSET, 16)) {
    case 0:
    case 1:
    case 2: cache_flush(p->cache); break;
    case 3:
    case 4:
    case 5:
        if (!HEAP_CHECK && p->cache != NULL) /* the host's malloc is another */
            cache_short_cuts(p->cache, !p->cache->short_cuts);
        break;
    case 6: g_trim(); break;
    case 7: central_trim(); break;
    default: sched_spill(p);
    }
}

bool chaos_passes_over(struct m *m, struct g *g)
{
    uint32_t what = draw(PASS_OVER, 64);
    stir(m);
    if (what == 0) {
        upset(m->p);
        slice_check(m); /* what it queued globally waits for this hart too */
    } else if (what < 5) {
        g->flags &= (uint8_t)~GF_CHAOS;
    } else if (what < 14 && (g->flags & GF_APART) == 0) {
        m->p->tick += TICK; /* this schedule is counted, and does not come about */
        chaos_put(m->p, g);
        wake_idle();
        return true;
    }
    return false;
}

bool chaos_refuses(uint32_t n)
{
    return once_in(n, REFUSE);
}

/* ---- IPIs ---- */

static unsigned any_hart(void)
{
    return sched.m[draw(WHICH_HART, sched.n_m)]->hart_no;
}

static bool may_be_held(const struct m *self, unsigned hart)
{
    /* relaxed, both: X2: who ends the run or freezes sends after he has written it, on this hart. */
    return hart != self->hart_no && load_relaxed(&sched.halting) == NULL &&
           load_relaxed(&freezer) == NULL;
}

/* In place of irq_send_ipi. */
static void send_ipi(uint64_t hart)
{
    uintptr_t was = arch_irq_save();
    struct m *self = g_self()->m;
    struct chaos_hart *h = &harts[self->id];
    if (may_be_held(self, (unsigned)hart) && once_in(8, HOLD_IPI)) {
        if (h->held == 0)
            h->send_at = clock_ns() + some_ns(16);
        h->held |= bit((uint32_t)hart);
        timers_arm_at(self, h->send_at); /* X1 */
    } else {
        irq_send_now((unsigned)hart);
        if (once_in(16, SECOND_IPI))
            irq_send_now(any_hart());
    }
    arch_irq_restore(was);
}

static void send_held(struct chaos_hart *h)
{
    for (; h->held != 0; h->held &= h->held - 1)
        irq_send_now(lowest(h->held));
}

/* ---- the tick ---- */

static void ask_for_attention(struct p *p)
{
    uint32_t all = ATTN_INBOX | ATTN_TIMER | ATTN_PINNED | ATTN_STOP | ATTN_LATE;
    /* relaxed: bits that mean “look”, and nothing lies behind them. */
    atomic_fetch_or_explicit(&p->attention, all, memory_order_relaxed);
}

/* Thieves take 1, up to 2, up to 4 … for a while. relaxed: as for who reads it. */
static void change_shares(void)
{
    store_relaxed(&runq_share, (UINT32_C(1) << draw(HOW_MANY, 9)) - 1);
}

static void act_busy(struct m *m)
{
    switch (draw(WHAT_NOW, 8)) {
    case 0: ask_for_attention(m->p); break;
    case 1: irq_send_now(any_hart()); break;
    case 2: change_shares(); break;
    default: preempt_at_random(m);
    }
}

/* The interrupt has told the sleeper to look for work; mostly that stays. */
static void act_asleep(struct m *m, struct chaos_hart *h)
{
    h->asleep++;
    if (m->section == NULL && once_in(4, STIR_SLEEPER))
        store_relaxed(&m->self_wake, false); /* relaxed: as in withhold */
}

/* Until the next tick, the last one having come so late. */
static int64_t pause_ns(const struct m *m, const struct chaos_hart *h, int64_t late)
{
    unsigned asleep = h->asleep < 16 ? h->asleep : 16;
    int64_t slack = late < CHAOS_LATE_MAX_NS ? late : CHAOS_LATE_MAX_NS;
    return CHAOS_TICK_NS / 128 + 4 * slack + some_ns(m->p != NULL ? 18 : 14 + asleep);
}

/* A timer interrupt's word is taken back until the tick, which is soon. */
static void withhold(struct m *m, struct chaos_hart *h, int64_t now)
{
    if (m->section != NULL || !once_in(4, WITHHOLD))
        return;
    if (m->p != NULL)
        preempt_not_yet(m);
    else
        store_relaxed(&m->self_wake, false); /* relaxed: this hart's own; X1 */
    int64_t soon = now + some_ns(15);
    h->next = h->next < soon ? h->next : soon;
}

void chaos_tick(struct m *m)
{
    struct chaos_hart *h = &harts[m->id];
    int64_t now = clock_ns();
    if (h->held != 0 && now >= h->send_at)
        send_held(h);
    if (now < h->next) {
        withhold(m, h, now);
    } else {
        if (m->p != NULL)
            act_busy(m);
        else
            act_asleep(m, h);
        h->next = clock_ns() + pause_ns(m, h, now - h->next);
    }
    timers_arm_at(m, h->held != 0 && h->send_at < h->next ? h->send_at : h->next);
}

/* ---- beginning and end ---- */

/* The n-th number of a seed, never 0. */
static uint64_t seed_of(uint64_t n)
{
    uint64_t x = (seed * 256 + n + 1) * UINT64_C(0x9e3779b97f4a7c15);
    for (int i = 0; i < 4; i++)
        x = scramble(x);
    return x;
}

/* The other harts have stopped. */
static void report(void)
{
    uint64_t sum = 0, decisions = 0;
    for (uint32_t i = 0; i < sched.n_m; i++) {
        sum = scramble(sum ^ harts[i].sum);
        decisions += harts[i].decisions;
    }
    kprintf("pinion: chaos, seed %lu: %lu decisions, sum %016lx\n", (unsigned long)seed,
            (unsigned long)decisions, (unsigned long)sum);
}

void sched_chaos(unsigned n)
{
    if (n == 0)
        return;
    seed = n;
    for (uint32_t i = 0; i < sched.n_m; i++) {
        harts[i].rng = seed_of(2 * i);
        harts[i].next = clock_ns();
        sched.p[i]->rng = seed_of(2 * i + 1);
    }
    /* A slice, a sixth of it, or an eleventh. relaxed: nobody else runs. */
    store_relaxed(&preempt_slice_ns, SLICE_NS / (1 + (int64_t)(seed_of(200) % 3) * 5));
    g_more |= MORE_CHAOS;
    timers_extras_set(EXTRA_CHAOS);
    irq_divert(send_ipi);
    power_last_words = report;
    chaos_on = true;
    kprintf("pinion: chaos, seed %u\n", n);
}
