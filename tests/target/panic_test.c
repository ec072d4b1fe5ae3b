/*
 * panic_test: defer, panic, recover, goexit. Faults are in fault_test.c, what ends a run in end_test.c.
 */
#include <stdatomic.h>
#include "deferred.h"

static void expect_message(const char *text)
{
    CHECK_STR(message, text);
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

static int length;

static void pieces(void *unused)
{
    (void)unused;
    runtime_defer(recover, NULL);
    runtime_panic("%d|%*s|%.3f", 7, length - 8, "x", 1.25);
}

static void a_message_of_pieces_is_printfs(void)
{
    for (length = 9; length < 300; length++) {
        char all[512];
        snprintf(all, sizeof(all), "%d|%*s|%.3f", 7, length - 8, "x", 1.25);
        run_and_expect(pieces, "R");
        CHECK_EQ(strlen(message), length < 255 ? length : 255);
        CHECK(memcmp(message, all, strlen(message)) == 0);
    }
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
    RUN(a_message_of_pieces_is_printfs);
    RUN(a_panic_in_a_deferred_call_replaces_the_first);
    RUN(a_panic_in_a_deferred_call_at_the_end_is_recovered);
    RUN(one_recovered_may_panic_anew);
    RUN(goexit_in_a_deferred_call_ends_the_panic);
    RUN(deferred_calls_may_block);
    RUN(a_panic_belongs_to_its_goroutine);
    return 0;
}
