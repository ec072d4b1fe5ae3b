/*
 * wake: the lost-wakeup hunter (traps 1, 2, 3 and 10).
 *
 * One hart makes exactly one goroutine runnable and then waits for it without giving its own hart
 * away. It was put on this hart's queue, so it runs only if another hart, idle, searching or just
 * on its way to sleep, notices. A wake that is lost is lost for ever: nothing else happens that
 * could make up for it. A random pause before each submission moves it over all the steps that the
 * other hart takes on its way to sleep.
 *
 * The ways to make work: spawn, unlock what somebody waits for, spawn for one P, let a sleeper's
 * time come, and several spawns at once which all must run at the same time.
 *
 * Each wake costs one interrupt: at the end, interrupts sent and harts woken are the same number.
 */
#define PATIENCE (patience * SECOND)
#include "stress.h"
#include "kernel/irq.h"
#include "sched/preempt.h"

static int64_t patience = 30; /* s; the second argument */

static _Atomic uint32_t done, running;

static void say_done(void *round)
{
    /* order: release pairs with the waits' acquire, as everywhere here. */
    atomic_store_explicit(&done, (uint32_t)(uintptr_t)round, memory_order_release);
}

static bool is_done(uint32_t round)
{
    return atomic_load_explicit(&done, memory_order_acquire) == round;
}

/* ---- one spawn ---- */

static void spawn_one(uint32_t rounds, uint32_t rng)
{
    for (uint32_t r = 1; r <= rounds; r++) {
        spin_for_loops(random_skewed(&rng, 17));
        CHECK(go(say_done, (void *)(uintptr_t)r) > 0, "go failed");
        SPIN_UNTIL(is_done(r), "spawn %lu was not run", (unsigned long)r);
    }
}

/* ---- one that waits for a mutex ---- */

static mutex door;
static _Atomic uint32_t asked;
static _Atomic bool last_round;

static void knock(void *unused)
{
    (void)unused;
    for (uint32_t r = 1; !last_round; r++) {
        while (asked != r && !last_round)
            runtime_gosched();
        mutex_lock(&door);
        mutex_unlock(&door);
        say_done((void *)(uintptr_t)r);
    }
    running = 0;
}

/* The other goroutine is on its way into the lock, or asleep, when it is opened. */
static void unlock_one(uint32_t rounds, uint32_t rng)
{
    last_round = false;
    asked = 0;
    done = 0;
    running = 1;
    CHECK(go(knock, NULL) > 0, "go failed");
    for (uint32_t r = 1; r <= rounds; r++) {
        mutex_lock(&door);
        asked = r;
        spin_for_loops(random_skewed(&rng, 15));
        mutex_unlock(&door);
        SPIN_UNTIL(is_done(r), "unlock %lu woke nobody", (unsigned long)r);
    }
    last_round = true;
    SPIN_UNTIL(running == 0, "the other did not end");
}

/* ---- one spawn for one P ---- */

static uint32_t wanted_hart;

/* Switches preemption off on any other hart than that one. Who is taken off between the choice of a hart
 * and the wait for it, by chaos say, may go on there, and would wait for what he himself keeps from running. */
static void stay_off(uint32_t hart)
{
    for (;;) {
        preempt_off();
        if ((uint32_t)runtime_hart() != hart)
            return;
        preempt_on();
        runtime_gosched();
    }
}

static void say_done_there(void *round)
{
    CHECK((uint32_t)runtime_hart() == wanted_hart, "pinned to P%lu and on hart %d",
          (unsigned long)wanted_hart, runtime_hart());
    say_done(round);
}

static void spawn_pinned(uint32_t rounds, uint32_t rng)
{
    uint32_t n = (uint32_t)runtime_gomaxprocs(0);
    for (uint32_t r = 1; r <= rounds; r++) {
        spin_for_loops(random_skewed(&rng, 14));
        do
            wanted_hart = random_below(&rng, n);
        while (wanted_hart == (uint32_t)runtime_hart());
        struct go_attr attr = {.affinity = UINT64_C(1) << wanted_hart};
        CHECK(go_with(&attr, say_done_there, (void *)(uintptr_t)r) > 0, "go_with failed");
        stay_off(wanted_hart);
        SPIN_HERE_UNTIL(is_done(r), "spawn %lu for P%lu was not run", (unsigned long)r,
                        (unsigned long)wanted_hart);
    }
}

/* ---- one spawn for a P that is busy, and has just been interrupted for nothing ---- */

static void keep_busy(void *unused)
{
    (void)unused;
    running = 1;
    while (!last_round)
        continue;
    running = 0;
}

/* Without a slice nothing tells that hart of the newcomer but the interrupt. */
static void spawn_for_the_busy(uint32_t rounds, uint32_t rng)
{
    int64_t slice = preempt_slice_ns;
    wanted_hart = (uint32_t)(runtime_hart() + 1) % (uint32_t)runtime_gomaxprocs(0);
    struct m *m = sched.m[wanted_hart];
    struct go_attr there = {.affinity = UINT64_C(1) << wanted_hart};
    last_round = false;
    preempt_slice_ns = 100 * MICROSECOND;
    CHECK(go_with(&there, keep_busy, NULL) > 0, "go_with failed");
    stay_off(wanted_hart);
    SPIN_HERE_UNTIL(running == 1, "the busy one does not run");
    for (uint32_t r = 1; r <= rounds; r++) {
        stay_off(wanted_hart);
        SPIN_HERE_UNTIL(!load_relaxed(&m->slice_on), "a slice without end");
        irq_send_ipi(m->hart_no);
        spin_for_loops(random_skewed(&rng, 14));
        CHECK(go_with(&there, say_done_there, (void *)(uintptr_t)r) > 0, "go_with failed");
        stay_off(wanted_hart);
        SPIN_HERE_UNTIL(is_done(r), "spawn %lu for busy P%lu was not run", (unsigned long)r,
                        (unsigned long)wanted_hart);
    }
    last_round = true;
    stay_off(wanted_hart);
    SPIN_HERE_UNTIL(running == 0, "the busy one did not end");
    preempt_slice_ns = slice;
}

/* ---- a sleeper ---- */

static uint32_t sleep_ns;

static void sleep_a_little(void *round)
{
    time_sleep(sleep_ns);
    say_done(round);
}

static void sleep_one(uint32_t rounds, uint32_t rng)
{
    for (uint32_t r = 1; r <= rounds; r++) {
        spin_for_loops(random_skewed(&rng, 12));
        sleep_ns = 1 + random_skewed(&rng, 17);
        CHECK(go(sleep_a_little, (void *)(uintptr_t)r) > 0, "go failed");
        SPIN_UNTIL(is_done(r), "sleeper %lu did not wake", (unsigned long)r);
    }
}

/* ---- as many as there are other harts, all at the same time ---- */

static void meet(void *all)
{
    uint32_t n = (uint32_t)(uintptr_t)all;
    atomic_fetch_add_explicit(&running, 1, memory_order_acq_rel);
    SPIN_UNTIL(atomic_load_explicit(&running, memory_order_acquire) >= n,
               "only %lu of %lu run at the same time", (unsigned long)running, (unsigned long)n);
    atomic_fetch_add_explicit(&done, 1, memory_order_acq_rel);
}

static void spawn_all(uint32_t rounds, uint32_t rng)
{
    uint32_t n = (uint32_t)runtime_gomaxprocs(0) - 1;
    for (uint32_t r = 1; r <= rounds; r++) {
        running = done = 0;
        spin_for_loops(random_skewed(&rng, 14));
        for (uint32_t i = 0; i < n; i++) {
            CHECK(go(meet, (void *)(uintptr_t)n) > 0, "go failed");
            if (r % 2 == 0)
                spin_for_loops(random_skewed(&rng, 10));
        }
        SPIN_UNTIL(is_done(n), "round %lu: %lu of %lu ran", (unsigned long)r, (unsigned long)done,
                   (unsigned long)n);
    }
}

/* ---- two that submit at once ---- */

static waitgroup both;

static void say_so(void *flag)
{
    atomic_store_explicit((_Atomic uint32_t *)flag, 1, memory_order_release);
}

static void submitter(void *rounds)
{
    static _Atomic uint32_t flags[2][32]; /* lines of their own */
    uint32_t rng = (uint32_t)(runtime_goid() * 77777 + 1);
    _Atomic uint32_t *flag = flags[runtime_hart() & 1];
    for (uint32_t r = 1; r <= (uint32_t)(uintptr_t)rounds; r++) {
        spin_for_loops(random_skewed(&rng, 13));
        *flag = 0;
        CHECK(go(say_so, (void *)flag) > 0, "go failed");
        SPIN_UNTIL(atomic_load_explicit(flag, memory_order_acquire) != 0,
                   "submitter on %d: spawn %lu was not run", runtime_hart(), (unsigned long)r);
    }
    waitgroup_done(&both);
}

static void spawn_two(uint32_t rounds, uint32_t rng)
{
    (void)rng;
    waitgroup_add(&both, 2);
    for (uint64_t p = 0; p < 2; p++) {
        struct go_attr attr = {.affinity = UINT64_C(1) << p};
        CHECK(go_with(&attr, submitter, (void *)(uintptr_t)rounds) > 0, "go_with failed");
    }
    waitgroup_wait(&both);
}

/* ---- the list ---- */

static const struct hunt {
    const char *name;
    void (*fn)(uint32_t rounds, uint32_t rng);
    uint32_t rounds;
    int harts; /* that it needs */
} hunts[] = {
    {"spawn", spawn_one, 10000, 2},
    {"spawn for one P", spawn_pinned, 10000, 2},
    {"spawn for a busy P", spawn_for_the_busy, 300, 2},
    {"unlock", unlock_one, 3000, 2},
    {"sleeper", sleep_one, 5000, 2},
    {"spawn for all", spawn_all, 100, 2},
    {"two submitters", spawn_two, 5000, 3},
};

int main(int argc, char **argv)
{
    if (argc > 2)
        patience = atol(argv[2]);
    for (size_t i = 0; i < sizeof(hunts) / sizeof(hunts[0]); i++) {
        const struct hunt *h = &hunts[i];
        if (runtime_gomaxprocs(0) < h->harts)
            continue;
        int64_t from = time_now();
        uint32_t rounds = (uint32_t)stress_size(argc, argv, h->rounds);
        h->fn(rounds, (uint32_t)time_now() | 1);
        fprintf(stderr, "%s: %lu rounds, %lld ms\n", h->name, (unsigned long)rounds,
                (long long)((time_now() - from) / MILLISECOND));
    }
    time_sleep(MILLISECOND);
    struct runtime_sched_stats s;
    runtime_read_sched_stats(&s);
    fprintf(stderr, "wakeups %llu, IPIs sent %llu, received %llu\n", (unsigned long long)s.wakeups,
            (unsigned long long)s.ipis_sent, (unsigned long long)s.ipis_received);
    CHECK(s.ipis_sent >= s.wakeups, "IPIs sent and wakeups differ");
    return 0;
}
