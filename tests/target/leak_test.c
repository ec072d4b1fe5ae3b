/*
 * leak_test: goroutines that are left at the end, for pinion.leakcheck. ARGS="EXIT-VALUE HOW-MANY".
 */
#include "check.h"
#include "settle.h"

static chan *never;

static void wait_in_vain(void *unused)
{
    (void)unused;
    chan_recv(never, NULL);
}

static void end_soon(void *unused)
{
    (void)unused;
    runtime_gosched();
}

int main(int argc, char **argv)
{
    static const struct go_attr named = {.name = "the forgotten"};
    int n = argc > 2 ? atoi(argv[2]) : 0;
    never = chan_make(1, 0);
    in_parallel(100, end_soon);
    for (int i = 0; i < n; i++)
        CHECK(go_with(&named, wait_in_vain, NULL) > 0);
    settle();
    return argc > 1 ? atoi(argv[1]) : 0;
}
