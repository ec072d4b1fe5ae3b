/*
 * preempt_test: goroutines that are taken off their harts in the middle of whatever they do.
 *
 * Slices are short here, and what a test waits for is counted in slices, not in time: on a slow
 * host it takes longer and is the same. A goroutine is only taken off while another waits, so each
 * loop also ends when too few are left for that.
 *
 *     ARGS=traceback     spinners are preempted and a traceback of all is printed; see tests/list
 */
#include <math.h>
#include "tests/target/preempt.h"
#include "sched/proc.h"

#define SHORT (200 * MICROSECOND)

static _Atomic int unfinished; /* of the goroutines of this test */
static _Atomic uint32_t slices_of_all;

/* Runs fn(which) in n goroutines; each has to call another_turn until it says no. */
static void crowd(int n, void (*fn)(void *))
{
    atomic_store(&unfinished, n);
    atomic_store(&slices_of_all, 0);
    in_parallel(n, fn);
}

/* Has this goroutine not used up `wanted` slices yet, and are there others to make it lose them? */
static bool another_turn(uint16_t began, uint16_t wanted)
{
    uint16_t used = (uint16_t)(slices_used() - began);
    if (used < wanted && atomic_load(&unfinished) > 2 * runtime_numcpu())
        return true;
    atomic_fetch_add(&slices_of_all, used);
    atomic_fetch_sub(&unfinished, 1);
    return false;
}

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

static _Atomic bool enough;

static void spin_until_enough(void *unused)
{
    (void)unused;
    while (!atomic_load_explicit(&enough, memory_order_relaxed))
        continue;
}

/* Spinners, two a hart, which see to it that everybody else loses its slices. */
static void amid_spinners(int n, void (*fn)(void *))
{
    waitgroup end = {0};
    atomic_store(&enough, false);
    for (int i = 0; i < 2 * runtime_numcpu(); i++)
        CHECK(waitgroup_go(&end, spin_until_enough, NULL) > 0);
    crowd(n, fn);
    atomic_store(&enough, true);
    waitgroup_wait(&end);
}

static void trap_18_no_reservation_outlives_a_preemption(void)
{
    atomic_store(&hits, 0);
    amid_spinners(40, add_and_pair);
    CHECK_EQ(atomic_load(&hits), 0);
}

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
    waitgroup end = {0};
    atomic_store(&enough, false);
    for (int i = 0; i < 2 * runtime_numcpu(); i++)
        CHECK(waitgroup_go(&end, spin_until_enough, NULL) > 0);
    in_parallel(60, wait_far_below);
    atomic_store(&enough, true);
    waitgroup_wait(&end);
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
    waitgroup end = {0};
    atomic_store(&enough, false);
    for (int i = 0; i < 2 * runtime_numcpu(); i++)
        CHECK(waitgroup_go(&end, spin_until_enough, NULL) > 0);
    in_parallel(30, wait_at_the_end);
    atomic_store(&enough, true);
    waitgroup_wait(&end);
}

/* ---- preemption off ---- */

static _Atomic int others_ran;

static void note_that_i_ran(void *unused)
{
    (void)unused;
    atomic_fetch_add(&others_ran, 1);
}

static void run_on_p0(void (*fn)(void *))
{
    static const struct go_attr p0 = {.affinity = 1};
    CHECK(go_with(&p0, fn, NULL) > 0);
}

static void wait_for_a_request(void)
{
    while (*(volatile uint8_t *)&g_self()->preempt_wanted == 0)
        continue;
}

static waitgroup pinned_end;

/* Pinned, so that what waits for this hart can run on no other. */
static void put_it_off(void *unused)
{
    (void)unused;
    for (int round = 1; round <= 5; round++) {
        preempt_off();
        uint16_t before = slices_used();
        run_on_p0(note_that_i_ran);
        wait_for_a_request();
        CHECK_EQ(atomic_load(&others_ran), round - 1);
        CHECK_EQ(slices_used(), before);
        preempt_on();
        /* At once; but slices are short here and hosts are slow, so it may have lost its hart again
         * by now, and the other one too, before it could say that it ran. */
        CHECK((uint16_t)(slices_used() - before) >= 1);
        while (atomic_load(&others_ran) < round)
            runtime_gosched();
    }
    waitgroup_done(&pinned_end);
}

static void a_request_is_honoured_when_preemption_comes_on_again(void)
{
    waitgroup_add(&pinned_end, 1);
    run_on_p0(put_it_off);
    waitgroup_wait(&pinned_end);
}

/*
 * A request that was meant for an earlier stay on the hart (trap 12). By chance the present stay may
 * be asked to end as well, at that very moment: so once in many times is enough.
 */
static void leave_with_a_request(void *unused)
{
    (void)unused;
    int kept = 0;
    for (int i = 0; i < 50 && kept == 0; i++) {
        struct g *g = g_self();
        preempt_off();
        run_on_p0(note_that_i_ran);
        wait_for_a_request();
        runtime_gosched(); /* honoured this way, by chance */
        uint16_t before = slices_used();
        CHECK_EQ(g->preempt_off, 0);
        g->preempt_wanted = 1; /* as it is found if nobody has looked since */
        preempt_off();
        preempt_on();
        CHECK_EQ(g->preempt_wanted, 0);
        kept += slices_used() == before;
    }
    CHECK(kept > 0);
    waitgroup_done(&pinned_end);
}

static void trap_12_a_stale_request_evicts_nobody(void)
{
    waitgroup_add(&pinned_end, 1);
    run_on_p0(leave_with_a_request);
    waitgroup_wait(&pinned_end);
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
        char *words = strdup("one two three");
        CHECK(words != NULL && strcmp(strtok(words, " "), "one") == 0);
        CHECK(strcmp(strtok(NULL, " "), "two") == 0 && strcmp(strtok(NULL, " "), "three") == 0);
        free(words);
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
    amid_spinners(20 + 2 * runtime_numcpu(), hold_the_lock_for_long);
    for (int i = 1; i < 8; i++)
        CHECK_EQ(guarded[i], guarded[0]);
}

/* ---- who runs ---- */

static void say_enough(void *unused)
{
    (void)unused;
    atomic_store(&enough, true);
}

/* The last comer is queued behind spinners that wait for it. */
static void a_third_goroutine_must_run(void)
{
    for (int round = 0; round < 5; round++) {
        waitgroup end = {0};
        atomic_store(&enough, false);
        for (int i = 0; i < 3 * runtime_numcpu(); i++)
            CHECK(waitgroup_go(&end, spin_until_enough, NULL) > 0);
        runtime_gosched();
        CHECK(waitgroup_go(&end, say_enough, NULL) > 0);
        spin_until_enough(NULL);
        waitgroup_wait(&end);
    }
}

static void stay(void *p)
{
    int where = (int)(intptr_t)p;
    uint16_t began = slices_used();
    while ((uint16_t)(slices_used() - began) < 5 && atomic_load(&unfinished) > 0) {
        CHECK_EQ(on_this_p(), where);
        CHECK_EQ(runtime_hart(), where);
    }
    atomic_store(&unfinished, 0); /* with one away, the other of this P waits for nobody */
    waitgroup_done(&pinned_end);
}

static void trap_11_the_preempted_stay_where_they_are_pinned(void)
{
    int n = runtime_gomaxprocs(0);
    atomic_store(&unfinished, 1);
    waitgroup_add(&pinned_end, 3 * n);
    for (intptr_t i = 0; i < 3 * n; i++)
        CHECK(go_with(&(struct go_attr){.affinity = UINT64_C(1) << i % n}, stay, (void *)(i % n)) >
              0);
    waitgroup_wait(&pinned_end);
}

static mutex ball[2];
static _Atomic uint64_t passes;

static void play(void *p)
{
    int me = (int)(intptr_t)p;
    for (bool last = false; !last;) {
        mutex_lock(&ball[me]);
        last = atomic_load(&enough); /* now that the ball is here: the other gets it once more */
        atomic_fetch_add(&passes, 1);
        mutex_unlock(&ball[1 - me]);
    }
}

static void take_five_slices(void *unused)
{
    (void)unused;
    uint16_t began = slices_used();
    while (((uint16_t)(slices_used() - began) < 5 || atomic_load(&passes) <= 10) &&
           !atomic_load(&enough))
        continue;
    atomic_store(&enough, true);
}

/* Two that wake each other are one in the eyes of the others: they share a slice. */
static void trap_32_a_pair_that_wakes_each_other_starves_no_third(void)
{
    waitgroup end = {0};
    atomic_store(&enough, false);
    atomic_store(&passes, 0);
    mutex_lock(&ball[1]);
    for (intptr_t i = 0; i < 2; i++)
        CHECK(waitgroup_go(&end, play, (void *)i) > 0);
    for (int i = 0; i < 2 * runtime_numcpu(); i++)
        CHECK(waitgroup_go(&end, take_five_slices, NULL) > 0);
    waitgroup_wait(&end);
    CHECK(atomic_load(&passes) > 10);
    ball[0] = ball[1] = (mutex){0};
}

/* All wait for each other's turn: whoever yields or is preempted is taken on by another hart. */
static _Atomic int turn;

static void take_turns(void *p)
{
    int me = (int)(intptr_t)p, n = runtime_numcpu() + 1;
    for (int i = 0; i < 20; i++) {
        while (atomic_load(&turn) % n != me)
            if (i % 2 == 0)
                runtime_gosched();
        atomic_fetch_add(&turn, 1);
    }
}

static void trap_06_harts_that_wait_for_each_other_s_goroutines_go_on(void)
{
    atomic_store(&turn, 0);
    in_parallel(runtime_numcpu() + 1, take_turns);
    CHECK_EQ(atomic_load(&turn), 20 * (runtime_numcpu() + 1));
}

/* ---- time ---- */

static _Atomic int64_t latest;
static _Atomic uint32_t wakes;

static void sleep_and_look_back(void *p)
{
    uint32_t rng = 1 + (uint32_t)(uintptr_t)p;
    for (int i = 0; i < 10; i++) {
        rng = rng * 1664525 + 1013904223;
        int64_t due = time_now() + rng % 500 * MICROSECOND / 2;
        time_sleep(due - time_now());
        CHECK(time_now() >= due);
        atomic_fetch_add(&wakes, 1);
    }
}

/* All harts are busy with what never calls the scheduler, and each sleeper wakes ten times. */
static void trap_09_28_timers_fire_while_all_harts_are_busy(void)
{
    struct runtime_sched_stats a, b;
    waitgroup end = {0};
    runtime_read_sched_stats(&a);
    atomic_store(&enough, false);
    atomic_store(&wakes, 0);
    for (int i = 0; i < 2 * runtime_numcpu(); i++)
        CHECK(waitgroup_go(&end, spin_until_enough, NULL) > 0);
    in_parallel(100, sleep_and_look_back);
    atomic_store(&enough, true);
    waitgroup_wait(&end);
    runtime_read_sched_stats(&b);
    CHECK_EQ(atomic_load(&wakes), 1000);
    CHECK(b.timer_fires - a.timer_fires <= 1000);
}

/* No slice, many timers: the only goroutine that runs is interrupted for each, and goes on. */
static void trap_28_a_lone_spinner_lets_timers_fire(void)
{
    waitgroup end = {0};
    atomic_store(&wakes, 0);
    for (intptr_t i = 0; i < 20; i++)
        CHECK(waitgroup_go(&end, sleep_and_look_back, (void *)i) > 0);
    while (atomic_load(&wakes) < 200)
        continue;
    waitgroup_wait(&end);
}

static void read_the_clock(void *unused)
{
    (void)unused;
    uint16_t began = slices_used();
    do
        for (int i = 0; i < 200; i++) {
            int64_t before = atomic_load(&latest), now = time_now();
            CHECK(now >= before);
            while (before < now && !atomic_compare_exchange_weak(&latest, &before, now))
                continue;
        }
    while (another_turn(began, 3));
}

static void trap_29_time_goes_on_over_preemptions_and_moves(void)
{
    crowd(40 + 4 * runtime_numcpu(), read_the_clock);
}

/* Interrupts of all harts so far. */
static uint64_t interrupts(void)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < sched.n_m; i++)
        n += *(volatile uint64_t *)&sched.m[i]->timer_irqs +
             *(volatile uint64_t *)&sched.m[i]->soft_irqs;
    return n;
}

static void a_lone_spinner_is_left_alone(void)
{
    preempt_slice_ns = SLICE_NS;
    time_sleep(30 * MILLISECOND); /* what was armed has fired */
    burn(30 * MILLISECOND);
    uint64_t before = interrupts();
    int64_t began = time_now();
    burn(400 * MILLISECOND);
    int64_t took = time_now() - began;
    CHECK((int64_t)(interrupts() - before) <= took / (100 * MILLISECOND));
    preempt_slice_ns = SHORT;
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
    RUN(trap_18_no_reservation_outlives_a_preemption);
    RUN(stacks_grow_amid_preemptions);
    RUN(registers_find_room_on_pages_that_are_not_there_yet);
    RUN(one_with_no_room_left_is_preempted_too);
    RUN(a_request_is_honoured_when_preemption_comes_on_again);
    RUN(trap_12_a_stale_request_evicts_nobody);
    RUN(the_c_library_may_be_left_anywhere);
    RUN(trap_23_a_lock_s_holder_is_preempted_by_those_that_want_it);
    RUN(a_third_goroutine_must_run);
    RUN(trap_11_the_preempted_stay_where_they_are_pinned);
    RUN(trap_32_a_pair_that_wakes_each_other_starves_no_third);
    RUN(trap_06_harts_that_wait_for_each_other_s_goroutines_go_on);
    RUN(trap_09_28_timers_fire_while_all_harts_are_busy);
    RUN(trap_28_a_lone_spinner_lets_timers_fire);
    RUN(trap_29_time_goes_on_over_preemptions_and_moves);
    RUN(a_lone_spinner_is_left_alone);
    CHECK_SOON(runtime_numgoroutine() == 1);
    return 0;
}
