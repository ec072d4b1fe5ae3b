/*
 * world_cases: yields and preemptions that are stolen from, the world stopped, blocking sections.
 */
#include <pinion.h>
#include "sched/atomic.h"
#include "sched/chunk.h"
#include "sched/freeze.h"
#include "sched/global.h"
#include "sched/preempt.h"
#include "sched/proc.h"
#include "sched/runq.h"
#include "sched/section.h"
#include "sched/sysmon.h"
#include "sched/world.h"
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

/* The race by itself: the end of a slice in which nobody waits, against one who comes. */
static void slice_of_one(void)
{
    struct m *m = part_m(1);
    part_g(0);
    m->slice_end = 0;
}

static void slice_ends(void)
{
    preempt_on_timer(part_m(1), 1);
}

static void somebody_comes(void)
{
    struct g *g = part_g(0);
    global_put_batch(g, g, 1);
}

static void its_time_is_measured(void)
{
    EXPECT(load_relaxed(&part_m(1)->slice_on) || part_interrupted(1),
           "somebody waits, and the slice has no end");
}

SCENARIO(a_slice_is_not_turned_off_for_who_waits, .setup = slice_of_one,
         .hart = {somebody_comes, slice_ends}, .check = its_time_is_measured);

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

/* ---- freezing ---- */

static int moves, seen;
static _Atomic bool over;

static void move(void *unused)
{
    (void)unused;
    while (!load_relaxed(&over)) { /* relaxed: a flag */
        moves++;
        EXPECT(seen <= moves, "they have seen what has not been");
        arch_relax(0);
    }
}

/* What is plain is theirs who freezes, in between; and what he has written is seen afterwards. */
static void freeze_main(void *unused)
{
    (void)unused;
    go(move, NULL);
    for (int i = 0; i < 12; i++) /* until it runs elsewhere */
        arch_relax(0);
    preempt_off();
    for (int i = 0; i < 2; i++) {
        freeze_begin();
        seen = moves;
        freeze_end();
    }
    preempt_on();
    store_relaxed(&over, true); /* relaxed: a flag */
}

SCENARIO(nobody_moves_while_frozen, .main = freeze_main);

/* ---- the list of all goroutines, which grows while somebody walks it ---- */

static void they_are_kept(void)
{
    chunk_init();
    chunk_keep();
}

static void makes_goroutines(void)
{
    EXPECT(chunk_take() != NULL, "there is memory");
}

static void walks(void)
{
    struct g_walk w;
    g_walk_begin(&w);
    for (struct g *g; (g = g_walk_next(&w)) != NULL;)
        EXPECT(g->id == 0, "nobody has a number");
}

SCENARIO(all_goroutines_are_walked_while_more_are_made, .setup = they_are_kept,
         .hart = {makes_goroutines, walks});

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
    section_of(10000); /* afterwards sysmon watches already */
    go(count_to_three, NULL);
    go(count_to_three, NULL);
    section_of(60000);
    waitgroup_wait(&wg);
    EXPECT(time_now() - before < LONG_NS, "who waits for the P of a section waits long");
}

SCENARIO(a_long_section_loses_its_p, .main = wait_in_a_section);

/* ---- a P that is taken out of a section, by itself ---- */

static void a_hart_rests(void) /* hart 1, without a P, on sysmon's duty */
{
    struct m *m = part_m(1);
    m->p = NULL;
    store_relaxed(&sched.idle_m, bit(1));
    store_relaxed(&sched.sysmon, m);
    runq_put(&part_p(0)->runq, part_g(0));
}

static void lends_its_p(void)
{
    part_p(0)->ended = 7;
    section_lend(part_m(0));
}

static void stops_the_world(void)
{
    world_stop();
    EXPECT(part_p(0)->ended == 7, "it is not all there");
    part_p(0)->ended++;
}

SCENARIO(a_stopper_gets_a_p_out_of_a_section_whole, .hart = {lends_its_p, stops_the_world});

static void watches_sections(void)
{
    for (int i = 0; i < 4; i++)
        if (sysmon_round(part_m(1))) {
            EXPECT(part_m(1)->p == part_p(0) && part_p(0)->ended == 7, "it is not all there");
            part_p(0)->ended++;
            return;
        }
}

SCENARIO(sysmon_gets_a_p_out_of_a_section_whole, .setup = a_hart_rests,
         .hart = {lends_its_p, watches_sections});

static void comes_back(void)
{
    lends_its_p();
    if (section_take_back(part_m(0)))
        part_p(0)->ended++;
}

/* One of the two gets it. */
SCENARIO(a_section_ends_while_sysmon_looks, .setup = a_hart_rests,
         .hart = {comes_back, watches_sections});

/* ---- sysmon's duty: it ends, or is passed on, while a section begins ---- */

static void begins_a_section(void)
{
    section_lend(part_m(0));
}

static void goes_off_duty(void)
{
    struct m *m = part_m(1);
    sysmon_round(m);
    sysmon_pass_on();
    sysmon_round(m);
}

static void sections_are_watched(void)
{
    EXPECT(P_STATUS(load_relaxed(&part_p(0)->status)) != P_SYSCALL ||
               load_relaxed(&sched.sysmon) != NULL,
           "a section goes on, and nobody watches it");
}

SCENARIO(a_section_that_begins_as_the_duty_ends_is_watched, .setup = a_hart_rests,
         .hart = {begins_a_section, goes_off_duty}, .check = sections_are_watched);
