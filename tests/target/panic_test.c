/*
 * panic_test: defer, panic, recover, goexit, and faults that are recovered from. What ends a run is
 * in end_test.c.
 */
#include <stdatomic.h>
#include "check.h"

/* What deferred calls leave behind: a letter each, in the order they ran. */
static char log_text[64];
static size_t log_n;

/* Not inline: then the compiler keeps it behind the fault that is to come first. */
static __attribute__((noinline)) void note(void *letter)
{
    log_text[log_n++] = (char)(intptr_t)letter;
    log_text[log_n] = '\0';
}

static void defer_note(char letter)
{
    runtime_defer(note, (void *)(intptr_t)letter);
}

static void run_and_expect(void (*fn)(void *), const char *letters)
{
    log_n = 0;
    log_text[0] = '\0';
    apart(fn, NULL);
    if (strcmp(log_text, letters) != 0)
        printf("ran %s, not %s\n", log_text, letters);
    CHECK(strcmp(log_text, letters) == 0);
}

/* A deferred call that recovers: notes R, and keeps the message. */
static char message[400];
static bool recovered;

static void recover(void *unused)
{
    (void)unused;
    memset(message, '#', sizeof message);
    recovered = runtime_recover(message, sizeof message);
    note((void *)(intptr_t)(recovered ? 'R' : 'n'));
}

static void expect_message(const char *text)
{
    if (strcmp(message, text) != 0)
        printf("message '%.300s', not '%s'\n", message, text);
    CHECK(strcmp(message, text) == 0);
}

/* ---- ends ---- */

static void three_defers(void *unused)
{
    (void)unused;
    defer_note('a');
    defer_note('b');
    defer_note('c');
}

static void defers_run_last_in_first_out_at_the_end(void)
{
    run_and_expect(three_defers, "cba");
}

static volatile int bottom; /* 0; the compiler is not to know that nobody comes back */

static __attribute__((noinline)) int exit_from_below(int levels)
{
    if (levels == bottom)
        runtime_goexit();
    return levels > -100 ? exit_from_below(levels - 1) + 1 : 0;
}

static void goexit_body(void *unused)
{
    (void)unused;
    three_defers(NULL);
    exit_from_below(20);
    note((void *)'!');
}

static void goexit_ends_from_a_nested_call_and_runs_the_defers(void)
{
    run_and_expect(goexit_body, "cba");
}

static void defer_more(void *letter)
{
    note(letter);
    defer_note('x');
    defer_note('y');
}

static void defer_in_defer_body(void *unused)
{
    (void)unused;
    defer_note('a');
    runtime_defer(defer_more, (void *)'b');
    defer_note('c');
}

static void what_a_deferred_call_defers_runs_next(void)
{
    run_and_expect(defer_in_defer_body, "cbyxa");
}

static void recover_body(void *unused)
{
    (void)unused;
    runtime_defer(recover, NULL);
}

static void recover_without_a_panic_is_false(void)
{
    char text[4] = "abc";
    CHECK(!runtime_recover(text, sizeof text));
    CHECK(!runtime_recover(NULL, 0));
    CHECK(strcmp(text, "abc") == 0);
    run_and_expect(recover_body, "n");
    CHECK(message[0] == '#');
}

static void recover_in_goexit_body(void *unused)
{
    (void)unused;
    runtime_defer(recover, NULL);
    runtime_goexit();
}

static void goexit_is_nothing_to_recover(void)
{
    run_and_expect(recover_in_goexit_body, "n");
}

static void ten_thousand(void *count)
{
    ++*(long *)count;
}

static void defer_ten_thousand(void *count)
{
    for (int i = 0; i < 10000; i++)
        runtime_defer(ten_thousand, count);
}

static void many_defers_all_run(void)
{
    long count = 0;
    apart(defer_ten_thousand, &count);
    CHECK_EQ(count, 10000);
}

/* ---- panics ---- */

static void panic_body(void *unused)
{
    (void)unused;
    defer_note('a');
    runtime_defer(recover, NULL);
    defer_note('b');
    runtime_panic("number %d of %s", 7, "nine");
}

static void recovery_ends_the_goroutine_cleanly_after_its_other_defers(void)
{
    run_and_expect(panic_body, "bRa");
    CHECK(recovered);
    expect_message("number 7 of nine");
}

static void twice_body(void *unused)
{
    (void)unused;
    runtime_defer(recover, NULL);
    runtime_defer(recover, NULL);
    runtime_panic("once");
}

static void a_panic_is_recovered_once(void)
{
    run_and_expect(twice_body, "Rn");
}

static void recover_blindly(void *unused)
{
    (void)unused;
    CHECK(runtime_recover(NULL, 0));
    CHECK(!runtime_recover(NULL, 0));
    note((void *)'R');
}

static void blind_body(void *unused)
{
    (void)unused;
    runtime_defer(recover_blindly, NULL);
    runtime_panic("unread");
}

static void recover_takes_null(void)
{
    run_and_expect(blind_body, "R");
}

static size_t room;

static void recover_into_room(void *unused)
{
    (void)unused;
    memset(message, '#', sizeof message);
    CHECK(runtime_recover(message, room));
}

static void ten_letters(void *unused)
{
    (void)unused;
    runtime_defer(recover_into_room, NULL);
    runtime_panic("abcdefghij");
}

static void a_message_is_cut_to_the_room_and_terminated(void)
{
    for (room = 1; room <= 12; room++) {
        apart(ten_letters, NULL);
        size_t n = room - 1 < 10 ? room - 1 : 10;
        CHECK_EQ(strlen(message), n);
        CHECK(memcmp(message, "abcdefghij", n) == 0);
        CHECK(message[n + 1] == '#');
    }
}

static void long_words(void *unused)
{
    (void)unused;
    char text[300];
    memset(text, 'w', sizeof text);
    text[299] = '\0';
    runtime_defer(recover, NULL);
    runtime_panic("%s", text);
}

static void a_long_message_is_cut_at_255(void)
{
    run_and_expect(long_words, "R");
    CHECK_EQ(strlen(message), 255);
}

static void panic_again(void *unused)
{
    (void)unused;
    note((void *)'p');
    runtime_panic("second");
}

static void panic_in_defer_body(void *unused)
{
    (void)unused;
    defer_note('a');
    runtime_defer(recover, NULL);
    defer_note('b');
    runtime_defer(panic_again, NULL);
    runtime_panic("first");
}

static void a_panic_in_a_deferred_call_replaces_the_first(void)
{
    run_and_expect(panic_in_defer_body, "pbRa");
    expect_message("second");
}

static void end_panics_body(void *unused)
{
    (void)unused;
    defer_note('a');
    runtime_defer(recover, NULL);
    runtime_defer(panic_again, NULL);
}

static void a_panic_in_a_deferred_call_at_the_end_is_recovered(void)
{
    run_and_expect(end_panics_body, "pRa");
}

static void recover_then_panic(void *unused)
{
    recover(unused);
    runtime_panic("third");
}

static void repanic_body(void *unused)
{
    (void)unused;
    runtime_defer(recover, NULL);
    runtime_defer(recover_then_panic, NULL);
    runtime_panic("first");
}

static void one_recovered_may_panic_anew(void)
{
    run_and_expect(repanic_body, "RR");
    expect_message("third");
}

static void leave(void *unused)
{
    (void)unused;
    note((void *)'g');
    runtime_goexit();
}

static void goexit_in_defer_body(void *unused)
{
    (void)unused;
    runtime_defer(recover, NULL);
    defer_note('a');
    runtime_defer(leave, NULL);
    runtime_panic("never heard of");
}

static void goexit_in_a_deferred_call_ends_the_panic(void)
{
    run_and_expect(goexit_in_defer_body, "gan");
}

static void sleep_and_note(void *letter)
{
    time_sleep(MILLISECOND);
    runtime_gosched();
    note(letter);
}

static void blocking_body(void *unused)
{
    (void)unused;
    runtime_defer(sleep_and_note, (void *)'a');
    runtime_defer(recover, NULL);
    runtime_defer(sleep_and_note, (void *)'b');
    runtime_panic("x");
}

static void deferred_calls_may_block(void)
{
    run_and_expect(blocking_body, "bRa");
}

/* Panics of many goroutines at once do not meet. */
static _Atomic int right;

static void recover_own(void *number)
{
    char text[32], wanted[32];
    CHECK(runtime_recover(text, sizeof text));
    snprintf(wanted, sizeof wanted, "mine is %d", (int)(intptr_t)number);
    CHECK(strcmp(text, wanted) == 0);
    atomic_fetch_add(&right, 1);
}

static void panic_with_number(void *number)
{
    runtime_defer(recover_own, number);
    runtime_gosched();
    runtime_panic("mine is %d", (int)(intptr_t)number);
}

static void a_panic_belongs_to_its_goroutine(void)
{
    in_parallel(400, panic_with_number);
    CHECK_EQ(right, 400);
}

/* ---- faults ---- */

static uintptr_t bad; /* where the next fault is to happen */

static void load(void *unused)
{
    (void)unused;
    runtime_defer(recover, NULL);
    (void)*(volatile int *)bad;
    note((void *)'!');
}

static void store(void *unused)
{
    (void)unused;
    runtime_defer(recover, NULL);
    *(volatile char *)bad = 1;
    note((void *)'!');
}

static void call(void *unused)
{
    (void)unused;
    runtime_defer(recover, NULL);
    ((void (*)(void))bad)();
    note((void *)'!');
}

static void illegal(void *unused)
{
    (void)unused;
    runtime_defer(recover, NULL);
#if defined(__riscv)
    __asm__ volatile(".4byte 0xffffffff");
#else
    __asm__ volatile(".inst 0x00000000");
#endif
    note((void *)'!');
}

static void breakpoint(void *unused)
{
    (void)unused;
    runtime_defer(recover, NULL);
#if defined(__riscv)
    __asm__ volatile("ebreak");
#else
    __asm__ volatile("brk #0");
#endif
    note((void *)'!');
}

static const int constant = 42;
static uint32_t code_in_data[4];

static void expect_fault(void (*fn)(void *), uintptr_t addr, const char *text)
{
    char tail[32];
    bad = addr;
    run_and_expect(fn, "R");
    if (strncmp(message, text, strlen(text)) != 0)
        printf("message: %s\n", message);
    CHECK(strncmp(message, text, strlen(text)) == 0);
    snprintf(tail, sizeof tail, " addr=0x%lx]", (unsigned long)addr);
    if (fn == load || fn == store || fn == call) {
        if (strstr(message, tail) == NULL)
            printf("message: %s; wanted%s\n", message, tail);
        CHECK(strstr(message, tail) != NULL);
    }
    CHECK(strstr(message, "[pc=0x") != NULL);
}

static void expect_bad_address(void (*fn)(void *), uintptr_t addr)
{
    expect_fault(fn, addr, "runtime error: invalid memory address or nil pointer dereference");
}

static void null_is_no_address(void)
{
    expect_bad_address(load, 0);
    expect_bad_address(load, 8);
    expect_bad_address(load, 4088);
    expect_bad_address(store, 0);
    expect_bad_address(store, 4095);
    expect_bad_address(call, 0);
}

static void wild_addresses_fault(void)
{
    expect_bad_address(load, UINT64_C(0x3f00000000));
    expect_bad_address(store, UINT64_C(0x3f00000000));
    expect_bad_address(load, UINT64_C(0x1234567812345678));
    expect_bad_address(store, (uintptr_t)-8);
}

static void text_and_constants_are_read_only(void)
{
    expect_bad_address(store, (uintptr_t)&null_is_no_address);
    const volatile int *c = &constant;
    expect_bad_address(store, (uintptr_t)c);
    CHECK_EQ(*c, 42);
}

static void data_and_stacks_and_heap_are_not_executable(void)
{
    uint32_t on_stack[4] = {0};
    uint32_t *on_heap = calloc(4, 4);
#if defined(__riscv)
    uint32_t ret = 0x00008067;
#else
    uint32_t ret = 0xd65f03c0;
#endif
    on_stack[0] = on_heap[0] = code_in_data[0] = ret;
    expect_bad_address(call, (uintptr_t)code_in_data);
    expect_bad_address(call, (uintptr_t)on_stack);
    expect_bad_address(call, (uintptr_t)on_heap);
    free(on_heap);
}

static void what_is_no_instruction_faults(void)
{
    expect_fault(illegal, 0, "runtime error: illegal instruction");
    expect_fault(breakpoint, 0, "runtime error: breakpoint");
}

/* In a lock of newlib and with a page of stack only: as often as it likes. */
static void fault_and_recover(void *unused)
{
    (void)unused;
    runtime_defer(recover_blindly, NULL);
    (void)*(volatile int *)bad;
}

static void a_thousand_faults_leave_nothing_behind(void)
{
    bad = 16;
    for (int i = 0; i < 1000; i++) {
        log_n = 0;
        apart(fault_and_recover, NULL);
        CHECK(log_text[0] == 'R' && log_n == 1);
    }
    CHECK_SOON(runtime_numgoroutine() == 1);
}

static double volatile third = 1.0 / 3;

static void fault_with_floats(void *unused)
{
    (void)unused;
    runtime_defer(recover, NULL);
    volatile double x = third * 3;
    (void)*(volatile int *)bad;
    CHECK(x == 1);
}

static void a_fault_amid_floating_point_is_recovered(void)
{
    expect_bad_address(fault_with_floats, 24);
}

/* ---- stacks that grow ---- */

static __attribute__((noinline)) int down(int levels)
{
    volatile char pad[200];
    pad[levels % 200] = (char)levels;
    return levels == 0 ? 0 : 1 + down(levels - 1) + pad[levels % 200] - (char)levels;
}

static void go_down(void *levels)
{
    CHECK_EQ(down((int)(intptr_t)levels), (intptr_t)levels);
}

static void a_stack_grows_page_by_page(void)
{
    for (intptr_t levels = 1; levels <= 200; levels += 9)
        apart(go_down, (void *)levels);
    in_parallel(200, go_down);
}

/* memcpy, vsnprintf and the kernel's own functions are the first to touch the pages below. */
static char big_source[40000];

static __attribute__((noinline)) void copy_deep(void)
{
    char copy[40000];
    memcpy(copy, big_source, sizeof copy);
    CHECK(memcmp(copy, big_source, sizeof copy) == 0);
}

static __attribute__((noinline)) void print_deep(void)
{
    char text[30000];
    int n = snprintf(text, sizeof text, "%20000d %s %f", 7, "seven", 7.0);
    CHECK_EQ(n, 20000 + 1 + 5 + 1 + 8);
    CHECK(strcmp(text + 20000, " seven 7.000000") == 0);
}

static __attribute__((noinline)) void fill_upwards(void)
{
    volatile char far_down[45000];
    for (size_t i = 0; i < sizeof far_down; i++)
        far_down[i] = (char)i;
    for (size_t i = 0; i < sizeof far_down; i++)
        CHECK(far_down[i] == (char)i);
}

static void use_big_frames(void *which)
{
    switch ((intptr_t)which % 3) {
    case 0: copy_deep(); break;
    case 1: print_deep(); break;
    case 2: fill_upwards(); break;
    }
}

static void frames_of_many_pages_work_inside_the_library_too(void)
{
    for (size_t i = 0; i < sizeof big_source; i++)
        big_source[i] = (char)(i * 7);
    in_parallel(30, use_big_frames);
}

static void fresh_pages_body(void *unused)
{
    (void)unused;
    volatile char pages[32768];
    __asm__ volatile("" ::"r"(pages) : "memory"); /* as if it had been written */
    unsigned sum = 0;
    for (size_t i = 0; i < sizeof pages; i += 64)
        sum += (unsigned char)pages[i];
    (void)sum; /* what a page holds is nobody's promise; that it can be read is */
}

static void untouched_stack_can_be_read(void)
{
    apart(fresh_pages_body, NULL);
}

int main(void)
{
    RUN(defers_run_last_in_first_out_at_the_end);
    RUN(goexit_ends_from_a_nested_call_and_runs_the_defers);
    RUN(what_a_deferred_call_defers_runs_next);
    RUN(recover_without_a_panic_is_false);
    RUN(goexit_is_nothing_to_recover);
    RUN(many_defers_all_run);
    RUN(recovery_ends_the_goroutine_cleanly_after_its_other_defers);
    RUN(a_panic_is_recovered_once);
    RUN(recover_takes_null);
    RUN(a_message_is_cut_to_the_room_and_terminated);
    RUN(a_long_message_is_cut_at_255);
    RUN(a_panic_in_a_deferred_call_replaces_the_first);
    RUN(a_panic_in_a_deferred_call_at_the_end_is_recovered);
    RUN(one_recovered_may_panic_anew);
    RUN(goexit_in_a_deferred_call_ends_the_panic);
    RUN(deferred_calls_may_block);
    RUN(a_panic_belongs_to_its_goroutine);
    RUN(null_is_no_address);
    RUN(wild_addresses_fault);
    RUN(text_and_constants_are_read_only);
    RUN(data_and_stacks_and_heap_are_not_executable);
    RUN(what_is_no_instruction_faults);
    RUN(a_thousand_faults_leave_nothing_behind);
    RUN(a_fault_amid_floating_point_is_recovered);
    RUN(a_stack_grows_page_by_page);
    RUN(frames_of_many_pages_work_inside_the_library_too);
    RUN(untouched_stack_can_be_read);
    return 0;
}
