/*
 * sync: rwmutex, cond, semaphore, once, groups, pool and timers, each under many goroutines that yield at
 * random, with what must hold checked from inside.
 */
#include <string.h>
#include "stress.h"
#include "sched/pool.h"

#define WORKERS 12

static long rounds;
static waitgroup over;

static void all(void (*fn)(void *))
{
    for (intptr_t i = 0; i < WORKERS; i++)
        CHECK(waitgroup_go(&over, fn, (void *)i) > 0, "waitgroup_go failed");
    waitgroup_wait(&over);
}

static uint32_t seed_of(void *which)
{
    static _Atomic uint32_t run;
    return (++run * 977 + (uint32_t)(uintptr_t)which) * 2654435761u | 1;
}

static void maybe_yield(uint32_t *rng, uint32_t one_in)
{
    if (random_below(rng, one_in) == 0)
        runtime_gosched();
}

/* ---- rwmutex: no writer beside anyone, readers see whole writes, writers get their turns ---- */

static rwmutex rw;
static _Atomic int readers, writers;
static long pair[2]; /* rw */
static long writes;  /* rw */

static void read_or_write(void *which)
{
    uint32_t rng = seed_of(which);
    for (long i = 0; i < rounds; i++) {
        uint32_t dice = random_below(&rng, 16);
        bool write = dice < 3, try = dice % 2 == 0;
        if (write && (!try || rwmutex_try_lock(&rw))) {
            if (!try)
                rwmutex_lock(&rw);
            CHECK(atomic_fetch_add(&writers, 1) == 0 && readers == 0, "a writer is not alone");
            pair[0]++;
            maybe_yield(&rng, 8);
            pair[1]++;
            writes++;
            CHECK(atomic_fetch_sub(&writers, 1) == 1 && readers == 0, "a writer was not alone");
            rwmutex_unlock(&rw);
        } else if (!write && (!try || rwmutex_try_rlock(&rw))) {
            if (!try)
                rwmutex_rlock(&rw);
            atomic_fetch_add(&readers, 1);
            CHECK(writers == 0 && pair[0] == pair[1], "a reader beside a writer");
            maybe_yield(&rng, 8);
            CHECK(writers == 0 && pair[0] == pair[1], "a writer beside a reader");
            atomic_fetch_sub(&readers, 1);
            rwmutex_runlock(&rw);
        }
        maybe_yield(&rng, 8);
    }
}

/* Readers that overlap, so that the rwmutex is never without one, cannot keep a writer out for ever. How
 * many go before it is counted in tests/target/sync_rwmutex_test.c: here a host that takes the writer's
 * hart away just before it locks lets any number pass. */
static _Atomic bool writer_done;
static _Atomic long reads;

static void read_without_end(void *unused)
{
    (void)unused;
    while (!writer_done) {
        rwmutex_rlock(&rw);
        reads++;
        runtime_gosched();
        rwmutex_runlock(&rw);
    }
}

static void starve_a_writer(void)
{
    writer_done = false;
    for (int i = 0; i < WORKERS; i++)
        CHECK(waitgroup_go(&over, read_without_end, NULL) > 0, "waitgroup_go failed");
    for (long i = 0; i < rounds / 10 + 1; i++) {
        runtime_gosched();
        rwmutex_lock(&rw);
        CHECK(!rwmutex_try_rlock(&rw), "a reader beside the writer");
        rwmutex_unlock(&rw);
    }
    writer_done = true;
    waitgroup_wait(&over);
}

/* ---- cond: a bounded queue; a lost wake-up stops it, a false one shows as an empty slot ---- */

static mutex mu;
static cond not_empty = {.l = &mu}, not_full = {.l = &mu};
static long queue[3], head, tail, sum; /* mu */

static void produce_or_consume(void *which)
{
    uint32_t rng = seed_of(which);
    bool producer = (intptr_t)which % 2 == 0;
    for (long i = 0; i < rounds; i++) {
        mutex_lock(&mu);
        while (producer ? tail - head == 3 : tail == head)
            cond_wait(producer ? &not_full : &not_empty);
        if (producer)
            queue[tail++ % 3] = i + 1;
        else
            sum += queue[head++ % 3];
        if (random_below(&rng, 2) == 0) {
            cond_signal(producer ? &not_empty : &not_full);
            mutex_unlock(&mu);
        } else {
            mutex_unlock(&mu);
            cond_signal(producer ? &not_empty : &not_full);
        }
        maybe_yield(&rng, 8);
    }
}

/* Generations: all wait for each broadcast, and each is woken by it once. */
static long generation, arrived; /* mu */

static void meet(void *unused)
{
    (void)unused;
    for (long i = 0; i < rounds / 4; i++) {
        mutex_lock(&mu);
        CHECK(generation == i, "in generation %ld, not %ld", generation, i);
        if (++arrived == WORKERS) {
            arrived = 0;
            generation++;
            cond_broadcast(&not_empty);
        } else {
            cond_wait(&not_empty); /* no loop: nothing else may wake it */
            CHECK(generation == i + 1, "woken in generation %ld", generation);
        }
        mutex_unlock(&mu);
    }
}

/*
 * Signals by many at once against waits, without the mutex: the list of those that wait is all they
 * meet in. Each waiter waits so often, and each round ends one wait by one signal; a waiter that is
 * dropped from the list is missed at the end.
 */
static _Atomic int waiting; /* goroutines with waits to come */

static void wait_often(long waits)
{
    for (long i = 0; i < waits; i++) {
        mutex_lock(&mu);
        cond_wait(&not_full);
        mutex_unlock(&mu);
    }
    waiting--;
}

static void wait_or_signal(void *which)
{
    uint32_t rng = seed_of(which);
    if ((intptr_t)which % 2 == 0) {
        wait_often(rounds);
        return;
    }
    while (waiting > 0) {
        if (random_below(&rng, 16) == 0)
            cond_broadcast(&not_full);
        else
            cond_signal(&not_full);
        maybe_yield(&rng, 16);
    }
}

/* ---- semaphore: never more out than there is; all comes back ---- */

#define WEIGHT 10
static semaphore sem;
static _Atomic int64_t out;

static void take_some(void *which)
{
    uint32_t rng = seed_of(which);
    for (long i = 0; i < rounds; i++) {
        int64_t n = random_below(&rng, WEIGHT + 1);
        if (random_below(&rng, 4) != 0)
            semaphore_acquire(&sem, n);
        else if (!semaphore_try_acquire(&sem, n))
            continue;
        CHECK(atomic_fetch_add(&out, n) + n <= WEIGHT, "more is out than there is");
        maybe_yield(&rng, 4);
        atomic_fetch_sub(&out, n);
        int64_t part = random_below(&rng, (uint32_t)n + 1);
        semaphore_release(&sem, part);
        semaphore_release(&sem, n - part);
    }
}

/* ---- once ---- */

static once onces[64];
static _Atomic int once_runs[64];

static void run_once(void *i)
{
    runtime_gosched();
    atomic_fetch_add(&once_runs[(intptr_t)i], 1);
}

static void call_onces(void *unused)
{
    (void)unused;
    for (intptr_t i = 0; i < 64; i++) {
        once_do(&onces[i], run_once, (void *)i);
        CHECK(once_runs[i] == 1, "once ran %d times", once_runs[i]);
    }
}

/* ---- waitgroup and errgroup: wait returns when all have ended, and what they were in may go ---- */

struct outing {
    waitgroup wg;
    errgroup eg;
    _Atomic long left; /* goroutines that have not ended */
    long failures;     /* how many of them fail, each with its number, from 1 */
};

static int go_home(void *arg)
{
    struct outing *o = arg;
    long n = o->left--; /* 1 for the last */
    runtime_gosched();
    return n <= o->failures ? (int)n : 0;
}

static void go_home_wg(void *arg)
{
    struct outing *o = arg;
    o->left--;
    runtime_gosched();
}

static void wait_too(void *arg)
{
    struct outing *o = arg;
    waitgroup_wait(&o->wg);
    CHECK(o->left == 0, "%ld have not ended", (long)o->left);
}

static void go_out(void *which)
{
    uint32_t rng = seed_of(which);
    for (long i = 0; i < rounds / 4; i++) {
        struct outing *o = calloc(1, sizeof(*o));
        waitgroup waiters = {0};
        CHECK(o != NULL, "no memory");
        long n = o->left = random_below(&rng, 6);
        for (long k = 0; k < n; k++)
            CHECK(waitgroup_go(&o->wg, go_home_wg, o) > 0, "waitgroup_go failed");
        for (long k = random_below(&rng, 3); k > 0; k--)
            CHECK(waitgroup_go(&waiters, wait_too, o) > 0, "waitgroup_go failed");
        waitgroup_wait(&o->wg);
        CHECK(o->left == 0, "%ld of %ld have not ended", (long)o->left, n);
        waitgroup_wait(&waiters);
        n = o->left = random_below(&rng, 6);
        o->failures = random_below(&rng, 3);
        for (long k = 0; k < n; k++)
            CHECK(errgroup_go(&o->eg, go_home, o) > 0, "errgroup_go failed");
        int first = errgroup_wait(&o->eg);
        long failed = o->failures < n ? o->failures : n;
        CHECK(o->left == 0 && (failed == 0 ? first == 0 : first >= 1 && first <= failed),
              "%ld left, %d of %ld", (long)o->left, first, failed);
        memset(o, 0xa5, sizeof(*o));
        free(o);
    }
}

/* ---- pool: an object is in one hand; none is lost, none dropped twice, none overlooked ---- */

#define TRIM_NS (300 * MICROSECOND)

static _Atomic long made, dropped;

static void *make(void)
{
    made++;
    return calloc(1, 64);
}

static void drop(void *x)
{
    CHECK(atomic_exchange((_Atomic int *)x, 2) == 0, "dropped while in use");
    dropped++;
    free(x);
}

static pool things = {.new = make, .drop = drop};

static void use_pool(void *which)
{
    uint32_t rng = seed_of(which);
    void *mine[8];
    for (long i = 0; i < rounds; i++) {
        uint32_t n = 1 + random_below(&rng, 8);
        for (uint32_t k = 0; k < n; k++) {
            mine[k] = pool_get(&things);
            CHECK(mine[k] != NULL, "no memory");
            CHECK(atomic_exchange((_Atomic int *)mine[k], 1) == 0, "in two hands");
        }
        maybe_yield(&rng, 4);
        if (random_below(&rng, 64) == 0)
            time_sleep(random_below(&rng, 4 * TRIM_NS)); /* trims go by, places fall asleep */
        for (uint32_t k = 0; k < n; k++) {
            CHECK(atomic_exchange((_Atomic int *)mine[k], 0) == 1, "not in mine");
            pool_put(&things, mine[k]);
        }
        if (which == NULL && i % 64 == 0)
            pool_trim();
    }
}

static void wait_for_drops(void)
{
    int64_t until = time_now() + PATIENCE;
    while (made != dropped) {
        CHECK(time_now() < until, "%ld made, %ld dropped", (long)made, (long)dropped);
        time_sleep(TRIM_NS);
    }
}

/* ---- timers: a stop in time means no call, one that is late means one ---- */

static _Atomic long started, stopped, called;

static void count_call(void *mark)
{
    CHECK(atomic_fetch_add((_Atomic int *)mark, 1) == 0, "called twice");
    called++;
}

static void stop_against_fire(void *which)
{
    uint32_t rng = seed_of(which);
    _Atomic int *mark = calloc((size_t)rounds, sizeof(*mark));
    CHECK(mark != NULL, "no memory");
    for (long i = 0; i < rounds; i++) {
        timer *t = time_after_func(random_below(&rng, 60 * MICROSECOND), count_call, &mark[i]);
        CHECK(t != NULL, "no memory");
        started++;
        if (random_below(&rng, 4) == 0 && timer_stop(t)) {
            CHECK(!timer_stop(t), "stopped twice");
            timer_reset(t, random_below(&rng, 60 * MICROSECOND));
        }
        switch (random_below(&rng, 4)) {
        case 0: time_sleep(random_below(&rng, 60 * MICROSECOND)); break;
        case 1: spin_for_loops(random_below(&rng, 20000)); break;
        case 2: runtime_gosched(); break;
        }
        bool in_time = timer_stop(t);
        timer_free(t); /* at once: whoever still had it in hand would show */
        if (in_time) {
            CHECK(mark[i] == 0, "called, and stopped in time");
            stopped++;
        }
    }
    int64_t until = time_now() + PATIENCE;
    while (called + stopped < started) {
        CHECK(time_now() < until, "%ld started, %ld called, %ld stopped", started, called, stopped);
        time_sleep(100 * MICROSECOND);
    }
    free((void *)mark);
}

/* One timer that all reset and stop: it is queued once at most, whatever they do. */
static timer *shared;
static _Atomic long shared_calls, shared_resets;

static void count_shared(void *unused)
{
    (void)unused;
    shared_calls++;
}

static void fight_for_a_timer(void *which)
{
    uint32_t rng = seed_of(which);
    for (long i = 0; i < rounds; i++) {
        if (random_below(&rng, 3) == 0) {
            timer_stop(shared);
        } else {
            shared_resets++;
            timer_reset(shared, random_below(&rng, 30 * MICROSECOND));
        }
        maybe_yield(&rng, 4);
    }
}

int main(int argc, char **argv)
{
    rounds = stress_size(argc, argv, 400);
    pool_trim_ns = TRIM_NS;
    all(read_or_write);
    CHECK(pair[0] == writes && pair[1] == writes, "%ld writes, %ld", writes, pair[0]);
    starve_a_writer();
    CHECK(rwmutex_try_lock(&rw), "the rwmutex is not free");

    all(produce_or_consume);
    CHECK(sum == WORKERS / 2 * rounds * (rounds + 1) / 2, "the sum is %ld", sum);
    all(meet);
    waiting = WORKERS / 2;
    all(wait_or_signal);

    semaphore_init(&sem, WEIGHT);
    all(take_some);
    CHECK(out == 0 && semaphore_try_acquire(&sem, WEIGHT), "not all came back");

    all(call_onces);
    all(go_out);

    all(use_pool);
    wait_for_drops();

    all(stop_against_fire);
    CHECK(called + stopped == started, "%ld started, %ld called, %ld stopped", started, called,
          stopped);
    shared = time_after_func(HOUR, count_shared, NULL);
    all(fight_for_a_timer);
    timer_stop(shared);
    timer_free(shared);
    CHECK(shared_calls <= shared_resets, "%ld calls of %ld resets", shared_calls, shared_resets);
    fprintf(stderr, "%ld reads past a writer, %ld made, %ld of %ld stopped, %ld of %ld called\n",
            (long)reads, (long)made, (long)stopped, (long)started, (long)shared_calls,
            (long)shared_resets);
    return 0;
}
