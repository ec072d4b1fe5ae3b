/*
 * chan: what channels and select share: a channel's insides, its waiters, and the one way in which
 * a send and a receive are done. Rules and reasons are in chan.c.
 */
#pragma once
#include <pinion/chan.h>
#include "sched/atomic.h"
#include "sched/proc.h"
#include "sched/timechan.h"

/* Who waits, on the waiting goroutine's stack: one for each channel that it waits on. */
struct chan_waiter {
    /* Constant while it is queued. */
    struct g *g;
    void *elem; /* where the peer finds the element, or puts it; NULL: nowhere */
    struct chan_waiter *_Atomic *won; /* a select's: see C5. NULL: no select */

    /* The channel's lock. */
    struct chan_waiter *next, *prev;

    /* Its waker's until g_ready. */
    bool queued; /* a select's: not taken out by a peer yet; the channel's lock */
    bool ok;     /* an element went over; false: the channel was closed, or: see timechan_arm */
};

struct chan_queue {
    struct chan_waiter *_Atomic first;
    struct chan_waiter *last;
};

/* What hot paths go by. */
enum chan_kind {
    CHAN_WORDS = 0,  /* buffers elements of 8 bytes */
    CHAN_MEETS = 1,  /* hands elements of 8 bytes over without a buffer */
    CHAN_OTHERS = 2, /* other elements; a bit of its own, so that one instruction can ask for it */
    CHAN_TIMES = CHAN_OTHERS | 4, /* a timer's: see timechan.c */
};

struct chan {
    struct spin lock;

    /* Constant. */
    uint8_t kind;

    /* The lock; count and the queues' first to write only: they are looked at without. Neighbours
     * are read by one instruction where there is one for two words. */
    size_t limit;         /* C1: while count < limit a send of a word just fills a slot … */
    _Atomic size_t count; /* elements in the buffer */
    size_t floor;         /* … and while count > floor a receive of one just empties one */
    char *put;            /* the next slot to fill */
    char *end;            /* constant: behind the last slot */
    char *take;           /* the oldest element */
    struct chan_queue senders, receivers;
    _Atomic bool closed;

    /* Constant. */
    size_t elem_size;
    size_t cap;
} __attribute__((aligned(16))); /* the slots follow */

/* Makes a channel of memory of the caller's, its cap slots behind it. One without slots may be part
 * of a structure: it needs no memory of its own, and goes with that. */
void chan_init(struct chan *c, size_t elem_size, size_t cap);

/* Read by who holds the lock, without which nobody writes them: ordinary loads. */
static inline size_t chan_count(const struct chan *c)
{
    return *(const size_t *)(const void *)&c->count;
}

static inline bool chan_closed(const struct chan *c)
{
    return *(const bool *)(const void *)&c->closed;
}

/* Without the lock. true: it is, and what its closer did before is visible. */
static inline bool chan_seen_closed(const struct chan *c)
{
    return load_acquire(&c->closed); /* O70: pairs with the release in chan_close */
}

static inline struct chan_waiter *chan_first(const struct chan_queue *q)
{
    return *(struct chan_waiter *const *)(const void *)&q->first;
}

static inline void chan_lock(struct chan *c)
{
    preempt_off();
    spin_lock(&c->lock);
}

static inline void chan_unlock(struct chan *c)
{
    spin_unlock(&c->lock);
    preempt_on();
}

/* ---- Elements ---- */

typedef uint64_t __attribute__((may_alias)) chan_word;

/* The commonest element by far, a word where words should lie, is moved by a load and a store. */
static inline bool chan_is_word(size_t size, const void *a, const void *b)
{
    return size == sizeof(chan_word) && ((uintptr_t)a | (uintptr_t)b) % sizeof(chan_word) == 0;
}

void chan_copy_other(void *to, const void *from, size_t size);

/* to NULL: the element is dropped. */
static inline void chan_copy(void *to, const void *from, size_t size)
{
    if (to == NULL)
        return;
    if (__builtin_expect(chan_is_word(size, to, from), 1))
        *(chan_word *)to = *(const chan_word *)from;
    else
        chan_copy_other(to, from, size);
}

void chan_touch_rest(const void *elem, size_t size);

/* Reads of each page of the caller's element; preemption is on. A pointer that is no good is the
 * caller's panic here, and would be the end of the run with a lock held. */
static inline void chan_touch(const void *elem, size_t size)
{
    if (size == 0)
        return;
    *(const volatile char *)elem;
    if (size > sizeof(chan_word))
        chan_touch_rest(elem, size);
}

/* ---- The buffer. Under the lock. ---- */

static inline char *chan_slots(struct chan *c)
{
    return (char *)(c + 1);
}

static inline char *chan_next_slot(struct chan *c, char *slot, const char *end, size_t size)
{
    slot += size;
    if (__builtin_expect(slot == end, 0)) {
        __asm__(""); /* rare: worth a jump, and not the arithmetic that saves one */
        slot = chan_slots(c);
    }
    return slot;
}

static inline void chan_buffer_put(struct chan *c, const void *elem, size_t size)
{
    chan_copy(c->put, elem, size);
    c->put = chan_next_slot(c, c->put, c->end, size);
    /* relaxed: under the lock; those who look without it make do with a moment ago. */
    store_relaxed(&c->count, chan_count(c) + 1);
}

static inline void chan_buffer_take(struct chan *c, void *elem, size_t size)
{
    chan_copy(elem, c->take, size);
    c->take = chan_next_slot(c, c->take, c->end, size);
    store_relaxed(&c->count, chan_count(c) - 1); /* relaxed: as in chan_buffer_put */
}

/* ---- Those who wait. Under the lock. ---- */

static inline void chan_queue_put(struct chan_queue *q, struct chan_waiter *w)
{
    w->next = NULL;
    w->prev = q->last;
    if (__builtin_expect(q->last != NULL, 0))
        q->last->next = w;
    else
        store_relaxed(&q->first, w); /* relaxed: as chan_buffer_put's count */
    q->last = w;
}

static inline void chan_queue_remove(struct chan_queue *q, struct chan_waiter *w)
{
    if (w->prev != NULL)
        w->prev->next = w->next;
    else
        store_relaxed(&q->first, w->next); /* relaxed: as chan_buffer_put's count */
    if (w->next != NULL)
        w->next->prev = w->prev;
    else
        q->last = w->prev;
}

static inline void chan_queue_pop(struct chan_queue *q, struct chan_waiter *first)
{
    struct chan_waiter *next = first->next;
    store_relaxed(&q->first, next); /* relaxed: as chan_buffer_put's count */
    if (__builtin_expect(next == NULL, 1))
        q->last = NULL;
    else
        next->prev = NULL;
}

/* C1: whoever queues sees to it that nobody passes. */
static inline void chan_wait_to_send(struct chan *c, struct chan_waiter *w)
{
    c->floor = SIZE_MAX;
    chan_queue_put(&c->senders, w);
}

static inline void chan_wait_to_receive(struct chan *c, struct chan_waiter *w)
{
    c->limit = 0;
    chan_queue_put(&c->receivers, w);
}

/* w has been taken out of its queue, and waits in a select: is it this peer that serves it (C5)? */
static inline bool chan_win(struct chan_waiter *w)
{
    struct chan_waiter *none = NULL;
    w->queued = false;
    /* relaxed, both: it decides who is the one, and carries nothing: the records came with the lock,
     * and what is handed over goes with g_ready. */
    return atomic_compare_exchange_strong_explicit(w->won, &none, w, memory_order_relaxed,
                                                   memory_order_relaxed);
}

/* The first that waits still, taken out; NULL: nobody. It is the caller's to make ready (C4). */
static inline struct chan_waiter *chan_queue_take(struct chan_queue *q)
{
    struct chan_waiter *w;
    while ((w = chan_first(q)) != NULL) {
        chan_queue_pop(q, w);
        if (__builtin_expect(w->won == NULL, 1) || chan_win(w))
            break;
    }
    return w;
}

/* Has q somebody who waits still, as far as one can see? Drops those who were served elsewhere. */
static inline bool chan_somebody_waits(struct chan_queue *q)
{
    struct chan_waiter *w;
    while ((w = chan_first(q)) != NULL) {
        /* relaxed: it may change behind our back: see S3 of select.c. */
        if (w->won == NULL || load_relaxed(w->won) == NULL)
            return true;
        chan_queue_pop(q, w);
        w->queued = false;
    }
    return false;
}

/* All that wait still, taken out and linked behind *end; returns the new end. */
struct chan_waiter **chan_take_all(struct chan_queue *q, struct chan_waiter **end);

/* ---- A send, a receive ---- */

enum chan_done {
    CHAN_WOULD_WAIT, /* nothing has happened, all is locked still */
    CHAN_DONE,
    CHAN_CLOSED, /* nothing has been sent, or nothing was there */
};

/*
 * What can be done without waiting. c is locked and preemption off; when something was done,
 * unlock(arg) has been called, which unlocks c and perhaps more. Inline, since unlock is a constant.
 */
static inline __attribute__((always_inline)) enum chan_done chan_send_now(struct chan *c,
                                                                          const void *elem,
                                                                          void (*unlock)(void *),
                                                                          void *arg)
{
    size_t size = c->elem_size;
    struct chan_waiter *w = chan_queue_take(&c->receivers);
    if (w != NULL) {
        unlock(arg);
        chan_copy(w->elem, elem, size);
        w->ok = true;
        g_ready(w->g);
        return CHAN_DONE;
    }
    if (chan_closed(c)) {
        unlock(arg);
        return CHAN_CLOSED;
    }
    if (c->kind == CHAN_WORDS)
        c->limit = c->cap; /* nobody receives any more: C1 */
    if (chan_count(c) < c->cap) {
        chan_buffer_put(c, elem, size);
        unlock(arg);
        return CHAN_DONE;
    }
    return CHAN_WOULD_WAIT;
}

static inline __attribute__((always_inline)) enum chan_done chan_recv_now(struct chan *c,
                                                                          void *elem,
                                                                          void (*unlock)(void *),
                                                                          void *arg)
{
    size_t size = c->elem_size;
    struct chan_waiter *w = chan_queue_take(&c->senders);
    if (w != NULL && c->cap == 0) {
        unlock(arg);
        chan_copy(elem, w->elem, size);
        w->ok = true;
        g_ready(w->g);
        return CHAN_DONE;
    }
    if (chan_count(c) > 0) {
        chan_buffer_take(c, elem, size);
        if (w != NULL)
            chan_buffer_put(c, w->elem, size); /* C2: into the place that has come free */
        else if (c->kind == CHAN_WORDS)
            c->floor = 0; /* nobody sends any more: C1 */
        unlock(arg);
        if (w != NULL) {
            w->ok = true;
            g_ready(w->g);
        }
        return CHAN_DONE;
    }
    int64_t fired;
    if (c->kind == CHAN_TIMES && timechan_take(c, &fired)) {
        unlock(arg);
        chan_copy(elem, &fired, sizeof(fired));
        return CHAN_DONE;
    }
    if (!chan_closed(c))
        return CHAN_WOULD_WAIT;
    unlock(arg);
    return CHAN_CLOSED;
}

/* Makes all of a list of chan_take_all's ready, with ok false. Preemption is off. */
void chan_send_away(struct chan_waiter *all);

/* For who has found a channel closed. */
void chan_zero(void *elem, size_t size);
_Noreturn void chan_panic_closed(void);
_Noreturn void chan_panic_waiters(void);
