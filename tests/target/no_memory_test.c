/*
 * Memory runs out while a stack must grow: the goroutine panics, on pages set aside for that, and
 * the others go on. With an argument nobody recovers, which ends the run.
 */
#include "check.h"
#include "kernel/page.h"
#include "kernel/stack.h"
#include "sched/proc.h"

#define DEEP 40 /* kilobytes, about, and half of that in the deferred call */

static _Atomic bool ready, out, stop;
static _Atomic long turns, recovered;
static char message[128];
static waitgroup deep_one, rest;

/* All pages there are, as a list. */
static void **take_all(void)
{
    void **list = NULL;
    preempt_off();
    stack_trim();
    for (void **page; (page = page_alloc()) != NULL; list = page)
        *page = list;
    preempt_on();
    return list;
}

static void give_all(void **list)
{
    preempt_off();
    for (void **next; list != NULL; list = next) {
        next = *list;
        page_free(list);
    }
    preempt_on();
}

static __attribute__((noinline)) int deep(int levels)
{
    volatile char pad[1000];
    pad[0] = (char)levels;
    return levels == 0 ? 0 : deep(levels - 1) + 1 + (pad[0] - (char)levels);
}

/* Deferred calls have stack to run on, more than the panic has used. */
static void recover(void *arg)
{
    CHECK_EQ(deep(DEEP / 2), DEEP / 2);
    CHECK(runtime_recover(message, sizeof message));
    recovered++;
    (void)arg;
}

static void ended(void *unused)
{
    (void)unused;
    waitgroup_done(&deep_one);
}

static void go_deep(void *recovers)
{
    runtime_defer(ended, NULL);
    if (recovers != NULL)
        runtime_defer(recover, NULL);
    ready = true;
    while (!out)
        runtime_gosched();
    CHECK_EQ(deep(DEEP), DEEP);
    printf("memory did not run out\n");
    exit(1);
}

static void others(void *arg)
{
    (void)arg;
    while (!stop) {
        turns++;
        runtime_gosched();
    }
}

static void run_out(void *recovers)
{
    /* A stack of a size that no P keeps, and without what an earlier one has grown. */
    struct go_attr attr = {.stack_size = 128 << 10};
    ready = out = stop = false;
    give_all(take_all());
    waitgroup_add(&deep_one, 1);
    CHECK(go_with(&attr, go_deep, recovers) > 0);
    CHECK(waitgroup_go(&rest, others, NULL) > 0);
    while (!ready)
        runtime_gosched();
    void **all = take_all();
    out = true;
    waitgroup_wait(&deep_one);
    long before = turns;
    while (turns == before)
        runtime_gosched();
    give_all(all);
    stop = true;
    waitgroup_wait(&rest);
}

/* More often than the reserve could bear without what is given back in between. */
static void a_stack_that_cannot_grow_panics_its_goroutine_alone(void)
{
    for (int i = 1; i <= 20; i++) {
        message[0] = '\0';
        run_out(&message);
        CHECK_EQ(recovered, i);
        CHECK(strstr(message, "runtime error: out of memory: a stack cannot grow") == message);
    }
}

int main(int argc, char **argv)
{
    (void)argv;
    if (argc > 1) {
        run_out(NULL);
        return 0;
    }
    RUN(a_stack_that_cannot_grow_panics_its_goroutine_alone);
    return 0;
}
