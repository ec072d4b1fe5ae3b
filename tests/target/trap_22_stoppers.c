/*
 * trap_22_stoppers: who waits for his turn to stop the world can be stopped himself (trap 22).
 *
 * Two goroutines, each on a hart of its own, stop the world again and again. main is in a blocking
 * section all the while, where nobody needs to stop it, and sees to it that they get on.
 */
#include "tests/stress/stress.h"

#define ROUNDS 300

static _Atomic int stops, ended;

static void stop_and_stop(void *unused)
{
    (void)unused;
    for (int i = 0; i < ROUNDS; i++, stops++)
        runtime_gomaxprocs(3 + i % 2);
    ended++;
}

/* Calls nothing that could wait. */
static void watch(int64_t patience)
{
    int seen = -1;
    for (int64_t until = 0; ended < 2;) {
        if (stops != seen) {
            seen = stops;
            until = time_now() + patience;
        }
        if (time_now() >= until)
            sched_throw("two harts stop the world, and wait for each other");
    }
}

int main(int argc, char **argv)
{
    CHECK(runtime_gomaxprocs(0) == 4, "wants four harts");
    for (int i = 0; i < 2; i++)
        CHECK(go(stop_and_stop, NULL) > 0, "go failed");
    runtime_entersyscall();
    watch(argc > 1 ? atol(argv[1]) * SECOND : PATIENCE);
    runtime_exitsyscall();
    return 0;
}
