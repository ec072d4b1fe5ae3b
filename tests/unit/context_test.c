// with: sched/context.c -DPINION_UNIT_TEST -Dcalloc=unit_calloc -Dfree=unit_free -pthread
/*
 * context: trees against a model; memory that fails, or whose functions call back; timers that go
 * off at the worst moment; and threads that do everything at once. Channels, mutexes and timers are
 * stand-ins.
 */
#include "tests/unit/unit.h"
#include "tests/unit/sched_world.h"
#include <errno.h>
#include <pinion/context.h>
#include <pinion/go.h>
#include <pinion/sync.h>
#include <setjmp.h>
#include "sched/chan.h"
#include "sched/defer.h"

#undef calloc
#undef free
void *calloc(size_t n, size_t size);
void free(void *at);
void *unit_calloc(size_t n, size_t size);
void unit_free(void *at);

/* ---- what context.c calls ---- */

static _Atomic long contexts, timers, asked; /* alive; alive; allocations tried */
static long fail_at;                         /* this one of them fails; -1: all */
static void (*while_allocating)(void);

static bool no_memory(void)
{
    long nth = ++asked;
    if (while_allocating != NULL)
        while_allocating();
    return fail_at == -1 || nth == fail_at;
}

void *unit_calloc(size_t n, size_t size)
{
    void *at = no_memory() ? NULL : calloc(n, size);
    contexts += at != NULL;
    return at;
}

void unit_free(void *at)
{
    contexts--;
    free(at);
}

static jmp_buf panicked;
static char said[64];

void sched_panic(const char *what, ...)
{
    snprintf(said, sizeof said, "%s", what);
    longjmp(panicked, 1);
}

void mutex_lock_slow_(mutex *m)
{
    /* relaxed: tries again. */
    for (uint32_t free_ = 0; !atomic_compare_exchange_weak_explicit(
             &m->state_, &free_, 1, memory_order_acquire, memory_order_relaxed);
         free_ = 0)
        sched_yield();
}

void mutex_unlock_slow_(mutex *m, uint32_t state)
{
    (void)m, (void)state;
    sched_throw("a mutex is unlocked that is not locked");
}

void chan_init(struct chan *c, size_t elem_size, size_t cap)
{
    CHECK(elem_size == 0 && cap == 0);
    memset(c, 0, sizeof(*c));
}

void chan_close(chan *c)
{
    CHECK(!chan_closed(c));
    /* order: release, as chan.c's. */
    atomic_store_explicit(&c->closed, true, memory_order_release);
}

static int64_t now = 1000;

int64_t time_now(void)
{
    return now;
}

struct alarm {
    timer public;
    void (*fn)(void *);
    void *arg;
    int64_t when;
    bool set; /* alarms_lock */
    struct alarm *next;
};
static struct alarm *alarms; /* alarms_lock */
static pthread_mutex_t alarms_lock = PTHREAD_MUTEX_INITIALIZER;
static bool at_once; /* timers go off before they are returned */

timer *time_after_func(duration d, void (*fn)(void *), void *arg)
{
    if (no_memory()) {
        errno = 0; /* it is the caller's to say */
        return NULL;
    }
    struct alarm *a = calloc(1, sizeof(*a));
    timers++;
    CHECK(d > 0);
    *a = (struct alarm){{.alarm_ = a}, fn, arg, now + d, !at_once, NULL};
    pthread_mutex_lock(&alarms_lock);
    a->next = alarms;
    alarms = a;
    pthread_mutex_unlock(&alarms_lock);
    if (at_once)
        fn(arg);
    return &a->public;
}

bool timer_stop(timer *t)
{
    pthread_mutex_lock(&alarms_lock);
    bool was = t->alarm_->set;
    t->alarm_->set = false;
    pthread_mutex_unlock(&alarms_lock);
    return was;
}

void timer_free(timer *t)
{
    if (t == NULL)
        return;
    CHECK(!timer_stop(t)); /* or its reference is lost */
    pthread_mutex_lock(&alarms_lock);
    struct alarm **at = &alarms;
    while (*at != t->alarm_)
        at = &(*at)->next;
    *at = t->alarm_->next;
    pthread_mutex_unlock(&alarms_lock);
    timers--;
    free(t->alarm_);
}

/* The goroutine of a timer that goes off, to be run later. */
struct fired {
    void (*fn)(void *);
    void *arg;
};

/* Any timer whose time is `when` or before goes off. false: none. */
static bool fire(int64_t when, struct fired *f)
{
    bool found = false;
    pthread_mutex_lock(&alarms_lock);
    for (struct alarm *a = alarms; a != NULL && !found; a = a->next)
        if (a->set && a->when <= when) {
            a->set = false;
            *f = (struct fired){a->fn, a->arg};
            found = true;
        }
    pthread_mutex_unlock(&alarms_lock);
    return found;
}

static int timers_set(void)
{
    int n = 0;
    for (struct alarm *a = alarms; a != NULL; a = a->next)
        n += a->set;
    return n;
}

/* ---- helpers ---- */

/* How much. */
#ifndef LARGE
#define LARGE  200000 /* contexts: a frame of 42 bytes for each would fill the stack */
#define ROUNDS 400
#endif

enum { ALIVE, CANCELED, EXCEEDED };

static int state(context *c)
{
    const char *err = context_err(c);
    return err == NULL ? ALIVE : strcmp(err, "context canceled") == 0 ? CANCELED : EXCEEDED;
}

static context *make(context *parent, int kind)
{
    static const int key;
    return kind == 0   ? context_with_cancel(parent)
           : kind == 1 ? context_with_timeout(parent, 100)
                       : context_with_value(parent, &key, NULL);
}

static context *root(void)
{
    return make(context_background(), 0);
}

/* ---- memory ---- */

TEST(without_memory_there_is_enomem_and_nothing_has_happened)
{
    for (int kind = 0; kind < 3; kind++)
        for (int n = 1; n <= 1 + (kind == 1); n++) {
            context *parent = root(), *c;
            asked = errno = 0;
            fail_at = n;
            CHECK(make(parent, kind) == NULL);
            CHECK_EQ(errno, ENOMEM);
            CHECK_EQ(asked, n);
            CHECK_EQ(contexts, 1);
            CHECK_EQ(timers, 0);
            fail_at = 0;
            CHECK((c = make(parent, kind)) != NULL);
            context_cancel(parent); /* finds c, and nothing of what failed */
            CHECK_EQ(state(c), CANCELED);
            context_free(parent);
            context_free(c);
            CHECK_EQ(contexts, 0);
            CHECK_EQ(timers, 0);
        }
}

TEST(cancel_and_free_of_large_trees_take_no_memory_and_do_not_recurse)
{
    context **all = calloc(LARGE, sizeof(*all));
    for (int shape = 0; shape < 3; shape++)
        for (int order = 0; order < 3; order++) {
            for (int i = 0; i < LARGE; i++)
                all[i] = i == 0 ? root()
                                : make(all[shape == 0   ? i - 1
                                           : shape == 1 ? 0
                                                        : (int)((uint32_t)i * 2654435761u % i)],
                                       i % 4096 == 0 ? 1 : i % 2 * 2);
            fail_at = -1;
            asked = 0;
            if (order > 0)
                context_cancel(all[0]);
            for (int i = 0; i < LARGE; i++) {
                context_free(all[order == 2 ? LARGE - 1 - i : i]);
                if (i == 0 && order < 2)
                    CHECK_EQ(state(all[LARGE - 1]), CANCELED);
            }
            CHECK_EQ(asked, 0);
            fail_at = 0;
            CHECK_EQ(contexts, 0);
            CHECK_EQ(timers, 0);
        }
    free(all);
}

static context *victim;

static void cancel_victim(void)
{
    context_cancel(victim);
}

/* The memory's functions may call back, with any context: no lock is held (X6). */
TEST(a_parent_may_be_cancelled_while_memory_for_its_child_is_sought)
{
    for (int kind = 0; kind < 3; kind++) {
        victim = root();
        context *timed = make(context_background(), 1), *c;
        while_allocating = cancel_victim;
        c = make(victim, kind);
        while_allocating = NULL;
        CHECK_EQ(state(c), CANCELED);
        CHECK_EQ(timers_set(), 1);
        CHECK_EQ(state(timed), ALIVE);
        context_free(timed);
        context_free(victim);
        context_free(c);
        CHECK_EQ(contexts, 0);
        CHECK_EQ(timers, 0);
    }
}

static long calls;

static void cancel_victim_later(void)
{
    if (++calls == 2) /* for the timer: the child is known by now */
        context_cancel(victim);
}

TEST(a_parent_may_be_cancelled_while_its_childs_timer_is_made)
{
    victim = root();
    calls = 0;
    while_allocating = cancel_victim_later;
    context *c = make(victim, 1);
    while_allocating = NULL;
    CHECK_EQ(calls, 2);
    CHECK_EQ(state(c), CANCELED);
    CHECK_EQ(timers_set(), 0); /* it came too late for the cancel, and was stopped by its maker */
    CHECK_EQ(timers, 1);
    context_free(victim);
    context_free(c);
    CHECK_EQ(contexts, 0);
    CHECK_EQ(timers, 0);
}

/* ---- timers ---- */

TEST(a_timer_may_go_off_before_it_is_set)
{
    context *parent = root();
    at_once = true;
    context *c = make(parent, 1);
    at_once = false;
    CHECK_EQ(state(c), EXCEEDED);
    CHECK_EQ(contexts, 2);
    context_free(c);
    CHECK_EQ(contexts, 1);
    CHECK_EQ(timers, 0);
    CHECK_EQ(state(parent), ALIVE);
    context_free(parent);
    CHECK_EQ(contexts, 0);
}

TEST(a_goroutine_of_a_timer_finds_its_context_after_the_free)
{
    struct fired f;
    context *parent = root(), *c = make(parent, 1), *below = make(c, 0);
    CHECK(!fire(now + 99, &f));
    CHECK(fire(now + 100, &f));
    context_free(c);
    CHECK_EQ(state(below), CANCELED); /* the free came first */
    context_free(below);
    context_free(parent);
    CHECK_EQ(contexts, 2);
    CHECK_EQ(timers, 1);
    f.fn(f.arg);
    CHECK_EQ(contexts, 0);
    CHECK_EQ(timers, 0);
}

TEST(no_timer_is_made_for_a_deadline_that_a_parents_or_the_past_makes_needless)
{
    context *parent = make(context_background(), 1);
    context *same = make(parent, 1), *later = context_with_timeout(parent, 101);
    context *past = context_with_deadline(parent, now), *none = context_with_deadline(same, -1);
    CHECK_EQ(timers, 1);
    CHECK_EQ(state(same), ALIVE);
    CHECK_EQ(state(later), ALIVE);
    CHECK_EQ(state(past), EXCEEDED);
    CHECK_EQ(state(none), EXCEEDED);
    context_free(parent);
    context *dead = make(same, 1), *deader = context_with_timeout(same, 5);
    CHECK_EQ(timers, 1);
    context *all[] = {same, later, past, none, dead, deader};
    for (int i = 0; i < 6; i++) {
        CHECK_EQ(state(all[i]), i == 2 || i == 3 ? EXCEEDED : CANCELED);
        context_free(all[i]);
    }
    CHECK_EQ(contexts, 0);
    CHECK_EQ(timers, 0);
}

TEST(what_cannot_be_a_parent_or_a_key_panics)
{
    for (volatile int kind = 0; kind < 3; kind++) {
        said[0] = '\0';
        if (setjmp(panicked) == 0)
            make(NULL, kind);
        CHECK_STR(said, "cannot create context from nil parent");
    }
    if (setjmp(panicked) == 0)
        context_with_value(context_background(), NULL, NULL);
    CHECK_STR(said, "nil key");
    CHECK_EQ(contexts, 0);
}

/* ---- against a model ---- */

#define SLOTS 40

static struct {
    context *c; /* NULL: not in use, or freed */
    int parent; /* a slot; -1: the background */
    int state;
    int64_t deadline; /* INT64_MAX: none */
    char *value;
    bool gone; /* freed; a parent still of somebody */
} model[SLOTS];

static void model_end(int slot, int why)
{
    if (model[slot].state != ALIVE)
        return;
    model[slot].state = why;
    for (int i = 0; i < SLOTS; i++)
        if ((model[i].c != NULL || model[i].gone) && model[i].parent == slot)
            model_end(i, why);
}

static bool model_has_children(int slot)
{
    for (int i = 0; i < SLOTS; i++)
        if ((model[i].c != NULL || model[i].gone) && model[i].parent == slot)
            return true;
    return false;
}

/* A slot's memory goes with its last child. */
static void model_free(int slot)
{
    model_end(slot, CANCELED);
    model[slot].c = NULL;
    model[slot].gone = true;
    while (slot >= 0 && model[slot].gone && !model_has_children(slot)) {
        model[slot].gone = false;
        slot = model[slot].parent;
    }
}

static void model_check(char *key)
{
    long alive = 0;
    for (int i = 0; i < SLOTS; i++) {
        int64_t when = INT64_MAX;
        alive += model[i].c != NULL || model[i].gone;
        if (model[i].c == NULL)
            continue;
        int at = i;
        while (at >= 0 && model[at].value == NULL)
            at = model[at].parent;
        CHECK_EQ(state(model[i].c), model[i].state);
        CHECK(context_value(model[i].c, key) == (at >= 0 ? model[at].value : NULL));
        CHECK_EQ(context_deadline(model[i].c, &when), model[i].deadline != INT64_MAX);
        CHECK_EQ(when, model[i].deadline);
    }
    CHECK_EQ(contexts, alive);
}

static void model_new(int slot, uint32_t *rng, char *key)
{
    int parent = (int)world_random(rng) % SLOTS, kind = (int)(world_random(rng) % 3);
    if (parent < 0 || model[parent].c == NULL)
        parent = -1;
    context *above = parent < 0 ? context_background() : model[parent].c;
    int64_t when = now - 2 + world_random(rng) % 60;
    model[slot].c = kind == 0   ? context_with_cancel(above)
                    : kind == 1 ? context_with_deadline(above, when)
                                : context_with_value(above, key, key + slot);
    model[slot].parent = parent;
    model[slot].state = parent < 0 ? ALIVE : model[parent].state;
    model[slot].deadline = parent < 0 ? INT64_MAX : model[parent].deadline;
    model[slot].value = kind == 2 ? key + slot : NULL;
    if (kind == 1) {
        if (when < model[slot].deadline)
            model[slot].deadline = when;
        if (model[slot].deadline <= now)
            model_end(slot, EXCEEDED);
    }
}

static void model_pass_time(uint32_t *rng)
{
    struct fired f;
    now += world_random(rng) % 3;
    while (fire(now, &f))
        f.fn(f.arg);
    for (int i = 0; i < SLOTS; i++)
        if (model[i].c != NULL && model[i].deadline <= now)
            model_end(i, EXCEEDED);
}

TEST(trees_do_as_a_model_does)
{
    static char keys[SLOTS];
    uint32_t rng = 20240807;
    for (int step = 0; step < 60000; step++) {
        int slot = (int)(world_random(&rng) % SLOTS);
        uint32_t dice = world_random(&rng) % 8;
        if (model[slot].c == NULL && !model[slot].gone) {
            model_new(slot, &rng, keys);
        } else if (model[slot].c != NULL && dice == 0) {
            context_cancel(model[slot].c);
            model_end(slot, CANCELED);
        } else if (model[slot].c != NULL && dice < 4) {
            context_free(model[slot].c);
            model_free(slot);
        } else {
            model_pass_time(&rng);
        }
        model_check(keys);
    }
    for (int i = 0; i < SLOTS; i++)
        if (model[i].c != NULL) {
            context_free(model[i].c);
            model_free(i);
        }
    CHECK_EQ(contexts, 0);
    CHECK_EQ(timers, 0);
}

/* ---- threads ---- */

#define THREADS 4

static context *top;
static pthread_barrier_t meet;
static _Atomic bool stop;
static long told; /* written before a cancel, read by who sees it (O70) */

/* A small tree below top, cancelled here and there, freed in any order. */
static void live(uint32_t *rng, long round)
{
    context *c[5];
    for (int i = 0; i < 5; i++) {
        context *parent = i == 0 ? top : c[world_random(rng) % (uint32_t)i];
        bool over = context_err(parent) != NULL;
        c[i] = make(parent, (int)(world_random(rng) % 3));
        CHECK(!over || context_err(c[i]) != NULL);
    }
    if (context_err(top) != NULL)
        CHECK_EQ(told, round);
    if (world_random(rng) % 2 == 0) {
        context_cancel(c[1]);
        CHECK(context_err(c[1]) != NULL);
    }
    for (int i = 0, first = (int)(world_random(rng) % 5); i < 5; i++)
        context_free(c[(first + 2 * i) % 5]);
}

static void *go_on_living(void *which)
{
    uint32_t rng = (uint32_t)(uintptr_t)which * 7919 + 5;
    for (long round = 1; round <= ROUNDS; round++) {
        pthread_barrier_wait(&meet);
        for (int i = 0; i < 3 || context_err(top) == NULL; i++)
            live(&rng, round);
        pthread_barrier_wait(&meet);
    }
    return NULL;
}

static void *let_timers_go_off(void *unused)
{
    struct fired f;
    while (!stop)
        if (fire(INT64_MAX, &f))
            f.fn(f.arg);
        else
            sched_yield();
    while (fire(INT64_MAX, &f))
        f.fn(f.arg);
    return unused;
}

TEST(threads_may_do_everything_at_once)
{
    pthread_t threads[THREADS + 1];
    pthread_barrier_init(&meet, NULL, THREADS + 1);
    for (intptr_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, go_on_living, (void *)i);
    pthread_create(&threads[THREADS], NULL, let_timers_go_off, NULL);
    for (long round = 1; round <= ROUNDS; round++) {
        context *above = root();
        top = make(above, round % 2 == 0 ? 0 : 2);
        pthread_barrier_wait(&meet);
        for (long i = 0; i < round % 8; i++)
            sched_yield();
        told = round;
        context_free(above);
        CHECK_EQ(state(top), CANCELED);
        pthread_barrier_wait(&meet);
        context_free(top);
    }
    stop = true;
    for (int i = 0; i <= THREADS; i++)
        pthread_join(threads[i], NULL);
    CHECK_EQ(contexts, 0);
    CHECK_EQ(timers, 0);
}

UNIT_MAIN
