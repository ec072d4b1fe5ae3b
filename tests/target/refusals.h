/*
 * refusals: every public call that takes memory, with the first, the second … request refused, alone
 * or with all that follow, until there is none left to refuse. The call says so by its value and
 * errno, or by the panic that its header promises; nothing is lost; all works as before.
 *
 * A call is made by a goroutine of its own, pinned to the first P, with no dead goroutines, warm
 * stacks or pooled objects about that would spare it the request. Afterwards main is alone, all
 * memory is free that was free before, and goroutines, channels and timers are as good as ever.
 *
 * A new call needs one line, MAKES(…), if it makes something that another call frees; else a CALL.
 */
#pragma once
#include "tests/target/faults.h"
#include <string.h>
#include "sched/pool.h"
#include "tests/stress/level.h"

/* run: true: it did all that it should. false: it could not, and CHECKed that it was told so. Or it
 * panics for want of memory. */
struct call {
    const char *name;
    int least;  /* requests it makes at least … */
    bool needs; /* … which it needs; else it does what it should though all are refused */
    bool keeps; /* what it takes is not given back, by promise */
    int harts;  /* it is made only where there are so many */
    bool (*run)(void);
};

static struct call calls[64];
static unsigned n_calls;

#define CALL_(id, ...)                                      \
    static bool id(void);                                   \
    __attribute__((constructor)) static void add_##id(void) \
    {                                                       \
        calls[n_calls++] = (struct call){#id, __VA_ARGS__}; \
    }                                                       \
    static bool id(void)
#define CALL(id, least)                CALL_(id, least, true, false, 1, id)
#define CALL_OF_HARTS(id, least, n)    CALL_(id, least, true, false, n, id)
#define CALL_KEEPS(id, least)          CALL_(id, least, true, true, 1, id)
#define CALL_WITHOUT_MEMORY(id, least) CALL_(id, least, false, false, 1, id)

static inline bool told_so(bool error)
{
    CHECK(!error || errno == ENOMEM, "errno is %d", errno);
    return !error;
}

/* What make makes, undo frees. */
#define MAKES(id, make, undo)      \
    CALL(id, 1)                    \
    {                              \
        __auto_type x = (make);    \
        if (x != NULL)             \
            (undo)(x);             \
        return told_so(x == NULL); \
    }

#define SOON(condition)                                          \
    do {                                                         \
        int64_t until_ = time_now() + PATIENCE;                  \
        for (; !(condition); time_sleep(100 * MICROSECOND))      \
            CHECK(time_now() < until_, "%s: never", #condition); \
    } while (0)

/* ---- what calls share ---- */

static _Atomic long ran;

static inline void nothing(void *unused)
{
    (void)unused;
}

static inline void count_run(void *unused)
{
    (void)unused;
    ran++;
}

static inline void send_number(chan *c, int64_t n)
{
    chan_send(c, &n);
}

static inline int64_t receive_number(chan *c)
{
    int64_t n;
    CHECK(chan_recv(c, &n), "closed");
    return n;
}

/* The next trim comes now and not in two minutes. false: none is to come. */
static inline bool trim_now(void)
{
    preempt_off();
    bool set = pool_timer.p != NULL && timer_del(&pool_timer);
    CHECK(!set || pool_timer.begin(&pool_timer), "no goroutine for a trim");
    preempt_on();
    return set;
}

/* ---- one call, once ---- */

struct trial {
    const struct call *call;
    enum faults_kind kind;
    long nth, hits;
    bool good;
    waitgroup over;
};

static inline void end_trial(void *arg)
{
    struct trial *t = arg;
    char msg[64];
    t->hits = faults_end();
    if (runtime_recover(msg, sizeof(msg))) {
        CHECK(strcmp(msg, "runtime: out of memory") == 0, "panic: %s", msg);
        CHECK(t->call->needs, "a panic for want of memory that it should not need");
        t->good = false;
    }
    waitgroup_done(&t->over);
}

static inline void make_call(void *arg)
{
    struct trial *t = arg;
    runtime_defer(end_trial, t);
    errno = 0;
    faults_begin(t->kind, t->nth);
    t->good = t->call->run();
}

static inline struct trial attempt(const struct call *c, enum faults_kind kind, long nth)
{
    struct trial t = {.call = c, .kind = kind, .nth = nth};
    waitgroup_add(&t.over, 1);
    CHECK(go_with(&(struct go_attr){.name = c->name, .affinity = 1}, make_call, &t) > 0, "go_with");
    waitgroup_wait(&t.over);
    CHECK(t.good || t.hits > 0, "it failed though nothing was refused");
    return t;
}

/* ---- before and after ---- */

struct level {
    size_t pages; /* of descriptors too: of a goroutine that is lost, a chunk stays */
    long blocks;
};

/* Pools and Ps give up what they keep, and main is alone. */
static inline struct level level_now(void)
{
    while (trim_now())
        level_alone();
    return (struct level){level_free(), faults.blocks};
}

static inline void send_one(void *c)
{
    send_number(c, 1);
}

static inline void all_works(void)
{
    chan *c = chan_make(8, 0);
    timer *t = time_after_func(100 * MICROSECOND, send_one, c);
    CHECK(c != NULL && t != NULL && go(send_one, c) > 0, "no memory");
    CHECK(receive_number(c) + receive_number(c) == 2, "not 1 from both");
    timer_free(t);
    chan_free(c);
}

/* ---- every call, every request ---- */

/* All is as good as before and, but for what is kept, nothing is lost. */
static inline void all_is_well(const struct trial *t, bool level, struct level *before)
{
    all_works();
    struct level now = level_now();
    CHECK(!level || (level_same(before->pages, now.pages) && now.blocks == before->blocks),
          "%s, request %ld%s: %ld pages and %ld blocks are lost", t->call->name, t->nth,
          t->kind == FAULTS_ONE ? "" : " and on", (long)(before->pages - now.pages),
          now.blocks - before->blocks);
    *before = now;
}

/* Returns how many requests could be refused. */
static inline long every_request(const struct call *c, enum faults_kind kind, bool level)
{
    struct level before = level_now();
    for (long nth = 1;; nth++) {
        struct trial t = attempt(c, kind, nth);
        all_is_well(&t, level, &before);
        if (t.hits == 0)
            return nth - 1;
    }
}

static inline void call_that_needs_memory(const struct call *c, bool level)
{
    long all = every_request(c, FAULTS_ALL_FROM, level);
    CHECK(all >= c->least, "%s: %ld requests", c->name, all);
    fprintf(stderr, "%s: %ld requests\n", c->name, all);
    if (level)
        CHECK(every_request(c, FAULTS_ONE, level) >= c->least, "%s: fewer one by one", c->name);
    else if (c->keeps)
        every_request(c, FAULTS_ONE, level);
}

static inline void call_without_memory(const struct call *c, bool level)
{
    struct level before = level_now();
    struct trial t = attempt(c, FAULTS_ALL_FROM, 1);
    CHECK(t.good && t.hits >= c->least, "%s: %ld requests", c->name, t.hits);
    all_is_well(&t, level, &before);
}

static inline void every_call(bool level)
{
    for (const struct call *c = calls; c < calls + n_calls; c++) {
        if ((c->keeps && level) || runtime_numcpu() < c->harts)
            continue;
        if (c->needs)
            call_that_needs_memory(c, level);
        else
            call_without_memory(c, level);
    }
}

/* All of the program's. */
static inline void refuse_all(void)
{
    every_call(false); /* what is taken once and kept is kept now */
    level_warm_up(100);
    every_call(true);
}
