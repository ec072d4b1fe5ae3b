/*
 * sync.h: mutex and waitgroup. Go's counterpart: package sync. A zeroed object is ready for use.
 * Blocking calls park the goroutine, never the hart. May be called from goroutines only.
 *
 * The uncontended paths are inline: one atomic instruction each.
 */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * A compare-and-swap with release and nothing more. GCC 12 for RISC-V loses the release of a swap
 * whose failure needs no order; a fence in front of a relaxed one is C11's other way to say it.
 */
#if defined(__riscv)
#define pinion_cas_release_(at, seen, value)                                        \
    (atomic_thread_fence(memory_order_release),                                     \
     atomic_compare_exchange_strong_explicit(at, seen, value, memory_order_relaxed, \
                                             memory_order_relaxed))
#else
#define pinion_cas_release_(at, seen, value)                                       \
    atomic_compare_exchange_strong_explicit(at, seen, value, memory_order_release, \
                                            memory_order_relaxed)
#endif

/* Go: sync.Mutex, with its normal and its starvation mode. Not owned: any goroutine may unlock. */
typedef struct mutex {
    _Atomic uint32_t state_; /* 1: locked; others: see sched/mutex.c */
} mutex;

void mutex_lock_slow_(mutex *);
void mutex_unlock_slow_(mutex *, uint32_t state);

static inline void mutex_lock(mutex *m)
{
    uint32_t unlocked = 0;
    /* order: acquire pairs with the release in mutex_unlock; relaxed: the slow path looks anew. */
    if (!__builtin_expect(atomic_compare_exchange_weak_explicit(
                              &m->state_, &unlocked, 1, memory_order_acquire, memory_order_relaxed),
                          1))
        mutex_lock_slow_(m);
}

/* false: somebody holds it, or it is promised to a starving waiter. */
bool mutex_try_lock(mutex *);

/* "fatal error: sync: unlock of unlocked mutex" if it is not locked. */
static inline void mutex_unlock(mutex *m)
{
    uint32_t state = 1;
    /* order: release pairs with the acquire of the next mutex_lock; a failure looks anew. A swap, not
     * a subtraction: it is the last access to a mutex that its next owner may free. */
    if (!__builtin_expect(pinion_cas_release_(&m->state_, &state, 0), 1))
        mutex_unlock_slow_(m, state);
}

/* Go: sync.WaitGroup. */
typedef struct waitgroup {
    _Atomic uint64_t state_; /* counter << 32 | waiters */
} waitgroup;

void waitgroup_add_slow_(waitgroup *, uint64_t state);

/* Adds n, negative too. The counter below zero panics "sync: negative WaitGroup counter". */
static inline void waitgroup_add(waitgroup *wg, int n)
{
    /* order: release so that what was done before done() is visible after wait(); acquire since
     * the last one out wakes the waiters. */
    uint64_t delta = (uint64_t)(int64_t)n << 32;
    uint64_t now = atomic_fetch_add_explicit(&wg->state_, delta, memory_order_acq_rel) + delta;
    /* Still positive, or zero with no waiters: nothing to do. Negative or waiters: the slow path. */
    if (__builtin_expect((int64_t)now < 0 || ((now >> 32) == 0 && now != 0), 0))
        waitgroup_add_slow_(wg, now);
}

static inline void waitgroup_done(waitgroup *wg)
{
    waitgroup_add(wg, -1);
}

/* Parks until the counter is zero. */
void waitgroup_wait(waitgroup *);
/* add(1), then fn(arg) in a new goroutine, done when it has ended, after its defers. As go; on -1 the
 * count is taken back. */
int64_t waitgroup_go(waitgroup *, void (*fn)(void *), void *arg);
