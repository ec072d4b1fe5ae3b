/*
 * sync.h: mutex, rwmutex, waitgroup, once, cond, semaphore, pool, errgroup. Go's counterparts:
 * packages sync, golang.org/x/sync/semaphore and golang.org/x/sync/errgroup.
 *
 * A zeroed object is ready for use, and may be freed or reused as soon as the call that ended its
 * last use has returned. Blocking calls park the goroutine, never the hart. Everything here may be
 * called from goroutines only.
 *
 * The uncontended paths are inline: one atomic instruction each. Members whose names end in _ are
 * not for programs.
 */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
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

/* One with acquire, which may fail for no reason. The failure acquires too, or GCC 12 for RISC-V loses
 * the acquire of the success. */
#define pinion_cas_acquire_(at, seen, value)                                     \
    atomic_compare_exchange_weak_explicit(at, seen, value, memory_order_acquire, \
                                          memory_order_acquire)

/* ---- mutex ---- */

/* Go: sync.Mutex, with its normal and its starvation mode. Not owned: any goroutine may unlock. */
typedef struct mutex {
    _Atomic uint32_t state_; /* 1: locked; others: see sched/mutex.c */
} mutex;

void mutex_lock_slow_(mutex *);
void mutex_unlock_slow_(mutex *, uint32_t state);

/* In debug images the order of locks is watched (sched/lockorder.c): before a lock, after, and before an
 * unlock. In others these are nothing. */
#if defined(PINION_DEBUG) && !defined(PINION_NO_LOCK_ORDER) && !defined(PINION_UNIT_TEST)
void mutex_wants_(mutex *);
void mutex_has_(mutex *);
void mutex_gives_(mutex *);
#else
static inline void mutex_wants_(mutex *m)
{
    (void)m;
}
static inline void mutex_has_(mutex *m)
{
    (void)m;
}
static inline void mutex_gives_(mutex *m)
{
    (void)m;
}
#endif

static inline void mutex_lock(mutex *m)
{
    uint32_t unlocked = 0;
    mutex_wants_(m);
    /* O7: acquire pairs with the release in mutex_unlock; a failure looks anew. */
    if (!__builtin_expect(pinion_cas_acquire_(&m->state_, &unlocked, 1), 1))
        mutex_lock_slow_(m);
    mutex_has_(m);
}

/* false: somebody holds it, or it is promised to a starving waiter. */
bool mutex_try_lock(mutex *);

/* "fatal error: sync: unlock of unlocked mutex" if it is not locked. */
static inline void mutex_unlock(mutex *m)
{
    uint32_t state = 1;
    mutex_gives_(m);
    /* O7: release pairs with the acquire of the next mutex_lock; a failure looks anew. A swap, not
     * a subtraction: it is the last access to a mutex that its next owner may free. */
    if (!__builtin_expect(pinion_cas_release_(&m->state_, &state, 0), 1))
        mutex_unlock_slow_(m, state);
}

/* ---- rwmutex ---- */

/*
 * Go: sync.RWMutex. Many readers or one writer. A writer that waits holds back new readers; its
 * unlock lets in all readers that wait by then before the next writer. So a goroutine must not take
 * a read lock that it already has: a writer that comes in between blocks both for ever. Not owned.
 */
typedef struct rwmutex {
    _Atomic uint32_t state_; /* readers, and the bits of sched/rwmutex.c */
    uint32_t leaving_;       /* readers that the next writer waits for */
    uint32_t admitted_;      /* readers let in that have not noticed yet */
} rwmutex;

#define PINION_RW_WRITER_ 0x80000000u /* a writer has it, or waits for readers to leave */

void rwmutex_rlock_slow_(rwmutex *);
void rwmutex_runlock_slow_(rwmutex *, uint32_t was);
void rwmutex_lock_slow_(rwmutex *);
void rwmutex_unlock_slow_(rwmutex *);

static inline void rwmutex_rlock(rwmutex *rw)
{
    /* O26: acquire pairs with the release of a writer's unlock. */
    uint32_t was = atomic_fetch_add_explicit(&rw->state_, 1, memory_order_acquire);
    if (__builtin_expect((int32_t)was < 0, 0))
        rwmutex_rlock_slow_(rw);
}

/* "fatal error: sync: RUnlock of unlocked RWMutex" if no reader has it. */
static inline void rwmutex_runlock(rwmutex *rw)
{
    /* O26: release pairs with the acquire of the next writer's lock. */
    uint32_t was = atomic_fetch_sub_explicit(&rw->state_, 1, memory_order_release);
    /* Zero, nobody read; or a writer is there, who waits for us to leave. */
    if (__builtin_expect((int32_t)was <= 0, 0))
        rwmutex_runlock_slow_(rw, was);
}

static inline void rwmutex_lock(rwmutex *rw)
{
    uint32_t unlocked = 0;
    /* O26: acquire pairs with the releases of unlock and runlock; a failure looks anew. */
    if (!__builtin_expect(pinion_cas_acquire_(&rw->state_, &unlocked, PINION_RW_WRITER_), 1))
        rwmutex_lock_slow_(rw);
}

/* "fatal error: sync: Unlock of unlocked RWMutex" if no writer has it. */
static inline void rwmutex_unlock(rwmutex *rw)
{
    uint32_t state = PINION_RW_WRITER_;
    /* O26: release pairs with the acquires of lock and rlock; a failure looks anew. */
    if (!__builtin_expect(pinion_cas_release_(&rw->state_, &state, 0), 1))
        rwmutex_unlock_slow_(rw);
}

/* false: it would have to wait. */
bool rwmutex_try_rlock(rwmutex *);
bool rwmutex_try_lock(rwmutex *);

/* ---- waitgroup ---- */

/* Go: sync.WaitGroup. */
typedef struct waitgroup {
    _Atomic uint64_t state_; /* counter << 32 | waiters */
} waitgroup;

void waitgroup_add_slow_(waitgroup *, uint64_t state);

/* Adds n, negative too. The counter below zero panics "sync: negative WaitGroup counter". */
static inline void waitgroup_add(waitgroup *wg, int n)
{
    /* O8: release so that what was done before done() is visible after wait(); acquire since
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

/* ---- once ---- */

/* Go: sync.Once. */
typedef struct once {
    _Atomic int32_t state_; /* below zero: done; others: see sched/once.c */
} once;

void once_do_slow_(once *, void (*fn)(void *), void *arg);

/*
 * The first call runs fn(arg); every call returns only when that has ended, by a panic or goexit
 * too. So fn must not call once_do of the same once: it would wait for itself.
 */
static inline void once_do(once *o, void (*fn)(void *), void *arg)
{
    /* O26: acquire pairs with the release at fn's end: what it did is visible. */
    if (__builtin_expect(atomic_load_explicit(&o->state_, memory_order_acquire) >= 0, 0))
        once_do_slow_(o, fn, arg);
}

/* ---- cond ---- */

struct waiter;

/*
 * Go: sync.Cond. l is held around what is waited for. A cond that has been used must not be copied:
 * the copy's first call panics "sync.Cond is copied".
 */
typedef struct cond {
    mutex *l;
    _Atomic uintptr_t waiters_; /* a list: see sched/cond.c */
    struct waiter *newest_;
    struct cond *_Atomic self_; /* where it is, from its first use on */
} cond;

/* Unlocks l, parks until a later signal or broadcast wakes it, locks l again. Nothing else wakes it;
 * but others may have held l before it. */
void cond_wait(cond *);

void cond_signal_slow_(cond *);
void cond_broadcast_slow_(cond *);

static inline bool cond_idle_(cond *c)
{
    /* relaxed: a waiter queues before it unlocks l, so whoever has locked l since sees it. */
    return atomic_load_explicit(&c->waiters_, memory_order_relaxed) == 0 &&
           /* relaxed: only compared. */
           atomic_load_explicit(&c->self_, memory_order_relaxed) == c;
}

/* Wakes the goroutine that has waited longest, if any. The caller may hold l. */
static inline void cond_signal(cond *c)
{
    if (!__builtin_expect(cond_idle_(c), 1))
        cond_signal_slow_(c);
}

/* Wakes all that wait. */
static inline void cond_broadcast(cond *c)
{
    if (!__builtin_expect(cond_idle_(c), 1))
        cond_broadcast_slow_(c);
}

/* ---- semaphore ---- */

/* Go: golang.org/x/sync/semaphore.Weighted. A zeroed one has the size 0. */
typedef struct semaphore {
    _Atomic int64_t
        free_; /* what is left; if somebody waits, its complement (~), which is below 0 */
    int64_t size_;
} semaphore;

void semaphore_acquire_slow_(semaphore *, int64_t n);
void semaphore_release_slow_(semaphore *, int64_t n);

/* 0; or -1, errno EINVAL: n < 0. Nobody may be using it. */
int semaphore_init(semaphore *, int64_t n);

/*
 * Takes n, first come, first served: one that wants much is not passed by those behind it that want
 * little. An n above the semaphore's size waits for ever, in nobody's way. In all three functions
 * an n below 0 panics "semaphore: negative weight".
 */
static inline void semaphore_acquire(semaphore *s, int64_t n)
{
    /* relaxed: the swap decides. */
    int64_t left = atomic_load_explicit(&s->free_, memory_order_relaxed);
    /* Below zero as a large number: one comparison for "somebody waits" and "n is negative" each.
     * O26: acquire pairs with the release of what is taken; a failure looks anew. */
    if (!__builtin_expect(left >= 0 && (uint64_t)n <= (uint64_t)left &&
                              pinion_cas_acquire_(&s->free_, &left, left - n),
                          1))
        semaphore_acquire_slow_(s, n);
}

/* false: it would have to wait. */
bool semaphore_try_acquire(semaphore *, int64_t n);

/* Gives n back. More than is held panics "semaphore: released more than held". */
static inline void semaphore_release(semaphore *s, int64_t n)
{
    /* relaxed: the swap decides. */
    int64_t left = atomic_load_explicit(&s->free_, memory_order_relaxed);
    /* O26: release pairs with the acquire of who takes it; a failure looks anew. */
    if (!__builtin_expect(left >= 0 && (uint64_t)n <= (uint64_t)(s->size_ - left) &&
                              pinion_cas_release_(&s->free_, &left, left + n),
                          1))
        semaphore_release_slow_(s, n);
}

/* ---- pool ---- */

struct pool_place_;

/*
 * Go: sync.Pool. Holds objects that are not in use, each hart's own at hand first. new and drop are
 * set before the first use and stay. An object that lies unused through two trims (every two minutes,
 * or when memory is short) goes to drop; drop NULL: kept. What a pool needs for itself is never given
 * back: pools are meant to be few, and static.
 */
typedef struct pool {
    void *(*new)(void); /* NULL: pool_get returns NULL when there is nothing */
    void (*drop)(void *);
    struct pool_place_ *_Atomic places_;
} pool;

/* One that was put, or a new one. NULL: none, and new is NULL or has returned NULL. */
void *pool_get(pool *);
/* The caller must not use x any more. NULL: nothing happens. Without memory to remember it x goes to
 * drop, or without drop is lost. */
void pool_put(pool *, void *x);

/* ---- errgroup ---- */

/* Go: golang.org/x/sync/errgroup.Group, the zero one. */
typedef struct errgroup {
    waitgroup wg_;
    _Atomic int first_; /* the first result other than 0 */
} errgroup;

/* fn(arg) in a new goroutine. Its id, or -1 as go. */
int64_t errgroup_go(errgroup *, int (*fn)(void *), void *arg);
/* Parks until all have ended; the first result other than 0, or 0. */
int errgroup_wait(errgroup *);
