/*
 * pair_test: two goroutines that wake each other share one slice (trap 32), also if its end falls
 * where nobody can be taken off: while preemption is off, or on the scheduler stack. For ICOUNT=1
 * SMP=1: it measures times.
 */
#include <stdatomic.h>
#include "check.h"
#include "sched/config.h"
#include "sched/proc.h"

#define TURNS   10
#define OVER    (SLICE_NS + SLICE_NS / 10)
#define AT_MOST (PREEMPT_RETRY_NS + SLICE_NS / 100)

static struct g *parked; /* the other of the pair */
static bool on_scheduler_stack;
static int64_t worst;
static int turns;

static void wake_the_other(void *self, struct arch_hart *hart)
{
    struct g *other = parked;
    parked = self;
    if (on_scheduler_stack)
        burn(OVER);
    if (other != NULL)
        g_ready(other);
    sched_next((struct m *)hart);
}

/* How long it may run before the third does, as the jump of its clock tells. */
static int64_t rest_of_the_turn(void)
{
    int64_t start = time_now(), last = start, now = start;
    while ((now = time_now()) - last < MILLISECOND && turns < TURNS)
        last = now;
    return last - start;
}

/* The slice ends at a bad place. Then it wakes the other, which is to go on with what is left of it. */
static void take_turns(void *unused)
{
    (void)unused;
    while (turns < TURNS) {
        preempt_off();
        if (!on_scheduler_stack)
            burn(OVER);
        g_park(wake_the_other, g_self(), WAIT_COND);
        int64_t rest = rest_of_the_turn();
        worst = rest > worst ? rest : worst;
        turns++;
    }
    preempt_off();
    if (parked != NULL) {
        g_ready(parked);
        parked = NULL;
    }
    preempt_on();
}

static void run_a_pair_beside_a_third(void)
{
    waitgroup end = {0};
    worst = turns = 0;
    parked = NULL;
    for (int i = 0; i < 2; i++)
        CHECK(waitgroup_go(&end, take_turns, NULL) > 0);
    while (turns < TURNS)
        burn(MILLISECOND);
    waitgroup_wait(&end);
    printf("went on for %lld us at most\n", (long long)(worst / MICROSECOND));
    CHECK(worst <= AT_MOST);
}

static void a_slice_that_ends_with_preemption_off_is_over_for_both(void)
{
    on_scheduler_stack = false;
    run_a_pair_beside_a_third();
}

static void a_slice_that_ends_on_the_scheduler_stack_is_over_for_both(void)
{
    on_scheduler_stack = true;
    run_a_pair_beside_a_third();
}

int main(void)
{
    RUN(a_slice_that_ends_with_preemption_off_is_over_for_both);
    RUN(a_slice_that_ends_on_the_scheduler_stack_is_over_for_both);
    return 0;
}
