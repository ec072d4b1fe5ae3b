/*
 * parked: three goroutines wait in one place, two in another, and one spins, until the profile of all
 * is written; then that of none.
 */
#include <errno.h>
#include <pinion.h>
#include <pinion/runtime.h>
#include <stdio.h>

static chan *never;
static mutex held;
static _Atomic int there;
static _Atomic bool over;

static __attribute__((noinline)) void wait_here(void)
{
    int v;
    there++;
    chan_recv(never, &v);
}

static void waits_to_receive(void *unused)
{
    (void)unused;
    wait_here();
}

static void waits_to_lock(void *unused)
{
    (void)unused;
    there++;
    mutex_lock(&held);
    mutex_unlock(&held);
}

static void spins(void *unused)
{
    (void)unused;
    there++;
    while (!over)
        continue;
}

int main(void)
{
    never = chan_make(sizeof(int), 0);
    mutex_lock(&held);
    for (int i = 0; i < 3; i++)
        go(waits_to_receive, NULL);
    for (int i = 0; i < 2; i++)
        go(waits_to_lock, NULL);
    go(spins, NULL);
    while (there < 6)
        time_sleep(MILLISECOND);
    time_sleep(20 * MILLISECOND);
    if (runtime_profile_write("goroutine") != 0)
        return 1;
    over = true;
    if (runtime_profile_write("nonsense") != -1 || errno != EINVAL)
        return 2;
    return 0;
}
