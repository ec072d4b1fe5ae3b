/*
 * monitor_show: what the monitor's listings say.
 *
 * All other harts stand still, anywhere: a queue may be in the middle of a change. Rings and lists are so
 * made that others may look at any time; a heap of timers is not, and is passed over while its lock is held.
 *
 * Shares. Who has the harts is not counted, since that would cost each switch something, but looked at: for
 * MONITOR_LOOK_NS the harts sample themselves, as for a CPU profile (profile_cpu.c), by goroutine. A share
 * is that of one hart's time, so all of them together are up to 100 % a hart. Number 0 is the
 * monitor; sleep is nobody's.
 *
 * Channels. No list has them, and a goroutine does not note which it waits for. But the channel points to
 * the wait records, which lie on stacks, and most often a variable or a frame has a pointer to the channel.
 * So each word of the program's variables and on the stacks of those that do not run is tried: does it
 * point to memory that looks like a channel (V), and has that a queue whose first record is on a stack, and
 * a goroutine's? Who waits for a channel that is not found so, since pointers to it are in the heap alone,
 * is counted in the last line, as is who stands behind QUEUE_SHOWN others.
 *
 * V   Nothing is read at a word taken for an address before it is known to be mapped memory of the machine,
 *     not a device's register.
 */
#include <pinion/time.h>
#include "kernel/clock.h"
#include "kernel/page.h"
#include "kernel/symbols.h"
#include "kernel/vm.h"
#include "sched/atomic.h"
#include "sched/chan.h"
#include "sched/chunk.h"
#include "sched/g.h"
#include "sched/monitor.h"
#include "sched/profile.h"
#include "sched/timer.h"
#include "sched/traceback.h"

void show_ms(struct line *l)
{
    scheddetail_show(l, true);
}

/* ---- queues ---- */

/* " 7 8 9" of a list by link, with its name if there is anybody. */
static void add_list(struct line *l, const char *name, const struct g *g)
{
    if (g == NULL)
        return;
    line_add(l, "%s:", name);
    for (; g != NULL; g = g->link)
        line_add(l, " %ld", (long)g->id);
    line_add(l, "\n");
}

static void add_ring(struct line *l, struct runq *q)
{
    /* relaxed, all: their harts stand still (O12). */
    uint32_t h = load_relaxed(&q->ring.head), n = load_relaxed(&q->ring.tail) - h;
    const struct g *next = load_relaxed(&q->next); /* relaxed: as above */
    if (next != NULL)
        line_add(l, " runnext: %ld", (long)next->id);
    if (n > 0)
        line_add(l, " ring:");
    for (uint32_t i = 0; i < n && n <= RUNQ_SIZE; i++) /* relaxed: as above */
        line_add(l, " %ld", (long)g_of(load_relaxed(&q->slot[(h + i) % RUNQ_SIZE]))->id);
    line_add(l, "\n");
}

void show_runq(struct line *l)
{
    for (uint32_t i = 0; i < sched.n_p; i++) {
        struct p *p = sched.p[i];
        line_add(l, "P%u:", i);
        add_ring(l, &p->runq);
        add_list(l, "  inbox", load_relaxed(&p->inbox));   /* relaxed: as in add_ring */
        add_list(l, "  pinbox", load_relaxed(&p->pinbox)); /* relaxed: too */
        add_list(l, "  pinned", p->pinned_head);
    }
    line_add(l, "%u in all", (unsigned)load_relaxed(&sched.global_n)); /* relaxed: too */
    add_list(l, " global", sched.global_head);
}

/* ---- timers ---- */

static void add_name(struct line *l, uintptr_t pc)
{
    uintptr_t off;
    const char *name = symbol_find(pc, &off);
    line_add(l, " %s", name != NULL ? name : "?");
}

static void add_timer(struct line *l, const struct timer_entry *e)
{
    const struct g *g = timer_sleeper(e->node);
    int64_t in = (e->when - clock_ns()) / 1000;
    line_add(l, "  in %ld us:", (long)in);
    if (g != NULL)
        line_add(l, " sleep of G%ld\n", (long)g->id);
    else {
        add_name(l, e->node->fire != NULL ? (uintptr_t)e->node->fire : (uintptr_t)e->node->begin);
        line_add(l, "\n");
    }
}

void show_timers(struct line *l)
{
    for (uint32_t i = 0; i < sched.n_m; i++) {
        struct timers *t = &sched.p[i]->timers;
        line_add(l, "P%u: timers %u\n", i, t->n);
        /* relaxed: its hart stands still (O12). */
        bool busy = atomic_load_explicit(spin_held(&t->lock), memory_order_relaxed) != 0;
        if (busy)
            line_add(l, "  its hart is at them: ask again\n");
        for (uint32_t n = 0; n < t->n && !busy; n++)
            add_timer(l, &t->heap[n]);
    }
}

/* ---- shares ---- */

#define ROWS 32u

static struct row {
    int64_t id;
    uint32_t n; /* samples */
    const struct g *g;
} rows[ROWS];
static uint32_t n_rows;
static uint32_t whole; /* samples that a hart could have had */

static void count(int64_t id, uint32_t n)
{
    uint32_t i = 0;
    while (i < n_rows && rows[i].id != id)
        i++;
    if (i == ROWS)
        return;
    n_rows += i == n_rows;
    rows[i].id = id;
    rows[i].n += n;
}

bool shares_look(void)
{
    if (!cpu_shares_begin(MONITOR_LOOK_HZ))
        return false;
    time_sleep(MONITOR_LOOK_NS);
    n_rows = 0;
    for (uint32_t i = 0; i < ROWS; i++)
        rows[i] = (struct row){0, 0, NULL};
    whole = cpu_shares_end(count);
    return true;
}

static void find_row(struct g *g, void *unused)
{
    (void)unused;
    for (uint32_t i = 0; i < n_rows; i++)
        if (rows[i].id == g->id)
            rows[i].g = g;
}

/* The one with the most, and takes it out. */
static struct row *best_row(void)
{
    struct row *best = NULL;
    for (uint32_t i = 0; i < n_rows; i++)
        if (rows[i].n > 0 && (best == NULL || rows[i].n > best->n))
            best = &rows[i];
    return best;
}

void show_shares(struct line *l)
{
    scheddetail_show(l, false);
    g_each(find_row, NULL);
    for (struct row *r; (r = best_row()) != NULL; r->n = 0) {
        unsigned mille = (unsigned)((uint64_t)r->n * 1000 / (whole > 0 ? whole : 1));
        line_add(l, "%4u.%u%% G%ld", mille / 10, mille % 10, (long)r->id);
        if (r->id == 0)
            line_add(l, " monitor\n");
        else if (r->g == NULL)
            line_add(l, " has ended\n");
        else {
            line_add(l, " %s", state_name(r->g));
            if (r->g->name != NULL)
                line_add(l, " %s", r->g->name);
            if (g_created(r->g) != 0) {
                line_add(l, ", of");
                add_name(l, g_created(r->g) - 1);
            }
            line_add(l, "\n");
        }
    }
}

/* ---- channels ---- */

#define CHANS_SHOWN 64u
#define QUEUE_SHOWN 64u /* of a channel's */

/* V. */
static bool is_memory(uintptr_t at, size_t n)
{
    struct page_bounds b = page_bounds();
    extern const char __data_start[], __image_end[];
    bool ours = at >= (uintptr_t)__data_start && at + n <= (uintptr_t)__image_end;
    bool heap = at / PAGE_SIZE >= b.first && (at + n) / PAGE_SIZE < b.end;
    return at % 8 == 0 && (ours || heap) && vm_lookup(at & -PAGE_SIZE) != NULL &&
           vm_lookup((at + n) & -PAGE_SIZE) != NULL;
}

static bool is_channel(const struct chan *c)
{
    if ((uintptr_t)c % 16 != 0 || !is_memory((uintptr_t)c, sizeof(*c)))
        return false;
    uintptr_t slots = c->cap > 0 ? (uintptr_t)(c + 1) : 0, end = (uintptr_t)c->end; /* chan_init */
    return end - slots == c->elem_size * c->cap && (uintptr_t)c->put - slots <= end - slots &&
           (uintptr_t)c->take - slots <= end - slots && chan_count(c) <= c->cap;
}

/* Waiters lie on stacks. NULL: there is none, or what is there is no waiter's address. */
static const struct chan_waiter *first_waiter(const struct chan_queue *q)
{
    const struct chan_waiter *w = chan_first(q);
    bool sound = w != NULL && (uintptr_t)w % 8 == 0 && vm_page_there((uintptr_t)w) &&
                 vm_page_there((uintptr_t)(w + 1) - 1) && w->prev == NULL && g_known(w->g);
    return sound ? w : NULL;
}

static void add_waiters(struct line *l, const char *way, const struct chan_waiter *w)
{
    if (w == NULL)
        return;
    line_add(l, " %s:", way);
    for (uint32_t n = 0; w != NULL && n < QUEUE_SHOWN; w = w->next, n++)
        line_add(l, w->won != NULL ? " %ld (select)" : " %ld", (long)w->g->id);
    line_add(l, w != NULL ? " ..." : "");
}

static struct {
    struct line *l;
    const struct chan *seen[CHANS_SHOWN];
    uint32_t n, lost;
} search; /* the shell's */

/* Is it the address of a channel that somebody waits for, and that has not been told? */
static void try(const struct chan *c)
{
    if (!is_channel(c) || search.n == CHANS_SHOWN)
        return;
    const struct chan_waiter *r = first_waiter(&c->receivers), *w = first_waiter(&c->senders);
    for (uint32_t i = 0; i < search.n; i++)
        if (search.seen[i] == c)
            return;
    if (r == NULL && w == NULL)
        return;
    search.seen[search.n++] = c;
    line_add(search.l, "0x%lx %lu/%lu of %lu bytes;", (unsigned long)c,
             (unsigned long)chan_count(c), (unsigned long)c->cap, (unsigned long)c->elem_size);
    add_waiters(search.l, "receive", r);
    add_waiters(search.l, "send", w);
    line_add(search.l, "\n");
}

static void try_words(uintptr_t at, uintptr_t end)
{
    for (at &= -(uintptr_t)8; at < end; at += 8)
        try(*(struct chan *const *)at);
}

static void try_stack(struct g *g, void *unused)
{
    (void)unused;
    if (g->status == G_WAITING || g->status == G_RUNNABLE)
        try_words(arch_context_sp(&g->ctx), g->stack.hi);
}

static bool has(const struct chan_queue *q, const struct g *g)
{
    const struct chan_waiter *w = chan_first(q);
    for (uint32_t n = 0; w != NULL && w->g != g && n < QUEUE_SHOWN; n++)
        w = w->next;
    return w != NULL;
}

static void count_lost(struct g *g, void *unused)
{
    uint32_t i = 0;
    (void)unused;
    if (g->status != G_WAITING ||
        (g->wait_reason != WAIT_CHAN_RECV && g->wait_reason != WAIT_CHAN_SEND &&
         g->wait_reason != WAIT_SELECT))
        return;
    while (i < search.n && !has(&search.seen[i]->receivers, g) && !has(&search.seen[i]->senders, g))
        i++;
    search.lost += i == search.n;
}

void show_chans(struct line *l)
{
    extern const char __data_start[], __bss_end[];
    search.l = l;
    search.n = search.lost = 0;
    try_words((uintptr_t)__data_start, (uintptr_t)__bss_end);
    g_each(try_stack, NULL);
    g_each(count_lost, NULL);
    if (search.lost > 0)
        line_add(l, "%u goroutines wait for channels that were not found\n", search.lost);
    else if (search.n == 0)
        line_add(l, "no goroutine waits for a channel\n");
}
