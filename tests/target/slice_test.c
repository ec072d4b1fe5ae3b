/*
 * slice_test: who is taken off his hart, and when; who runs then; and time, which goes on meanwhile.
 */
#include "tests/target/crowd.h"
#include "sched/proc.h"

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
    runtime_read_sched_stats(&a);
    atomic_store(&wakes, 0);
    amid_spinners(in_parallel, 100, sleep_and_look_back);
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

/* ---- who looks on while others go on ---- */

static void come_and_go(void *unused)
{
    (void)unused;
    while (!atomic_load(&enough))
        apart(note_that_i_ran, NULL);
}

/*
 * The count is made of numbers of all Ps, one after the other, and who counts may lose his hart in
 * between. Goroutines that start and end meanwhile, not always on the same P, may make it too large; those
 * who are there all the time are in it.
 */
static void trap_33_a_count_amid_starts_and_ends_misses_nobody(void)
{
    waitgroup end = {0};
    int n = 2 * runtime_numcpu();
    atomic_store(&enough, false);
    for (int i = 0; i < n; i++)
        CHECK(waitgroup_go(&end, come_and_go, NULL) > 0);
    uint16_t began = slices_used();
    while ((uint16_t)(slices_used() - began) < 30)
        CHECK(runtime_numgoroutine() >= 1 + n);
    atomic_store(&enough, true);
    waitgroup_wait(&end);
}

/* Interrupts of all harts so far. */
LOOKS_ON static uint64_t interrupts(void)
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

int main(void)
{
    preempt_slice_ns = SHORT;
    RUN_CALM(a_request_is_honoured_when_preemption_comes_on_again);
    RUN_CALM(trap_12_a_stale_request_evicts_nobody);
    RUN(a_third_goroutine_must_run);
    RUN(trap_11_the_preempted_stay_where_they_are_pinned);
    RUN(trap_32_a_pair_that_wakes_each_other_starves_no_third);
    RUN(trap_06_harts_that_wait_for_each_other_s_goroutines_go_on);
    RUN(trap_09_28_timers_fire_while_all_harts_are_busy);
    RUN(trap_28_a_lone_spinner_lets_timers_fire);
    RUN(trap_29_time_goes_on_over_preemptions_and_moves);
    RUN(trap_33_a_count_amid_starts_and_ends_misses_nobody);
    RUN_CALM(a_lone_spinner_is_left_alone);
    CHECK_SOON(runtime_numgoroutine() == 1);
    return 0;
}
