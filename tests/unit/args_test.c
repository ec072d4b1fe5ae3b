// with: boot/args.c
/*
 * args: each setting with a value, without one, and with one that makes no sense: what becomes of it and
 * what is said.
 */
#include "boot/args.h"
#include <stdarg.h>
#include "kernel/console.h"
#include "tests/unit/unit.h"

static struct args args;
static char said[512];

void kprintf(const char *fmt, ...)
{
    size_t n = strlen(said);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(said + n, sizeof said - n, fmt, ap);
    va_end(ap);
}

/* Does this parse, with nothing said? */
static bool parses(const char *text)
{
    said[0] = '\0';
    args_parse(&args, text);
    return said[0] == '\0';
}

/* Is `word` reported, as wanting what? */
static bool wants(const char *word, const char *what)
{
    char line[256];
    snprintf(line, sizeof line, "pinion: %s: %s\n", word, what);
    return !parses(word) && strcmp(said, line) == 0;
}

TEST(a_number_goes_to_its_field)
{
    CHECK(parses("pinion.gomaxprocs=3 pinion.schedtrace=1000 pinion.chaos=7 pinion.cpuprofile=100 "
                 "pinion.heapprofile=4096 pinion.mutexprofile=5 pinion.blockprofile=10000"));
    CHECK_EQ(args.gomaxprocs, 3);
    CHECK_EQ(args.schedtrace, 1000);
    CHECK_EQ(args.chaos, 7);
    CHECK_EQ(args.profiles.cpu_hz, 100);
    CHECK_EQ(args.profiles.heap_bytes, 4096);
    CHECK_EQ(args.profiles.mutex_fraction, 5);
    CHECK_EQ(args.profiles.block_ns, 10000);
}

TEST(a_switch_is_on_off_or_as_it_was)
{
    CHECK(parses("pinion.memstats pinion.monitor=1 pinion.scheddetail=1 pinion.scheddetail=0"));
    CHECK(args.memstats && args.monitor && !args.scheddetail);
    CHECK(wants("pinion.monitor=2", "0 or 1 is wanted; there will be none"));
    CHECK(!args.monitor);
    CHECK(wants("pinion.memstats=", "0 or 1 is wanted; there will be none"));
    CHECK(!args.memstats);
}

TEST(a_text_is_taken_as_it_stands)
{
    CHECK(parses("pinion.name=a=b,c pinion.traceback=all pinion.tracefile=/x/y"));
    CHECK(strcmp(args.argv[0], "a=b,c") == 0);
    CHECK(strcmp(args.traceback, "all") == 0);
    CHECK(strcmp(args.trace.file, "/x/y") == 0);
    CHECK(wants("pinion.tracefile=", "a file is wanted; the trace stays in memory"));
    CHECK(args.trace.file == NULL);
    CHECK(wants("pinion.name", "a name is wanted"));
    CHECK(strcmp(args.argv[0], "pinion") == 0);
}

TEST(a_trace_keeps_the_newest_or_the_oldest_or_waits)
{
    CHECK(parses("pinion.trace"));
    CHECK(args.trace.from_start && args.trace.records == 0 && !args.trace.keeps_oldest);
    CHECK(parses("pinion.trace=500"));
    CHECK(args.trace.from_start && args.trace.records == 500 && !args.trace.keeps_oldest);
    CHECK(parses("pinion.trace=500,oldest"));
    CHECK(args.trace.from_start && args.trace.records == 500 && args.trace.keeps_oldest);
    CHECK(parses("pinion.trace=0"));
    CHECK(!args.trace.from_start);
    const char *none = "a number of records a hart is wanted, or N,oldest; there will be no trace";
    CHECK(wants("pinion.trace=500,newest", none));
    CHECK(wants("pinion.trace=,oldest", none));
    CHECK(!args.trace.from_start && !args.trace.keeps_oldest);
}

TEST(a_wrong_value_of_what_needs_none_leaves_it_on)
{
    CHECK(parses("pinion.leakcheck=255"));
    CHECK(args.leakcheck && args.leakcheck_exit == 255);
    const char *exit_value = "an exit value from 1 to 255 is wanted; it stays as it is";
    CHECK(wants("pinion.leakcheck=256", exit_value));
    CHECK(args.leakcheck && args.leakcheck_exit == 0);
    CHECK(wants("pinion.leakcheck=0", exit_value));
    CHECK(parses("pinion.goroutineprofile"));
    CHECK(args.profiles.goroutines && args.profiles.goroutines_ms == 0);
    CHECK(!parses("pinion.goroutineprofile=soon"));
    CHECK(args.profiles.goroutines && args.profiles.goroutines_ms == 0);
}

TEST(a_wrong_value_of_what_needs_one_leaves_it_out)
{
    const char *all_harts = "a number from 1 is wanted; all harts are used";
    CHECK(wants("pinion.gomaxprocs=0", all_harts));
    CHECK(wants("pinion.gomaxprocs=3x", all_harts));
    CHECK(wants("pinion.gomaxprocs=-1", all_harts));
    CHECK(wants("pinion.gomaxprocs=99999999999999999999", all_harts));
    CHECK(wants("pinion.gomaxprocs", all_harts));
    CHECK_EQ(args.gomaxprocs, 0);
    CHECK(wants("pinion.chaos=0", "a seed from 1 is wanted; there will be no chaos"));
}

TEST(an_unknown_setting_is_named)
{
    parses("pinion.gomaxproc=3 one");
    CHECK(strcmp(said, "pinion: unknown setting pinion.gomaxproc=3\n") == 0);
    parses("pinion.=1");
    CHECK(strcmp(said, "pinion: unknown setting pinion.=1\n") == 0);
    CHECK(parses("pinion.host=1"));
}

TEST(words_of_the_program_stay_and_too_many_are_left_out)
{
    CHECK(parses(" one\t pinion.chaos=3  two=2 "));
    CHECK_EQ(args.argc, 3);
    CHECK(strcmp(args.argv[1], "one") == 0 && strcmp(args.argv[2], "two=2") == 0);
    char many[4 * ARGS_MAX] = "";
    for (int i = 0; i < ARGS_MAX; i++)
        strcat(many, "x ");
    CHECK(!parses(many));
    CHECK_EQ(args.argc, ARGS_MAX);
    CHECK(args.argv[ARGS_MAX] == NULL);
}

UNIT_MAIN
