/*
 * lot: the parking lot: goroutines blocked on an address, for everything in sync.h.
 *
 * A table of buckets by a hash of the address. Each bucket has a lock and a list of addresses,
 * each with its waiters in order. Waiter records live on the blocked goroutines' stacks.
 */
#pragma once
#include "sched/proc.h"

struct waiter {
    struct g *g;
    const void *addr;
    struct waiter *next;      /* the next waiter of this address */
    struct waiter *last;      /* of the first of an address: its last */
    struct waiter *next_addr; /* of the first of an address: the next address of the bucket */
    int64_t since;            /* when it began to wait, ns */
    bool token;               /* the waker handed over what was waited for */
};

struct bucket {
    struct spin lock;
    struct waiter *addrs;
} __attribute__((aligned(64)));

extern struct bucket lot_table[1u << SEMA_BUCKETS_LOG2];

/* By the upper bits of a product (Knuth's multiplicative hash): objects at regular distances, as on
 * the stacks of many goroutines, spread all over the table, and it takes no division. */
static inline struct bucket *lot_bucket(const void *addr)
{
    uint32_t hash = (uint32_t)((uintptr_t)addr >> 3) * UINT32_C(2654435769);
    struct bucket *b = &lot_table[hash >> (32 - SEMA_BUCKETS_LOG2)];
    __asm__("" : "+r"(b)); /* one address, from which the compiler is to reach both words */
    return b;
}

/* addr's bucket, locked; preemption is off from here to lot_unlock, or to g_park. */
struct bucket *lot_lock(const void *addr);
void lot_unlock(struct bucket *b);
/* Where addr's first waiter is linked, or would be. Bucket locked. */
static inline struct waiter **lot_find(struct bucket *b, const void *addr)
{
    struct waiter **at = &b->addrs;
    while (*at != NULL && (*at)->addr != addr)
        at = &(*at)->next_addr;
    return at;
}

/* Queues w for w->addr: last, or first. Bucket locked. */
static inline void lot_put(struct bucket *b, struct waiter *w, bool first)
{
    struct waiter **at = lot_find(b, w->addr), *head = *at;
    if (head == NULL || first) {
        w->next = head;
        w->last = head != NULL ? head->last : w;
        w->next_addr = head != NULL ? head->next_addr : NULL;
        *at = w;
    } else {
        w->next = NULL;
        head->last->next = w;
        head->last = w;
    }
}

/* The first waiter of addr, taken out, or NULL; *more: others are left. Bucket locked. */
static inline struct waiter *lot_take(struct bucket *b, const void *addr, bool *more)
{
    struct waiter **at = lot_find(b, addr), *w = *at;
    *more = false;
    if (w == NULL)
        return NULL;
    struct waiter *second = w->next;
    if (second == NULL) {
        *at = w->next_addr;
    } else {
        second->last = w->last;
        second->next_addr = w->next_addr;
        *at = second;
        *more = true;
    }
    return w;
}

/* The first waiter of addr, left where it is, or NULL. Bucket locked. */
struct waiter *lot_first(struct bucket *b, const void *addr);
/* All waiters of addr, taken out, oldest first, linked by next. Bucket locked. */
struct waiter *lot_take_all(struct bucket *b, const void *addr);
/* Readies those of a list, as lot_take_all returns it. Nothing locked, preemption off. */
void lot_ready_all(struct waiter *list);
/* Unlocks the bucket, then readies those of the list. */
void lot_unlock_and_ready(struct bucket *b, struct waiter *list);
/* Parks the caller until lot_take and g_ready; the bucket is unlocked once it sleeps. */
void lot_park(struct bucket *b, enum wait_reason reason);
