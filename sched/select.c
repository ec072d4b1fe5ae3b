/*
 * select: a send or a receive on whichever of many channels can.
 *
 * Look, choose, do; or queue on all, sleep, be chosen, and leave the others:
 *
 *   1  lock all channels, each once, in the order of their addresses, so that two selects over the
 *      same channels cannot wait for each other;
 *   2  look at every case as its channel is locked, and choose one of those that can go, each with
 *      the same chance;
 *   3  do it and unlock all; done. None can go: unlock all and say so, or
 *   4  queue a record for each case with its channel and park; the commit unlocks all;
 *   5  a peer has taken one record out and won the select for it (C5). Take the others out, locking
 *      one channel at a time.
 *
 * Go walks the cases in a random order and takes the first that can go, and sorts them once more to
 * lock them. The outcome is the same for a choice among all that can go: the first of them in a
 * random order is any of them, evenly. So there is no second order, and no random number when one
 * can go or none. A send on a closed channel counts as one that can go: it panics if it is chosen.
 *
 * What is read of a select's memory, its owner's stack, by others:
 *
 *   S1  The commit unlocks channels while the owner may already run again elsewhere, chosen by way
 *       of one that is unlocked. It is not gone: step 5 locks the channel of every record but the
 *       chosen one, also of those that peers have dropped, so it waits for the commit to come to
 *       the last. The commit reads nothing of the select after its last unlock.
 *   S2  Peers read and write records with the lock of their channel, which the owner must get
 *       before it goes, and the chosen one until g_ready (C4).
 *   S3  What was seen at step 2 holds at step 3, since all is locked, but for one thing: a waiter
 *       that is itself a select may be won by way of a channel that is not among ours. Then our
 *       case cannot go after all, and we look again; there is one waiter less to be wrong about.
 *   S4  A select never meets itself: it queues nothing before it has looked at everything, and
 *       nobody looks for it while it is running.
 *   S5  A timer's channel is armed before step 4 queues with it, and told when step 5 leaves it. If
 *       there is no memory for that, the select lets others run and begins again; so it does when
 *       it is woken for that reason (timechan.c).
 *
 * A case without a channel is kept in the list, first by its address, and passed over.
 *
 * Memory: up to SELECT_FEW cases are noted on the stack, in frames of less than a page.
 */
#include <pinion/go.h>
#include <stdlib.h>
#include "sched/chan.h"
#include "sched/defer.h"

#define SELECT_FEW 64

struct selection {
    struct select_case **list; /* the cases, by the channel's address */
    uint32_t n;
    bool times;                  /* timers' channels are among them */
    struct chan_waiter *waiters; /* of each in the list, once it waits */
    struct chan_waiter *_Atomic won;
};

/* ---- the order of the channels ---- */

static inline bool before(const struct select_case *a, const struct select_case *b)
{
    return (uintptr_t)a->c < (uintptr_t)b->c;
}

/* Puts x at place `at` of a heap of n, the last in order on top, or below if it comes before what is
 * there. */
static void sift(struct select_case **heap, size_t at, size_t n, struct select_case *x)
{
    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && before(heap[child], heap[child + 1]))
            child++;
        if (!before(x, heap[child]))
            break;
        heap[at] = heap[child];
    }
    heap[at] = x;
}

/* A heap sort: in place, and no order of the cases makes it slow. */
static __attribute__((noinline)) void list_many(struct select_case **list,
                                                struct select_case *cases, size_t n)
{
    for (size_t i = 0; i < n; i++)
        list[i] = &cases[i];
    for (size_t i = n / 2; i-- > 0;)
        sift(list, i, n, list[i]);
    for (size_t left = n; left-- > 1;) {
        struct select_case *last = list[left];
        list[left] = list[0];
        sift(list, 0, left, last);
    }
}

static inline void list_cases(struct select_case **list, struct select_case *cases, uint32_t n)
{
    if (__builtin_expect(n == 2, 1)) {
        bool turned = before(&cases[1], &cases[0]);
        list[turned] = &cases[0];
        list[!turned] = &cases[1];
    } else {
        list_many(list, cases, n);
    }
}

static inline bool is_timers(const struct select_case *k)
{
    return k->c != NULL && k->c->kind == CHAN_TIMES;
}

static __attribute__((noinline)) bool check_timers(const struct select_case *k)
{
    if (k->dir == SELECT_SEND)
        sched_panic("reflect.Select: SendDir case using recv-only channel");
    return true;
}

/* Reads the elements before anything is locked: see chan.c about bad pointers. Are there timers'
 * channels among the cases? */
static inline bool touch_elements(const struct select_case *cases, uint32_t n)
{
    bool times = false;
    for (const struct select_case *k = cases; k < cases + n; k++) {
        if (__builtin_expect(is_timers(k), 0))
            times = check_timers(k);
        if (k->c != NULL && (k->elem != NULL || k->dir == SELECT_SEND))
            chan_touch(k->elem, k->c->elem_size);
    }
    return times;
}

/* ---- looking ---- */

static inline bool can_go(const struct select_case *k, struct chan *c)
{
    if (k->dir == SELECT_RECV) {
        if (chan_count(c) > 0 || chan_somebody_waits(&c->senders))
            return true;
        if (__builtin_expect(c->kind == CHAN_TIMES, 0))
            return timechan_due(c);
    } else if (chan_count(c) < c->cap || chan_somebody_waits(&c->receivers)) {
        return true;
    }
    return chan_closed(c);
}

/* One of the cases that can go, evenly chosen; NULL: there is none. lock: each channel is locked on
 * the way, else all are already. Preemption is off. */
static inline struct select_case *look(const struct selection *s, bool lock)
{
    struct select_case *chosen = NULL;
    struct chan *last = NULL;
    uint32_t able = 0;
    for (struct select_case **at = s->list, **end = at + s->n; at < end; at++) {
        struct select_case *k = *at;
        struct chan *c = k->c;
        if (c != last && lock)
            spin_lock(&c->lock);
        last = c;
        /* The nth that can go takes the place of the one before with a chance of 1 in n. */
        if (c != NULL && can_go(k, c) && (able++ == 0 || p_random(g_self()->m->p, able) == 0))
            chosen = k;
    }
    return chosen;
}

/* S1: what is needed of the next is read before a channel is unlocked, and after the last nothing. */
static inline void unlock_all(const struct selection *s)
{
    struct chan *last = NULL;
    for (struct select_case **at = s->list, **end = at + s->n; at < end; at++) {
        struct chan *c = (*at)->c;
        if (c != last && last != NULL)
            spin_unlock(&last->lock);
        last = c;
    }
    if (last != NULL)
        spin_unlock(&last->lock);
}

/* ---- going ---- */

static void unlock_selection(void *s)
{
    unlock_all(s);
}

/* Of a case that went: what its goroutine has still to do. */
static inline void finish(struct select_case *k, bool ok)
{
    if (k->dir == SELECT_RECV) {
        k->ok = ok;
        if (!ok)
            chan_zero(k->elem, k->c->elem_size);
    } else if (!ok) {
        chan_panic_closed();
    }
}

/* All are locked, and k can go, or so it seemed. false: it cannot (S3), all is as before. Else all
 * are unlocked and preemption is on. */
static bool go_with_case(struct selection *s, struct select_case *k, bool *ok)
{
    enum chan_done done = k->dir == SELECT_SEND ? chan_send_now(k->c, k->elem, unlock_selection, s)
                                                : chan_recv_now(k->c, k->elem, unlock_selection, s);
    if (done == CHAN_WOULD_WAIT)
        return false;
    preempt_on();
    *ok = done == CHAN_DONE;
    return true;
}

/* ---- waiting ---- */

static void commit_selection(void *s, struct arch_hart *hart)
{
    unlock_all(s);
    sched_next((struct m *)hart);
}

static inline void queue_up(const struct select_case *k, struct chan_waiter *w,
                            struct chan_waiter *_Atomic *won)
{
    w->g = g_self();
    w->elem = k->elem;
    w->won = won;
    w->queued = true;
    if (k->dir == SELECT_SEND)
        chan_wait_to_send(k->c, w);
    else
        chan_wait_to_receive(k->c, w);
}

/* Step 5 for one of those that were not chosen. times: it may be a timer's. */
static inline void leave_queue(const struct select_case *k, struct chan_waiter *w, bool times)
{
    struct chan *c = k->c;
    spin_lock(&c->lock);
    if (w->queued)
        chan_queue_remove(k->dir == SELECT_SEND ? &c->senders : &c->receivers, w);
    if (times && c->kind == CHAN_TIMES)
        timechan_left(c);
    spin_unlock(&c->lock);
}

/* Step 4. All are locked; then unlocked, and preemption is on. Returns the record that was chosen. */
static inline struct chan_waiter *queue_and_park(struct selection *s, struct chan_waiter *waiters)
{
    s->waiters = waiters;
    store_relaxed(&s->won, NULL); /* relaxed: goes with the locks */
    for (uint32_t i = 0; i < s->n; i++) {
        struct select_case *k = s->list[i];
        struct chan_waiter *w = &waiters[i];
        if (k->c != NULL)
            queue_up(k, w, &s->won);
    }
    g_park(commit_selection, s, WAIT_SELECT);
    return load_relaxed(&s->won); /* relaxed: it came with g_ready */
}

/* Step 5. */
static inline void leave_queues(struct selection *s, const struct chan_waiter *won)
{
    preempt_off();
    for (uint32_t i = 0; i < s->n; i++) {
        struct chan_waiter *w = &s->waiters[i];
        struct select_case *k = s->list[i];
        if (w != won && k->c != NULL)
            leave_queue(k, w, s->times);
    }
    preempt_on();
}

/* Returns the case that went. */
static inline struct select_case *wait_for_one(struct selection *s, struct chan_waiter *waiters,
                                               bool *ok)
{
    struct chan_waiter *won = queue_and_park(s, waiters);
    leave_queues(s, won);
    *ok = won->ok;
    return s->list[won - waiters];
}

/* With records on the stack. */
static __attribute__((noinline)) struct select_case *wait_for_few(struct selection *s, bool *ok)
{
    struct chan_waiter waiters[s->n];
    return wait_for_one(s, waiters, ok);
}

/* S5. All are locked. false: no memory; then none is, and others have had a turn. */
static bool arm_timers(const struct selection *s)
{
    bool armed = true;
    for (uint32_t i = 0; i < s->n && armed; i++)
        armed = !is_timers(s->list[i]) || timechan_arm(s->list[i]->c);
    if (armed)
        return true;
    for (uint32_t i = 0; i < s->n; i++)
        if (is_timers(s->list[i]))
            timechan_left(s->list[i]->c);
    unlock_all(s);
    preempt_on();
    runtime_gosched();
    return false;
}

static void stay(void *arg, struct arch_hart *hart)
{
    (void)arg;
    sched_next((struct m *)hart);
}

static _Noreturn void wait_for_none(void)
{
    for (;;) {
        preempt_off();
        g_park(stay, NULL, WAIT_SELECT_NONE);
    }
}

/* ---- the whole ---- */

/* The case that went, or NULL. waiters: room for the records; NULL: on the stack. */
static inline struct select_case *run(struct selection *s, struct chan_waiter *waiters, bool block,
                                      bool *ok)
{
    for (;;) {
        preempt_off();
        struct select_case *k = look(s, true);
        while (k != NULL) {
            if (go_with_case(s, k, ok))
                return k;
            k = look(s, false);
        }
        if (!block) {
            unlock_all(s);
            preempt_on();
            return NULL;
        }
        if (s->times && !arm_timers(s))
            continue;
        k = waiters == NULL ? wait_for_few(s, ok) : wait_for_one(s, waiters, ok);
        if (*ok || !is_timers(k))
            return k;
    }
}

static __attribute__((noinline)) int select_many(struct select_case *cases, int n, bool block)
{
    if (n < 0 || n > SELECT_CASES_MAX)
        sched_panic("reflect.Select: too many cases (max %d)", SELECT_CASES_MAX);
    bool times = touch_elements(cases, (uint32_t)n);
    struct chan_waiter *waiters = malloc((size_t)n * (sizeof(*waiters) + sizeof(void *)));
    if (waiters == NULL)
        sched_panic("runtime: out of memory");
    struct selection s = {
        .list = (struct select_case **)(waiters + n), .n = (uint32_t)n, .times = times};
    bool ok = false;
    list_cases(s.list, cases, s.n);
    struct select_case *k = run(&s, waiters, block, &ok);
    free(waiters);
    if (k == NULL)
        return -1;
    finish(k, ok);
    return (int)(k - cases);
}

/* Up to SELECT_FEW. */
static __attribute__((noinline)) int select_few(struct select_case *cases, int n, bool block)
{
    if (n == 0 && block)
        wait_for_none();
    struct select_case *list[SELECT_FEW];
    struct selection s;
    bool ok = false;
    s.list = list;
    s.n = (uint32_t)n;
    s.times = touch_elements(cases, s.n);
    list_cases(list, cases, s.n);
    struct select_case *k = run(&s, NULL, block, &ok);
    if (k == NULL)
        return -1;
    finish(k, ok);
    return (int)(k - cases);
}

/* ---- two ---- */

struct two {
    struct chan *c1, *c2;
    struct chan_waiter w1, w2;
    struct chan_waiter *_Atomic won;
};

/* S1, as unlock_all. */
static void commit_two(void *arg, struct arch_hart *hart)
{
    struct two *s = arg;
    struct chan *c1 = s->c1, *c2 = s->c2;
    spin_unlock(&c1->lock);
    spin_unlock(&c2->lock);
    sched_next((struct m *)hart);
}

/* k1 and k2, of cases, are locked and cannot go. */
static __attribute__((noinline)) int wait_for_two(struct select_case *cases, struct select_case *k1,
                                                  struct select_case *k2)
{
    struct two s;
    s.c1 = k1->c;
    s.c2 = k2->c;
    store_relaxed(&s.won, NULL); /* relaxed: goes with the locks */
    queue_up(k1, &s.w1, &s.won);
    queue_up(k2, &s.w2, &s.won);
    g_park_here(commit_two, &s, WAIT_SELECT);
    struct chan_waiter *won = load_relaxed(&s.won); /* relaxed: it came with g_ready */
    bool first = won == &s.w1;
    preempt_off();
    leave_queue(first ? k2 : k1, first ? &s.w2 : &s.w1, false);
    preempt_on();
    struct select_case *k = first ? k1 : k2;
    finish(k, won->ok);
    return (int)(k - cases);
}

/* Nobody on the other side, not even one who was served elsewhere; and nothing to get, or no room. */
static inline bool cannot_go(const struct select_case *k, const struct chan *c)
{
    if (k->dir == SELECT_RECV ? chan_count(c) > 0 || chan_first(&c->senders) != NULL
                              : chan_count(c) < c->cap || chan_first(&c->receivers) != NULL)
        return false;
    return !chan_closed(c);
}

/* May this case take the short way: with a channel, and an element that is touched by one read? */
static inline bool is_short(const struct select_case *k)
{
    return k->c != NULL && (k->c->kind & CHAN_OTHERS) == 0 &&
           (k->elem != NULL || k->dir == SELECT_RECV);
}

/*
 * Two cases of words, of which none can go, are what waiting and polling loops are made of: that has
 * a short way, steps 1 and 2 as above. All else is begun again, the long way.
 */
STRAIGHT int chan_select(struct select_case *cases, int n, bool block)
{
    if (__builtin_expect((unsigned)n > SELECT_FEW, 0))
        return select_many(cases, n, block);
    if (n != 2 || !is_short(&cases[0]) || !is_short(&cases[1]) || cases[0].c == cases[1].c)
        return select_few(cases, n, block);
    bool turned = before(&cases[1], &cases[0]);
    struct select_case *k1 = &cases[turned], *k2 = &cases[!turned];
    struct chan *c1 = k1->c, *c2 = k2->c;
    if (k1->elem != NULL)
        *(const volatile char *)k1->elem;
    if (k2->elem != NULL)
        *(const volatile char *)k2->elem;
    preempt_off();
    if (__builtin_expect(spin_try_lock(&c1->lock), 1)) {
        if (__builtin_expect(spin_try_lock(&c2->lock), 1)) {
            bool nothing = cannot_go(k1, c1) && cannot_go(k2, c2);
            if (nothing && block)
                return wait_for_two(cases, k1, k2);
            spin_unlock(&c1->lock);
            spin_unlock(&c2->lock);
            if (nothing) {
                preempt_on();
                return -1;
            }
        } else {
            spin_unlock(&c1->lock);
        }
    }
    preempt_on();
    return select_few(cases, n, block);
}
