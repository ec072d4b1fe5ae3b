/*
 * traced_late: a trace that begins when goroutines wait, run, and are about to run; its ends; and a second.
 */
#include <errno.h>
#include <pinion.h>
#include <stdio.h>
#include "tests/target/check.h"

static mutex door;
static chan *gate;
static waitgroup all;
static _Atomic bool stop;

static void wait_at_the_door(void *unused)
{
    (void)unused;
    mutex_lock(&door);
    mutex_unlock(&door);
}

static void wait_at_the_gate(void *unused)
{
    uint64_t n;
    (void)unused;
    CHECK(!chan_recv(gate, &n));
}

static void yield_on(void *unused)
{
    (void)unused;
    while (!stop)
        runtime_gosched();
}

int main(void)
{
    gate = chan_make(sizeof(uint64_t), 0);
    CHECK(runtime_trace_stop() == 0); /* there is none */
    mutex_lock(&door);
    for (int i = 0; i < 3; i++) {
        CHECK(waitgroup_go(&all, wait_at_the_door, NULL) > 0);
        CHECK(waitgroup_go(&all, wait_at_the_gate, NULL) > 0);
        CHECK(waitgroup_go(&all, yield_on, NULL) > 0);
    }
    time_sleep(5 * MILLISECOND);
    CHECK(runtime_trace_start() == 0);
    errno = 0;
    CHECK(runtime_trace_start() == -1 && errno == EBUSY);
    time_sleep(2 * MILLISECOND);
    mutex_unlock(&door);
    chan_close(gate);
    stop = true;
    waitgroup_wait(&all);
    CHECK(runtime_trace_stop() == 0);
    CHECK(runtime_trace_start() == 0);
    time_sleep(1 * MILLISECOND);
    return 0;
}
