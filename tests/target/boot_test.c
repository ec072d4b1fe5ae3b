/*
 * boot_test: every hart of this machine runs goroutines. First argument: how many there must be;
 * second, if any: megabytes that malloc must be able to give.
 */
#include <stdatomic.h>
#include "check.h"
#include "kernel/console.h"

static _Atomic int arrived;
static waitgroup end;

/* Waits for all the others without a yield: each must have a hart of its own. */
static void meet(void *p)
{
    double volatile x = (double)(intptr_t)p;
    CHECK_EQ(runtime_hart(), (intptr_t)p);
    atomic_fetch_add(&arrived, 1);
    while (atomic_load(&arrived) < runtime_numcpu())
        continue;
    CHECK(x + 0.5 == (double)(intptr_t)p + 0.5);
    waitgroup_done(&end);
}

static void take_and_touch(size_t megabytes)
{
    void **last = NULL;
    for (size_t i = 0; i < megabytes / 16; i++) {
        void **block = malloc((16 << 20) - 64);
        CHECK(block != NULL);
        *block = last; /* one page of each is enough to see that it is there */
        last = block;
    }
    for (size_t i = 0; i < megabytes / 16; i++) {
        void **next = *last;
        free(last);
        last = next;
    }
    CHECK(last == NULL);
}

int main(int argc, char **argv)
{
    int harts = argc > 1 ? atoi(argv[1]) : runtime_numcpu();
    CHECK_EQ(runtime_numcpu(), harts);
    waitgroup_add(&end, harts);
    for (intptr_t i = 0; i < harts; i++)
        CHECK(go_with(&(struct go_attr){.affinity = UINT64_C(1) << i}, meet, (void *)i) > 0);
    waitgroup_wait(&end);
    if (argc > 2)
        take_and_touch((size_t)atoi(argv[2]));
    printf("%d harts met, console %s\n", harts, console_name());
    return 0;
}
