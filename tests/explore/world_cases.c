/*
 * world_cases: yields and preemptions that are stolen from, the world stopped, blocking sections.
 */
#include <pinion.h>
#include "sched/atomic.h"
#include "sched/preempt.h"
#include "sched/proc.h"
#include "tests/explore/explore.h"

#define LONG_NS 2000000

static waitgroup wg;
static _Atomic int done;

static void yields(void *mark)
{
    int *mine = mark; /* on no other stack: a context that is not all there has another's */
    for (int i = 0; i < 2; i++) {
        ++*mine;
        runtime_gosched();
    }
    EXPECT(*mine == 2, "it is %d", *mine);
    waitgroup_done(&wg);
}

static void yield_main(void *unused)
{
    static int marks[3];
    (void)unused;
    waitgroup_add(&wg, 3);
    for (int i = 0; i < 3; i++)
        go(yields, &marks[i]);
    waitgroup_wait(&wg);
}

SCENARIO(who_yields_is_stolen_whole, .main = yield_main);

/* ---- slices ---- */

static void hold_on(void *n)
{
    int64_t until = time_now() + LONG_NS;
    atomic_fetch_add_explicit(&done, 1, memory_order_release);
    while (atomic_load_explicit(&done, memory_order_acquire) < *(int *)n) {
        EXPECT(time_now() < until, "who waits is not let run");
        arch_relax(0);
    }
    waitgroup_done(&wg);
}

/* More that hold on to their harts than there are harts: slices must end. */
static void slices_main(void *unused)
{
    static int all = 3;
    (void)unused;
    atomic_store_explicit(&preempt_slice_ns, 5000, memory_order_relaxed);
    waitgroup_add(&wg, 3);
    for (int i = 0; i < 3; i++)
        go(hold_on, &all);
    waitgroup_wait(&wg);
}

SCENARIO(a_slice_ends_for_who_waits, .main = slices_main, .sampled = 50);

static void hold_two(void *unused)
{
    static int both = 2;
    (void)unused;
    hold_on(&both);
}

static void mark(void *unused)
{
    (void)unused;
    atomic_fetch_add_explicit(&done, 1, memory_order_release);
    waitgroup_done(&wg);
}

/* Both harts are held, their slices off or just being turned off, when the third comes by way of the
 * pinbox: the one it is pinned to must begin a slice. */
static void pinned_main(void *unused)
{
    static const struct go_attr there = {.affinity = 2};
    static int all = 2;
    int64_t until = time_now() + LONG_NS;
    (void)unused;
    atomic_store_explicit(&preempt_slice_ns, 2000, memory_order_relaxed);
    waitgroup_add(&wg, 2);
    go_with(&there, hold_two, NULL);
    while (atomic_load_explicit(&done, memory_order_acquire) < 1) {
        EXPECT(time_now() < until, "it is not let run");
        arch_relax(0);
    }
    for (int i = 0; i < 6; i++)
        arch_relax(0);
    go_with(&there, mark, NULL);
    while (atomic_load_explicit(&done, memory_order_acquire) < all) {
        EXPECT(time_now() < until, "it is not let run");
        arch_relax(0);
    }
    waitgroup_wait(&wg);
}

SCENARIO(a_pinned_goroutine_gets_a_slice_of_a_busy_hart, .main = pinned_main);

/* ---- the world ---- */

static void count_to_three(void *unused)
{
    (void)unused;
    for (int i = 0; i < 3; i++)
        atomic_fetch_add_explicit(&done, 1, memory_order_relaxed);
    waitgroup_done(&wg);
}

static void stop_main(void *unused)
{
    (void)unused;
    waitgroup_add(&wg, 2);
    go(count_to_three, NULL);
    runtime_gomaxprocs(1);
    go(count_to_three, NULL);
    runtime_gomaxprocs(2);
    waitgroup_wait(&wg);
    EXPECT(atomic_load_explicit(&done, memory_order_relaxed) == 6, "something was lost");
}

SCENARIO(the_world_stops_and_goes_on, .main = stop_main);

/* ---- sections ---- */

static void in_a_section(void *unused)
{
    (void)unused;
    runtime_entersyscall();
    explore_relax();
    runtime_exitsyscall();
    waitgroup_done(&wg);
}

static void sections_main(void *unused)
{
    (void)unused;
    waitgroup_add(&wg, 2);
    go(in_a_section, NULL);
    in_a_section(NULL);
    waitgroup_wait(&wg);
}

SCENARIO(a_section_gives_its_p_and_gets_one_back, .main = sections_main);

static void section_and_stop_main(void *unused)
{
    (void)unused;
    waitgroup_add(&wg, 1);
    go(in_a_section, NULL);
    runtime_gomaxprocs(1);
    runtime_gomaxprocs(2);
    waitgroup_wait(&wg);
}

SCENARIO(a_section_ends_while_the_world_stops, .main = section_and_stop_main);

/* A section lasts, and its P is taken by sysmon for who waits. */
static void section_of(int64_t ns)
{
    int64_t until = time_now() + ns;
    runtime_entersyscall();
    while (time_now() < until)
        explore_relax();
    runtime_exitsyscall();
}

static void wait_in_a_section(void *unused)
{
    int64_t before = time_now();
    (void)unused;
    waitgroup_add(&wg, 2);
    go(count_to_three, NULL);
    go(count_to_three, NULL);
    section_of(60000);
    waitgroup_wait(&wg);
    EXPECT(time_now() - before < LONG_NS, "who waits for the P of a section waits long");
}

SCENARIO(a_long_section_loses_its_p, .main = wait_in_a_section);
