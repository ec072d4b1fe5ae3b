/*
 * waits: one goroutine holds one mutex for 20 ms, five times, and then another for 1 ms, and each time
 * somebody sleeps for it.
 */
#include <pinion.h>

static waitgroup wg;
static mutex m;
static _Atomic int want;

static void wants(void *unused)
{
    (void)unused;
    want++;
    mutex_lock(&m);
    mutex_unlock(&m);
}

static __attribute__((noinline)) void hold(duration d)
{
    int before = want;
    mutex_lock(&m);
    waitgroup_go(&wg, wants, NULL);
    while (want == before)
        time_sleep(MICROSECOND);
    time_sleep(d);
}

static __attribute__((noinline)) void holds_long(void)
{
    hold(25 * MILLISECOND);
    mutex_unlock(&m);
    waitgroup_wait(&wg);
}

static __attribute__((noinline)) void holds_shortly(void)
{
    hold(2 * MILLISECOND);
    mutex_unlock(&m);
    waitgroup_wait(&wg);
}

int main(void)
{
    for (int i = 0; i < 5; i++) {
        holds_long();
        holds_shortly();
    }
}
