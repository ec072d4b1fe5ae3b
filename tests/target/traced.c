/*
 * traced: a bit of everything that a trace notes, and the scheduler's own counters for comparison. Texts
 * are said under preemption, in blocking sections, and so long that they are cut.
 *
 * All goroutines have ended and every other hart is on its way to sleep when main ends the trace; from then
 * on nothing is switched, stolen or taken off. So the counters are those of the trace.
 */
#include <pinion.h>
#include <stdio.h>
#include <string.h>
#include "sched/preempt.h"
#include "tests/target/check.h"

#define WORKERS 12
#define ROUNDS  60

static chan *jobs;
static mutex lock;
static waitgroup all, burst;
static uint64_t sum;
static uint32_t whole; /* the task that all others are part of */

static void add(void *n)
{
    mutex_lock(&lock);
    sum += (uint64_t)(uintptr_t)n;
    mutex_unlock(&lock);
}

/* Long enough for a slice of 100 µs to end in it. */
static void spin(void)
{
    for (int64_t until = time_now() + 300 * MICROSECOND; time_now() < until;)
        continue;
}

/* Words whose length goes through all that a record may have, and the number for the reader. */
static void tell(uint32_t task, uint64_t n)
{
    char category[32], message[64];
    snprintf(category, sizeof(category), "%.*s", (int)(n % 30), "abcdefghijklmnopqrstuvwxyz01234");
    snprintf(message, sizeof(message), "job %llu %.*s.", (unsigned long long)n, (int)(n % 31),
             "ABCDEFGHIJKLMNOPQRSTUVWXYZ56789");
    runtime_trace_log(task, category, message);
}

/* A few events of the program's own, each in a place of its own. */
static void say(uint64_t n)
{
    uint32_t task = runtime_trace_task_begin(whole, "job");
    runtime_trace_region_begin(task, "outer");
    tell(task, n);
    runtime_trace_region_begin(0, "inner");
    if (n % 5 == 0) {
        runtime_entersyscall();
        runtime_trace_log(task, "section", "from within");
        runtime_exitsyscall();
    }
    runtime_trace_region_end(0, "inner");
    runtime_trace_region_end(task, "outer");
    runtime_trace_task_end(task);
}

static void work(void *unused)
{
    (void)unused;
    for (uint64_t n; chan_recv(jobs, &n);) {
        say(n);
        if (n % 16 == 0)
            spin();
        if (n % 10 == 0)
            time_sleep(20 * MICROSECOND);
        if (n % 7 == 0)
            runtime_gosched();
        add((void *)(uintptr_t)n);
    }
}

/* Two for one P, until one of them has lost it a few times. */
static void quarrel(void *unused)
{
    struct runtime_sched_stats s = {0};
    (void)unused;
    for (; s.preemptions < 5; runtime_read_sched_stats(&s))
        spin();
    waitgroup_done(&burst);
}

int main(void)
{
    static char much[5000];
    memset(much, 'x', sizeof(much) - 1);
    preempt_slice_ns = 100 * MICROSECOND;
    whole = runtime_trace_task_begin(0, "all of it");
    runtime_trace_log(whole, much, much);
    runtime_trace_log(0, "", "");
    jobs = chan_make(sizeof(uint64_t), 4);
    for (int i = 0; i < WORKERS; i++)
        CHECK(waitgroup_go(&all, work, NULL) > 0);
    for (uint64_t n = 1; n <= ROUNDS * 8; n++) {
        chan_send(jobs, &n);
        if (n % 8 == 0)
            CHECK(waitgroup_go(&burst, add, NULL) > 0);
    }
    struct go_attr there = {.name = "quarrel", .affinity = 2};
    waitgroup_add(&burst, 2);
    CHECK(go_with(&there, quarrel, NULL) > 0 && go_with(&there, quarrel, NULL) > 0);
    waitgroup_wait(&burst);
    chan_close(jobs);
    waitgroup_wait(&all);
    runtime_trace_task_end(whole);
    time_sleep(20 * MILLISECOND); /* who is woken last is at rest, and dead ones are buried */
    struct runtime_sched_stats s;
    CHECK(runtime_trace_stop() == 0);
    tell(whole, 1); /* nobody hears it */
    runtime_read_sched_stats(&s);
    CHECK_EQ(sum, (uint64_t)ROUNDS * 8 * (ROUNDS * 8 + 1) / 2);
    printf("starts=%llu\nsteals=%llu\nstolen=%llu\npreemptions=%llu\ncreates=%llu\n",
           (unsigned long long)s.switches, (unsigned long long)s.steals,
           (unsigned long long)s.stolen_gs, (unsigned long long)s.preemptions,
           (unsigned long long)s.spawned);
    return 0;
}
