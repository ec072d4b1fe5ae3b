/*
 * end_test: how runs end. The first argument chooses the way; what must be on stdout and stderr, and
 * the exit value, stand in tests/list.
 */
#include <assert.h>
#include <stdatomic.h>
#include "check.h"
#include "sched/gmp.h"

static void say(void *text)
{
    printf("%s\n", (const char *)text);
}

static void at_the_end(void)
{
    printf("atexit ran\n");
}

/* ---- orderly ---- */

static int return_7(void)
{
    atexit(at_the_end);
    runtime_defer(say, "deferred");
    return 7;
}

static void exit_9(void *unused)
{
    (void)unused;
    printf("half a line"); /* flushed by exit */
    exit(9);
}

static int exit_from_a_goroutine(void)
{
    atexit(at_the_end);
    go(exit_9, NULL);
    time_sleep(HOUR);
    return 0;
}

static void recover_and_say(void *unused)
{
    (void)unused;
    char text[64];
    if (runtime_recover(text, sizeof text))
        printf("recovered: %s\n", text);
}

static int recovered_in_main(void)
{
    atexit(at_the_end);
    runtime_defer(say, "remaining defer");
    runtime_defer(recover_and_say, NULL);
    go(say, "never mind");
    runtime_panic("main gave up");
}

static void run_for_ever(void *unused)
{
    (void)unused;
    for (;;)
        continue;
}

static void yield_for_ever(void *unused)
{
    (void)unused;
    for (;;)
        runtime_gosched();
}

static void sleep_for_ever(void *unused)
{
    (void)unused;
    for (;;)
        time_sleep(INT64_MAX);
}

/* Others are abandoned: busy, yielding and sleeping ones. main does not wait, since the busy ones
 * may take its hart. */
static int abandon(void)
{
    for (int i = 0; i < 20; i++)
        go(i % 2 ? yield_for_ever : sleep_for_ever, NULL);
    time_sleep(MILLISECOND);
    for (int i = 1; i < runtime_numcpu(); i++)
        go(run_for_ever, NULL);
    burn(5 * MILLISECOND);
    return 3;
}

static int end_by_assert(void)
{
    int sheep = 3;
    assert(sheep == 4);
    return 0;
}

static int end_by_abort(void)
{
    printf("before\n");
    fflush(stdout);
    abort();
}

/* Every hart ends the run in the same moment. */
static _Atomic int ready_to_end;

static void end_at_once(void *unused)
{
    (void)unused;
    atomic_fetch_add(&ready_to_end, 1);
    while (atomic_load(&ready_to_end) < runtime_numcpu())
        continue;
    exit(5);
}

static int all_end_at_once(void)
{
    for (int i = 1; i < runtime_numcpu(); i++)
        go(end_at_once, NULL);
    end_at_once(NULL);
    return 0;
}

static void panic_at_once(void *unused)
{
    (void)unused;
    atomic_fetch_add(&ready_to_end, 1);
    while (atomic_load(&ready_to_end) < runtime_numcpu())
        continue;
    runtime_panic("all at once");
}

/* While the first waits for it to stand still, which it does not hear of. */
static _Atomic bool deaf;

static void throw_as_well(void *unused)
{
    (void)unused;
    arch_irq_disable();
    deaf = true;
    while (atomic_load(&sched.halting) == NULL)
        continue;
    sched_throw("the second to end it");
}

static int two_throw(void)
{
    go(throw_as_well, NULL);
    while (!deaf)
        continue;
    sched_throw("the first to end it");
}

static int all_panic_at_once(void)
{
    for (int i = 1; i < runtime_numcpu(); i++)
        go(panic_at_once, NULL);
    panic_at_once(NULL);
    return 0;
}

/* ---- panics ---- */

static __attribute__((noinline)) void innermost(int n)
{
    if (n == 3)
        runtime_panic("the number is %d", n);
    printf("not %d\n", n);
}

static __attribute__((noinline)) void middle(int n)
{
    innermost(n);
    printf("back\n");
}

static void worker(void *n)
{
    middle((int)(intptr_t)n);
}

static int panic_in_a_goroutine(void)
{
    printf("said before");
    fflush(stdout);
    go_with(&(struct go_attr){.name = "the worker"}, worker, (void *)3);
    time_sleep(HOUR);
    return 0;
}

static void panic_second(void *unused)
{
    (void)unused;
    runtime_panic("second");
}

static int panic_in_a_deferred_call(void)
{
    runtime_defer(panic_second, NULL);
    runtime_panic("first");
}

/* Trap 31: writers hold the console, and the locks of stdio, when it comes. */
static void print_for_ever(void *unused)
{
    (void)unused;
    for (;;)
        printf("a line that is long enough to be in the middle of, most of the time\n");
}

static int panic_amid_printing(void)
{
    for (int i = 0; i < 2 * runtime_numcpu(); i++)
        go(print_for_ever, NULL);
    time_sleep(20 * MILLISECOND);
    runtime_panic("that is enough");
}

/* ---- faults ---- */

static __attribute__((noinline)) int look_at(volatile int *p)
{
    return *p + 1;
}

static void look_nowhere(void *unused)
{
    (void)unused;
    printf("%d\n", look_at((volatile int *)16));
}

static int fault_in_a_goroutine(void)
{
    go(look_nowhere, NULL);
    time_sleep(HOUR);
    return 0;
}

static int fault_in_main(void)
{
    return look_at(NULL);
}

static void call_nothing(void *fn)
{
    ((void (*)(void))fn)();
    printf("back\n");
}

static int call_null(void)
{
    go(call_nothing, NULL);
    time_sleep(HOUR);
    return 0;
}

static volatile long bottom = -1; /* of the recursion, never reached */

static __attribute__((noinline)) long recurse(long n)
{
    volatile char pad[64];
    pad[0] = (char)n;
    return n == bottom ? n : recurse(n + 1) + pad[0];
}

static void recurse_for_ever(void *unused)
{
    (void)unused;
    printf("%ld\n", recurse(0));
}

static void never(void *unused)
{
    (void)unused;
    runtime_recover(NULL, 0);
    printf("a deferred call ran\n");
}

static void recurse_and_defer(void *unused)
{
    runtime_defer(never, NULL);
    recurse_for_ever(unused);
}

#if !defined(PINION_HOST) /* where the thread pointer is not what a handler goes by */
/* The handler of the first fault looks up who it was by the thread pointer, and faults itself. */
static int trap_in_a_handler(void)
{
#if defined(__riscv)
    __asm__ volatile("li tp, 0x4000\n\tebreak");
#else
    __asm__ volatile("mov x0, #0x4000\n\tmsr tpidr_el0, x0\n\tbrk #1" ::: "x0");
#endif
    return 1;
}
#endif

static int overflow_in_a_goroutine(void)
{
    go(recurse_and_defer, NULL);
    time_sleep(HOUR);
    return 0;
}

static int overflow_in_main(void)
{
    recurse_for_ever(NULL);
    return 0;
}

/* Nothing on the way down lies deeper than what a switch puts on the stack. */
static __attribute__((noinline)) long recurse_and_yield(long n)
{
    volatile double half = 0.5; /* so that RISC-V's switch has something for the stack too */
    runtime_gosched();
    return n == bottom ? n : recurse_and_yield(n + 1) + (long)half;
}

static int overflow_in_a_switch(void)
{
    go(yield_for_ever, NULL);
    go(yield_for_ever, NULL);
    printf("%ld\n", recurse_and_yield(0));
    return 0;
}

static void big_frame(void *unused)
{
    (void)unused;
    volatile char frame[200000];
    for (size_t i = sizeof frame; i-- > 0;)
        frame[i] = 1;
    printf("%d\n", frame[100]);
}

/* A frame larger than the whole stack, touched from the top down. */
static int overflow_by_a_big_frame(void)
{
    go(big_frame, NULL);
    time_sleep(HOUR);
    return 0;
}

/* ---- deadlocks ---- */

static mutex locked;
static waitgroup never_done;

/* A rounding mode of its own lies on a goroutine's stack while it waits. */
static void round_down(void)
{
#ifdef __riscv
    __asm__ volatile("fsrmi 2");
#elif defined(__x86_64__)
    const uint32_t down = 0x3f80; /* with all exceptions masked */
    __asm__ volatile("ldmxcsr %0" ::"m"(down));
#else
    __asm__ volatile("msr fpcr, %0" ::"r"(UINT64_C(2) << 22));
#endif
}

static void lock_it(void *unused)
{
    (void)unused;
    round_down();
    mutex_lock(&locked);
}

static void wait_for_it(void *unused)
{
    (void)unused;
    waitgroup_wait(&never_done);
}

static int deadlock(void)
{
    mutex_lock(&locked);
    waitgroup_add(&never_done, 1);
    go_with(&(struct go_attr){.name = "locker"}, lock_it, NULL);
    go(wait_for_it, NULL);
    time_sleep(MILLISECOND);
    mutex_lock(&locked);
    return 0;
}

/* Alone, at once. */
static int deadlock_of_main(void)
{
    waitgroup_add(&never_done, 1);
    waitgroup_wait(&never_done);
    return 0;
}

/* A sleeper keeps it from being one; it is one when it has gone. */
static void sleep_and_say(void *unused)
{
    (void)unused;
    time_sleep(50 * MILLISECOND);
    printf("the sleeper woke\n");
}

static int deadlock_after_a_sleeper(void)
{
    go(sleep_and_say, NULL);
    mutex_lock(&locked);
    mutex_lock(&locked);
    return 0;
}

/* So does a timer, for as long as it may fire. */
static void tell(void *c)
{
    chan_send(c, &(int){1});
}

static int deadlock_after_a_timer(void)
{
    chan *c = chan_make(sizeof(int), 0);
    timer_stop(time_after_func(HOUR, tell, c));
    time_after_func(50 * MILLISECOND, tell, c);
    chan_recv(c, NULL);
    say("the timer fired");
    chan_recv(c, NULL);
    return 0;
}

static _Atomic bool main_has_said;

static void say_first(void *text)
{
    say(text);
    atomic_store(&main_has_said, true);
}

static void say_later(void *text)
{
    while (!atomic_load(&main_has_said))
        time_sleep(MILLISECOND);
    for (int i = 0; i < 10; i++)
        runtime_gosched();
    say(text);
}

static int main_goes(void)
{
    atexit(at_the_end);
    runtime_defer(say_first, "main's defer");
    for (int i = 0; i < 5; i++)
        go(say_later, "another one");
    runtime_goexit();
}

static int main_goes_and_another_is_stuck(void)
{
    mutex_lock(&locked);
    go(lock_it, NULL);
    runtime_goexit();
}

static int unlock_unlocked(void)
{
    runtime_defer(never, NULL);
    mutex_lock(&locked);
    mutex_unlock(&locked);
    mutex_unlock(&locked);
    return 0;
}

static int unlock_unlocked_rwmutex(void)
{
    static rwmutex rw;
    rwmutex_unlock(&rw);
    return 0;
}

static int runlock_unlocked_rwmutex(void)
{
    static rwmutex rw;
    rwmutex_runlock(&rw);
    return 0;
}

static int runlock_rwmutex_of_a_writer(void)
{
    static rwmutex rw;
    rwmutex_lock(&rw);
    rwmutex_runlock(&rw);
    return 0;
}

static int cond_wait_unlocked(void)
{
    static mutex free_one;
    static cond c = {.l = &free_one};
    cond_wait(&c);
    return 0;
}

static void read_it(void *rw)
{
    rwmutex_rlock(rw);
}

static void write_it(void *rw)
{
    rwmutex_lock(rw);
}

static void take_one(void *sem)
{
    semaphore_acquire(sem, 1);
}

/* Everything that sync.h can wait for, by name. */
static int deadlock_of_all_kinds(void)
{
    static rwmutex rw;
    static semaphore none;
    static mutex mine;
    static cond c = {.l = &mine};
    rwmutex_lock(&rw);
    go(read_it, &rw);
    go(write_it, &rw);
    go(take_one, &none);
    mutex_lock(&mine);
    cond_wait(&c);
    return 0;
}

static int negative_waitgroup(void)
{
    waitgroup_add(&never_done, 1);
    waitgroup_add(&never_done, -2);
    return 0;
}

static int bad_check(void)
{
    CHECK_EQ(1 + 1, 3);
    return 0;
}

static const struct {
    const char *name;
    int (*fn)(void);
} ends[] = {
#define END(fn) \
    {           \
#fn, fn \
    }
    END(return_7),
    END(exit_from_a_goroutine),
    END(recovered_in_main),
    END(abandon),
    END(end_by_abort),
    END(end_by_assert),
    END(all_end_at_once),
    END(all_panic_at_once),
    END(two_throw),
    END(panic_in_a_goroutine),
    END(panic_in_a_deferred_call),
    END(panic_amid_printing),
    END(fault_in_a_goroutine),
    END(fault_in_main),
    END(call_null),
#if !defined(PINION_HOST)
    END(trap_in_a_handler),
#endif
    END(overflow_in_a_goroutine),
    END(overflow_in_main),
    END(overflow_in_a_switch),
    END(overflow_by_a_big_frame),
    END(deadlock),
    END(deadlock_of_main),
    END(deadlock_after_a_sleeper),
    END(deadlock_after_a_timer),
    END(main_goes),
    END(main_goes_and_another_is_stuck),
    END(unlock_unlocked),
    END(unlock_unlocked_rwmutex),
    END(runlock_unlocked_rwmutex),
    END(runlock_rwmutex_of_a_writer),
    END(cond_wait_unlocked),
    END(deadlock_of_all_kinds),
    END(negative_waitgroup),
    END(bad_check),
};

int main(int argc, char **argv)
{
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        if (argc == 2 && strcmp(argv[1], ends[i].name) == 0)
            return ends[i].fn();
    printf("no such end\n");
    return 99;
}
