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
 *     that may be a moment old (O18). Who adds an earlier one arms the hart itself, afterwards.
 * T2  A node is in at most one heap. That heap's array, under its lock, has the last word; p and
 *     index, written under it too, say where to look and may be out of date.
 * T3  The hart that holds P, or held it last if it is idle, has its comparator set for no later
 *     than first. (m->armed remembers what it is set for; to be early costs an interrupt.)
 *
 * A node is taken out of the heap before fire is called, with the lock released: so timer_del
 * that comes too late says false and does not wait, and fire may queue the node again. A node whose
 * owner may free it when timer_del says false cannot be fired so, unless the owner and fire have a
 * lock of their own by which they find out about each other (timechan.c). Or it has begin instead,
 * which is called with the heap locked: whoever locks it afterwards finds the node neither queued nor
 * in anybody's hands (alarm.c, O29).
 */
#include "sched/timer.h"
#include <pinion/time.h>
#include <string.h>
#include "kernel/clock.h"
#include "kernel/page.h"
#include "sched/atomic.h"
#include "sched/chaos.h"
#include "sched/preempt.h"
#include "sched/proc.h"
#include "sched/profile.h"
#include "sched/schedtrace.h"
#include "sched/trace.h"

#define ARITY 4u

/* ---- the heap, under its lock ---- */

static inline void heap_set(struct timer_entry *heap, size_t i, struct timer_entry e)
{
    heap[i] = e;
    store_relaxed(&e.node->index, (uint32_t)i); /* relaxed: T2 */
}

static inline void sift_up(struct timers *h, size_t i, struct timer_entry e)
{
    struct timer_entry *heap = h->heap;
    while (i > 0) {
        size_t parent = (i - 1) / ARITY;
        if (heap[parent].when <= e.when)
            break;
        heap_set(heap, i, heap[parent]);
        i = parent;
    }
    heap_set(heap, i, e);
}

/* Which of the n children that begin at c is the earliest. Four is the common case: two comparisons
 * and a third of their winners, without a jump. */
static inline size_t least_of(const struct timer_entry *c, size_t n)
{
    if (__builtin_expect(n >= ARITY, 1)) {
        size_t a = c[1].when < c[0].when, b = 2 + (size_t)(c[3].when < c[2].when);
        return c[b].when < c[a].when ? b : a;
    }
    size_t least = 0;
    for (size_t i = 1; i < n; i++)
        if (c[i].when < c[least].when)
            least = i;
    return least;
}

static void sift_down(struct timers *h, size_t i, struct timer_entry e)
{
    struct timer_entry *heap = h->heap;
    size_t n = h->n;
    for (size_t first; (first = i * ARITY + 1) < n;) {
        size_t least = first + least_of(heap + first, n - first);
        if (e.when <= heap[least].when)
            break;
        heap_set(heap, i, heap[least]);
        i = least;
    }
    heap_set(heap, i, e);
}

static inline void publish_first(struct timers *h)
{
    store_relaxed(&h->first, h->n > 0 ? h->heap[0].when : CLOCK_NEVER); /* relaxed: T1, a hint */
}

#define PER_PAGE (PAGE_SIZE / sizeof(struct timer_entry))

/* An empty heap of many pages goes back to one: a crowd of sleepers does not come every day. */
static __attribute__((noinline)) void heap_shrink(struct timers *h)
{
    page_free_run((char *)h->heap + PAGE_SIZE, h->cap / PER_PAGE - 1);
    h->cap = PER_PAGE;
}

/* Fills the hole that the entry at i has left with the last one. */
HOT static __attribute__((noinline)) void heap_close(struct timers *h, size_t i)
{
    struct timer_entry last = h->heap[h->n];
    if (i > 0 && last.when < h->heap[(i - 1) / ARITY].when)
        sift_up(h, i, last);
    else
        sift_down(h, i, last);
    publish_first(h);
}

static inline void heap_remove(struct timers *h, size_t i)
{
    store_relaxed(&h->heap[i].node->index, TIMER_NOT_QUEUED); /* relaxed: T2 */
    if (i < --h->n) {
        heap_close(h, i);
        return;
    }
    if (__builtin_expect(h->n == 0 && h->cap > PER_PAGE, 0))
        heap_shrink(h);
    publish_first(h);
}

/* Doubles the array. false: no memory. */
static __attribute__((noinline)) bool heap_grow(struct timers *h)
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

/* The heap is locked. Each of these ends in the call of another, so that none saves registers for
 * the rarer ones. */
static __attribute__((noinline)) bool arm_added(struct m *m)
{
    timers_arm(m, m->p);
    return true;
}

static inline bool add_to(struct timers *h, struct timer_node *t, int64_t when)
{
    struct m *m = g_self()->m;
    store_relaxed(&t->p, m->p); /* relaxed: T2 */
    sift_up(h, h->n++, (struct timer_entry){when, t});
    int64_t first = h->heap[0].when;
    store_relaxed(&h->first, first); /* relaxed: T1 */
    spin_unlock(&h->lock);
    return __builtin_expect(first < m->armed, 0) ? arm_added(m) : true;
}

static void sleep_over(struct timer_node *t);

/* Of those who add a timer he alone needs no room for it: he can poll. */
static bool is_sleeper(const struct timer_node *t)
{
    return t->fire == sleep_over;
}

static __attribute__((noinline)) bool grow_and_add(struct timers *h, struct timer_node *t,
                                                   int64_t when)
{
    if (!(is_sleeper(t) && chaos_refusal()) && heap_grow(h))
        return add_to(h, t, when);
    spin_unlock(&h->lock);
    return false;
}

static inline bool add_and_unlock(struct timer_node *t, int64_t when)
{
    struct timers *h = &g_self()->m->p->timers;
    return __builtin_expect(h->n == h->cap, 0) ? grow_and_add(h, t, when) : add_to(h, t, when);
}

/* As timer_add, when somebody else is at the heap. */
static __attribute__((noinline)) bool wait_and_add(struct timer_node *t, int64_t when)
{
    spin_lock(&g_self()->m->p->timers.lock);
    return add_and_unlock(t, when);
}

/* timer_add, for who is hot in this file. */
static inline bool add(struct timer_node *t, int64_t when)
{
    if (__builtin_expect(!spin_try_lock(&g_self()->m->p->timers.lock), 0))
        return wait_and_add(t, when);
    return add_and_unlock(t, when);
}

STRAIGHT bool timer_add(struct timer_node *t, int64_t when)
{
    return add(t, when);
}

static __attribute__((noinline)) bool remove_and_unlock(struct timers *h, size_t i)
{
    heap_remove(h, i);
    spin_unlock(&h->lock);
    return true;
}

static inline bool del_and_unlock(struct timers *h, struct timer_node *t)
{
    uint32_t i = load_relaxed(&t->index); /* relaxed: T2 */
    if (__builtin_expect(i < h->n && h->heap[i].node == t, 1))
        return remove_and_unlock(h, i);
    spin_unlock(&h->lock);
    return false;
}

/* t was not in p's heap: it may have gone to another's, by a reset, while we waited for the lock. */
static __attribute__((noinline)) bool del_elsewhere(struct timer_node *t, struct p *p)
{
    /* relaxed: T2. */
    for (struct p *now; (now = load_relaxed(&t->p)) != p;) {
        p = now;
        spin_lock(&p->timers.lock);
        if (del_and_unlock(&p->timers, t))
            return true;
    }
    return false;
}

static __attribute__((noinline)) bool wait_and_del(struct timer_node *t, struct p *p)
{
    spin_lock(&p->timers.lock);
    return del_and_unlock(&p->timers, t) || del_elsewhere(t, p);
}

/* The last of a heap of one page leaves no hole. It is often the one: of timeouts that do not come,
 * the newest is the latest, and goes first. */
STRAIGHT bool timer_del(struct timer_node *t)
{
    struct p *p = load_relaxed(&t->p); /* relaxed: T2 */
    struct timers *h = &p->timers;
    if (__builtin_expect(!spin_try_lock(&h->lock), 0))
        return wait_and_del(t, p);
    uint32_t i = load_relaxed(&t->index); /* relaxed: T2 */
    if (__builtin_expect(i >= h->n || h->heap[i].node != t, 0)) {
        spin_unlock(&h->lock);
        return del_elsewhere(t, p);
    }
    if (__builtin_expect(i + 1 < h->n || h->cap > PER_PAGE, 0))
        return remove_and_unlock(h, i);
    store_relaxed(&t->index, TIMER_NOT_QUEUED); /* relaxed: T2 */
    h->n = i;
    publish_first(h);
    spin_unlock(&h->lock);
    return true;
}

/* ---- firing ---- */

/* A node whose beginning is part of its leaving the heap. If it cannot begin it goes back to the
 * place that it has just left. */
static void begin_or_put_back(struct timers *h, struct timer_node *t, int64_t now)
{
    store_relaxed(&t->index, TIMER_BEGUN); /* relaxed: T2 */
    if (t->begin(t))
        return;
    sift_up(h, h->n++, (struct timer_entry){now + TIMER_RETRY_NS, t});
    publish_first(h);
}

/* Takes the earliest if it is due; *t is to be fired yet, or NULL. false: none is due. */
static bool take_due(struct timers *h, int64_t now, struct timer_node **t)
{
    bool due = false;
    *t = NULL;
    spin_lock(&h->lock);
    if (h->n > 0 && h->heap[0].when <= now) {
        struct timer_node *first = h->heap[0].node;
        due = true;
        heap_remove(h, 0);
        if (first->fire != NULL)
            *t = first;
        else
            begin_or_put_back(h, first, now);
    }
    spin_unlock(&h->lock);
    return due;
}

static void fire_due(struct p *p, struct timers *h, int64_t now)
{
    struct timer_node *t;
    /* relaxed: T1. */
    while (atomic_load_explicit(&h->first, memory_order_relaxed) <= now && take_due(h, now, &t)) {
        p->count.timer_fires++;
        TRACE_M(g_self()->m, 0, 0, TRACE_WHAT(TRACE_TIMER_FIRE, 0, p->id));
        if (t != NULL)
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
        store_relaxed(&e.node->p, p); /* relaxed: T2 */
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
static inline void arm_later(struct m *m, struct p *p, int64_t now)
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

_Atomic uint32_t timer_extras;

void timers_extras_set(uint32_t bits)
{
    /* O91: release pairs with the acquire in timers_extras_clear: what is asked for goes with its bit. */
    atomic_fetch_or_explicit(&timer_extras, bits, memory_order_release);
}

void timers_extras_clear(uint32_t bits)
{
    /* O91: acquire pairs with the release in timers_extras_set. */
    atomic_fetch_and_explicit(&timer_extras, ~bits, memory_order_acquire);
}

void timers_extra_slow(struct m *m, struct arch_frame *f)
{
    uint32_t extras = timers_extras();
    if (extras & EXTRA_TRACE)
        schedtrace_tick(m);
    if (extras & EXTRA_CPU_PROFILE)
        cpu_profile_tick(m, f);
    if (extras & EXTRA_CONSOLE)
        quit_tick(m, f);
    if (extras & EXTRA_CHAOS)
        chaos_tick(m);
}

void timers_interrupt(struct m *m)
{
    m->timer_irqs++;
    /* relaxed: to itself; a hart that is just giving its P up sees at least one of the two. */
    store_relaxed(&m->self_wake, true);
    if (m->p != NULL) {
        int64_t now = clock_ns();
        trace_irq_if(m, TRACE_WHAT(TRACE_TIMER_IRQ, 0, 0));
        preempt_on_timer(m, now);
        arm_later(m, m->p, now);
    } else {
        m->armed = CLOCK_NEVER;
        clock_arm(CLOCK_NEVER);
    }
}

void timers_interrupt_at(struct m *m, struct arch_frame *f)
{
    timers_interrupt(m);
    timers_extra_slow(m, f);
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
    bool over; /* its timer has fired */
};

static void sleep_over(struct timer_node *t)
{
    struct sleeper *s = (struct sleeper *)t;
    s->over = true;
    g_ready(s->g);
}

const struct g *timer_sleeper(const struct timer_node *t)
{
    return is_sleeper(t) ? ((const struct sleeper *)t)->g : NULL;
}

/*
 * The timer is queued only here, with the context saved: it may fire at once, on another hart.
 * Without memory for it the sleeper becomes a poller: it is ready again at once and looks at the
 * clock. It never wakes too early and nothing fails.
 */
static void sleep_commit(void *arg, struct arch_hart *hart)
{
    struct sleeper *s = arg;
    if (!add(&s->node, s->when))
        g_ready_tail(s->g);
    sched_next((struct m *)hart);
}

void time_sleep(duration d)
{
    if (d <= 0)
        return;
    int64_t now = clock_ns();
    struct sleeper s; /* what its node lacks, timer_add sets or nobody reads */
    s.node.fire = sleep_over;
    s.g = g_self();
    s.over = false;
    s.when = timer_deadline(now, d);
    do {
        preempt_off();
        g_park(sleep_commit, &s, WAIT_SLEEP);
    } while (!s.over && clock_ns() < s.when);
}
