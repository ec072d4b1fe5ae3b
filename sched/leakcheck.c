/*
 * leakcheck: `pinion.leakcheck` lists, when the program ends, the goroutines that still wait:
 *
 *     leakcheck: 2 goroutines left
 *
 *     goroutine 17 [chan receive]:
 *     chan_recv+0x1c0 (0x80206a2e)
 *     collect+0x2a (0x80217b1c)
 *     created by main+0x36 (0x80217c00) in goroutine 1 (named "collector")
 *     …
 *
 * that is what each waits for, where, and who made it. With `pinion.leakcheck=N` a run that would end
 * with 0 ends with N if there are any, as sanitizers do it; without a number the exit value stays.
 *
 * All count that are parked at that moment, sleepers and main too, but for the one that ends the run:
 * a program that waits for its goroutines before it returns has none. Those that run or could run are
 * on their way and do not count. How long one has waited is not known: a park keeps no time, since to
 * read the clock would cost each of them a tenth.
 *
 * One that nothing leads to, so that nobody can wake it any more, is [chan receive,
 * unreachable]: a leak for certain, where the others may be waiting for good reason (reach.c says how that
 * is found, and what is not). If it cannot be told of any of them, a line says so.
 *
 * On BOARD=host the host's C library ends the process, and nothing is listed.
 *
 * The others stand still while the list is printed, as for runtime_stack; so it is one moment's.
 */
#include "sched/leakcheck.h"
#include "kernel/console.h"
#include "sched/chunk.h"
#include "sched/freeze.h"
#include "sched/proc.h"
#include "sched/reach.h"
#include "sched/sched.h"
#include "sched/traceback.h"
#include "sched/world.h"

static bool wanted; /* both written at boot, and at the end */
static int value;

void sched_leakcheck(unsigned exit_value)
{
    wanted = true;
    value = (int)exit_value;
}

static void count_parked(struct g *g, void *n)
{
    if (g->status == G_WAITING)
        ++*(uint32_t *)n;
}

/* Everybody else stands still. Whoever ends the run is not parked. told: it is known who is unreachable. */
static uint32_t list(bool told)
{
    uint32_t n = 0;
    g_each(count_parked, &n);
    if (n == 0)
        kprintf("leakcheck: no goroutines left\n");
    else
        kprintf("leakcheck: %u goroutine%s left\n", n, n == 1 ? "" : "s");
    if (n > 0 && !told)
        kprintf("leakcheck: who is unreachable cannot be told\n");
    traceback_parked(TRACEBACK_GS);
    return n;
}

int leakcheck_at_exit(int status)
{
    if (!wanted || g_self()->preempt_off != 0)
        return status;
    wanted = false; /* once, whoever else ends the run meanwhile */
    world_stop();
    bool told = reach_find();
    console_hold();
    freeze_begin();
    console_solo(true);
    uint32_t n = list(told);
    console_solo(false);
    freeze_end();
    console_let_go();
    world_start();
    return n > 0 && status == 0 ? value : status;
}
