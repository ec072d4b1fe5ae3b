/*
 * monitor_cases: a key is typed while the monitor's shell goes to sleep (O90), and something is asked of a
 * tick while another looks (O91). The shell is monitor.c's own goroutine, and whoever types is heard by
 * quit.c's own handler.
 */
#include <pinion.h>
#include "kernel/console.h"
#include "kernel/trap.h"
#include "sched/atomic.h"
#include "sched/monitor.h"
#include "sched/preempt.h"
#include "sched/proc.h"
#include "sched/sched.h"
#include "sched/timer.h"
#include "tests/explore/explore.h"

#define LONG_NS 4000000 /* a tick that is not calm comes again after 1 ms */

static void listen(void)
{
    sched_console(1, true);
}

/* ---- O90 by itself: one hart runs the shell, others are ticks that have seen a key ---- */

static void a_shell_begins(void)
{
    part_has_goroutines();
    listen();
}

static void nothing_more(void)
{
}

static void shell_reads(void)
{
    part_runs_all(nothing_more);
}

static void tick_with_a_key(unsigned i, int c)
{
    console_put(c);
    while (!monitor_wake(part_m(i)))
        arch_relax(0);
    part_runs_all(nothing_more);
}

static void a_key_comes(void)
{
    tick_with_a_key(1, 'x');
}

static void another_key_comes(void)
{
    tick_with_a_key(2, 'y');
}

static void one_key_is_read(void)
{
    EXPECT(console_taken() == 1, "a key is in the ring, and the shell sleeps");
}

static void two_keys_are_read(void)
{
    EXPECT(console_taken() == 2, "%u of two keys have been read, and the shell sleeps",
           console_taken());
}

SCENARIO(a_key_is_not_missed_by_who_goes_to_sleep, .setup = a_shell_begins,
         .hart = {shell_reads, a_key_comes}, .check = one_key_is_read);
SCENARIO(two_ticks_wake_the_shell_once, .setup = a_shell_begins,
         .hart = {shell_reads, a_key_comes, another_key_comes}, .check = two_keys_are_read);

/* ---- O91 by itself: who asks, and ticks that do it: a dump, for which nobody needs to stand still ---- */

static void nobody_stands_still(void)
{
    sched.n_m = 0;
}

static void asks_twice(void)
{
    arch_irq_save(); /* its own tick would come afterwards */
    for (int i = 0; i < 2; i++)
        sched_console_quit();
}

static void asks_once(void)
{
    arch_irq_save();
    sched_console_quit();
}

static void ticks_twice(void)
{
    arch_irq_save();
    for (int i = 0; i < 2; i++)
        if ((timers_extras() & EXTRA_CONSOLE) != 0)
            quit_tick(g_self()->m, NULL);
}

/* Nothing is asked for, or a tick is going to look. */
static void asked_is_known(void)
{
    bool known = (timers_extras() & EXTRA_CONSOLE) != 0;
    unsigned before = console_dumps();
    quit_tick(part_m(0), NULL);
    EXPECT(known || console_dumps() == before, "something is asked for, and no tick looks");
    EXPECT(console_dumps() > 0, "it has been asked for in vain");
}

SCENARIO(what_is_asked_of_a_tick_has_its_bit, .setup = nobody_stands_still,
         .hart = {asks_twice, ticks_twice}, .check = asked_is_known);
SCENARIO(what_two_ask_of_two_ticks_has_its_bit, .setup = nobody_stands_still,
         .hart = {asks_twice, ticks_twice, ticks_twice}, .check = asked_is_known);

/* A timer interrupts who may have a lock in hand, while another asks. */
static void is_interrupted_in_the_middle(void)
{
    struct g *g = part_g(0);
    arch_irq_save();
    g->status = G_RUNNING;
    g->preempt_off = 1;
    sched_trap_timer(&part_m(1)->hart, &(struct arch_frame){.tp = g_tp(g)});
    EXPECT(console_dumps() == 0, "who was interrupted in the middle is printed there");
}

SCENARIO(nobody_is_printed_in_the_middle_of_something, .setup = nobody_stands_still,
         .hart = {asks_once, is_interrupted_in_the_middle});

/* ---- programs: all of the way from the UART's interrupt to the shell, and back to its sleep ---- */

/* Holds on to its hart until n keys have been read: another has to run the shell. */
static void wait_for_keys(unsigned n)
{
    int64_t until = time_now() + LONG_NS;
    while (console_taken() < n) {
        EXPECT(time_now() < until, "a key is not answered");
        arch_relax(0);
    }
}

static void type_twice(void *unused)
{
    (void)unused;
    for (unsigned i = 1; i <= 2; i++) {
        console_type('\n');
        wait_for_keys(i);
    }
}

SCENARIO(a_key_is_answered, .setup = listen, .main = type_twice);

/* All harts sleep when its tick comes. */
static void type_and_sleep(void *unused)
{
    (void)unused;
    for (unsigned i = 1; i <= 2; i++) {
        console_type('\n');
        time_sleep(LONG_NS);
        EXPECT(console_taken() == i, "a key is not answered");
    }
}

SCENARIO(a_key_is_answered_by_a_sleeping_hart, .setup = listen, .main = type_and_sleep,
         .sampled = 50);

/* No hart is free for the shell: slices must end. */
static _Atomic bool over;

static void hold_on(void *unused)
{
    (void)unused;
    while (!load_relaxed(&over)) /* relaxed: a flag */
        arch_relax(0);
}

static void all_are_busy(void)
{
    atomic_store_explicit(&preempt_slice_ns, 5000, memory_order_relaxed);
    go(hold_on, NULL);
    for (int i = 0; i < 8; i++) /* until it runs elsewhere */
        arch_relax(0);
}

static void type_while_all_are_busy(void *unused)
{
    (void)unused;
    all_are_busy();
    console_type('\n');
    wait_for_keys(1);
    store_relaxed(&over, true); /* relaxed: a flag */
}

SCENARIO(a_key_is_answered_while_all_harts_are_busy, .setup = listen,
         .main = type_while_all_are_busy);

/* The hart of the tick has no P: the other has to be told. */
static void type_in_a_section(void *unused)
{
    (void)unused;
    all_are_busy();
    runtime_entersyscall();
    console_type('\n');
    wait_for_keys(1);
    runtime_exitsyscall();
    store_relaxed(&over, true); /* relaxed: a flag */
}

SCENARIO(a_key_is_answered_for_a_hart_in_a_section, .setup = listen, .main = type_in_a_section);

/* The same where there is but one, whose tick it is that has to tell it. */
static void type_alone(void *unused)
{
    (void)unused;
    atomic_store_explicit(&preempt_slice_ns, 5000, memory_order_relaxed);
    time_sleep(20000); /* the slice in which the shell was made ends */
    for (unsigned i = 1; i <= 2; i++) {
        console_type('\n');
        wait_for_keys(i);
    }
}

SCENARIO(a_key_is_answered_by_the_only_hart, .setup = listen, .main = type_alone, .harts = 1);
