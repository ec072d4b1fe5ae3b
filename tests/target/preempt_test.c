/*
 * preempt_test: goroutines that are taken off their harts in the middle of whatever they do. Who is
 * taken off, and when, is slice_test.c's.
 *
 *     ARGS=traceback     spinners are preempted and a traceback of all is printed; see tests/list
 */
#include <math.h>
#include "tests/target/crowd.h"

/* ---- registers ---- */

static void keep_all_registers(void *which)
{
    uint16_t began = slices_used();
    uint64_t pattern = 0x0123456700000000u * (2 * (uint64_t)(uintptr_t)which + 1);
    do {
        pattern += 0x10000809;
        CHECK_EQ(hold_everything(pattern, 5000), 0);
    } while (another_turn(began, 3));
}

static void hundreds_keep_all_their_registers(void)
{
    crowd(300, keep_all_registers);
    CHECK(atomic_load(&slices_of_all) > 100);
}

/* One in three never uses floating point, one begins when it has been preempted (trap 16). */
static void keep_some_registers(void *p)
{
    unsigned which = (unsigned)(uintptr_t)p;
    uint16_t began = slices_used();
    uint64_t pattern = 0x7654321000000000u + 0x10000000001u * which;
    bool fp = which % 3 == 0;
    do {
        pattern += 0x10000809;
        CHECK_EQ(fp ? hold_everything(pattern, 5000) : hold_integers_only(pattern, 5000), 0);
        if (which % 3 == 1 && slices_used() != began)
            fp = true;
    } while (another_turn(began, 3));
}

static void trap_16_floating_point_begins_and_moves_amid_preemptions(void)
{
    crowd(200, keep_some_registers);
    CHECK(atomic_load(&slices_of_all) > 60);
}

/* ---- exclusives ---- */
#if !defined(__x86_64__)

static _Atomic uint32_t hits;
static uint32_t word_of[64];

static void add_and_pair(void *p)
{
    unsigned which = (unsigned)(uintptr_t)p;
    uint16_t began = slices_used();
    const volatile uint16_t *slices = &g_self()->slices;
    do {
        for (int i = 0; i < 500; i++)
            atomic_fetch_add(&hits, 1); /* a loop of load and store exclusive */
        atomic_fetch_sub(&hits, 500);
        /* main looks on with a turn to spare, so this one does lose its hart. */
        CHECK(!exclusive_pair_across(&word_of[which], slices));
    } while (another_turn(began, 4));
}

static void trap_18_no_reservation_outlives_a_preemption(void)
{
    atomic_store(&hits, 0);
    amid_spinners(crowd, 40, add_and_pair);
    CHECK_EQ(atomic_load(&hits), 0);
}
#endif

/* ---- stacks ---- */

static __attribute__((noinline)) int grow(int levels, uint32_t salt)
{
    volatile uint32_t pad[150];
    for (int i = 0; i < 150; i += 30)
        pad[i] = salt + (uint32_t)i;
    int deeper = levels == 0 ? 0 : 1 + grow(levels - 1, salt * 5 + 1);
    for (int i = 0; i < 150; i += 30)
        CHECK_EQ(pad[i], salt + (uint32_t)i);
    return deeper;
}

static void grow_new_stacks(void *unused)
{
    (void)unused;
    CHECK_EQ(grow(70, (uint32_t)runtime_goid()), 70);
}

static void breed(void *unused)
{
    (void)unused;
    uint16_t began = slices_used();
    do
        for (int i = 0; i < 10; i++)
            apart(grow_new_stacks, NULL);
    while (another_turn(began, 1) && atomic_load(&unfinished) > 3 * runtime_numcpu());
}

static void stacks_grow_amid_preemptions(void)
{
    crowd(4 * runtime_numcpu(), breed);
}

/* The registers go where the stack has no page yet, or on both sides of its end. */
static void wait_far_below(void *p)
{
    uintptr_t which = (uintptr_t)p;
    const volatile uint16_t *slices = &g_self()->slices;
    for (uintptr_t at = 0; at < 5; at++)
        wait_below(4096 * (1 + which % 9) + 208 * (which % 20) + 16 * at, slices, *slices);
}

static void registers_find_room_on_pages_that_are_not_there_yet(void)
{
    amid_spinners(in_parallel, 60, wait_far_below);
}

/* Not even on the last page that is the program's: the room left is for less than the registers. */
static void wait_at_the_end(void *p)
{
    const volatile uint16_t *slices = &g_self()->slices;
    uintptr_t end = g_self()->stack.lo + 4096, frame = (uintptr_t)__builtin_frame_address(0);
    for (uintptr_t at = 0; at < 5; at++) {
        uintptr_t left =
            320 + 16 * ((uintptr_t)p % 5) - 48 * at / 4; /* and what this frame takes */
        wait_below((frame - end - left) & ~(uintptr_t)15, slices, *slices);
    }
}

static void one_with_no_room_left_is_preempted_too(void)
{
    amid_spinners(in_parallel, 30, wait_at_the_end);
}

/* ---- the C library ---- */

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void sort_some(uint32_t seed)
{
    size_t n = 100 + seed % 200;
    uint32_t *a = malloc(n * sizeof(*a)), sum = 0;
    CHECK(a != NULL);
    for (size_t i = 0; i < n; i++)
        sum += a[i] = seed = seed * 1664525 + 1013904223;
    qsort(a, n, sizeof(*a), by_value);
    for (size_t i = 0; i < n; i++) {
        CHECK(i == 0 || a[i - 1] <= a[i]);
        sum -= a[i];
    }
    CHECK_EQ(sum, 0);
    free(a);
}

static void print_and_read_back(uint32_t seed)
{
    char text[80], *end;
    double x = ldexp((double)(seed | 1), (int)(seed % 600) - 300);
    snprintf(text, sizeof text, "%.17g|%s|%u", x, "between", (unsigned)seed);
    CHECK(strtod(text, &end) == x);
    CHECK(strncmp(end, "|between|", 9) == 0);
    CHECK_EQ(strtoul(end + 9, NULL, 10), seed);
}

static _Thread_local uint32_t mine;

static void use_the_library(void *which)
{
    uint16_t began = slices_used();
    uint32_t seed = 12345 + 77777 * (uint32_t)(uintptr_t)which;
    do {
        mine = seed;
        errno = (int)(seed >> 8);
        print_and_read_back(seed);
        sort_some(seed);
        CHECK_EQ(mine, seed);
        CHECK_EQ(errno, (int)(seed >> 8));
#if !defined(PINION_HOST) /* whose strtok has one place for all */
        char *words = strdup("one two three");
        CHECK(words != NULL && strcmp(strtok(words, " "), "one") == 0);
        CHECK(strcmp(strtok(NULL, " "), "two") == 0 && strcmp(strtok(NULL, " "), "three") == 0);
        free(words);
#endif
        seed = seed * 1664525 + 1013904223;
    } while (another_turn(began, 2));
}

static void the_c_library_may_be_left_anywhere(void)
{
    crowd(6 * runtime_numcpu() + 10, use_the_library);
    CHECK(atomic_load(&slices_of_all) > 5);
}

/* ---- locks ---- */

static mutex lock;
static volatile uint64_t guarded[8];

static void hold_the_lock_for_long(void *unused)
{
    (void)unused;
    uint16_t began = slices_used();
    do {
        if (slices_used() % 2 == 0)
            mutex_lock(&lock);
        else
            while (!mutex_try_lock(&lock))
                runtime_gosched();
        uint64_t before = guarded[0];
        uint16_t holding = slices_used();
        for (int i = 0; i < 8; i++)
            CHECK_EQ(guarded[i], before);
        /* Some hold it until they have lost the hart with it. */
        for (int i = 0; i < 20000 && (runtime_goid() % 3 != 0 || slices_used() == holding); i++)
            continue;
        for (int i = 0; i < 8; i++)
            guarded[i] = before + 1;
        mutex_unlock(&lock);
    } while (another_turn(began, 2));
}

static void trap_23_a_lock_s_holder_is_preempted_by_those_that_want_it(void)
{
    amid_spinners(crowd, 20 + 2 * runtime_numcpu(), hold_the_lock_for_long);
    for (int i = 1; i < 8; i++)
        CHECK_EQ(guarded[i], guarded[0]);
}

/* ---- tracebacks ---- */

static __attribute__((noinline)) void in_a_leaf(volatile uint64_t *n)
{
    while (!atomic_load_explicit(&enough, memory_order_relaxed))
        ++*n;
}

static __attribute__((noinline)) void above_a_leaf(void *n)
{
    in_a_leaf(n);
    ++*(volatile uint64_t *)n;
}

/* Two that stop all harts at once (trap 22), and those that they look at are stopped anywhere. */
static void look_at_all(void *unused)
{
    (void)unused;
    runtime_stack(true);
}

static void traceback(void)
{
    static volatile uint64_t counts[64 * 3];
    for (int i = 0; i < 3 * runtime_numcpu(); i++)
        CHECK(go_with(&(struct go_attr){.name = "spinner"}, above_a_leaf, (void *)&counts[i]) > 0);
    time_sleep(20 * MILLISECOND);
    in_parallel(2, look_at_all);
    atomic_store(&enough, true);
}

int main(int argc, char **argv)
{
    preempt_slice_ns = SHORT;
    if (argc > 1 && strcmp(argv[1], "traceback") == 0) {
        traceback();
        return 0;
    }
    RUN(hundreds_keep_all_their_registers);
    RUN(trap_16_floating_point_begins_and_moves_amid_preemptions);
#if !defined(__x86_64__)
    RUN(trap_18_no_reservation_outlives_a_preemption);
#endif
    RUN(stacks_grow_amid_preemptions);
    RUN(registers_find_room_on_pages_that_are_not_there_yet);
    RUN(one_with_no_room_left_is_preempted_too);
    RUN(the_c_library_may_be_left_anywhere);
    RUN(trap_23_a_lock_s_holder_is_preempted_by_those_that_want_it);
    CHECK_SOON(runtime_numgoroutine() == 1);
    return 0;
}
