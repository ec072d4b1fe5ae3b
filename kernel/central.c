/*
 * central: the shared store of each size class, between the Ps' caches and the spans.
 *
 * What goes in and out is a chain of a batch: 32 small objects, a single one of the largest. Mostly
 * a chain that one P gave is taken by another as it is, so a program in which one goroutine makes
 * what another frees costs a visit here a batch, and a visit is a lock and two words. Only when
 * there are no chains, or too many, are spans looked at:
 *
 *      P's cache ◀──▶ │ chain │ chain │ chain │     whole batches, newest on top
 *                         │ ▲
 *                         ▼ │ one by one
 *                     ring of spans with something to give:  used ─ used ─ used ─ spare
 *                                                            ▲                     nothing out,
 *                                                            objects come from here   at the end
 *
 * A span that is full is in no ring: objects that come back find it by their address. One from which
 * an object has come back goes to the front, so it is filled up again, and those further behind
 * get the chance to empty. A span with nothing out is spare: it stays, at the end, if it is the
 * only one of its class, so that a program that frees and allocates around an edge does not take
 * pages and give them back each time; a second one's pages go to the page heap at once.
 *
 * Per class, this keeps chains for CHAIN_BYTES (CHAINS_MIN at least) and a span, at most: 5 MiB if
 * each class were at its limit. central_trim gives it all back; malloc calls it before it fails.
 *
 *   C1  Every object of a span is in one place: the span (its free list, or not below fresh), a
 *       chain here, a P's cache, or the program. `out` of the span counts the last three.
 *   C2  A span is in the ring if and only if fewer of its objects are out than it has.
 *   C3  In the ring, spans with nothing out come last; n_spare counts them: 0 or 1, but while
 *       central_trim runs.
 *
 * What the program frees twice in a release image may get as far as here, since malloc looks only at
 * what it has at hand: an object that would be out a second time less than it was, or a chain that
 * has another length than its giver says, ends the run (object_put, chain_put).
 *
 * One lock a class; inside it, those of span.c and page.c, when a span is made. Spans are deleted
 * after it is released: an empty one that has left the ring is known to nobody. The lock hands
 * objects over as well: what their last owner did to them is behind his release (O6).
 */
#include "kernel/central.h"
#include <stdbool.h>
#include <string.h>
#include "kernel/console.h"
#include "kernel/size_class.h"
#include "kernel/span.h"
#include "kernel/spin.h"

#define CHAINS_MAX  16
#define CHAINS_MIN  2
#define CHAIN_BYTES 32768

static struct central {
    struct spin lock; /* all of it */
    uint32_t n_chains;
    struct span ring; /* its next and prev alone */
    uint32_t n_spare;
    uint32_t n_spans;
    uint64_t out; /* the sum of all spans' */
    void *chain[CHAINS_MAX];
} __attribute__((aligned(64))) central[CLASS_MAX];

_Noreturn void central_broken(const void *x, unsigned class)
{
    kprintf("fatal error: an object of the heap was freed twice, or written to when free: %p, "
            "class %u (%u bytes)\n",
            x, class, size_class[class].size);
    __builtin_trap();
}

void central_init(void)
{
    memset(central, 0, sizeof central);
    for (struct central *c = central; c < central + CLASS_MAX; c++)
        c->ring.next = c->ring.prev = &c->ring;
}

/* ---- The ring. All under the lock. */

static void ring_add(struct span *after, struct span *s)
{
    s->prev = after;
    s->next = after->next;
    s->next->prev = s;
    after->next = s;
}

static void ring_remove(struct span *s)
{
    s->next->prev = s->prev;
    s->prev->next = s->next;
}

static inline bool ring_empty(const struct central *c)
{
    return c->ring.next == &c->ring;
}

/* ---- Objects out of a span. Under the lock. */

/* In debug images freed objects carry marks (sched/heap_check.c), which fresh ones must not seem to. */
static inline void *fresh_object(struct span *s, size_t size)
{
    void *x = (void *)(s->base + s->fresh++ * size);
#ifdef PINION_DEBUG
    memset(x, 0, size);
#endif
    return x;
}

/* Up to n objects of s, which has some. */
static unsigned span_take(struct span *s, const struct size_class *class, unsigned n, void **chain)
{
    unsigned taken = 0;
    void **end = chain;
    for (; taken < n && s->free; taken++) {
        *end = s->free;
        end = s->free;
        s->free = *end;
    }
    for (; taken < n && s->fresh < class->objects; taken++) {
        *end = fresh_object(s, class->size);
        end = *end;
    }
    *end = NULL;
    s->out = (uint16_t)(s->out + taken);
    return taken;
}

/* A batch, or what the first span of the ring has; a new span's if there is none. */
static unsigned spans_take(struct central *c, unsigned class, void **chain)
{
    const struct size_class *k = &size_class[class];
    if (ring_empty(c)) {
        struct span *s = span_new(class);
        if (!s)
            return 0;
        c->n_spans++;
        c->n_spare++;
        ring_add(&c->ring, s);
    }
    struct span *s = c->ring.next;
    c->n_spare -= s->out == 0;
    unsigned n = span_take(s, k, k->batch, chain);
    c->out += n;
    if (s->out == k->objects)
        ring_remove(s); /* C2 */
    return n;
}

/* ---- Objects back into their spans. Under the lock. */

/* s has nothing out: it stays as the spare one, or leaves the ring for `gone`. */
static void span_empty(struct central *c, struct span *s, unsigned keep, struct span **gone)
{
    ring_remove(s);
    if (c->n_spare < keep) {
        c->n_spare++;
        ring_add(c->ring.prev, s); /* C3 */
    } else {
        c->n_spans--;
        s->next = *gone;
        *gone = s;
    }
}

static void object_put(struct central *c, unsigned class, void *x, unsigned keep,
                       struct span **gone)
{
    struct span *s = span_of(x, class);
    if (s->out == 0 || s->free == x) /* C1: it is in the span already */
        central_broken(x, class);
    if (s->out-- == size_class[class].objects)
        ring_add(&c->ring, s); /* C2 */
    *(void **)x = s->free;
    s->free = x;
    c->out--;
    if (s->out == 0)
        span_empty(c, s, keep, gone);
}

/* A chain of n. */
static void chain_put(struct central *c, unsigned class, void *chain, unsigned n, unsigned keep,
                      struct span **gone)
{
    void *x = NULL;
    for (; n > 0 && chain; n--) {
        x = chain;
        chain = *(void **)x;
        object_put(c, class, x, keep, gone);
    }
    if (n > 0 || chain)
        central_broken(x, class);
}

/* Not locked. */
static void spans_delete(struct span *gone, unsigned class)
{
    for (struct span *next; gone; gone = next) {
        next = gone->next;
        span_delete(gone, class);
    }
}

/* ---- The store */

unsigned central_take(unsigned class, void **chain)
{
    struct central *c = &central[class];
    unsigned n;
    spin_lock(&c->lock);
    if (c->n_chains > 0) {
        *chain = c->chain[--c->n_chains];
        n = size_class[class].batch;
    } else {
        n = spans_take(c, class, chain);
    }
    spin_unlock(&c->lock);
    return n;
}

static inline unsigned chains_max(const struct size_class *k)
{
    unsigned n = CHAIN_BYTES / (k->size * k->batch);
    return n < CHAINS_MIN ? CHAINS_MIN : n > CHAINS_MAX ? CHAINS_MAX : n;
}

void central_give(unsigned class, void *chain, unsigned n)
{
    struct central *c = &central[class];
    const struct size_class *k = &size_class[class];
    struct span *gone = NULL;
    spin_lock(&c->lock);
    if (n == k->batch && c->n_chains < chains_max(k))
        c->chain[c->n_chains++] = chain;
    else
        chain_put(c, class, chain, n, 1, &gone);
    spin_unlock(&c->lock);
    spans_delete(gone, class);
}

static void class_trim(struct central *c, unsigned class)
{
    struct span *gone = NULL;
    spin_lock(&c->lock);
    while (c->n_chains > 0)
        chain_put(c, class, c->chain[--c->n_chains], size_class[class].batch, 0, &gone);
    while (!ring_empty(c) && c->ring.prev->out == 0) {
        c->n_spare--;
        span_empty(c, c->ring.prev, 0, &gone);
    }
    spin_unlock(&c->lock);
    spans_delete(gone, class);
}

void central_trim(void)
{
    for (unsigned class = 1; class <= n_size_classes; class ++)
        class_trim(&central[class], class);
}

struct central_stats central_stats(unsigned class)
{
    struct central *c = &central[class];
    spin_lock(&c->lock);
    struct central_stats s = {c->n_spans, c->out - (uint64_t)c->n_chains * size_class[class].batch};
    spin_unlock(&c->lock);
    return s;
}
