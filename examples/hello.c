/*
 * hello: ten goroutines and a wait group. Each says which hart ran it; then a table shows what
 * each P did. Shows: go, waitgroup, where goroutines run, runtime_read_p_stats.
 */
#include <pinion.h>
#include <stdio.h>

static waitgroup done;

static void greet(void *arg)
{
    /* Something to do, so that it is worth another hart's while to take some of us over. */
    volatile unsigned long work = 0;
    for (int i = 0; i < 200000; i++)
        work += (unsigned long)i;
    printf("goroutine %ld: hello from hart %d\n", (long)arg, runtime_hart());
    waitgroup_done(&done);
}

static void print_table(void)
{
    struct runtime_sched_stats s;
    int64_t up = time_now();
    printf("\n P   run ms  switches  steals  IPIs sent  received  idle ms\n");
    for (int p = 0; runtime_read_p_stats(p, &s); p++)
        printf("%2d %8.1f %9llu %7llu %10llu %9llu %8.1f\n", p,
               (double)(up - (int64_t)s.idle_ns) / MILLISECOND, (unsigned long long)s.switches,
               (unsigned long long)s.steals, (unsigned long long)s.ipis_sent,
               (unsigned long long)s.ipis_received, (double)s.idle_ns / MILLISECOND);
}

int main(void)
{
    waitgroup_add(&done, 10);
    for (long i = 1; i <= 10; i++)
        if (go(greet, (void *)i) < 0)
            runtime_panic("go: out of memory");
    waitgroup_wait(&done);
    print_table();
    return 0;
}
