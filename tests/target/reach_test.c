/*
 * reach_test: goroutines that wait at the end of the run, for pinion.leakcheck: those that nobody can wake any
 * more are named "lost …", those that somebody could are named "held …". Who makes them ends, and leaves
 * nothing behind; main knows of none. ARGS="section": somebody is in a blocking section as well.
 */
#include "check.h"
#include "settle.h"

struct shared {
    chan *c, *other;
    mutex m;
    waitgroup wg;
    cond changed;
    semaphore sem;
    struct shared *next;
};

static chan *volatile held;
static struct shared *list;
static _Thread_local struct shared *mine;

static void start(const char *name, void (*fn)(void *), void *arg)
{
    struct go_attr attr = {.name = name};
    CHECK(go_with(&attr, fn, arg) > 0);
}

/* A byte written over a stale pointer makes another of it: so that this is no neighbour's, each has 256. */
static struct shared *shared_new(void)
{
    struct shared *s = aligned_alloc(256, 256);
    CHECK(s != NULL && sizeof(*s) <= 256);
    *s = (struct shared){0};
    s->c = chan_make(sizeof(uint64_t), 0);
    s->other = chan_make(sizeof(uint64_t), 3);
    s->changed.l = &s->m;
    semaphore_init(&s->sem, 1);
    waitgroup_add(&s->wg, 1);
    return s;
}

/* ---- what they wait for ---- */

static void receives(void *c)
{
    uint64_t x;
    chan_recv(c, &x);
}

static void locks(void *arg)
{
    struct shared *s = arg;
    mutex_lock(&s->m);
    mutex_lock(&s->m);
}

static void waits(void *arg)
{
    waitgroup_wait(&((struct shared *)arg)->wg);
}

static void waits_for_change(void *arg)
{
    struct shared *s = arg;
    mutex_lock(&s->m);
    cond_wait(&s->changed);
}

static void acquires(void *arg)
{
    struct shared *s = arg;
    semaphore_acquire(&s->sem, 1);
    semaphore_acquire(&s->sem, 1);
}

static void selects(void *arg)
{
    struct shared *s = arg;
    uint64_t x;
    struct select_case cases[] = {{.c = s->c, .dir = SELECT_RECV, .elem = &x},
                                  {.c = s->other, .dir = SELECT_RECV, .elem = &x}};
    chan_select(cases, 2, true);
}

static void receives_for_its_parent(void *wg)
{
    receives(chan_make(sizeof(uint64_t), 0));
    waitgroup_done(wg);
}

/* The group is on this one's stack. */
static void waits_for_a_child(void *unused)
{
    (void)unused;
    waitgroup wg = {0};
    waitgroup_add(&wg, 1);
    start("lost, the child", receives_for_its_parent, &wg);
    waitgroup_wait(&wg);
}

/* Waits for one channel, and knows another, for which somebody waits. */
static void receives_the_other(void *arg)
{
    struct shared *s = arg;
    uint64_t x;
    start("lost, the next of a chain", receives, s->c);
    chan_recv(s->other, &x);
    chan_send(s->c, &x);
}

/* ---- who could wake them ---- */

static void sleeps(void *arg)
{
    struct shared *s = arg;
    time_sleep(1000 * SECOND);
    mutex_unlock(&s->m);
}

static void close_it(void *c)
{
    chan_close(c);
}

static void sleeps_and_closes(void *arg)
{
    struct shared *s = arg;
    runtime_defer(close_it, s->c);
    s->c = NULL;
    s = arg = NULL;
    time_sleep(1000 * SECOND);
}

static void sleeps_with_its_own(void *arg)
{
    mine = arg;
    arg = NULL;
    time_sleep(1000 * SECOND);
    waitgroup_done(&mine->wg);
}

static void signal_it(void *arg)
{
    cond_signal(&((struct shared *)arg)->changed);
}

static void make_the_lost(void)
{
    start("lost with its channel", receives, chan_make(sizeof(uint64_t), 0));
    start("lost with a buffered one", receives, chan_make(sizeof(uint64_t), 100));
    start("lost without a channel", receives, NULL);
    start("lost with its mutex", locks, shared_new());
    start("lost with its group", waits, shared_new());
    start("lost with its cond", waits_for_change, shared_new());
    start("lost with its semaphore", acquires, shared_new());
    start("lost in a select", selects, shared_new());
    start("lost, and so is the child", waits_for_a_child, NULL);
    start("lost, the first of a chain", receives_the_other, shared_new());
}

static void make_the_held(void)
{
    struct shared *s;
    held = chan_make(sizeof(uint64_t), 0);
    start("held by a variable", receives, held);
    list = shared_new();
    list->next = shared_new();
    start("held by a list", locks, list->next);
    start("held by the same, in a select", selects, list->next);
    s = shared_new();
    start("held by a sleeper", locks, s);
    start("held, the sleeper", sleeps, s);
    s = shared_new();
    start("held by a deferred call", receives, s->c);
    start("held, who has deferred it", sleeps_and_closes, s);
    s = shared_new();
    start("held by a thread-local variable", waits, s);
    start("held, who has the variable", sleeps_with_its_own, s);
    s = shared_new();
    start("held by a timer", waits_for_change, s);
    CHECK(time_after_func(1000 * SECOND, signal_it, s) != NULL);
}

static void make(void *unused)
{
    (void)unused;
    make_the_lost();
    make_the_held();
}

/* Whatever it has in its registers. */
static void stays_in_a_section(void *begun)
{
    runtime_entersyscall();
    store_relaxed((_Atomic bool *)begun, true); /* relaxed: that alone is waited for */
    for (volatile int forever = 1; forever;)
        continue;
}

int main(int argc, char **argv)
{
    static _Atomic bool begun;
    go(make, NULL);
    settle();
    if (argc > 1 && strcmp(argv[1], "section") == 0) {
        go(stays_in_a_section, &begun);
        while (!load_relaxed(&begun)) /* relaxed: as above */
            runtime_gosched();
    }
    return 0;
}
