/*
 * console: trap 31 on the host. A UART that records what it is sent; "interrupt handlers" that come
 * in the middle of a byte; threads for harts; and a host that takes the streams apart.
 */
#define PINION_UNIT_TEST 1
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "arch/arch.h"
#include "tests/unit/unit.h"

/* A clock that goes on whenever it is read. */
static _Atomic uint64_t unit_time;
static uint64_t unit_ticks(void)
{
    return atomic_fetch_add(&unit_time, 1000);
}
/* And an interrupt mask for each hart, which is a thread. */
static _Thread_local uintptr_t unit_masked;
static uintptr_t unit_irq_save(void)
{
    uintptr_t was = unit_masked;
    unit_masked = 1;
    return was;
}
static void unit_irq_restore(uintptr_t was)
{
    unit_masked = was;
}
#define arch_ticks       unit_ticks
#define arch_irq_save    unit_irq_save
#define arch_irq_restore unit_irq_restore
#include "kernel/console.c"
#include "kernel/input.c"
#undef arch_ticks

uint64_t clock_hz(void)
{
    return 1000000000;
}

static char wire[1 << 22];
static size_t wire_n;
static bool uart_dead;
static void (*on_byte)(void); /* an interrupt, after each byte */

static void fake_start(struct uart_port *p)
{
    p->depth = 16;
}
static unsigned fake_room(const struct uart_port *p)
{
    return uart_dead ? 0 : p->depth;
}
static void fake_send(const struct uart_port *p, uint8_t byte)
{
    (void)p;
    wire[wire_n++] = (char)byte;
    if (on_byte)
        on_byte();
}
static const char *typed_in; /* what comes in; NULL: a 'k' whenever one looks */
static size_t typed_n;
static int fake_receive(const struct uart_port *p)
{
    (void)p;
    if (typed_in == NULL)
        return 'k';
    return typed_n > 0 ? (typed_n--, (unsigned char)*typed_in++) : -1;
}
static bool told_to_listen;
static void fake_listen(const struct uart_port *p, bool on)
{
    (void)p;
    told_to_listen = on;
}
static bool fake_idle(const struct uart_port *p)
{
    (void)p;
    return !uart_dead;
}

#define FAKE                                                                           \
    {                                                                                  \
        "fake", fake_start, fake_room, fake_send, fake_receive, fake_idle, fake_listen \
    }
const struct uart_driver uart_16550 = FAKE, uart_pl011 = FAKE, uart_sifive = FAKE,
                         uart_firmware = FAKE;

static int quits; /* Ctrl-\ that a reader has found */
void sched_console_quit(void)
{
    quits++;
}

static void type_in(const char *s, size_t n)
{
    typed_in = s;
    typed_n = n;
}

static void console_anew(bool other_harts, bool host)
{
    struct machine_console c = {.kind = CONSOLE_16550};
    wire_n = 0;
    uart_dead = stuck = serial.host_link = shared = false;
    on_byte = NULL;
    panicking = false;
    memset(&line, 0, sizeof line);
    late_used = late_head = late_lost = 0;
    memset(&input, 0, sizeof input);
    memset(&typed, 0, sizeof typed);
    hears = &input;
    escaped = listening = deaf = false;
    typed_in = NULL;
    quits = 0;
    console_init(&c, 0);
    if (other_harts)
        console_remap(0);
    if (host)
        console_host_link();
}

static bool wire_is(const char *text)
{
    bool same = wire_n == strlen(text) && memcmp(wire, text, wire_n) == 0;
    if (!same)
        printf("on the wire: '%.*s'\n", (int)wire_n, wire);
    return same;
}

static void write_text(enum console_stream to, const char *s)
{
    console_write(to, s, strlen(s));
}

TEST(plain_text_gets_cr_before_lf)
{
    console_anew(false, false);
    write_text(CONSOLE_OUT, "a\nb\n");
    console_post("c\n", 2);
    console_exit_record(3);
    CHECK(wire_is("a\r\nb\r\nc\r\n"));
    CHECK(console_getc() == 'k');
}

TEST(ctrl_backslash_is_told_and_is_no_input)
{
    console_anew(true, false);
    type_in("a\x1c\x10z", 4);
    CHECK(console_getc() == 'a' && quits == 1);
    CHECK(console_getc() == 0x10 && console_getc() == 'z' && console_getc() == -1);
    CHECK(console_listen() && told_to_listen);
    type_in("\x1c", 1);
    CHECK(console_getc() == -1 && quits == 1); /* it is the handler's */
    CHECK(console_hear() == CONSOLE_QUIT && console_hear() == 0);
}

TEST(on_the_host_link_what_is_escaped_is_data_at_any_cut)
{
    console_anew(true, true);
    CHECK(console_listen());
    type_in("x\x10", 2);
    CHECK(console_hear() == CONSOLE_BYTES);
    type_in("\x1c\\\x10Py", 5);
    CHECK(console_hear() == (CONSOLE_BYTES | CONSOLE_QUIT));
    CHECK(console_getc() == 'x' && console_getc() == 0x1c && console_getc() == 0x10);
    CHECK(console_getc() == 'y' && console_getc() == -1);
}

TEST(input_without_room_stays_with_the_uart_until_somebody_reads)
{
    static char many[2 * INPUT_BYTES];
    console_anew(true, false);
    CHECK(console_listen());
    for (unsigned i = 0; i < sizeof many; i++)
        many[i] = (char)('a' + i % 25);
    type_in(many, sizeof many);
    CHECK(console_hear() == CONSOLE_BYTES && typed_n == INPUT_BYTES && !told_to_listen);
    CHECK(!console_feed('?'));
    for (unsigned i = 0; i < sizeof many; i++)
        CHECK(console_getc() == many[i]);
    CHECK(console_getc() == -1 && told_to_listen);
}

TEST(a_uart_that_interrupts_for_nothing_is_polled)
{
    console_anew(true, false);
    type_in("", 0);
    CHECK(console_listen() && told_to_listen);
    for (unsigned i = 1; i < EMPTY_MAX; i++)
        CHECK(console_hear() == 0 && told_to_listen);
    type_in("x", 1);
    CHECK(console_hear() == CONSOLE_BYTES);
    for (unsigned i = 1; i < EMPTY_MAX; i++)
        CHECK(console_hear() == 0 && told_to_listen);
    CHECK(console_hear() == 0 && !told_to_listen);
    CHECK(wire_is(
        "pinion: the console interrupts for nothing: it is looked at when somebody reads\r\n"));
    CHECK(console_getc() == 'x' && console_getc() == -1);
    type_in("y", 1);
    CHECK(console_getc() == 'y' && console_getc() == -1);
}

TEST(with_a_monitor_the_program_reads_what_it_is_given)
{
    console_anew(true, false);
    console_to_monitor();
    type_in("k", 1);
    CHECK(console_listen() && console_hear() == CONSOLE_BYTES);
    CHECK(console_getc() == -1);
    CHECK(console_feed('f') && console_getc() == 'f' && console_getc() == -1);
    CHECK(console_key() == 'k' && console_key() == -1);
}

TEST(who_prints_into_a_piece_leaves_its_stream_as_it_was)
{
    console_anew(true, true);
    write_text(CONSOLE_OUT, "half");
    spin_lock(&line);
    console_solo(true);
    console_barge(true);
    console_post("word\n", 5);
    console_barge(false);
    console_solo(false);
    spin_unlock(&line);
    CHECK(wire_is("\x0ehalf\x0f\nword\n\x0e"));
}

/* The holder has let the line go and not yet looked at late. */
TEST(what_a_hart_says_comes_in_its_order)
{
    console_anew(true, false);
    spin_lock(&line);
    console_post("first\n", 6);
    spin_unlock(&line);
    write_text(CONSOLE_OUT, "second\n");
    CHECK(wire_is("first\r\nsecond\r\n"));
    for (int tries = 0; tries < 2; tries++) {
        console_anew(true, false);
        spin_lock(&line);
        console_post("first\n", 6);
        spin_unlock(&line);
        if (tries)
            CHECK(console_try_hold());
        else
            console_hold();
        console_solo(true);
        console_post("second\n", 7);
        console_solo(false);
        console_let_go();
        CHECK(wire_is("first\r\nsecond\r\n"));
    }
}

TEST(host_link_frames_streams_escapes_data_and_sends_the_status)
{
    console_anew(true, true);
    write_text(CONSOLE_ERR, "boot\n");
    write_text(CONSOLE_OUT, "one\n");
    write_text(CONSOLE_OUT, "a\x0e\x0f\x10z");
    console_post("err\n", 4);
    write_text(CONSOLE_FILE, "file\n\x10");
    write_text(CONSOLE_FILE, "more\n");
    write_text(CONSOLE_OUT, "two\n");
    console_exit_record(125);
    CHECK(wire_is("boot\n\x0eone\na\x10N\x10O\x10Pz\x0f"
                  "err\n\x10"
                  "Ffile\n\x10Pmore\n\x0etwo\n\x10"
                  "E125\n"));
}

static int posts_left;
static void post_now(void)
{
    if (unit_masked)
        return;
    unit_masked = 1;
    if (posts_left-- > 0)
        console_post("<irq>\n", 6);
    unit_masked = 0;
}

TEST(a_handler_that_interrupts_a_writer_neither_waits_nor_tears_the_piece)
{
    console_anew(true, false);
    posts_left = 3;
    on_byte = post_now;
    write_text(CONSOLE_OUT, "a long piece\n");
    CHECK(wire_is("a long piece\r\n<irq>\r\n<irq>\r\n<irq>\r\n"));
}

/* The second and third come while the first is written, after the look at how much there is. */
TEST(a_post_after_the_last_look_is_not_left_behind)
{
    console_anew(true, false);
    posts_left = 3;
    on_byte = post_now;
    write_text(CONSOLE_OUT, "x");
    CHECK(wire_is("x<irq>\r\n<irq>\r\n<irq>\r\n"));
}

static int tries, refused;
static void try_now(void)
{
    char text[100];
    if (unit_masked)
        return;
    unit_masked = 1;
    memset(text, 'x', sizeof text);
    for (; tries > 0; tries--)
        refused += !console_try_post(text, sizeof text);
    unit_masked = 0;
}

TEST(a_try_that_finds_no_room_says_so_and_nothing_is_lost)
{
    console_anew(true, false);
    tries = 100;
    on_byte = try_now;
    write_text(CONSOLE_OUT, "a");
    on_byte = NULL;
    int taken = (LATE_BYTES - LATE_RESERVE) / 100;
    CHECK(refused == 100 - taken);
    CHECK(wire_n == 1 + (unsigned)taken * 100 && late_lost == 0);
    CHECK(console_try_post("b\n", 2) && wire_n == 1 + (unsigned)taken * 100 + 3);
}

TEST(what_finds_no_room_is_dropped_and_counted)
{
    console_anew(true, false);
    posts_left = 700; /* 6 bytes each, into 4096 */
    on_byte = post_now;
    char piece[800];
    memset(piece, '.', sizeof piece);
    console_write(CONSOLE_OUT, piece, sizeof piece);
    on_byte = NULL;
    wire[wire_n] = 0;
    /* 682 fit; with CR each takes 7 bytes on the wire. */
    CHECK(strncmp(wire + sizeof piece + 682 * 7, "\r\n[console: 108 bytes lost]\r\n", 28) == 0);
}

static void panic_in_the_middle_of_a_piece(void)
{
    console_panic_mode();
    write_text(CONSOLE_ERR, "panic: oops\n");
    on_byte = NULL;
}

TEST(panic_takes_no_lock_and_begins_a_line)
{
    console_anew(true, true);
    console_write(CONSOLE_OUT, "x", 1);
    wire_n = 0;
    CHECK(spin_try_lock(&line)); /* somebody was stopped holding the line, in stdout */
    CHECK(late_put("said late\n", 10, LATE_BYTES));
    panic_in_the_middle_of_a_piece();
    console_panic_mode();
    console_exit_record(2);
    CHECK(wire_is("\x0f\nsaid late\npanic: oops\n\x10"
                  "E2\n"));
}

TEST(a_uart_that_is_never_ready_costs_a_tenth_of_a_second_once)
{
    console_anew(true, false);
    uart_dead = true;
    uint64_t before = unit_time;
    char piece[1000];
    memset(piece, '.', sizeof piece);
    console_write(CONSOLE_OUT, piece, sizeof piece);
    CHECK(unit_time - before >= clock_hz() / 10);
    CHECK(unit_time - before < clock_hz() / 5);
    CHECK(wire_n == 0);
    uart_dead = false;
    write_text(CONSOLE_OUT, "back");
    CHECK(wire_is("back"));
}

#define HARTS  4
#define PIECES 2000

/* Pieces "<hart:number ....>\n", alternately by write and by post. */
static void *hart_main(void *arg)
{
    int hart = (int)(uintptr_t)arg;
    for (int i = 0; i < PIECES; i++) {
        char text[200];
        int n = snprintf(text, sizeof text, "<%d:%d ", hart, i);
        while (n < 20 + i % 100)
            text[n++] = (char)('a' + hart);
        text[n++] = '>';
        text[n++] = '\n';
        if (hart % 2)
            console_post(text, (size_t)n);
        else
            console_write(CONSOLE_ERR, text, (size_t)n);
    }
    return NULL;
}

/* All pieces of all harts, whole and each hart's in its order? */
static bool pieces_are_whole(void)
{
    int next[HARTS] = {0};
    char *s = wire;
    wire[wire_n] = 0;
    while (*s) {
        int hart, i, len = 0;
        if (sscanf(s, "<%d:%d %n", &hart, &i, &len) != 2 || hart < 0 || hart >= HARTS)
            return false;
        for (s += len; *s == 'a' + hart; s++)
            ;
        if (strncmp(s, ">\n", 2) != 0 || i != next[hart]++)
            return false;
        s += 2;
    }
    for (int h = 0; h < HARTS; h++)
        if (next[h] != PIECES)
            return false;
    return true;
}

TEST(harts_do_not_mix_and_nothing_posted_is_left_behind)
{
    pthread_t t[HARTS];
    console_anew(true, true);
    for (uintptr_t i = 0; i < HARTS; i++)
        pthread_create(&t[i], NULL, hart_main, (void *)i);
    for (int i = 0; i < HARTS; i++)
        pthread_join(t[i], NULL);
    CHECK(late_used == 0);
    CHECK(late_lost == 0);
    CHECK(pieces_are_whole());
}

UNIT_MAIN
