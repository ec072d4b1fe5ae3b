/*
 * trap_24_this_hart: what was read of "this hart" is not used after the goroutine has lost it (trap 24).
 *
 * malloc takes an object from the list of the P that it runs on: it reads which P that is, then takes
 * the first of the list. Goroutines that do nothing else lose their harts at any instruction. If one
 * could lose it between the two, it would go on with a list that is another hart's by now, and take
 * what that hart has given out.
 */
#include "tests/stress/stress.h"
#include "sched/preempt.h"

#define CROWD  24
#define EACH   5000
#define ROUNDS 20

/* An object, and whose it is. The first word is malloc's while it is free, and stays as it was. */
struct thing {
    void *link;
    int64_t owner;
};
static struct thing *things[CROWD][EACH];

static void take_them(void *which)
{
    struct thing **mine = things[(intptr_t)which];
    for (int i = 0; i < EACH; i++) {
        mine[i] = malloc(sizeof(struct thing));
        mine[i]->owner = (intptr_t)which;
    }
}

static long given_twice(void)
{
    long n = 0;
    for (int g = 0; g < CROWD; g++)
        for (int i = 0; i < EACH; i++)
            n += things[g][i]->owner != g;
    return n;
}

static void give_them(void)
{
    for (int g = 0; g < CROWD; g++)
        for (int i = 0; i < EACH; i++)
            free(things[g][i]);
}

int main(void)
{
    preempt_slice_ns = 30 * MICROSECOND;
    for (int round = 0; round < ROUNDS; round++) {
        waitgroup end = {0};
        for (intptr_t i = 0; i < CROWD; i++)
            CHECK(waitgroup_go(&end, take_them, (void *)i) > 0, "waitgroup_go failed");
        waitgroup_wait(&end);
        CHECK(given_twice() == 0, "malloc gave goroutines %ld objects that others had",
              given_twice());
        give_them();
    }
    return 0;
}
