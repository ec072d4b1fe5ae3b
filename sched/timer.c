/*
 * timer: time_sleep and the heaps behind it.
 *
 * Each P has a 4-ary min-heap of (when, node) pairs; the pair is copied into the array, so that
 * sifting compares within one or two cache lines and never touches the nodes but for their index.
 * Four children to a parent: half as deep as a binary heap, and the four lie side by side.
 *
 * Who does what. A goroutine adds to the heap of the P it runs on, so a hart's comparator is set
 * only by itself. The hart that holds the P fires what is due: when its timer interrupt has set
 * ATTN_TIMER, and whenever it runs out of work. Thieves in their last round fire others' due
 * timers. The interrupt handler itself fires nothing: it never touches queues.
 *
 * T1  timers.first is the heap's earliest time, written under the lock; without it, it is a hint
 *     that may be a moment old. Who adds an earlier one arms the hart itself, afterwards.
 * T2  A node is in at most one heap; index says where, under that heap's lock.
 * T3  The hart that holds P, or held it last if it is idle, has its comparator set for no later
 *     than first. (m->armed remembers what it is set for; to be early costs an interrupt.)
 *
 * A node is taken out of the heap before fire is called, with the lock released: so timer_del
 * that comes too late says false and does not wait, and fire may queue the node again.
 */
#include "sched/timer.h"
#include <pinion/go.h>
#include <pinion/time.h>
#include <string.h>
#include "kernel/clock.h"
#include "kernel/page.h"
#include "sched/preempt.h"
#include "sched/proc.h"
#include "sched/schedtrace.h"

#define ARITY 4u

/* ---- the heap, under its lock ---- */

static void heap_set(struct timers *h, uint32_t i, struct timer_entry e)
{
    h->heap[i] = e;
    e.node->index = i;
}

static void sift_up(struct timers *h, uint32_t i, struct timer_entry e)
{
    while (i > 0) {
        uint32_t parent = (i - 1) / ARITY;
        if (h->heap[parent].when <= e.when)
            break;
        heap_set(h, i, h->heap[parent]);
        i = parent;
    }
    heap_set(h, i, e);
}

static void sift_down(struct timers *h, uint32_t i, struct timer_entry e)
{
    for (;;) {
        uint32_t first = i * ARITY + 1, least = first;
        if (first >= h->n)
            break;
        uint32_t end = first + ARITY < h->n ? first + ARITY : h->n;
        for (uint32_t c = first + 1; c < end; c++)
            if (h->heap[c].when < h->heap[least].when)
                least = c;
        if (e.when <= h->heap[least].when)
            break;
        heap_set(h, i, h->heap[least]);
        i = least;
    }
    heap_set(h, i, e);
}

static void publish_first(struct timers *h)
{
    /* relaxed: T1, a hint to those without the lock. */
    atomic_store_explicit(&h->first, h->n > 0 ? h->heap[0].when : CLOCK_NEVER,
                          memory_order_relaxed);
}

#define PER_PAGE (PAGE_SIZE / sizeof(struct timer_entry))

/* An empty heap of many pages goes back to one: a crowd of sleepers does not come every day. */
static void heap_shrink(struct timers *h)
{
    page_free_run(h->heap, h->cap / PER_PAGE);
    h->heap = page_alloc();
    h->cap = h->heap != NULL ? PER_PAGE : 0;
}

static void heap_remove(struct timers *h, uint32_t i)
{
    h->heap[i].node->index = TIMER_NOT_QUEUED;
    struct timer_entry last = h->heap[--h->n];
    if (i < h->n) {
        if (i > 0 && last.when < h->heap[(i - 1) / ARITY].when)
            sift_up(h, i, last);
        else
            sift_down(h, i, last);
    } else if (h->n == 0 && h->cap > PER_PAGE) {
        heap_shrink(h);
    }
    publish_first(h);
}

/* Doubles the array. false: no memory. */
static bool heap_grow(struct timers *h)
{
    size_t pages = h->cap == 0 ? 1 : 2 * h->cap / PER_PAGE;
    struct timer_entry *bigger = page_alloc_run(pages);
    if (bigger == NULL)
        return false;
    if (h->cap > 0) {
        memcpy(bigger, h->heap, h->n * sizeof(*bigger));
        page_free_run(h->heap, pages / 2);
    }
    h->heap = bigger;
    h->cap = (uint32_t)(pages * PER_PAGE);
    return true;
}

/* ---- adding, taking back ---- */

bool timer_add(struct timer_node *t, int64_t when)
{
    struct m *m = g_self()->m;
    struct timers *h = &m->p->timers;
    spin_lock(&h->lock);
    if (h->n == h->cap && !heap_grow(h)) {
        spin_unlock(&h->lock);
        return false;
    }
    t->p = m->p;
    sift_up(h, h->n++, (struct timer_entry){when, t});
    publish_first(h);
    spin_unlock(&h->lock);
    timers_arm(m, m->p);
    return true;
}

bool timer_del(struct timer_node *t)
{
    struct timers *h = &t->p->timers;
    spin_lock(&h->lock);
    bool queued = t->index != TIMER_NOT_QUEUED;
    if (queued)
        heap_remove(h, t->index);
    spin_unlock(&h->lock);
    return queued;
}

/* ---- firing ---- */

/* Takes the earliest if it is due. */
static struct timer_node *take_due(struct timers *h, int64_t now)
{
    struct timer_node *t = NULL;
    spin_lock(&h->lock);
    if (h->n > 0 && h->heap[0].when <= now) {
        t = h->heap[0].node;
        heap_remove(h, 0);
    }
    spin_unlock(&h->lock);
    return t;
}

static void fire_due(struct p *p, struct timers *h, int64_t now)
{
    struct timer_node *t;
    /* relaxed: T1. */
    while (atomic_load_explicit(&h->first, memory_order_relaxed) <= now &&
           (t = take_due(h, now)) != NULL) {
        p->count.timer_fires++;
        t->fire(t);
    }
}

void timers_run(struct p *p, int64_t now)
{
    fire_due(p, &p->timers, now);
    timers_arm(g_self()->m, p);
}

bool timers_reserve(struct p *p, uint32_t n)
{
    struct timers *h = &p->timers;
    bool room = true;
    spin_lock(&h->lock);
    while (room && n > 0 && h->cap - h->n < n)
        room = heap_grow(h);
    spin_unlock(&h->lock);
    return room;
}

/* Nobody else looks at either heap, or holds a node's P in his hand: there are no locks to take. */
void timers_take_all(struct p *p, struct p *from)
{
    struct timers *h = &p->timers, *old = &from->timers;
    for (uint32_t i = 0; i < old->n; i++) {
        struct timer_entry e = old->heap[i];
        e.node->p = p;
        sift_up(h, h->n++, e);
    }
    old->n = 0;
    if (old->cap > PER_PAGE)
        heap_shrink(old);
    publish_first(h);
    publish_first(old);
}

void timers_run_others(struct p *p, struct p *victim)
{
    /* relaxed: T1; most often there is none, and then the clock need not be read. */
    if (atomic_load_explicit(&victim->timers.first, memory_order_relaxed) != CLOCK_NEVER)
        fire_due(p, &victim->timers, clock_ns());
}

/* From the interrupt: for the end of the slice, and for timers that were not due at now; those that
 * were have been told, and to arm for them again would only come back here. One that has become due
 * since has not been told: what is armed for the past fires at once. */
static void arm_later(struct m *m, struct p *p, int64_t now)
{
    int64_t when = preempt_deadline(m, p);
    if (when <= now)
        when = m->slice_on ? m->slice_end : CLOCK_NEVER;
    m->armed = when;
    clock_arm(when);
}

void timers_arm_at(struct m *m, int64_t when)
{
    if (when >= m->armed)
        return;
    uintptr_t was = arch_irq_save(); /* the handler writes armed and the comparator too */
    if (when < m->armed) {           /* still */
        m->armed = when;
        clock_arm(when);
    }
    arch_irq_restore(was);
}

void timers_arm(struct m *m, struct p *p)
{
    if (preempt_deadline(m, p) >= m->armed)
        return;
    uintptr_t was = arch_irq_save(); /* as above; and a handler may begin a slice until here */
    timers_arm_at(m, preempt_deadline(m, p));
    arch_irq_restore(was);
}

void timers_interrupt(struct m *m)
{
    m->timer_irqs++;
    if (m->p != NULL) {
        int64_t now = clock_ns();
        preempt_on_timer(m, now);
        arm_later(m, m->p, now);
    } else {
        m->armed = CLOCK_NEVER;
        clock_arm(CLOCK_NEVER);
    }
    schedtrace_tick(m);
    /* relaxed: to itself; a hart that is just giving its P up sees at least one of the two. */
    atomic_store_explicit(&m->self_wake, true, memory_order_relaxed);
}

/* ---- sleeping ---- */

int64_t time_now(void)
{
    return clock_ns();
}

struct sleeper {
    struct timer_node node;
    struct g *g;
    int64_t when;
};

static void sleep_over(struct timer_node *t)
{
    g_ready(((struct sleeper *)t)->g);
}

/*
 * The timer is queued only here, with the context saved: it may fire at once, on another hart.
 * Without memory for it the sleeper becomes a poller: it is ready again at once and looks at the
 * clock. It never wakes too early and nothing fails.
 */
static void sleep_commit(void *arg, struct arch_hart *hart)
{
    struct sleeper *s = arg;
    if (!timer_add(&s->node, s->when))
        g_ready_tail(s->g);
    sched_next((struct m *)hart);
}

void time_sleep(duration d)
{
    if (d <= 0)
        return;
    int64_t now = clock_ns();
    struct sleeper s = {.node = {.fire = sleep_over}, .g = g_self()};
    s.when = d < CLOCK_NEVER - 1 - now ? now + d : CLOCK_NEVER - 1;
    do {
        preempt_off();
        g_park(sleep_commit, &s, WAIT_SLEEP);
    } while (clock_ns() < s.when);
}
