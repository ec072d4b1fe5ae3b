// link: -Wl,--wrap=page_alloc,--wrap=page_alloc_run,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=memalign,--wrap=free
/*
 * faults_test: every public call that takes memory, with the first, the second … request refused,
 * alone or with all that follow, until there is none left to refuse. The call says so by its value
 * and errno, or by the panic that its header promises; nothing is lost; all works as before.
 *
 * A call is made by a goroutine of its own, pinned to the first P, with no dead goroutines, warm
 * stacks or pooled objects about that would spare it the request. Afterwards main is alone, all
 * memory is free that was free before, and goroutines, channels and timers are as good as ever.
 *
 * A new call needs one line, MAKES(…), if it makes something that another call frees; else a CALL.
 */
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
#define CALL(id, least)                CALL_(id, least, true, false, id)
#define CALL_KEEPS(id, least)          CALL_(id, least, true, true, id)
#define CALL_WITHOUT_MEMORY(id, least) CALL_(id, least, false, false, id)

static bool told_so(bool error)
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

/* ---- goroutines ---- */

static _Atomic long ran;
static mutex gate; /* held while goroutines are to stay, so that no two use one descriptor */

static void wait_at_gate(void *unused)
{
    (void)unused;
    mutex_lock(&gate);
    mutex_unlock(&gate);
    ran++;
}

static int wait_at_gate_and_say(void *result)
{
    wait_at_gate(NULL);
    return (int)(intptr_t)result;
}

/* Starts n; when memory is back lets them go, and waits until all that were started have run. */
static bool start(int n, int64_t (*one)(void))
{
    long started = 0;
    bool good = true;
    ran = 0;
    mutex_lock(&gate);
    for (int i = 0; i < n && good; i++) {
        good = told_so(one() < 0);
        started += good;
    }
    faults_pause();
    mutex_unlock(&gate);
    SOON(ran == started);
    return good;
}

static int64_t by_go(void)
{
    return go(wait_at_gate, NULL);
}

/* More than there are descriptors for, at first, and more than fit in one area of stacks. */
CALL(start_goroutines, 41)
{
    return start(40, by_go);
}

static int64_t by_go_with(void)
{
    struct go_attr attr = {.name = "large", .affinity = 1, .stack_size = 4 << 20};
    return go_with(&attr, wait_at_gate, NULL);
}

CALL(start_goroutines_with_attributes, 9)
{
    return start(3, by_go_with);
}

static waitgroup group;

static int64_t by_waitgroup(void)
{
    return waitgroup_go(&group, wait_at_gate, NULL);
}

CALL(start_goroutines_of_a_waitgroup, 3)
{
    bool good = start(3, by_waitgroup);
    waitgroup_wait(&group); /* a count that was not taken back would keep it */
    return good;
}

static errgroup failing;

static int64_t by_errgroup(void)
{
    return errgroup_go(&failing, wait_at_gate_and_say, (void *)(intptr_t)7);
}

CALL(start_goroutines_of_an_errgroup, 6)
{
    failing = (errgroup){0};
    bool good = start(3, by_errgroup);
    CHECK(errgroup_wait(&failing) == (ran > 0 ? 7 : 0), "not the result of %ld", (long)ran);
    return good;
}

static void nothing(void *unused)
{
    (void)unused;
}

CALL_KEEPS(defer_calls, 2)
{
    for (int i = 0; i < 300; i++)
        runtime_defer(nothing, NULL);
    return true;
}

/* ---- channels ---- */

MAKES(chan_of_words, chan_make(8, 4), chan_free)
MAKES(chan_of_nothing, chan_make(0, 0), chan_free)
MAKES(chan_of_pages, chan_make(4096, 100), chan_free)
MAKES(chan_of_a_timer, time_after(HOUR), chan_free)
MAKES(timer_with_a_channel, time_new_timer(HOUR), timer_free)
MAKES(ticker_with_a_channel, time_new_ticker(HOUR), ticker_free)

static chan *quiet; /* nobody sends */

CALL(select_of_many_cases, 1)
{
    struct select_case cases[65];
    for (int i = 0; i < 65; i++)
        cases[i] = (struct select_case){quiet, SELECT_RECV, NULL, false};
    CHECK(chan_select(cases, 65, false) == -1, "received from nobody");
    return true;
}

/* ---- contexts ---- */

MAKES(context_that_may_be_cancelled, context_with_cancel(context_background()), context_free)
MAKES(context_with_a_time_limit, context_with_timeout(context_background(), HOUR), context_free)
MAKES(context_that_came_too_late, context_with_deadline(context_background(), 0), context_free)
MAKES(context_with_a_key, context_with_value(context_background(), &gate, &gate), context_free)

/* The parent has no child that was not made. */
CALL(children_of_a_context, 3)
{
    context *parent = context_with_cancel(context_background());
    context *child = parent != NULL ? context_with_timeout(parent, HOUR) : NULL;
    bool good = told_so(child == NULL);
    faults_pause();
    context_free(parent);
    CHECK(child == NULL || context_err(child) != NULL, "a child was forgotten");
    context_free(child);
    return good;
}

/* ---- timers ---- */

static struct timer_node filling[4096];
static uint32_t n_filling;

/* The first P's heap has no place left, or no memory yet. */
static void fill_timers(void)
{
    struct timers *h = &sched.p[0]->timers;
    faults_pause();
    preempt_off();
    for (n_filling = 0; h->n < h->cap; n_filling++)
        CHECK(timer_add(&filling[n_filling], time_now() + HOUR), "timer_add failed");
    preempt_on();
    faults_resume();
}

static void empty_timers(void)
{
    preempt_off();
    while (n_filling > 0)
        CHECK(timer_del(&filling[--n_filling]), "timer_del failed");
    preempt_on();
}

static bool one_more_timer(void)
{
    fill_timers();
    timer *t = time_after_func(HOUR, nothing, NULL);
    bool good = told_so(t == NULL);
    timer_free(t);
    empty_timers();
    return good;
}

CALL(time_after_func_among_many, 2)
{
    return one_more_timer();
}

CALL(time_after_func_among_many_with_one_in_the_pool, 1)
{
    faults_pause();
    timer_free(time_after_func(HOUR, nothing, NULL));
    return one_more_timer();
}

CALL(timer_reset_of_a_stopped_one_among_many, 1)
{
    faults_pause();
    timer *t = time_after_func(HOUR, nothing, NULL);
    timer_stop(t);
    fill_timers();
    errno = 0;
    CHECK(!timer_reset(t, HOUR), "it was stopped");
    bool good = told_so(errno != 0);
    CHECK(timer_stop(t) == good, "queued without memory, or not with it");
    timer_free(t);
    empty_timers();
    return good;
}

static void count_run(void *unused)
{
    (void)unused;
    ran++;
}

/* Due while there is no memory for its goroutine; it runs when there is. */
CALL(function_of_a_timer, 1)
{
    faults_pause();
    ran = 0;
    timer *t = time_after_func(HOUR, count_run, NULL);
    CHECK(t != NULL, "time_after_func failed");
    faults_resume();
    timer_reset(t, 0); /* needs none: it was queued */
    time_sleep(3 * MILLISECOND);
    faults_pause();
    SOON(ran == 1);
    timer_free(t);
    return true;
}

CALL_WITHOUT_MEMORY(sleep_and_reset_of_a_queued_timer, 1)
{
    faults_pause();
    timer *t = time_after_func(HOUR, nothing, NULL);
    fill_timers();
    int64_t from = time_now();
    time_sleep(2 * MILLISECOND);
    CHECK(time_now() - from >= 2 * MILLISECOND, "woken too early");
    CHECK(timer_reset(t, 2 * HOUR) && timer_stop(t), "not queued any more");
    faults_pause();
    timer_free(t);
    empty_timers();
    return true;
}

/* ---- the number of Ps ---- */

static void hold_timers(void *stop)
{
    static timer *t[300];
    for (int i = 0; i < 300; i++)
        if (stop == NULL)
            CHECK((t[i] = time_after_func(HOUR, nothing, NULL)) != NULL, "no timer");
        else
            timer_free(t[i]);
    ran++;
}

static void on_the_last_p(void (*fn)(void *), void *arg)
{
    struct go_attr attr = {.affinity = UINT64_C(1) << (runtime_gomaxprocs(0) - 1)};
    ran = 0;
    CHECK(go_with(&attr, fn, arg) > 0, "go_with failed");
    SOON(ran == 1);
}

CALL(fewer_ps_with_many_timers, 1)
{
    int old = runtime_gomaxprocs(0);
    faults_pause();
    on_the_last_p(hold_timers, NULL);
    faults_resume();
    errno = 0;
    CHECK(runtime_gomaxprocs(1) == old, "not the old number");
    bool good = told_so(errno != 0);
    CHECK(runtime_gomaxprocs(0) == (good ? 1 : old), "neither all done nor nothing");
    faults_pause();
    runtime_gomaxprocs(old);
    on_the_last_p(hold_timers, &ran);
    return good;
}

/* ---- pools ---- */

/* The next trim comes now and not in two minutes. false: none is to come. */
static bool trim_now(void)
{
    preempt_off();
    bool set = pool_timer.p != NULL && timer_del(&pool_timer);
    CHECK(!set || pool_timer.begin(&pool_timer), "no goroutine for a trim");
    preempt_on();
    return set;
}

static long dropped;

static void count_drop(void *unused)
{
    (void)unused;
    dropped++;
}

/* Without memory to remember it, it goes to drop. */
CALL_KEEPS(first_put_into_a_pool, 1)
{
    static pool fresh[64];
    static int used;
    pool *p = &fresh[used++ % 64];
    dropped = 0;
    p->drop = count_drop;
    pool_put(p, &dropped);
    faults_pause();
    bool kept = pool_get(p) == &dropped;
    CHECK(kept == (dropped == 0), "%ld dropped", dropped);
    return kept;
}

static pool counting = {.drop = count_drop};

CALL(put_many_into_a_pool, 2)
{
    long got = 0;
    dropped = 0;
    for (int i = 0; i < 40; i++)
        pool_put(&counting, &filling[i]);
    faults_pause();
    while (pool_get(&counting) != NULL)
        got++;
    CHECK(got + dropped == 40, "%ld back, %ld dropped", got, dropped);
    return dropped == 0;
}

static void *new_block(void)
{
    return malloc(100);
}

CALL(get_from_a_pool, 1)
{
    static pool p = {.new = new_block, .drop = free};
    void *x = pool_get(&p);
    bool good = told_so(x == NULL);
    pool_put(&p, x);
    return good;
}

/* No timer for the next trim: it is held at once. */
CALL_WITHOUT_MEMORY(trims_without_a_timer, 2)
{
    fill_timers();
    dropped = 0;
    pool_put(&counting, &dropped);
    CHECK(dropped == 1, "neither dropped nor to be dropped");
    CHECK(pool_get(&counting) == NULL, "dropped and kept");
    faults_pause();
    empty_timers();
    pool_put(&counting, &dropped);
    CHECK(trim_now(), "nobody has set the timer");
    SOON(runtime_numgoroutine() == 2);
    CHECK(dropped == 1 && trim_now(), "not a victim, or not for long");
    SOON(dropped == 2);
    return true;
}

/* ---- what needs no memory ---- */

static struct {
    chan *to, *from;
    mutex m, l;
    cond c;
    semaphore s;
    rwmutex rw;
    waitgroup wg;
    once o;
} pair;

static void send_number(chan *c, int64_t n)
{
    chan_send(c, &n);
}

static int64_t receive_number(chan *c)
{
    int64_t n;
    CHECK(chan_recv(c, &n), "closed");
    return n;
}

static void wait_for_everything(void *unused)
{
    (void)unused;
    CHECK(receive_number(pair.to) == 1, "not 1");
    struct select_case two[] = {{quiet, SELECT_RECV, NULL, false},
                                {pair.to, SELECT_RECV, NULL, false}};
    CHECK(chan_select(two, 2, true) == 1, "not the second case");
    mutex_lock(&pair.m);
    mutex_lock(&pair.l);
    cond_signal(&pair.c);
    mutex_unlock(&pair.l);
    semaphore_acquire(&pair.s, 1);
    rwmutex_rlock(&pair.rw);
    waitgroup_wait(&pair.wg);
    once_do(&pair.o, count_run, NULL);
    chan_recv(pair.to, NULL);
    send_number(pair.from, ran);
}

/* The other one waits for each of these, with the record of that on its stack. */
CALL_WITHOUT_MEMORY(waiting, 0)
{
    faults_pause();
    memset(&pair, 0, sizeof(pair));
    pair.c.l = &pair.l;
    pair.to = chan_make(8, 0);
    pair.from = chan_make(8, 0);
    CHECK(pair.to != NULL && pair.from != NULL, "no channels");
    CHECK(go(wait_for_everything, NULL) > 0, "go failed");
    mutex_lock(&pair.m);
    mutex_lock(&pair.l);
    rwmutex_lock(&pair.rw);
    waitgroup_add(&pair.wg, 1);
    semaphore_init(&pair.s, 1);
    semaphore_acquire(&pair.s, 1);
    ran = 0;
    faults_resume();

    send_number(pair.to, 1);
    time_sleep(200 * MICROSECOND);
    send_number(pair.to, 2);
    time_sleep(200 * MICROSECOND);
    mutex_unlock(&pair.m);
    cond_wait(&pair.c);
    mutex_unlock(&pair.l);
    time_sleep(200 * MICROSECOND);
    semaphore_release(&pair.s, 1);
    time_sleep(200 * MICROSECOND);
    rwmutex_unlock(&pair.rw);
    time_sleep(200 * MICROSECOND);
    waitgroup_done(&pair.wg);
    time_sleep(200 * MICROSECOND);
    chan_close(pair.to);
    CHECK(receive_number(pair.from) == 1, "once ran %ld times", (long)ran);
    chan_free(pair.to);
    chan_free(pair.from);
    return true;
}

static char text[64];

static void recover_text(void *unused)
{
    (void)unused;
    CHECK(runtime_recover(text, sizeof(text)), "nobody panics");
    ran++;
}

static void use_newlib(void *unused)
{
    char words[] = "one two";
    wait_at_gate(unused);
    runtime_defer(recover_text, NULL);
    CHECK(strtok(words, " ") == words && strtok(NULL, " ") == words + 4, "strtok");
    runtime_panic("panic number %d of %s", 3, words);
}

struct link {
    struct link *next;
};

/* All that malloc has without another page. */
static struct link *take_heap(void)
{
    struct link *all = NULL, *one;
    for (size_t size = 1 << 16; size >= 64; size /= 4)
        while ((one = malloc(size)) != NULL) {
            one->next = all;
            all = one;
        }
    return all;
}

/* A goroutine that newlib's state cannot be had for makes do with one that is shared. */
CALL_WITHOUT_MEMORY(newlib_with_an_empty_heap, 3)
{
    faults_pause();
    ran = 0;
    mutex_lock(&gate);
    CHECK(go(use_newlib, NULL) > 0, "go failed");
    faults.pages_only = true;
    faults_resume();
    struct link *all = take_heap();
    mutex_unlock(&gate);
    SOON(ran == 2);
    faults_pause();
    for (struct link *next; all != NULL; all = next) {
        next = all->next;
        free(all);
    }
    CHECK(strcmp(text, "panic number 3 of one") == 0, "the panic says: %s", text);
    return true;
}

/* ---- one call, once ---- */

struct trial {
    const struct call *call;
    enum faults_kind kind;
    long nth, hits;
    bool good;
    waitgroup over;
};

static void end_trial(void *arg)
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

static void make_call(void *arg)
{
    struct trial *t = arg;
    runtime_defer(end_trial, t);
    errno = 0;
    faults_begin(t->kind, t->nth);
    t->good = t->call->run();
}

static struct trial attempt(const struct call *c, enum faults_kind kind, long nth)
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
static struct level level_now(void)
{
    while (trim_now())
        level_alone();
    return (struct level){level_free(), faults.blocks};
}

static void send_one(void *c)
{
    send_number(c, 1);
}

static void all_works(void)
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
static void all_is_well(const struct trial *t, bool level, struct level *before)
{
    all_works();
    struct level now = level_now();
    CHECK(!level || (now.pages == before->pages && now.blocks == before->blocks),
          "%s, request %ld%s: %ld pages and %ld blocks are lost", t->call->name, t->nth,
          t->kind == FAULTS_ONE ? "" : " and on", (long)(before->pages - now.pages),
          now.blocks - before->blocks);
    *before = now;
}

/* Returns how many requests could be refused. */
static long every_request(const struct call *c, enum faults_kind kind, bool level)
{
    struct level before = level_now();
    for (long nth = 1;; nth++) {
        struct trial t = attempt(c, kind, nth);
        all_is_well(&t, level, &before);
        if (t.hits == 0)
            return nth - 1;
    }
}

static void call_that_needs_memory(const struct call *c, bool level)
{
    long all = every_request(c, FAULTS_ALL_FROM, level);
    CHECK(all >= c->least, "%s: %ld requests", c->name, all);
    fprintf(stderr, "%s: %ld requests\n", c->name, all);
    if (level)
        CHECK(every_request(c, FAULTS_ONE, level) >= c->least, "%s: fewer one by one", c->name);
    else if (c->keeps)
        every_request(c, FAULTS_ONE, level);
}

static void call_without_memory(const struct call *c, bool level)
{
    struct level before = level_now();
    struct trial t = attempt(c, FAULTS_ALL_FROM, 1);
    CHECK(t.good && t.hits >= c->least, "%s: %ld requests", c->name, t.hits);
    all_is_well(&t, level, &before);
}

static void every_call(bool level)
{
    for (const struct call *c = calls; c < calls + n_calls; c++) {
        if ((c->keeps && level) || (c->run == fewer_ps_with_many_timers && runtime_numcpu() == 1))
            continue;
        if (c->needs)
            call_that_needs_memory(c, level);
        else
            call_without_memory(c, level);
    }
}

/* The first timer of all finds no heap. */
static void first_timer(void)
{
    faults_begin(FAULTS_ALL_FROM, 1);
    faults.pages_only = true;
    CHECK(!told_so(time_after_func(HOUR, nothing, NULL) == NULL), "a timer without a heap");
    int64_t from = time_now();
    time_sleep(MILLISECOND);
    CHECK(time_now() - from >= MILLISECOND, "woken too early");
    CHECK(faults_end() > 0, "nothing was refused");
}

int main(void)
{
    first_timer();
    quiet = chan_make(8, 0);
    every_call(false); /* what is taken once and kept is kept now */
    level_warm_up(100);
    every_call(true);
    return 0;
}
