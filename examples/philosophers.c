/*
 * philosophers: five of them, five forks, and a waiter who lets four sit down at a time. Whoever eats
 * holds both forks beside the plate. Shows: mutex, semaphore, and why the waiter is needed: with five
 * at the table each could hold one fork and wait for the other for ever (examples/deadlock.c shows
 * what that looks like).
 */
#include <pinion.h>
#include <stdio.h>

#define SEATS 5
#define MEALS 1000

static mutex fork_at[SEATS];
static semaphore waiter;
static int meals[SEATS];

static void dine(void *arg)
{
    long me = (long)arg;
    mutex *left = &fork_at[me], *right = &fork_at[(me + 1) % SEATS];
    for (int i = 0; i < MEALS; i++) {
        semaphore_acquire(&waiter, 1);
        mutex_lock(left);
        runtime_gosched(); /* the moment in which the neighbour may take the other one */
        mutex_lock(right);
        meals[me]++;
        mutex_unlock(right);
        mutex_unlock(left);
        semaphore_release(&waiter, 1);
    }
}

int main(void)
{
    waitgroup table = {0};
    semaphore_init(&waiter, SEATS - 1);
    for (long i = 0; i < SEATS; i++)
        if (waitgroup_go(&table, dine, (void *)i) < 0)
            runtime_panic("go: out of memory");
    waitgroup_wait(&table);
    for (int i = 0; i < SEATS; i++)
        printf("philosopher %d has eaten %d times\n", i, meals[i]);
    return 0;
}
