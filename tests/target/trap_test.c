/*
 * trap_test: bugs that have bitten the schedulers before this one, by the number of the table in
 * docs/traps.md. A test here would hang, or find what it checks broken, if the bug were there and
 * its window were met; the delays walk through the window. QEMU's harts are threads of a strongly
 * ordered host, so what only weak memory shows (3, 4) is proven by docs/memory-order.md, not here.
 */
#include <stdatomic.h>
#include "check.h"

static uint32_t random_of(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

static void spin_for(uint32_t n)
{
    for (volatile uint32_t i = 0; i < n; i++)
        continue;
}

/* ---- 13: before main, in a constructor, the scheduler is there in full ---- */

static int ran_before_main;

static void run_before_main(void *unused)
{
    (void)unused;
    time_sleep(10 * MICROSECOND);
    ran_before_main++;
}

__attribute__((constructor)) static void use_the_scheduler(void)
{
    for (int i = 0; i < 10; i++) {
        runtime_gosched();
        apart(run_before_main, NULL);
    }
}

static void trap_13_nobody_is_scheduled_before_the_scheduler_is_there(void)
{
    CHECK_EQ(ran_before_main, 10);
}

/* ---- 27, 25, 26: memory as it was before the others started; each hart is who it says ---- */

static int of_data = 12345;
static int of_bss[1024];
static int64_t of_hart[64];

static void look_around(void *p)
{
    int me = (int)(intptr_t)p;
    CHECK_EQ(of_data, 12345);
    for (int i = 0; i < 1024; i++)
        CHECK_EQ(of_bss[i], i);
    CHECK_EQ(runtime_hart(), me);
    of_hart[me] = runtime_goid();
}

static waitgroup pinned_end;
static void (*pinned_fn)(void *);

static void run_pinned(void *p)
{
    pinned_fn(p);
    waitgroup_done(&pinned_end);
}

static void on_every_p(void (*fn)(void *))
{
    pinned_fn = fn;
    waitgroup_add(&pinned_end, runtime_numcpu());
    for (intptr_t i = 0; i < runtime_numcpu(); i++)
        CHECK(go_with(&(struct go_attr){.affinity = UINT64_C(1) << i}, run_pinned, (void *)i) > 0);
    waitgroup_wait(&pinned_end);
}

static void trap_25_26_27_every_hart_is_itself_and_sees_what_was_written_before(void)
{
    for (int i = 0; i < 1024; i++)
        of_bss[i] = i;
    on_every_p(look_around);
    for (int i = 0; i < runtime_numcpu(); i++)
        CHECK(of_hart[i] > 1);
}

/* ---- 1, 2, 3, 10: wakes ---- */

/*
 * main makes a goroutine runnable and keeps its own hart busy until somebody else has run it. In
 * between the others go idle, each time at another distance from the next wake. A lost wake leaves
 * the goroutine in main's queue for ever.
 */
static _Atomic bool has_run;

static void say_that_it_ran(void *unused)
{
    (void)unused;
    atomic_store(&has_run, true);
}

static void trap_01_02_03_10_work_always_wakes_a_sleeper(void)
{
    uint32_t rng = 1;
    if (runtime_numcpu() == 1)
        return;
    for (int i = 0; i < 3000; i++) {
        atomic_store(&has_run, false);
        CHECK(go(say_that_it_ran, NULL) > 0);
        while (!atomic_load(&has_run))
            continue;
        spin_for(random_of(&rng) % (i % 2 ? 200 : 3000));
    }
    struct runtime_sched_stats s;
    runtime_read_sched_stats(&s);
    CHECK(s.wakeups > 0 && s.parks > 0 && s.steals > 0);
}

/* Two on different harts wake each other; each hart has gone to sleep, or is about to, or wakes. */
static mutex ball[2];

static void play(void *which)
{
    int me = (int)(intptr_t)which;
    uint32_t rng = 7 + (uint32_t)me;
    for (int i = 0; i < 3000; i++) {
        mutex_lock(&ball[me]);
        spin_for(random_of(&rng) % (i % 2 ? 100 : 1500));
        mutex_unlock(&ball[1 - me]);
    }
    waitgroup_done(&pinned_end);
}

static void trap_01_02_10_two_harts_wake_each_other(void)
{
    uint64_t other = runtime_numcpu() > 1 ? UINT64_C(1) << (runtime_numcpu() - 1) : 1;
    mutex_lock(&ball[1]);
    waitgroup_add(&pinned_end, 2);
    CHECK(go_with(&(struct go_attr){.affinity = 1}, play, (void *)0) > 0);
    CHECK(go_with(&(struct go_attr){.affinity = other}, play, (void *)1) > 0);
    waitgroup_wait(&pinned_end);
    CHECK(!mutex_try_lock(&ball[1])); /* where it was thrown from first */
    mutex_unlock(&ball[1]);
}

/* Timers and wakes together: whichever comes first, the sleeper goes on once. */
static void doze(void *which)
{
    uint32_t rng = 99 + (uint32_t)(intptr_t)which;
    for (int i = 0; i < 300; i++) {
        time_sleep(1 + random_of(&rng) % 60 * MICROSECOND);
        if (i % 3 == 0)
            apart(say_that_it_ran, NULL);
    }
}

static void trap_09_10_timers_fire_into_every_window(void)
{
    in_parallel(2 * runtime_numcpu(), doze);
}

/* ---- 4, 5: one goroutine, one hart ---- */

static void be_alone(void *which)
{
    _Atomic int inside = 0; /* on the stack that two would share */
    uint64_t mine[32];
    uint32_t rng = 3 + (uint32_t)(intptr_t)which;
    for (int i = 0; i < 32; i++)
        mine[i] = (uint64_t)(intptr_t)which * 1000 + (uint64_t)i;
    for (int k = 0; k < 400; k++) {
        CHECK_EQ(atomic_exchange(&inside, 1), 0);
        int64_t me = runtime_goid();
        spin_for(random_of(&rng) % 30);
        for (int i = 0; i < 32; i++)
            CHECK_EQ(mine[i], (uint64_t)(intptr_t)which * 1000 + (uint64_t)i);
        CHECK_EQ(atomic_exchange(&inside, 0), 1);
        switch (random_of(&rng) % 4) {
        case 0:
            mutex_lock(&ball[0]);
            mutex_unlock(&ball[0]);
            break;
        case 1:
            if (k % 16 == 0)
                time_sleep(MICROSECOND);
            break;
        default: runtime_gosched();
        }
        CHECK_EQ(runtime_goid(), me);
    }
}

static void trap_04_05_a_goroutine_runs_on_one_hart_at_a_time(void)
{
    in_parallel(8 * runtime_numcpu(), be_alone);
}

/* ---- 7: the dead leave their stacks before others move in ---- */

static void live_and_die(void *tag)
{
    volatile uint64_t stack[200];
    for (int i = 0; i < 200; i++)
        stack[i] = (uint64_t)(intptr_t)tag + (uint64_t)i;
    spin_for((uint32_t)(intptr_t)tag % 64);
    for (int i = 0; i < 200; i++)
        CHECK_EQ(stack[i], (uint64_t)(intptr_t)tag + (uint64_t)i);
}

static void breed(void *which)
{
    for (intptr_t i = 0; i < 150; i++) {
        waitgroup end = {0};
        for (intptr_t k = 0; k < 5; k++)
            CHECK(waitgroup_go(&end, live_and_die,
                               (void *)((intptr_t)which * 1000000 + i * 10 + k)) > 0);
        waitgroup_wait(&end);
    }
}

static void trap_07_a_stack_is_reused_only_when_it_was_left(void)
{
    in_parallel(2 * runtime_numcpu(), breed);
}

/* ---- 14, 15, 17: interrupts between any two instructions ---- */

/* Fills every register that a call may change, integer and floating-point, then counts down n and
 * looks whether all are as before: interrupts must have put them back. Returns 0 if so. */
uint64_t hold_temporaries(uint64_t pattern, uint64_t n);

#if defined(__riscv)
__asm__("  .globl hold_temporaries\n"
        "hold_temporaries:\n"
        "  .irp r, t0, t1, t2, t3, t4, t5, a2, a3, a4, a5, a6, a7\n  xori \\r, a0, 0x155\n  .endr\n"
        "  .irp n, 0, 1, 2, 3, 4, 5, 6, 7\n  fmv.d.x ft\\n, a0\n  fmv.d.x fa\\n, a0\n  .endr\n"
        "  .irp n, 8, 9, 10, 11\n  fmv.d.x ft\\n, a0\n  .endr\n"
        "1:  addi a1, a1, -1\n  bnez a1, 1b\n"
        "  xori t6, a0, 0x155\n"
        "  .irp r, t0, t1, t2, t3, t4, t5, a2, a3, a4, a5, a6, a7\n"
        "  xor \\r, \\r, t6\n  or a1, a1, \\r\n  .endr\n"
        "  .irp n, 0, 1, 2, 3, 4, 5, 6, 7\n"
        "  fmv.x.d t0, ft\\n\n  xor t0, t0, a0\n  or a1, a1, t0\n"
        "  fmv.x.d t0, fa\\n\n  xor t0, t0, a0\n  or a1, a1, t0\n  .endr\n"
        "  .irp n, 8, 9, 10, 11\n  fmv.x.d t0, ft\\n\n  xor t0, t0, a0\n  or a1, a1, t0\n  .endr\n"
        "  mv a0, a1\n  ret\n");
#elif defined(__x86_64__)
__asm__("  .globl hold_temporaries\n"
        "hold_temporaries:\n"
        "  .irp r, rax, rcx, rdx, r8, r9, r10, r11\n  leaq 0x155(%rdi), %\\r\n  .endr\n"
        "  .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n"
        "  movq %rdi, %xmm\\n\n  punpcklqdq %xmm\\n, %xmm\\n\n  .endr\n"
        "1:  decq %rsi\n  jnz 1b\n"
        "  .irp r, rax, rcx, rdx, r8, r9, r10, r11\n"
        "  subq $0x155, %\\r\n  xorq %rdi, %\\r\n  orq %\\r, %rsi\n  .endr\n"
        "  .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n"
        "  movq %xmm\\n, %rax\n  xorq %rdi, %rax\n  orq %rax, %rsi\n"
        "  punpckhqdq %xmm\\n, %xmm\\n\n"
        "  movq %xmm\\n, %rax\n  xorq %rdi, %rax\n  orq %rax, %rsi\n  .endr\n"
        "  movq %rsi, %rax\n  ret\n");
#else
__asm__("  .globl hold_temporaries\n"
        "hold_temporaries:\n"
        "  .irp n, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17\n"
        "  add x\\n, x0, #\\n\n  .endr\n"
        "  .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, "
        "30, 31\n"
        "  dup v\\n\\().2d, x0\n  .endr\n"
        "1:  subs x1, x1, #1\n  b.ne 1b\n"
        "  .irp n, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17\n"
        "  sub x\\n, x\\n, #\\n\n  eor x\\n, x\\n, x0\n  orr x1, x1, x\\n\n  .endr\n"
        "  .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, "
        "30, 31\n"
        "  umov x2, v\\n\\().d[0]\n  eor x2, x2, x0\n  orr x1, x1, x2\n"
        "  umov x2, v\\n\\().d[1]\n  eor x2, x2, x0\n  orr x1, x1, x2\n  .endr\n"
        "  mov x0, x1\n  ret\n");
#endif

static __attribute__((noinline)) int grow(int levels)
{
    volatile char pad[700];
    pad[levels] = 1;
    return levels == 0 ? 0 : grow(levels - 1) + pad[levels];
}

/* Every new stack is grown by faults, amid interrupts. */
static void grow_a_stack(void *unused)
{
    (void)unused;
    CHECK_EQ(grow(60), 60);
}

static _Atomic bool quiet;

static void keep_the_timer_busy(void *unused)
{
    (void)unused;
    while (!atomic_load(&quiet))
        time_sleep(5 * MICROSECOND);
}

static uint64_t fired_at_first;

static bool few_have_fired(void)
{
    struct runtime_sched_stats s;
    runtime_read_sched_stats(&s);
    return s.timer_fires - fired_at_first < 60;
}

/* On a busy host this may be long before many timers have fired. */
static void bear_interrupts(void *p)
{
    for (uint64_t i = 0; i < 150 || few_have_fired(); i++) {
        CHECK_EQ(
            hold_temporaries(0x5a5a000000000000 + i * 64 + (uint64_t)(intptr_t)p * 65536, 20000),
            0);
        if (i % 10 == 0)
            apart(grow_a_stack, NULL);
        runtime_gosched(); /* lets this P's timers fire and be armed again */
    }
}

static void trap_14_15_17_interrupts_change_no_register(void)
{
    waitgroup end = {0};
    struct runtime_sched_stats before;
    runtime_read_sched_stats(&before);
    fired_at_first = before.timer_fires;
    for (int i = 0; i < runtime_numcpu(); i++)
        CHECK(waitgroup_go(&end, keep_the_timer_busy, NULL) > 0);
    on_every_p(bear_interrupts);
    atomic_store(&quiet, true);
    waitgroup_wait(&end);
}

/* ---- 24: what belongs to a goroutine is not read from the hart it was on ---- */

static _Thread_local int64_t own_id;
static _Atomic int moves;

static void keep_who_i_am(void *unused)
{
    (void)unused;
    int64_t me = own_id = runtime_goid();
    int hart = runtime_hart();
    for (int i = 0; i < 300; i++) {
        errno = (int)me;
        runtime_gosched();
        CHECK_EQ(errno, (int)me);
        CHECK_EQ(own_id, me);
        CHECK_EQ(runtime_goid(), me);
        if (runtime_hart() != hart) {
            hart = runtime_hart();
            atomic_fetch_add(&moves, 1);
        }
    }
}

static void trap_24_who_i_am_moves_with_me(void)
{
    /* A busy host may run its harts by turns, each for a while. */
    int rounds = runtime_numcpu() > 1 ? 3000 : 2;
    for (int round = 0; round < rounds && (round < 2 || atomic_load(&moves) == 0); round++)
        in_parallel(5 * runtime_numcpu() + 1, keep_who_i_am);
    printf("%s: %d moves\n", __func__, atomic_load(&moves));
    CHECK(runtime_numcpu() == 1 || atomic_load(&moves) > 0);
}

int main(void)
{
    RUN(trap_13_nobody_is_scheduled_before_the_scheduler_is_there);
    RUN(trap_25_26_27_every_hart_is_itself_and_sees_what_was_written_before);
    RUN(trap_01_02_03_10_work_always_wakes_a_sleeper);
    RUN(trap_01_02_10_two_harts_wake_each_other);
    RUN(trap_09_10_timers_fire_into_every_window);
    RUN(trap_04_05_a_goroutine_runs_on_one_hart_at_a_time);
    RUN(trap_07_a_stack_is_reused_only_when_it_was_left);
    RUN(trap_14_15_17_interrupts_change_no_register);
    RUN(trap_24_who_i_am_moves_with_me);
    CHECK_SOON(runtime_numgoroutine() == 1);
    return 0;
}
