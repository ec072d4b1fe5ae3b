/*
 * monitor: ten times a second a ticker wakes a goroutine that looks at the scheduler and prints a line:
 * how many goroutines there are and the memory that malloc has in use, and what has happened since the line
 * before: how often a goroutine was put on a hart, how many thefts brought work, and what part of
 * their time the harts had nothing to do. What it watches comes in waves of 200 goroutines that take
 * some memory, work, sleep and go. Shows: a ticker as a clock, and in a select beside a channel that
 * says when to stop; what runtime.h lets one see.
 */
#include <pinion.h>
#include <stdio.h>
#include <stdlib.h>

#define LOOKS 12
#define WAVE  200
#define CHUNK 4096

static void work(void *unused)
{
    (void)unused;
    volatile unsigned char *mine = malloc(CHUNK);
    if (mine == NULL)
        return;
    for (int i = 0; i < 5 * CHUNK; i++)
        mine[i % CHUNK] = (unsigned char)i;
    time_sleep(60 * MILLISECOND);
    free((void *)mine);
}

/* A wave at once and then one every 250 ms, until `stop` is closed. */
static void make_waves(void *stop)
{
    waitgroup wave = {0};
    ticker *t = time_new_ticker(250 * MILLISECOND);
    if (t == NULL)
        runtime_panic("out of memory");
    struct select_case cases[] = {{t->c, SELECT_RECV, NULL, false},
                                  {stop, SELECT_RECV, NULL, false}};
    do
        for (int i = 0; i < WAVE; i++)
            waitgroup_go(&wave, work, NULL);
    while (chan_select(cases, 2, true) == 0);
    waitgroup_wait(&wave);
    ticker_free(t);
}

/* now: of the tick, which a busy machine may bring late. */
static void look(int64_t now)
{
    static struct runtime_sched_stats last;
    static int64_t last_time;
    struct runtime_sched_stats s;
    struct runtime_mem_stats mem;
    runtime_read_sched_stats(&s);
    runtime_read_mem_stats(&mem);
    double harts_time = (double)(time_now() - last_time) * runtime_gomaxprocs(0);
    printf("%6lld %10d %10llu %8llu %6llu %6.1f\n", (long long)(now / MILLISECOND),
           runtime_numgoroutine(), (unsigned long long)mem.heap_inuse / 1024,
           (unsigned long long)(s.switches - last.switches),
           (unsigned long long)(s.steals - last.steals),
           (double)(s.idle_ns - last.idle_ns) * 100 / harts_time);
    last = s;
    last_time = time_now();
}

int main(void)
{
    waitgroup load = {0};
    chan *stop = chan_make(0, 0);
    ticker *t = time_new_ticker(100 * MILLISECOND);
    if (stop == NULL || t == NULL || waitgroup_go(&load, make_waves, stop) < 0)
        runtime_panic("out of memory");
    printf("    ms goroutines memory KiB switches steals idle %%\n");
    for (int i = 0; i < LOOKS; i++) {
        int64_t now;
        chan_recv(t->c, &now);
        look(now);
    }
    ticker_free(t);
    chan_close(stop);
    waitgroup_wait(&load);
    chan_free(stop);
    struct runtime_mem_stats mem;
    runtime_read_mem_stats(&mem);
    printf("%d looks; memory in use at the end: %llu KiB\n", LOOKS,
           (unsigned long long)mem.heap_inuse / 1024);
    return 0;
}
