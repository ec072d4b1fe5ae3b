/*
 * scene: goroutines in each of the states that a debugger is to show, and a place to stop and look.
 *
 *     receiver, sender       wait for a channel          hart 0: watcher, which calls stop_here, and
 *     chooser, picker        for one of two, of three            newborn, which has yet to run
 *     locker                 for a mutex                 hart 1: two hogs in turn: one runs, the
 *     sleeper                for a time                          other was stopped in its loop
 *     main                   for all of them
 *
 * Nobody waits by the clock: the watcher looks until the others are where they should be. stop_here is
 * called again and again until a debugger has set `seen`. Then all are let go, and each says
 * whether its own values are still what they were; a register that a debugger has not put back
 * makes a hog's two sums differ. The locker and the sleeper have registers of floating point that
 * the switch treats apart.
 */
#include <pinion.h>
#include <stdio.h>
#include <stdlib.h>
#include "sched/chunk.h"

enum { HOGS = 2, WAITING = 7 };

struct hog {
    volatile uint64_t turns; /* each time round its loop */
    bool right;
};

volatile int seen; /* the debugger's */
static chan *words, *full, *left, *right, *done;
static mutex held;
static waitgroup all;
static struct hog hogs[HOGS];
static _Atomic bool stop;
static bool received, sent, chosen, picked, locked, slept;
static volatile double third = 1.0 / 3;
static volatile unsigned born;

/* One that C preserves, and that an interrupt's frame does not hold. */
#ifdef __aarch64__
#define KEPT "x27"
#else
#define KEPT "s11"
#endif

/* Two sums by different ways, in registers. */
static __attribute__((noinline)) void hog_loop(struct hog *h)
{
    uint64_t up = 1, down = ~UINT64_C(1);
    register uint64_t kept __asm__(KEPT) = 0x600d;
    while (!atomic_load_explicit(&stop, memory_order_relaxed)) { /* loop begins */
        up = up * 6364136223846793005u + 1442695040888963407u;
        down = (down ^ UINT64_MAX) * 6364136223846793005u + 1442695040888963407u;
        down ^= UINT64_MAX;
        h->turns++;
        __asm__ volatile("" : "+r"(kept));
    } /* loop ends */
    h->right = (up ^ down) == UINT64_MAX && kept == 0x600d;
}

static void receiver(void *arg)
{
    uint64_t word = 0;
    received = chan_recv(words, &word) && word == 7; /* receives */
    (void)arg;
}

static void sender(void *arg)
{
    uint32_t half = 9;
    chan_send(full, &half); /* sends */
    sent = true;
    (void)arg;
}

static void chooser(void *arg)
{
    uint64_t word = 0;
    struct select_case cases[] = {{.c = left, .dir = SELECT_RECV, .elem = &word},
                                  {.c = right, .dir = SELECT_RECV, .elem = &word}};
    chosen = chan_select(cases, 2, true) == 1 && word == 8; /* chooses */
    (void)arg;
}

static void picker(void *arg)
{
    uint32_t half = 3;
    struct select_case cases[] = {{.c = NULL, .dir = SELECT_RECV, .elem = NULL},
                                  {.c = full, .dir = SELECT_SEND, .elem = &half},
                                  {.c = done, .dir = SELECT_RECV, .elem = NULL}};
    picked = chan_select(cases, 3, true) == 2; /* picks */
    (void)arg;
}

static void locker(void *arg)
{
#ifdef __aarch64__
    __builtin_aarch64_set_fpcr(3u << 22); /* rounds towards zero */
#endif
    mutex_lock(&held); /* locks */
#ifdef __aarch64__
    locked = __builtin_aarch64_get_fpcr() == 3u << 22;
#else
    locked = true;
#endif
    mutex_unlock(&held);
    (void)arg;
}

static void sleeper(void *arg)
{
    double kept = third * 3;
    time_sleep(3600 * SECOND); /* sleeps */
    slept = kept > 0;          /* never */
    (void)arg;
}

static void newborn(void *arg)
{
    (void)arg;
    born++;
}

static void too_late(void *arg)
{
    (void)arg;
    exit(1);
}

/* The debugger stops here. */
static __attribute__((noinline)) void stop_here(void)
{
    __asm__ volatile("" ::: "memory");
}

static void count_waiting(struct g *g, void *n)
{
    *(int *)n += g->status == G_WAITING;
}

static bool all_in_place(void)
{
    int waiting = 0;
    g_each(count_waiting, &waiting);
    return waiting == WAITING && hogs[0].turns > 0 && hogs[1].turns > 0;
}

static void watch(void *arg)
{
    (void)arg;
    while (!seen) {
        if (all_in_place() && go(newborn, NULL) > 0)
            stop_here();
        runtime_gosched();
    }
    atomic_store_explicit(&stop, true, memory_order_relaxed);
    uint64_t seven = 7, eight = 8;
    uint32_t half;
    chan_send(words, &seven);
    chan_send(right, &eight);
    chan_close(done);
    chan_recv(full, &half);
    chan_recv(full, &half);
    mutex_unlock(&held);
}

/* Joined with the others: waitgroup_go takes no attributes. */
static void start(const char *name, uint64_t affinity, void (*fn)(void *), void *arg)
{
    struct go_attr attr = {.name = name, .affinity = affinity};
    if (go_with(&attr, fn, arg) < 0)
        exit(1);
}

static void hog_and_done(void *arg)
{
    hog_loop(arg);
    waitgroup_done(&all);
}

static void watch_and_done(void *arg)
{
    watch(arg);
    waitgroup_done(&all);
}

int main(void)
{
    uint32_t half = 1;
    words = chan_make(sizeof(uint64_t), 0);
    full = chan_make(sizeof(half), 1);
    left = chan_make(sizeof(uint64_t), 0);
    right = chan_make(sizeof(uint64_t), 4);
    done = chan_make(0, 0);
    chan_send(full, &half);
    mutex_lock(&held);
    timer *late = time_after_func(2 * 3600 * SECOND, too_late, NULL);
    waitgroup_go(&all, receiver, NULL);
    waitgroup_go(&all, sender, NULL);
    waitgroup_go(&all, chooser, NULL);
    waitgroup_go(&all, picker, NULL);
    waitgroup_go(&all, locker, NULL);
    go(sleeper, NULL);
    waitgroup_add(&all, HOGS + 1);
    start("hog a", 2, hog_and_done, &hogs[0]);
    start("hog b", 2, hog_and_done, &hogs[1]);
    start("watcher", 1, watch_and_done, NULL);
    waitgroup_wait(&all); /* joins */
    timer_free(late);
    bool good = received && sent && chosen && picked && locked && hogs[0].right && hogs[1].right &&
                born > 0;
    printf("%s\n", good ? "as it was" : "something has changed");
    return good ? 0 : 1;
}
