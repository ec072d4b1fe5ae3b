/*
 * quit: Ctrl-\ prints all goroutines, as Go's SIGQUIT does, but the program goes on.
 *
 *     SIGQUIT: quit
 *
 *     goroutine 1 [sync.WaitGroup.Wait]:
 *     …
 *
 *     the program goes on
 *
 * It is for a program that does not do what it should, so it asks nothing of it: neither that it reads
 * its input, nor that a goroutine can still be run. All is done by handlers, and off it costs nothing:
 *
 *     1  the UART interrupts the first hart, asleep or busy; the handler takes the byte in, notes what is
 *        asked for, and has this hart's timer fire at once;
 *     2  the timer interrupt, which knows what it has interrupted and can be had again, sees that and
 *        does it, or comes again QUIT_RETRY_NS later.
 *
 * What may make it wait: another freezes the harts; somebody has the line of the console; what was
 * interrupted may hold a lock that a handler of another hart waits for, with interrupts masked, and that
 * hart could not be made to stand still. A program that floods the line from several harts always has it,
 * and one in a loop of the scheduler's never lets go: after QUIT_TRIES it is done all the same, and stands
 * in the middle of somebody's line.
 *
 * Q1  While it is printed all other harts stand still (freeze.c), and this one is in its handler: nothing
 *     of the scheduler is called, no lock taken. So nothing changes by it but the time.
 * Q2  `asked` is written before EXTRA_CONSOLE is set, and taken after that was cleared (O91). So a tick
 *     that clears the bit for what it does itself never loses what another has just asked for.
 *
 * For the monitor the same tick wakes its goroutine (monitor.c): the UART's handler could not, since a
 * handler may not wait for the scheduler's lock, and where it is not free there must be another time.
 */
#include "sched/quit.h"
#include "kernel/clock.h"
#include "kernel/console.h"
#include "kernel/irq.h"
#include "sched/atomic.h"
#include "sched/freeze.h"
#include "sched/monitor.h"
#include "sched/proc.h"
#include "sched/sched.h"
#include "sched/timer.h"
#include "sched/traceback.h"

static _Atomic uint32_t asked; /* CONSOLE_…; Q2 */
static bool monitor;           /* there is one; written at boot */
static _Atomic unsigned tries; /* dumps that had to be put off; of several ticks, so roughly */

void quit_again(struct m *m, int64_t after)
{
    timers_extras_set(EXTRA_CONSOLE);
    timers_arm_at(m, clock_ns() + after);
}

/* A handler, or preemption off. */
static void ask(uint32_t what)
{
    /* relaxed: Q2. */
    atomic_fetch_or_explicit(&asked, what, memory_order_relaxed);
    quit_again(g_self()->m, 0);
}

static void heard(void *unused)
{
    (void)unused;
    unsigned new = console_hear();
    if (!monitor)
        new &= CONSOLE_QUIT;
    if (new != 0)
        ask(new);
}

/* What was interrupted holds nothing of ours, nor is it noting an event with a P (ipi_send): a sleep
 * without a P, a goroutine's own code, a blocking section. */
static bool is_calm(const struct m *m, const struct arch_frame *f)
{
    if (f == NULL || (m->idle_since != 0 && m->p == NULL))
        return true;
    const struct g *g = g_of(arch_frame_tp(f));
    if (g == m->g0 || arch_in_switch(arch_frame_pc(f)))
        return false;
    return g->preempt_off == 0 || (g->status == G_SYSCALL && m->p == NULL);
}

/* All stand still. */
static void print_all(const struct arch_frame *f)
{
    struct g *g = f != NULL && !arch_in_switch(arch_frame_pc(f)) ? g_of(arch_frame_tp(f)) : NULL;
    kprintf("SIGQUIT: quit\n");
    if (g != NULL && g->id != 0) {
        kprintf("\n");
        traceback_frame(g, f);
    }
    traceback_all(g, TRACEBACK_GS);
    kprintf("\nthe program goes on\n");
}

/* false: not now. */
static bool dump(const struct arch_frame *f, bool calm)
{
    bool mine = console_try_hold();
    /* relaxed, both: a count; nothing goes with it. */
    bool ready =
        (mine && calm) || atomic_fetch_add_explicit(&tries, 1, memory_order_relaxed) >= QUIT_TRIES;
    bool frozen = ready && freeze_try();
    if (frozen) {
        store_relaxed(&tries, 0); /* relaxed: as above */
        console_solo(true);
        if (!mine)
            console_barge(true);
        print_all(f);
        if (!mine)
            console_barge(false);
        console_solo(false);
        freeze_end();
    }
    if (mine)
        console_let_go();
    return frozen;
}

/* From a timer interrupt of m: something is to be done; f: what was interrupted, or NULL. */
void quit_tick(struct m *m, struct arch_frame *f)
{
    timers_extras_clear(EXTRA_CONSOLE);
    /* relaxed, both: Q2. */
    uint32_t todo = atomic_exchange_explicit(&asked, 0, memory_order_relaxed), left = 0;
    bool calm = is_calm(m, f);
    if ((todo & CONSOLE_BYTES) != 0 && !(calm && monitor_wake(m)))
        left |= CONSOLE_BYTES;
    if ((todo & CONSOLE_QUIT) != 0 && !dump(f, calm))
        left |= CONSOLE_QUIT;
    if (left != 0)
        atomic_fetch_or_explicit(&asked, left, memory_order_relaxed); /* relaxed: as above */
    if ((monitor && monitor_kills(m, f)) || left != 0)
        quit_again(m, QUIT_RETRY_NS);
}

void sched_console_quit(void)
{
    preempt_off();
    ask(CONSOLE_QUIT);
    preempt_on();
}

void sched_console(unsigned irq, bool with_monitor)
{
    bool told = irq != 0 && irq_enable(irq, sched.m[0]->hart_no, heard, NULL) == 0;
    if (told && !(told = console_listen()))
        irq_disable(irq);
    if (with_monitor && !(monitor = told && monitor_make()))
        kprintf("pinion: pinion.monitor: there is no memory for it, or the console does not "
                "interrupt\n");
}
