// link: -Wl,--wrap=page_alloc,--wrap=page_alloc_run,--wrap=page_alloc_aligned,--wrap=page_extend_run,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=memalign,--wrap=aligned_alloc,--wrap=free,--wrap=heap_malloc,--wrap=heap_calloc,--wrap=heap_realloc,--wrap=heap_aligned,--wrap=heap_free
/*
 * faults_test: calls for goroutines, channels and contexts, refused memory (refusals.h); and calls that
 * need none. faults_time_test.c has those for timers and pools, faults_memory_test.c those for blocks.
 */
#include "tests/target/refusals.h"

/* ---- goroutines ---- */

/* Page tables and records of stacks; the host's are Linux's. */
#if defined(PINION_HOST)
#define TABLES(n) 0
#else
#define TABLES(n) (n)
#endif

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
CALL(start_goroutines, 40 + TABLES(1))
{
    return start(40, by_go);
}

static int64_t by_go_with(void)
{
    struct go_attr attr = {.name = "large", .affinity = 1, .stack_size = 4 << 20};
    return go_with(&attr, wait_at_gate, NULL);
}

CALL(start_goroutines_with_attributes, 3 + TABLES(6))
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

#if !defined(PINION_HOST) /* whose malloc has more than anybody asks for */
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

#endif

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
    refuse_all();
    return 0;
}
