/*
 * unit: the least that a unit test needs.
 *
 *     // with: kernel/machine.c libfdt        first line: what the runner links with it
 *     #include "tests/unit/unit.h"
 *     TEST(steal_takes_half)
 *     {
 *         CHECK(runq_empty(&q));
 *         CHECK_EQ(runq_steal(&q), 4);
 *         CHECK_STR(name, "P0");
 *     }
 *     UNIT_MAIN
 *
 * A test's name is a sentence. Tests run in the order of the file, each reports `ok NAME`, or
 * `FAIL NAME file:line what` for every check that failed, and the others go on; the program exits
 * with 1 if any failed. A word on the command line runs only the tests whose names contain it.
 * CHECK may be used by any thread of a test.
 */
#pragma once
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define UNIT_MAX_TESTS 256
#define UNIT_MAX_LINES 20 /* of FAIL for one test */

struct unit_test {
    const char *name;
    void (*run)(void);
};

static struct unit_test unit_tests[UNIT_MAX_TESTS];
static unsigned unit_n_tests;
static const char *unit_name;       /* the test that runs */
static _Atomic unsigned unit_fails; /* its checks that failed */

static inline void unit_add(const char *name, void (*run)(void))
{
    if (unit_n_tests < UNIT_MAX_TESTS)
        unit_tests[unit_n_tests] = (struct unit_test){name, run};
    unit_n_tests++;
}

/* A failed check's line begins here. False: there have been enough. */
static inline int unit_fail(const char *file, int line)
{
    /* relaxed: a count; main reads it after the test has joined its threads. */
    if (atomic_fetch_add_explicit(&unit_fails, 1, memory_order_relaxed) >= UNIT_MAX_LINES)
        return 0;
    printf("FAIL %s %s:%d ", unit_name, file, line);
    return 1;
}

static inline void unit_check(int ok, const char *what, const char *file, int line)
{
    if (!ok && unit_fail(file, line))
        printf("%s\n", what);
}

static inline void unit_check_eq(long long got, long long want, const char *what, const char *file,
                                 int line)
{
    if (got != want && unit_fail(file, line))
        printf("%s is %lld (%#llx), not %lld (%#llx)\n", what, got, (unsigned long long)got, want,
               (unsigned long long)want);
}

static inline void unit_check_str(const char *got, const char *want, const char *what,
                                  const char *file, int line)
{
    if ((!got || strcmp(got, want) != 0) && unit_fail(file, line))
        printf("%s is \"%s\", not \"%s\"\n", what, got ? got : "(null)", want);
}

#define TEST(name)                                                 \
    static void name(void);                                        \
    __attribute__((constructor)) static void unit_add_##name(void) \
    {                                                              \
        unit_add(#name, name);                                     \
    }                                                              \
    static void name(void)

#define CHECK(condition) unit_check(!!(condition), #condition, __FILE__, __LINE__)
#define CHECK_EQ(got, want) \
    unit_check_eq((long long)(got), (long long)(want), #got, __FILE__, __LINE__)
#define CHECK_STR(got, want) unit_check_str(got, want, #got, __FILE__, __LINE__)

static inline int unit_main(const char *only)
{
    unsigned failed = 0, run = 0;
    if (unit_n_tests > UNIT_MAX_TESTS) {
        printf("FAIL %u tests, unit.h has room for %d\n", unit_n_tests, UNIT_MAX_TESTS);
        return 1;
    }
    for (unsigned i = 0; i < unit_n_tests; i++) {
        if (only && !strstr(unit_tests[i].name, only))
            continue;
        unit_name = unit_tests[i].name;
        unit_fails = 0;
        unit_tests[i].run();
        run++;
        failed += unit_fails != 0;
        if (unit_fails == 0)
            printf("ok %s\n", unit_name);
        fflush(stdout); /* the next one may not come back */
    }
    if (run == 0)
        printf("FAIL no test is called %s\n", only ? only : "anything");
    return failed != 0 || run == 0;
}

#define UNIT_MAIN                                    \
    int main(int argc, char **argv)                  \
    {                                                \
        return unit_main(argc > 1 ? argv[1] : NULL); \
    }
