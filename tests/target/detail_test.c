/*
 * detail_test: something known to be looked at by pinion.schedtrace=MS pinion.scheddetail=1.
 *
 *     ARGS="REST CROWD WORK"
 *
 * Parks a goroutine for each reason, one of them with a hart to itself, and CROWD more; then prints
 * "at rest", sleeps for REST milliseconds, prints "over", and lets WORK goroutines come and
 * go, so that descriptors change under the eyes of whoever looks. tests/detail_test.py reads the pages.
 */
#include "check.h"
#include "kernel/console.h"
#include "settle.h"

static chan *empty, *full;
static mutex locked;
static waitgroup unfinished;

static void receive(void *unused)
{
    (void)unused;
    chan_recv(empty, NULL);
}

static void send(void *unused)
{
    char c = 0;
    (void)unused;
    chan_send(full, &c);
}

static void lock(void *unused)
{
    (void)unused;
    mutex_lock(&locked);
}

static void wait(void *unused)
{
    (void)unused;
    waitgroup_wait(&unfinished);
}

static void sleep_long(void *unused)
{
    (void)unused;
    time_sleep(1000 * SECOND);
}

static void own_hart(void *unused)
{
    (void)unused;
    runtime_lock_os_thread();
    mutex_lock(&locked);
}

static void come_and_go(void *unused)
{
    (void)unused;
    runtime_gosched();
}

int main(int argc, char **argv)
{
    long rest = argc > 1 ? atol(argv[1]) : 100, in_crowd = argc > 2 ? atol(argv[2]) : 0;
    long work = argc > 3 ? atol(argv[3]) : 0;
    empty = chan_make(1, 0);
    full = chan_make(1, 0);
    mutex_lock(&locked);
    waitgroup_add(&unfinished, 1);
    CHECK(go(receive, NULL) > 0 && go(send, NULL) > 0 && go(lock, NULL) > 0 && go(wait, NULL) > 0);
    CHECK(go(sleep_long, NULL) > 0);
    for (long i = 0; i < in_crowd; i++)
        CHECK(go(receive, NULL) > 0);
    settle();
    CHECK(go(own_hart, NULL) > 0);
    CHECK_SOON(*(volatile uint64_t *)&sched.wired_idle != 0);
    kprintf("at rest\n");
    time_sleep(rest * MILLISECOND);
    kprintf("over\n");
    for (long i = 0; i < work; i += 100)
        in_parallel(100, come_and_go);
    kprintf("worked\n");
    return 0;
}
