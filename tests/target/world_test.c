/*
 * world_test: who stops the world, and who is hard to stop (trap 22). That nothing is lost by it is
 * for tests/stress/procs.c.
 */
#include <stdatomic.h>
#include "check.h"
#include "arch/arch.h"

#define STOPS 300

static _Atomic int stops, masked, inside;
static _Atomic bool over;

static void stop_and_stop(void *n)
{
    for (int i = 0; i < STOPS; i++) {
        int was = runtime_gomaxprocs(1 + (i + (int)(intptr_t)n) % runtime_numcpu());
        CHECK(was >= 1 && was <= runtime_numcpu());
        stops++;
    }
}

/* Each stopper is one of those whom the others want to stop. */
static void trap_22_all_that_stop_the_world_at_once_take_turns(void)
{
    int before = stops;
    in_parallel(2 * runtime_numcpu(), stop_and_stop);
    CHECK_EQ(stops - before, 2 * runtime_numcpu() * STOPS);
    runtime_gomaxprocs(runtime_numcpu());
}

/* Whoever is in here holds interrupts off; who stops the world waits. */
static void mask_again_and_again(void *unused)
{
    (void)unused;
    while (!over) {
        uintptr_t was = arch_irq_save();
        inside++;
        for (int64_t until = time_now() + 50 * MICROSECOND; time_now() < until;)
            ;
        inside--;
        arch_irq_restore(was);
        masked++;
        runtime_gosched();
    }
}

static void trap_22_harts_with_interrupts_off_are_waited_for(void)
{
    waitgroup end = {0};
    over = false;
    for (int i = 0; i < 2 * runtime_numcpu(); i++)
        CHECK(waitgroup_go(&end, mask_again_and_again, NULL) > 0);
    in_parallel(2, stop_and_stop);
    int seen = masked;
    CHECK_SOON(masked > seen); /* they go on */
    over = true;
    waitgroup_wait(&end);
    CHECK_EQ(inside, 0);
    runtime_gomaxprocs(runtime_numcpu());
}

int main(void)
{
    RUN(trap_22_all_that_stop_the_world_at_once_take_turns);
    RUN(trap_22_harts_with_interrupts_off_are_waited_for);
    return 0;
}
