/*
 * workers: a pool of goroutines that takes jobs, and can be shut down: submit puts a job into a
 * channel, shutdown closes it, the workers finish what is queued and go. Shows: a channel of
 * structures as a queue of work, a full buffer that slows the submitter down, close as the signal
 * to go home.
 */
#include <pinion.h>
#include <stdatomic.h>
#include <stdio.h>

struct job {
    void (*fn)(long arg);
    long arg;
};

struct crew {
    chan *jobs;
    waitgroup workers;
};

static void work(void *crew)
{
    struct job job;
    while (chan_recv(((struct crew *)crew)->jobs, &job))
        job.fn(job.arg);
}

/* false: no memory. */
static bool crew_start(struct crew *p, int workers, size_t queue)
{
    p->jobs = chan_make(sizeof(struct job), queue);
    for (int i = 0; p->jobs != NULL && i < workers; i++)
        if (waitgroup_go(&p->workers, work, p) < 0)
            return false;
    return p->jobs != NULL;
}

/* Waits while the queue is full. */
static void crew_submit(struct crew *p, void (*fn)(long), long arg)
{
    chan_send(p->jobs, &(struct job){fn, arg});
}

/* What was submitted is done when it returns. */
static void crew_shutdown(struct crew *p)
{
    chan_close(p->jobs);
    waitgroup_wait(&p->workers);
    chan_free(p->jobs);
}

static _Atomic int done;

static void collatz(long n)
{
    long steps = 0;
    for (long v = n; v != 1; steps++)
        v = v % 2 == 0 ? v / 2 : 3 * v + 1;
    printf("hart %d: %ld comes to 1 in %ld steps\n", runtime_hart(), n, steps);
    atomic_fetch_add(&done, 1);
}

int main(void)
{
    static struct crew crew;
    if (!crew_start(&crew, 4, 8))
        runtime_panic("out of memory");
    for (long i = 1; i <= 20; i++)
        crew_submit(&crew, collatz, 1000003 * i);
    crew_shutdown(&crew);
    printf("%d jobs done, all workers gone\n", atomic_load(&done));
    return 0;
}
