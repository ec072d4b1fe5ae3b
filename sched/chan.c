/*
 * chan: channels: goroutines that hand each other elements of one size.
 *
 *     struct chan        slots (cap of them)
 *     ┌──────────────┬────┬────┬────┬────┬────┬────┐
 *     │ lock …       │    │ a  │ b  │ c  │    │    │      take ─▶ a, put ─▶ behind c
 *     └──────────────┴────┴────┴────┴────┴────┴────┘
 *       senders   ─▶ waiter ─▶ waiter        records on the stacks of
 *       receivers ─▶                         the goroutines that wait
 *
 * A send finds a waiting receiver and copies the element straight to where that one wants it, from
 * stack to stack; or finds room in the buffer; or waits. A receive mirrors it. Who is served is
 * made ready to run next on the server's P, as in Go: a receiver finds its element warm.
 *
 * The course of a send that meets a receiver, and why nothing needs undoing:
 *
 *     receiver                                sender
 *     locks; nobody there; queues its
 *     record; its context is saved
 *     unlocks, by its commit           ──▶    locks; takes the record out; unlocks
 *                                             copies into *record.elem; record.ok = true
 *     returns record.ok                ◀──    g_ready
 *
 * Between the unlock and g_ready the sender works on the record and the other's stack without a
 * lock: the record was in one queue and is out of it, so nobody else knows of it. To copy after the
 * unlock keeps the hold short even for large elements. The pages of that stack need not be there
 * yet: stacks grow by fault, whoever causes it, also with this lock held (docs/locks.md).
 *
 *   C1  limit is more than 0 only while the channel is open and no receiver is queued, and then it
 *       is cap. floor is less than its greatest value only while no sender is queued, and then it
 *       is 0. And both are so only if elements are words. So one comparison with count tells the
 *       commonest operations that nothing stands in their way. Who queues shuts the one or the
 *       other; who finds the queue empty, having come the long way, opens it again.
 *   C2  Receivers wait only while count is 0 and the channel is open, senders only while count is
 *       cap and it is open. So a channel with waiters is not closed, who finds a waiting receiver
 *       passes nobody's element over, and one taken from a full buffer leaves its place to the
 *       first sender: order is kept.
 *   C3  Waiters are served in the order they came. A goroutine that comes along never passes one.
 *   C4  A record in a queue changes under the channel's lock only. Taken out by a peer, it is that
 *       peer's until g_ready; then it is gone. (O25)
 *   C5  A select has a record in many queues and may be served from one: all its records point to
 *       one word, won, NULL until a peer swaps in the record it has taken out. A peer that fails
 *       was late: it drops the record and looks further. It marks it (queued), for the select will
 *       come to take out all that are still in.
 *   C6  The unlock is the last access to the channel of every operation that did something. So a
 *       channel may be freed by who has received its last element.
 *   C7  A timer's channel has no buffer and no senders, is never closed, and is received from the
 *       long way: what there is to receive is timechan.c's.
 *
 * Pointers that are no good. The caller's element is read, a byte a page, before the lock is taken,
 * so that a bad one is the caller's panic, as in Go, and not a fault with a lock held.
 *
 * A lock and no lock-free queue: each operation changes three or four things (a place, a count,
 * whom to wake), and with the lock uncontended, which is what can be made cheap, that is two
 * atomic instructions' worth. Go came to the same end.
 */
#include "sched/chan.h"
#include <errno.h>
#include <pinion/go.h>
#include <stdlib.h>
#include <string.h>
#include "kernel/page.h"
#include "sched/defer.h"

void chan_copy_other(void *to, const void *from, size_t size)
{
    typedef uint32_t __attribute__((may_alias)) half;
    if (size == sizeof(half) && ((uintptr_t)to | (uintptr_t)from) % sizeof(half) == 0)
        *(half *)to = *(const half *)from;
    else if (size > 0)
        memcpy(to, from, size);
}

void chan_touch_rest(const void *elem, size_t size)
{
    for (size_t at = PAGE_SIZE; at < size; at += PAGE_SIZE)
        ((const volatile char *)elem)[at];
    ((const volatile char *)elem)[size - 1];
}

void chan_zero(void *elem, size_t size)
{
    if (elem != NULL)
        memset(elem, 0, size);
}

void chan_panic_closed(void)
{
    sched_panic("send on closed channel");
}

void chan_panic_waiters(void)
{
    sched_panic("free of channel with waiters");
}

/* ---- its life ---- */

void chan_init(struct chan *c, size_t elem_size, size_t cap)
{
    memset(c, 0, sizeof(*c));
    c->elem_size = elem_size;
    c->cap = cap;
    if (cap > 0) { /* else there are no words that point just behind it: see R2 of reach.c */
        c->put = c->take = chan_slots(c);
        c->end = chan_slots(c) + elem_size * cap;
    }
    c->kind = elem_size != sizeof(chan_word) ? CHAN_OTHERS : cap > 0 ? CHAN_WORDS : CHAN_MEETS;
    c->limit = c->kind == CHAN_WORDS ? cap : 0;
    c->floor = c->kind == CHAN_WORDS ? 0 : SIZE_MAX;
}

chan *chan_make(size_t elem_size, size_t cap)
{
    size_t bytes;
    if (__builtin_mul_overflow(elem_size, cap, &bytes) || bytes > PTRDIFF_MAX - sizeof(chan)) {
        errno = EINVAL;
        return NULL;
    }
    struct chan *c = malloc(sizeof(*c) + bytes);
    if (c == NULL) {
        errno = ENOMEM;
        return NULL;
    }
    chan_init(c, elem_size, cap);
    return c;
}

void chan_free(chan *c)
{
    if (c == NULL)
        return;
    if (c->kind == CHAN_TIMES) {
        timechan_free_channel(c);
        return;
    }
    chan_lock(c);
    bool waited_for = chan_first(&c->senders) != NULL || chan_first(&c->receivers) != NULL;
    chan_unlock(c);
    if (waited_for)
        chan_panic_waiters();
    free(c);
}

size_t chan_len(const chan *c)
{
    return c != NULL ? load_relaxed(&c->count) : 0; /* relaxed: a moment ago, by its nature */
}

size_t chan_cap(const chan *c)
{
    return c != NULL ? c->cap : 0;
}

/* ---- waiting ---- */

static void unlock_one(void *c)
{
    spin_unlock(&((struct chan *)c)->lock);
}

static void stay(void *arg, struct arch_hart *hart)
{
    (void)arg;
    sched_next((struct m *)hart);
}

/* On a channel that is not there. */
static _Noreturn void wait_for_ever(enum wait_reason reason)
{
    for (;;) {
        preempt_off();
        g_park(stay, NULL, reason);
    }
}

/* Fills in w, which has been queued with c, and waits. c is locked; it is not any more, and preemption
 * is on, when it returns. false: the channel was closed. */
static inline bool wait_as(struct chan_waiter *w, struct chan *c, void *elem,
                           enum wait_reason reason)
{
    w->g = g_self();
    w->elem = elem;
    w->won = NULL;
    g_park_here(park_unlock, &c->lock, reason);
    return w->ok;
}

/* The first of q, taken out, if it waits still and its element, if it has one, lies as words should.
 * NULL: things are not that simple. */
static inline struct chan_waiter *take_for_word(struct chan_queue *q)
{
    struct chan_waiter *w = chan_first(q);
    if (__builtin_expect(w == NULL || !chan_is_word(sizeof(chan_word), w->elem, w->elem), 0))
        return NULL;
    chan_queue_pop(q, w);
    return w->won == NULL || chan_win(w) ? w : NULL;
}

/* ---- send ---- */

static __attribute__((noinline)) void send_wait(struct chan *c, const void *elem)
{
    struct chan_waiter w;
    chan_wait_to_send(c, &w);
    if (!wait_as(&w, c, (void *)(uintptr_t)elem, WAIT_CHAN_SEND))
        chan_panic_closed();
}

/* C7. In Go it does not compile; this is what reflection says of it. */
static inline void check_sendable(const struct chan *c)
{
    if (__builtin_expect(c->kind == CHAN_TIMES, 0))
        sched_panic("reflect: send on recv-only channel");
}

/* The long way, for all that may come. */
static __attribute__((noinline)) void send_any(struct chan *c, const void *elem)
{
    if (c == NULL)
        wait_for_ever(WAIT_CHAN_SEND_NIL);
    check_sendable(c);
    chan_touch(elem, c->elem_size);
    chan_lock(c);
    enum chan_done done = chan_send_now(c, elem, unlock_one, c);
    if (done == CHAN_WOULD_WAIT) {
        send_wait(c, elem);
        return;
    }
    preempt_on();
    if (done == CHAN_CLOSED)
        chan_panic_closed();
}

/* From the beginning, for who has turned preemption off and found that things are not simple. */
static __attribute__((noinline)) void send_again(struct chan *c, const void *elem)
{
    preempt_on();
    send_any(c, elem);
}

/* Words from stack to stack: to a goroutine that waits for nothing else; or wait for one. */
STRAIGHT static void send_word_over(struct chan *c, const void *elem)
{
    chan_word word = *(const volatile chan_word *)elem;
    uint8_t was = preempt_off_was();
    if (__builtin_expect(spin_try_lock(&c->lock), 1)) {
        if (chan_first(&c->receivers) == NULL && !chan_closed(c)) {
            send_wait(c, elem);
            return;
        }
        struct chan_waiter *w = take_for_word(&c->receivers);
        spin_unlock(&c->lock);
        if (__builtin_expect(w != NULL, 1)) {
            if (w->elem != NULL)
                *(chan_word *)w->elem = word;
            w->ok = true;
            g_ready_and_back(w->g, was);
            return;
        }
    }
    send_again(c, elem);
}

/*
 * Words into the buffer; the rest by a call at the end, so that this one needs no frame. Whatever
 * turns out not to be simple is begun again, the long way.
 */
STRAIGHT void chan_send(chan *c, const void *elem)
{
    if (__builtin_expect(c == NULL || (uintptr_t)elem % sizeof(chan_word) != 0, 0)) {
        send_any(c, elem);
        return;
    }
    if (c->kind != CHAN_WORDS) {
        if (__builtin_expect(c->kind & CHAN_OTHERS, 0))
            send_any(c, elem);
        else
            send_word_over(c, elem);
        return;
    }
    chan_word word = *(const volatile chan_word *)elem;
    uint8_t was = preempt_off_was();
    if (__builtin_expect(spin_try_lock(&c->lock), 1)) {
        size_t count = chan_count(c);
        if (__builtin_expect(count < c->limit, 1)) {
            char *slot = c->put, *end = c->end;
            *(chan_word *)slot = word;
            c->put = chan_next_slot(c, slot, end, sizeof(word));
            store_relaxed(&c->count, count + 1); /* relaxed: as in chan_buffer_put */
            spin_unlock(&c->lock);
            preempt_back(was);
            return;
        }
        spin_unlock(&c->lock);
    }
    send_again(c, elem);
}

/* A send was bound to wait at the moment of the first look: what is open at the second was so then. */
static bool send_must_wait(struct chan *c)
{
    /* O24: acquire: full first, open afterwards. */
    bool full = c->cap == 0 ? load_acquire(&c->receivers.first) == NULL
                            : load_acquire(&c->count) >= c->cap; /* O24: as above */
    /* relaxed: see O24: it need not be the latest, but of after the first look. */
    return full && !load_relaxed(&c->closed);
}

/* What nothing has been done to is locked still. */
static inline void end_try(struct chan *c, enum chan_done done)
{
    if (done == CHAN_WOULD_WAIT)
        spin_unlock(&c->lock);
    preempt_on();
}

bool chan_try_send(chan *c, const void *elem)
{
    if (c == NULL)
        return false;
    check_sendable(c);
    chan_touch(elem, c->elem_size);
    if (send_must_wait(c))
        return false;
    chan_lock(c);
    enum chan_done done = chan_send_now(c, elem, unlock_one, c);
    end_try(c, done);
    if (done == CHAN_CLOSED)
        chan_panic_closed();
    return done == CHAN_DONE;
}

/* ---- receive ---- */

static __attribute__((noinline)) bool recv_wait(struct chan *c, void *elem)
{
    struct chan_waiter w;
    chan_wait_to_receive(c, &w);
    if (__builtin_expect(wait_as(&w, c, elem, WAIT_CHAN_RECV), 1))
        return true;
    chan_zero(elem, c->elem_size);
    return false;
}

/* On a timer's channel, which is locked and is not when it returns. false: it is to be looked at
 * again. */
static __attribute__((noinline)) bool recv_time(struct chan *c, void *elem)
{
    struct chan_waiter w;
    if (!timechan_arm(c)) {
        chan_unlock(c);
        runtime_gosched();
        return false;
    }
    chan_wait_to_receive(c, &w);
    return wait_as(&w, c, elem, WAIT_CHAN_RECV);
}

/* The long way. */
static __attribute__((noinline)) bool recv_any(struct chan *c, void *elem)
{
    enum chan_done done;
    if (c == NULL)
        wait_for_ever(WAIT_CHAN_RECV_NIL);
    if (elem != NULL)
        chan_touch(elem, c->elem_size);
    for (;;) {
        chan_lock(c);
        done = chan_recv_now(c, elem, unlock_one, c);
        if (done != CHAN_WOULD_WAIT)
            break;
        if (c->kind != CHAN_TIMES)
            return recv_wait(c, elem);
        if (recv_time(c, elem))
            return true;
    }
    preempt_on();
    if (done == CHAN_CLOSED)
        chan_zero(elem, c->elem_size);
    return done == CHAN_DONE;
}

/* As send_again. */
static __attribute__((noinline)) bool recv_again(struct chan *c, void *elem)
{
    preempt_on();
    return recv_any(c, elem);
}

/* A receive of a word that has to wait for a sender. Keeps nothing but what is in its record. */
static __attribute__((noinline)) bool recv_word_wait(struct chan *c, void *elem)
{
    struct chan_waiter w;
    chan_queue_put(&c->receivers, &w); /* C1: without a buffer limit is 0 anyway */
    if (__builtin_expect(wait_as(&w, c, elem, WAIT_CHAN_RECV), 1))
        return true;
    if (w.elem != NULL)
        *(chan_word *)w.elem = 0;
    return false;
}

/* As send_word_over. */
STRAIGHT static bool recv_word_over(struct chan *c, void *elem)
{
    if (elem != NULL)
        *(const volatile char *)elem;
    uint8_t was = preempt_off_was();
    if (__builtin_expect(spin_try_lock(&c->lock), 1)) {
        if (chan_first(&c->senders) == NULL && !chan_closed(c))
            return recv_word_wait(c, elem);
        struct chan_waiter *w = take_for_word(&c->senders);
        spin_unlock(&c->lock);
        if (__builtin_expect(w != NULL, 1)) {
            if (elem != NULL)
                *(chan_word *)elem = *(const chan_word *)w->elem;
            w->ok = true;
            return g_ready_and_back(w->g, was);
        }
    }
    return recv_again(c, elem);
}

/* As chan_send. */
STRAIGHT bool chan_recv(chan *c, void *elem)
{
    if (__builtin_expect(c == NULL || (uintptr_t)elem % sizeof(chan_word) != 0, 0))
        return recv_any(c, elem);
    if (c->kind != CHAN_WORDS)
        return __builtin_expect(c->kind & CHAN_OTHERS, 0) ? recv_any(c, elem)
                                                          : recv_word_over(c, elem);
    uint8_t was = preempt_off_was();
    if (__builtin_expect(spin_try_lock(&c->lock), 1)) {
        size_t count = chan_count(c);
        if (__builtin_expect(count > c->floor, 1)) {
            char *slot = c->take, *end = c->end;
            chan_word word = *(const chan_word *)slot;
            c->take = chan_next_slot(c, slot, end, sizeof(word));
            store_relaxed(&c->count, count - 1); /* relaxed: as in chan_buffer_put */
            spin_unlock(&c->lock);
            preempt_restore(was); /* a bad pointer is the caller's panic, as by any store */
            if (elem != NULL)
                *(chan_word *)elem = word;
            return preempt_look();
        }
        spin_unlock(&c->lock);
    }
    return recv_again(c, elem);
}

/* As send_must_wait. */
static bool recv_must_wait(struct chan *c)
{
    if (c->kind == CHAN_TIMES)
        return false; /* or not: to be seen under the lock */
    /* O24: acquire: empty first, open afterwards. */
    bool empty = c->cap == 0 ? load_acquire(&c->senders.first) == NULL
                             : load_acquire(&c->count) == 0; /* O24: as above */
    /* relaxed: as in send_must_wait. */
    return empty && !load_relaxed(&c->closed);
}

bool chan_try_recv(chan *c, void *elem, bool *ok)
{
    if (c == NULL)
        return false;
    size_t size = c->elem_size;
    if (elem != NULL)
        chan_touch(elem, size);
    if (recv_must_wait(c))
        return false;
    chan_lock(c);
    enum chan_done done = chan_recv_now(c, elem, unlock_one, c);
    end_try(c, done);
    if (done == CHAN_WOULD_WAIT)
        return false;
    if (done == CHAN_CLOSED)
        chan_zero(elem, size);
    if (ok != NULL)
        *ok = done == CHAN_DONE;
    return true;
}

/* ---- close ---- */

struct chan_waiter **chan_take_all(struct chan_queue *q, struct chan_waiter **end)
{
    while ((*end = chan_queue_take(q)) != NULL)
        end = &(*end)->next;
    return end;
}

void chan_send_away(struct chan_waiter *all)
{
    for (struct chan_waiter *w = all, *next; w != NULL; w = next) {
        next = w->next;
        w->ok = false;
        g_ready(w->g);
    }
}

void chan_close(chan *c)
{
    if (c == NULL)
        sched_panic("close of nil channel");
    if (c->kind == CHAN_TIMES)
        sched_panic("reflect: close of receive-only channel"); /* C7 */
    chan_lock(c);
    if (chan_closed(c)) {
        chan_unlock(c);
        sched_panic("close of closed channel");
    }
    struct chan_waiter *all, **end = &all;
    c->limit = 0;
    store_release(&c->closed, true); /* O70: chan_seen_closed. O24: try forms look twice */
    end = chan_take_all(&c->receivers, end);
    chan_take_all(&c->senders, end);
    spin_unlock(&c->lock);
    chan_send_away(all);
    preempt_on();
}
