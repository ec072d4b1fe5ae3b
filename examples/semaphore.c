/*
 * semaphore: twenty jobs, of which three may run at a time. Large ones count for two. Shows:
 * semaphore_acquire with weights, errgroup_go and its first result that is not zero.
 */
#include <pinion.h>
#include <stdatomic.h>
#include <stdio.h>

#define JOBS  20
#define LIMIT 3

static semaphore places;
static _Atomic int running, most;

static int job(void *arg)
{
    long number = (long)arg;
    int weight = number % 5 == 0 ? 2 : 1;
    semaphore_acquire(&places, weight);
    int now = atomic_fetch_add(&running, weight) + weight, before = most;
    while (now > before && !atomic_compare_exchange_weak(&most, &before, now))
        continue;
    time_sleep(10 * MILLISECOND); /* the work */
    atomic_fetch_sub(&running, weight);
    semaphore_release(&places, weight);
    return number == 13 ? 13 : 0;
}

int main(void)
{
    errgroup jobs = {0};
    int64_t from = time_now();
    semaphore_init(&places, LIMIT);
    for (long i = 1; i <= JOBS; i++)
        if (errgroup_go(&jobs, job, (void *)i) < 0)
            runtime_panic("go: out of memory");
    int failed = errgroup_wait(&jobs);
    printf("%d jobs of 10 ms in %lld ms, never more than %d at once\n", JOBS,
           (long long)((time_now() - from) / MILLISECOND), most);
    printf("the first to fail was job %d\n", failed);
    return 0;
}
