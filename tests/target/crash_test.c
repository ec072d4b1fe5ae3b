/*
 * crash_test: runs that end wrong, for their reports. The first argument chooses. In the lines that
 * tests/symbolize_test.py wants to be found stands who is found there: "here: NAME".
 */
#include "check.h"

static volatile int bottom;
static volatile int *volatile nowhere;

static __attribute__((noinline)) void innermost(int n)
{
    runtime_panic("too deep: %d", n); /* here: innermost */
}

static __attribute__((noinline)) int middle(int n)
{
    if (n == bottom)
        innermost(n); /* here: middle */
    return n + 1;
}

static void worker(void *unused)
{
    (void)unused;
    bottom += middle(bottom); /* here: worker */
    bottom++;
}

static void panic_nested(void)
{
    go(worker, NULL); /* here: panic_nested */
    time_sleep(HOUR);
}

static __attribute__((noinline)) int look_at(volatile int *p)
{
    return *p + 1; /* here: look_at */
}

static void look_nowhere(void *unused)
{
    (void)unused;
    bottom += look_at(nowhere); /* here: look_nowhere */
    bottom++;
}

static void fault_in_a_goroutine(void)
{
    go(look_nowhere, NULL); /* here: fault_in_a_goroutine */
    time_sleep(HOUR);
}

static void nothing(void *unused)
{
    (void)unused;
}

/* One hart: who is started here is still queued. */
static void panic_with_queues(void)
{
    struct go_attr here = {.affinity = 1};
    for (int i = 0; i < 20; i++)
        CHECK(go(nothing, NULL) > 0);
    CHECK(go_with(&here, nothing, NULL) > 0);
    runtime_panic("with queues");
}

static void wait_for_ever(void *unused)
{
    (void)unused;
    chan_recv(NULL, NULL);
}

static void panic_in_a_crowd(void)
{
    for (int i = 0; i < 300; i++)
        CHECK(go(wait_for_ever, NULL) > 0);
    runtime_panic("in a crowd");
}

static void yield_on(void *unused)
{
    (void)unused;
    for (;;)
        runtime_gosched();
}

/* What is noted last is overwritten all the time, on all harts that the host lets run. */
static void panic_among_the_busy(void)
{
    for (int i = 0; i < 12; i++)
        CHECK(go(yield_on, NULL) > 0);
    for (int i = 0; i < 1000; i++)
        runtime_gosched();
    go(worker, NULL);
    time_sleep(HOUR);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*fn)(void);
    } ways[] = {{"panic_nested", panic_nested},
                {"fault_in_a_goroutine", fault_in_a_goroutine},
                {"panic_with_queues", panic_with_queues},
                {"panic_in_a_crowd", panic_in_a_crowd},
                {"panic_among_the_busy", panic_among_the_busy}};
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
        if (argc > 1 && strcmp(argv[1], ways[i].name) == 0)
            ways[i].fn();
    return 1;
}
