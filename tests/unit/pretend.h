/*
 * pretend: goroutines for host tests of what parks and readies them.
 *
 * Each is a coroutine with a stack of its own, so that records on it stay while it is parked. One
 * runs at a time, when the test says so: pretend_run lets it go on until it parks or has done what
 * it was told (pretend_do). Who is made ready waits in ready[] until the test runs it: in which order,
 * and what happens in between, is the test's choice.
 *
 * A panic ends what the goroutine was told to do, not the goroutine; its text is kept.
 */
#pragma once
#include <sanitizer/common_interface_defs.h>
#include <pinion/go.h>
#include <setjmp.h>
#include <stdarg.h>
#include <ucontext.h>
#define WORLD_SWITCHES
#include "tests/unit/sched_world.h"
#include "sched/defer.h"
#include "sched/proc.h"
#include "sched/timechan.h"
#include "tests/unit/noted.h"

#define PRETEND_STACK ((size_t)256 << 10)
#define PRETEND_MAX   64

struct pretend {
    struct g g; /* first */
    ucontext_t at;
    char *stack;
    void *fake; /* the sanitizer's */
    void (*task)(void *);
    void *arg;
    jmp_buf out;
    char panic[64]; /* of its last task; "": none */
    enum { PRETEND_IDLE, PRETEND_BUSY, PRETEND_PARKED, PRETEND_READY } state;
};

static struct {
    struct pretend *self; /* who runs; NULL: the test */
    struct g scheduler;
    struct m m;
    struct p p;
    ucontext_t test;
    void *fake;
    const void *test_stack;
    size_t test_stack_size;
    struct pretend *ready[PRETEND_MAX]; /* in the order they were made so */
    int n_ready;
    int commits; /* parks whose commit has come to its end */
} pretend;

/* ---- to and fro ---- */

static inline void pretend_to_test(void)
{
    struct pretend *me = pretend.self;
    __sanitizer_start_switch_fiber(&me->fake, pretend.test_stack, pretend.test_stack_size);
    swapcontext(&me->at, &pretend.test);
    __sanitizer_finish_switch_fiber(me->fake, NULL, NULL);
    unit_thread_pointer = g_tp(&me->g);
}

static inline void pretend_life(void)
{
    struct pretend *me = pretend.self;
    __sanitizer_finish_switch_fiber(NULL, &pretend.test_stack, &pretend.test_stack_size);
    unit_thread_pointer = g_tp(&me->g);
    for (;;) {
        if (setjmp(me->out) == 0)
            me->task(me->arg);
        CHECK_EQ(me->g.preempt_off, 0);
        me->state = PRETEND_IDLE;
        pretend_to_test();
    }
}

/* Until it parks or has done its task. */
static inline void pretend_run(struct pretend *who)
{
    CHECK(who->state == PRETEND_READY);
    for (int i = 0, found = 0; i < pretend.n_ready; i++) {
        found |= pretend.ready[i] == who;
        if (found)
            pretend.ready[i] = pretend.ready[i + 1];
    }
    pretend.n_ready--;
    who->state = PRETEND_BUSY;
    who->g.status = G_RUNNING;
    who->g.preempt_off = 0;
    pretend.self = who;
    __sanitizer_start_switch_fiber(&pretend.fake, who->stack, PRETEND_STACK);
    swapcontext(&pretend.test, &who->at);
    __sanitizer_finish_switch_fiber(pretend.fake, NULL, NULL);
    pretend.self = NULL;
    unit_thread_pointer = g_tp(&pretend.scheduler);
}

static inline void pretend_note_ready(struct pretend *who)
{
    who->state = PRETEND_READY;
    pretend.ready[pretend.n_ready++] = who;
}

/* Who was made ready by way of runnext is the latest. */
static inline void pretend_take_next(void)
{
    struct g *next = pretend.p.runq.next;
    pretend.p.runq.next = NULL;
    if (next != NULL)
        pretend_note_ready((struct pretend *)next);
}

/* who, idle, does task(arg), until it has done it or parks. */
static inline void pretend_do(struct pretend *who, void (*task)(void *), void *arg)
{
    CHECK(who->state == PRETEND_IDLE);
    who->task = task;
    who->arg = arg;
    who->panic[0] = '\0';
    pretend_note_ready(who);
    pretend_run(who);
    pretend_take_next();
}

/* ---- its life ---- */

static inline void pretend_world(void)
{
    memset(&sched, 0, sizeof(sched));
    memset(&pretend, 0, sizeof(pretend));
    pretend.p.rng = 12345;
    pretend.m.slice_on = true;
    world_enter(&pretend.scheduler, &pretend.m, &pretend.p);
}

static inline void pretend_begin(struct pretend *who)
{
    memset(who, 0, sizeof(*who));
    who->g.m = &pretend.m;
    who->stack = malloc(PRETEND_STACK);
    getcontext(&who->at);
    who->at.uc_stack.ss_sp = who->stack;
    who->at.uc_stack.ss_size = PRETEND_STACK;
    makecontext(&who->at, pretend_life, 0);
    who->state = PRETEND_IDLE;
}

static inline void pretend_end(struct pretend *who)
{
    CHECK(who->state == PRETEND_IDLE);
    free(who->stack);
}

/* ---- what the files under test call ---- */

struct sched sched;

void sched_next(struct m *m)
{
    CHECK(m == &pretend.m);
    pretend.commits++;
}

/* The commit runs as the scheduler; nobody else runs before it has come to its end. */
void arch_park(void *arg, struct arch_hart *hart, void (*fn)(void *arg, struct arch_hart *hart))
{
    int commits = pretend.commits;
    CHECK(pretend.self->g.status == G_WAITING);
    pretend.self->state = PRETEND_PARKED;
    unit_thread_pointer = g_tp(&pretend.scheduler);
    fn(arg, hart);
    CHECK_EQ(pretend.commits, commits + 1);
    pretend_to_test();
}

void g_park(park_commit *commit, void *arg, enum wait_reason reason)
{
    g_park_here(commit, arg, reason);
}

void park_unlock(void *arg, struct arch_hart *hart)
{
    spin_unlock(arg);
    sched_next((struct m *)hart);
}

void g_ready(struct g *g)
{
    CHECK(g->status == G_WAITING);
    CHECK(g_self()->preempt_off > 0);
    g->status = G_RUNNABLE;
    pretend_note_ready((struct pretend *)g);
}

bool g_ready_slowly(struct p *p, struct g *g)
{
    (void)p, (void)g;
    abort();
}

bool preempt_honour_true(void)
{
    abort();
}

void sched_panic(const char *fmt, ...)
{
    va_list ap;
    struct pretend *me = pretend.self;
    CHECK_EQ(me->g.preempt_off, 0);
    va_start(ap, fmt);
    vsnprintf(me->panic, sizeof(me->panic), fmt, ap);
    va_end(ap);
    longjmp(me->out, 1);
}

/* ---- timechan.c's: no channel of these tests is a timer's ---- */

bool timechan_due(struct chan *c)
{
    (void)c;
    abort();
}

bool timechan_take(struct chan *c, int64_t *fired)
{
    (void)c;
    (void)fired;
    abort();
}

bool timechan_arm(struct chan *c)
{
    (void)c;
    abort();
}

void timechan_left(struct chan *c)
{
    (void)c;
    abort();
}

void timechan_free_channel(struct chan *c)
{
    (void)c;
    abort();
}

void runtime_gosched(void)
{
    abort();
}
