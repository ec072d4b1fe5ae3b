/*
 * replay_test: prints a number made from the whole course of a run: who ran where, in which order,
 * and when. Under ICOUNT=1 it must come out the same twice.
 */
#include "check.h"

static mutex lock;
static uint64_t course = 14695981039346656037u;

static void note(uint64_t what)
{
    mutex_lock(&lock);
    course = (course ^ what) * 1099511628211u;
    mutex_unlock(&lock);
}

static void tree(void *depth)
{
    note((uint64_t)runtime_goid() * 64 + (uint64_t)runtime_hart());
    if ((intptr_t)depth > 0) {
        waitgroup end = {0};
        for (int i = 0; i < 3; i++)
            CHECK(waitgroup_go(&end, tree, (void *)((intptr_t)depth - 1)) > 0);
        runtime_gosched();
        waitgroup_wait(&end);
    } else {
        time_sleep((runtime_goid() % 17) * MICROSECOND);
    }
    note((uint64_t)time_now());
}

int main(void)
{
    struct runtime_sched_stats s;
    in_parallel(4, tree);
    tree((void *)5);
    runtime_read_sched_stats(&s);
    printf("course %016llx, %llu switches, %llu steals, %llu wakeups, ended at %lld ns\n",
           (unsigned long long)course, (unsigned long long)s.switches, (unsigned long long)s.steals,
           (unsigned long long)s.wakeups, (long long)time_now());
    CHECK(s.steals > 0 || runtime_numcpu() == 1);
    return 0;
}
