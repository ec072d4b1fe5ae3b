/*
 * libc_test: newlib under goroutines: errno and _Thread_local by goroutine, malloc between harts,
 * printf of doubles, what there is no file system for.
 */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <time.h>
#include "check.h"

static void expect_text(const char *text, const char *wanted)
{
    if (strcmp(text, wanted) != 0)
        printf("'%s', not '%s'\n", text, wanted);
    CHECK(strcmp(text, wanted) == 0);
}

#define CHECK_PRINT(wanted, ...)                    \
    do {                                            \
        char text_[200];                            \
        snprintf(text_, sizeof text_, __VA_ARGS__); \
        expect_text(text_, wanted);                 \
    } while (0)

static void doubles_are_printed(void *unused)
{
    (void)unused;
    CHECK_PRINT("3.141593", "%f", M_PI);
    CHECK_PRINT("3.14159", "%g", M_PI);
    CHECK_PRINT("3.141593e+00", "%e", M_PI);
    CHECK_PRINT("1e+300 -0.5 0", "%g %g %g", 1e300, -0.5, 0.0);
    CHECK_PRINT("   12.35|12.3  |+1", "%8.2f|%-6.1f|%+.0f", 12.345678, 12.3, 1.0);
    CHECK_PRINT("inf nan", "%f %f", (double)INFINITY, (double)NAN);
    CHECK_PRINT("0x1p+0", "%a", 1.0);
    CHECK_PRINT("1.797693e+308 2.225074e-308", "%e %e", DBL_MAX, DBL_MIN);
    CHECK_PRINT("9223372036854775807 18446744073709551615 ffff", "%lld %llu %zx",
                9223372036854775807ll, 18446744073709551615ull, (size_t)65535);
    double x;
    int n;
    CHECK(sscanf("2.5e3 77", "%lf %d", &x, &n) == 2 && x == 2500 && n == 77);
    CHECK(strtod("0.1", NULL) == 0.1);
    CHECK(fabs(sin(1.0) - 0.8414709848078965) < 1e-15);
}

static void print_doubles_here_and_there(void)
{
    doubles_are_printed(NULL);
    in_parallel(20, doubles_are_printed);
}

/* ---- errno ---- */

/* Half of them get newlib's whole state, in the middle of it: errno must move along. */
static void keep_errno(void *which)
{
    int me = 1000 + (int)(intptr_t)which;
    errno = me;
    for (int i = 0; i < 50; i++) {
        switch (i % 4) {
        case 0: runtime_gosched(); break;
        case 1: time_sleep(10 * MICROSECOND); break;
        case 2:
            if (me % 2) {
                (void)rand(); /* asks for the state */
                CHECK_EQ(errno, me);
            }
        }
        CHECK_EQ(errno, me);
    }
    CHECK(strtol("99999999999999999999", NULL, 10) > 0);
    CHECK_EQ(errno, ERANGE);
    runtime_gosched();
    CHECK_EQ(errno, ERANGE);
}

static void zero_errno(void *unused)
{
    (void)unused;
    CHECK_EQ(errno, 0);
    errno = EDOM;
}

static void errno_belongs_to_the_goroutine(void)
{
    errno = 77;
    in_parallel(100, keep_errno);
    CHECK_EQ(errno, 77);
    in_parallel(200, zero_errno); /* a new one begins with 0 */
    CHECK_EQ(errno, 77);
}

/* ---- _Thread_local ---- */

static _Thread_local int counter = 5;
static _Thread_local char name[20] = "initial";
static _Thread_local uint64_t zeroed[9];
static _Thread_local struct line {
    char bytes[64];
} line __attribute__((aligned(64)));
static const char constant_text[] = "constant";
static _Thread_local const char *pointer = constant_text;

static void use_thread_locals(void *which)
{
    int me = (int)(intptr_t)which;
    CHECK_EQ(counter, 5);
    expect_text(name, "initial");
    expect_text(pointer, "constant");
    CHECK_EQ((uintptr_t)&line % 64, 0);
    for (int i = 0; i < 9; i++)
        CHECK_EQ(zeroed[i], 0);
    for (int i = 0; i < 64; i++)
        CHECK_EQ(line.bytes[i], 0);
    int *address = &counter;
    counter = me;
    snprintf(name, sizeof name, "number %d", me);
    memset(&line, me, sizeof line);
    for (int i = 0; i < 9; i++)
        zeroed[i] = (uint64_t)me * 3;
    for (int k = 0; k < 20; k++) {
        char wanted[20];
        if (k % 5 == 0)
            time_sleep(20 * MICROSECOND);
        else
            runtime_gosched();
        CHECK_EQ(counter, me);
        CHECK(&counter == address); /* it moves with the goroutine, so it does not move */
        snprintf(wanted, sizeof wanted, "number %d", me);
        expect_text(name, wanted);
        CHECK_EQ(zeroed[8], (uint64_t)me * 3);
        CHECK_EQ(line.bytes[63], (char)me);
    }
}

static void thread_locals_belong_to_the_goroutine(void)
{
    counter = 12345;
    for (int round = 0; round < 3; round++)
        in_parallel(150, use_thread_locals);
    CHECK_EQ(counter, 12345);
    expect_text(name, "initial");
}

/* ---- what else newlib keeps for each thread ---- */

#if !defined( \
    PINION_HOST) /* whose C library has one place for all, files, and more memory than we ask for */

static void tokens_and_randoms(void *which)
{
    char text[64];
    int me = (int)(intptr_t)which, sum = 0;
    static const char *const wanted[] = {"a", "bb", "ccc", "dddd"};
    snprintf(text, sizeof text, "a,bb,ccc,dddd,%d", me);
    char *token = strtok(text, ",");
    for (int i = 0; i < 4; i++) {
        expect_text(token, wanted[i]);
        runtime_gosched();
        token = strtok(NULL, ",");
    }
    CHECK_EQ(atoi(token), me);
    srand((unsigned)me % 10);
    for (int i = 0; i < 20; i++) {
        sum = sum * 31 + rand();
        if (i % 3 == 0)
            runtime_gosched();
    }
    unsigned seed_check = (unsigned)me % 10;
    srand(seed_check);
    int again = 0;
    for (int i = 0; i < 20; i++)
        again = again * 31 + rand();
    CHECK_EQ(again, sum);
    time_t when = me * 86400;
    struct tm *tm = gmtime(&when);
    runtime_gosched();
    CHECK_EQ(tm->tm_yday, me % 365);
}

static void strtok_and_rand_and_gmtime_are_by_goroutine(void)
{
    in_parallel(100, tokens_and_randoms);
}

#endif

/* ---- malloc ---- */

#define SLOTS 64
static struct slot {
    mutex lock;
    unsigned char *at;
    size_t n;
    unsigned char fill;
} slots[SLOTS];

static void check_slot(struct slot *s)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->at[i] != (unsigned char)(s->fill + i))
            check_failed_(__FILE__, __LINE__, "block of %lld bytes, at %lld", (long long)s->n,
                          (long long)i);
}

static void fill_slot(struct slot *s, size_t n, unsigned char fill)
{
    s->n = n;
    s->fill = fill;
    for (size_t i = 0; i < n; i++)
        s->at[i] = (unsigned char)(fill + i);
}

/* Blocks are made on one hart, changed on another and freed on a third. */
static void churn(void *which)
{
    uint32_t rng = 77 + (uint32_t)(intptr_t)which;
    for (int i = 0; i < 400; i++) {
        rng = rng * 1664525 + 1013904223;
        struct slot *s = &slots[rng >> 26];
        size_t n = (rng >> 8) % 2000;
        if (n % 50 == 0)
            n *= 20;
        mutex_lock(&s->lock);
        check_slot(s);
        if (s->at == NULL) {
            s->at = malloc(n + 1);
            CHECK(s->at != NULL && (uintptr_t)s->at % 16 == 0);
            fill_slot(s, n, (unsigned char)rng);
        } else if (rng % 3 == 0) {
            size_t kept = n < s->n ? n : s->n;
            s->at = realloc(s->at, n + 1);
            CHECK(s->at != NULL);
            s->n = kept;
            check_slot(s);
            fill_slot(s, n, (unsigned char)i);
        } else {
            free(s->at);
            s->at = NULL;
            s->n = 0;
        }
        mutex_unlock(&s->lock);
        if (i % 16 == 0)
            runtime_gosched();
    }
}

static void blocks_keep_their_content_between_harts(void)
{
    in_parallel(32, churn);
    for (int i = 0; i < SLOTS; i++) {
        check_slot(&slots[i]);
        free(slots[i].at);
    }
}

#if !defined(PINION_HOST)
static void too_much_memory_is_enomem(void)
{
    static const size_t sizes[] = {SIZE_MAX, SIZE_MAX / 2, (size_t)1 << 40, (size_t)60 << 30};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        size_t volatile n = sizes[i];
        errno = 0;
        CHECK(malloc(n) == NULL);
        CHECK_EQ(errno, ENOMEM);
    }
    size_t volatile huge = SIZE_MAX / 2;
    CHECK(calloc(huge, 16) == NULL);
    void *p = malloc(100000);
    CHECK(p != NULL);
    free(p);
}

/* All there is, and back: the failure is survived. */
static void memory_runs_out_and_comes_back(void)
{
    void **last = NULL;
    size_t got = 0;
    for (void **p; (p = malloc(8 << 20)) != NULL; last = p, got++)
        *p = last;
    CHECK_EQ(errno, ENOMEM);
    CHECK(got > 2);
    while (last != NULL) {
        void **next = *last;
        free(last);
        last = next;
    }
    for (size_t i = 0; i < got; i++) {
        void *p = malloc(8 << 20);
        CHECK(p != NULL);
        free(p);
    }
}

/* ---- files ---- */

static void there_are_no_files(void)
{
    errno = 0;
    CHECK(fopen("/no/such/file", "r") == NULL);
    CHECK_EQ(errno, ENOENT);
    errno = 0;
    CHECK(fopen("new", "w") == NULL);
    CHECK(errno != 0);
    CHECK(remove("/no/such/file") != 0);
    CHECK(getenv("HOME") == NULL);
}
#endif

/* ---- others ---- */

static void jump_within(void *unused)
{
    (void)unused;
    jmp_buf env;
    volatile int times = 0;
    if (setjmp(env) < 3) {
        runtime_gosched();
        times++;
        longjmp(env, times);
    }
    CHECK_EQ(times, 3);
}

static void longjmp_works_within_a_goroutine(void)
{
    in_parallel(50, jump_within);
}

static int by_number(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

static void sort_some(void *which)
{
    int n[100];
    for (int i = 0; i < 100; i++)
        n[i] = (i * 37 + (int)(intptr_t)which) % 100;
    qsort(n, 100, sizeof n[0], by_number);
    for (int i = 0; i < 100; i++)
        CHECK_EQ(n[i], i);
}

static void qsort_works_in_parallel(void)
{
    in_parallel(50, sort_some);
}

static void clocks_of_the_library_go_on(void)
{
    clock_t c = clock();
    time_sleep(20 * MILLISECOND);
    CHECK(clock() > c);
    CHECK(time(NULL) >= 0);
}

/* ---- constructors and destructors ---- */

static char began[8], ended[8];
static size_t n_began, n_ended;

__attribute__((constructor(101))) static void first(void)
{
    began[n_began++] = '1';
}

__attribute__((constructor(102))) static void second(void)
{
    began[n_began++] = '2';
}

__attribute__((constructor)) static void third(void)
{
    began[n_began++] = '3';
}

__attribute__((destructor)) static void last_of_all(void)
{
    ended[n_ended++] = 'd';
    if (strcmp(ended, "cbad") == 0)
        printf("destructors ran in order\n");
}

static void exit_a(void)
{
    ended[n_ended++] = 'a';
}

static void exit_b(void)
{
    ended[n_ended++] = 'b';
}

static void exit_c(void)
{
    ended[n_ended++] = 'c';
}

static void constructors_ran_in_order_before_main(void)
{
    expect_text(began, "123");
    atexit(exit_a);
    atexit(exit_b);
    atexit(exit_c);
}

/* ---- arguments ---- */

static void arguments_are_these(int argc, char **argv)
{
    CHECK_EQ(argc, 4);
    CHECK(strstr(argv[0], "libc_test") != NULL || strcmp(argv[0], "pinion") == 0);
    expect_text(argv[1], "one");
    expect_text(argv[2], "--two=2");
    expect_text(argv[3], "three;'");
    CHECK(argv[4] == NULL);
}

int main(int argc, char **argv)
{
    RUN(constructors_ran_in_order_before_main);
    arguments_are_these(argc, argv);
    RUN(print_doubles_here_and_there);
    RUN(errno_belongs_to_the_goroutine);
    RUN(thread_locals_belong_to_the_goroutine);
#if !defined(PINION_HOST)
    RUN(strtok_and_rand_and_gmtime_are_by_goroutine);
    RUN(too_much_memory_is_enomem);
    RUN(there_are_no_files);
    RUN(memory_runs_out_and_comes_back);
#endif
    RUN(blocks_keep_their_content_between_harts);
    RUN(longjmp_works_within_a_goroutine);
    RUN(qsort_works_in_parallel);
    RUN(clocks_of_the_library_go_on);
    CHECK_SOON(runtime_numgoroutine() == 1);
    return 0;
}
