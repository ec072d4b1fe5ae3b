/*
 * lot: the parking lot: goroutines blocked on an address, for everything in sync.h.
 *
 * A table of buckets by a hash of the address. Each bucket has a lock and a list of addresses,
 * each with its waiters in order. Waiter records live on the blocked goroutines' stacks.
 */
#pragma once
#include "sched/gmp.h"

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

/* addr's bucket, locked; preemption is off from here to lot_unlock, or to g_park. */
struct bucket *lot_lock(const void *addr);
void lot_unlock(struct bucket *b);
/* Queues w for w->addr: last, or first. Bucket locked. */
void lot_put(struct bucket *b, struct waiter *w, bool first);
/* The first waiter of addr, taken out, or NULL; *more: others are left. Bucket locked. */
struct waiter *lot_take(struct bucket *b, const void *addr, bool *more);
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
