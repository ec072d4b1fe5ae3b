/*
 * idle: a machine with nothing to do for a second takes next to no interrupts: no hart more than 3.
 */
#include "stress.h"

struct taken {
    uint64_t ipis, timers;
};

static void look(struct taken *at)
{
    for (uint32_t i = 0; i < sched.n_m; i++)
        at[i] = (struct taken){sched.m[i]->ipis_received, sched.m[i]->timer_irqs};
}

int main(void)
{
    struct taken from[64], to[64];
    time_sleep(20 * MILLISECOND); /* the others have come up, looked around and gone to sleep */
    look(from);
    int64_t began = time_now();
    time_sleep(SECOND);
    int64_t slept = time_now() - began;
    look(to);
    CHECK(slept >= SECOND, "slept %lld ns", (long long)slept);
    for (uint32_t i = 0; i < sched.n_m; i++) {
        uint64_t ipis = to[i].ipis - from[i].ipis, timers = to[i].timers - from[i].timers;
        fprintf(stderr, "hart %lu: %llu IPIs, %llu timer interrupts\n", (unsigned long)i,
                (unsigned long long)ipis, (unsigned long long)timers);
    }
    for (uint32_t i = 0; i < sched.n_m; i++)
        CHECK(to[i].ipis - from[i].ipis + to[i].timers - from[i].timers <= 3,
              "hart %lu was not left alone", (unsigned long)i);
    return 0;
}
