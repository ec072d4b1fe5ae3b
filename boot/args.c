/*
 * args: words, separated by blanks; see args.h. Settings:
 *
 *     pinion.host=1          streams framed for tools/pinion-run
 *     pinion.name=NAME       argv[0]
 *     pinion.gomaxprocs=N    Ps at the start
 *     pinion.schedtrace=MS   the scheduler's state every MS milliseconds, as one line in Go's form
 *     pinion.scheddetail=1   … as a page instead: a line for each P, M and G
 *     pinion.traceback=LEVEL how much a run that ends wrong shows: none, single, all, system (crash.c)
 *     pinion.chaos=SEED      the scheduler chooses at random (sched/chaos.c)
 *     pinion.trace           a trace of the scheduler from the start (sched/trace.c); pinion.trace=N keeps
 *                            the last N records of each hart, pinion.trace=N,oldest the first N; 0: from
 *                            runtime_trace_start on
 *     pinion.tracefile=FILE  where it goes when it ends, by semihosting; =serial: over the console
 *     pinion.leakcheck       goroutines that still wait at the end; =N: then 0 becomes N
 *     pinion.cpuprofile=HZ   a profile of the processors' time (sched/profile_cpu.c)
 *     pinion.goroutineprofile=MS  the stacks of all goroutines after MS milliseconds, or at the end
 *     pinion.heapprofile=BYTES    who allocates, one sample in so many bytes
 *     pinion.mutexprofile=N  who keeps others waiting for a mutex or rwmutex, one unlock in N
 *     pinion.blockprofile=NS where goroutines wait, one sample in so many nanoseconds of it
 *     pinion.monitor         a shell at the console (sched/monitor.c); also pinion.monitor=1
 *     pinion.memstats        a table of memory's use at the end; also pinion.memstats=1
 *
 * What is not given stays 0. A word without a value turns on what it names, if that is enough; a value that
 * makes no sense is reported, and then it is as if it, or where it must be there the word, had been left out.
 */
#include "boot/args.h"
#include <string.h>
#include "kernel/console.h"

enum kind { TEXT, NUMBER, SWITCH, RECORDS, SEEN_TO };

#define AT(field) offsetof(struct args, field)
#define NONE      UINT16_MAX
#define ANY       UINT32_MAX

static const struct setting {
    const char *key; /* behind "pinion." */
    enum kind kind;
    uint16_t on;    /* a bool of struct args that the word turns on, or NONE: it wants a value */
    uint16_t value; /* what its value goes to: a text, an unsigned, for a SWITCH a bool */
    uint32_t least, most;
    const char *complaint;
} settings[] = {
    {"host", SEEN_TO, NONE, NONE, 0, 0, "1 is wanted; streams are not framed"}, /* args_host_link */
    {"name", TEXT, NONE, AT(argv[0]), 0, 0, "a name is wanted"},
    {"gomaxprocs", NUMBER, NONE, AT(gomaxprocs), 1, ANY,
     "a number from 1 is wanted; all harts are used"},
    {"schedtrace", NUMBER, NONE, AT(schedtrace), 0, ANY,
     "a number of milliseconds is wanted; there will be no trace"},
    {"scheddetail", SWITCH, AT(scheddetail), AT(scheddetail), 0, 1,
     "0 or 1 is wanted; there will be no detail"},
    {"traceback", TEXT, NONE, AT(traceback), 0, 0, "none, single, all or system is wanted"},
    {"chaos", NUMBER, NONE, AT(chaos), 1, ANY, "a seed from 1 is wanted; there will be no chaos"},
    {"trace", RECORDS, AT(trace.from_start), AT(trace.records), 0, ANY,
     "a number of records a hart is wanted, or N,oldest; there will be no trace"},
    {"tracefile", TEXT, NONE, AT(trace.file), 0, 0, "a file is wanted; the trace stays in memory"},
    {"leakcheck", NUMBER, AT(leakcheck), AT(leakcheck_exit), 1, 255,
     "an exit value from 1 to 255 is wanted; it stays as it is"},
    {"cpuprofile", NUMBER, NONE, AT(profiles.cpu_hz), 0, ANY,
     "a number of samples a second is wanted; there will be no profile"},
    {"goroutineprofile", NUMBER, AT(profiles.goroutines), AT(profiles.goroutines_ms), 0, ANY,
     "a number of milliseconds is wanted; the profile is made at the end"},
    {"heapprofile", NUMBER, NONE, AT(profiles.heap_bytes), 0, ANY,
     "a number of bytes is wanted; there will be no profile"},
    {"mutexprofile", NUMBER, NONE, AT(profiles.mutex_fraction), 0, ANY,
     "a number of waits is wanted; there will be no profile"},
    {"blockprofile", NUMBER, NONE, AT(profiles.block_ns), 0, ANY,
     "a number of nanoseconds is wanted; there will be no profile"},
    {"monitor", SWITCH, AT(monitor), AT(monitor), 0, 1, "0 or 1 is wanted; there will be none"},
    {"memstats", SWITCH, AT(memstats), AT(memstats), 0, 1, "0 or 1 is wanted; there will be none"},
};

static const char *next_word(const char *s, size_t *len)
{
    s += strspn(s, " \t\n");
    *len = strcspn(s, " \t\n");
    return s;
}

static bool number(const char *s, unsigned *n)
{
    unsigned long value = 0;
    if (*s == '\0')
        return false;
    for (; *s != '\0'; s++) {
        if (*s < '0' || *s > '9' || value > 1000000)
            return false;
        value = value * 10 + (unsigned long)(*s - '0');
    }
    *n = (unsigned)value;
    return true;
}

/* A number of records, behind which may stand ",oldest"; 0: not from the start. */
static bool records(struct tracing *t, char *value)
{
    char *comma = strchr(value, ',');
    unsigned n;
    bool oldest = comma != NULL && strcmp(comma, ",oldest") == 0;
    if (oldest)
        *comma = '\0';
    bool is_number = number(value, &n);
    if (oldest)
        *comma = ',';
    if (!is_number)
        return false;
    t->keeps_oldest = oldest;
    t->records = n;
    t->from_start = n > 0;
    return true;
}

/* The setting with a value, not NULL. false: it makes no sense. */
static bool set_value(struct args *a, const struct setting *s, char *value)
{
    void *to = (char *)a + s->value;
    unsigned n;
    switch (s->kind) {
    case SEEN_TO: return true;
    case TEXT:
        if (*value != '\0')
            *(char **)to = value;
        return *value != '\0';
    case RECORDS: return records(&a->trace, value);
    default: break;
    }
    if (!number(value, &n) || n < s->least || n > s->most)
        return false;
    if (s->kind == SWITCH)
        *(bool *)to = n != 0;
    else
        *(unsigned *)to = n;
    return true;
}

static const struct setting *find_setting(const char *key, size_t len)
{
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
        if (strlen(settings[i].key) == len && strncmp(settings[i].key, key, len) == 0)
            return &settings[i];
    return NULL;
}

static void setting(struct args *a, char *word)
{
    char *key = word + strlen("pinion."), *end = key + strcspn(key, "=");
    char *value = *end == '=' ? end + 1 : NULL;
    const struct setting *s = find_setting(key, (size_t)(end - key));
    if (s == NULL) {
        kprintf("pinion: unknown setting %s\n", word);
        return;
    }
    if (value == NULL ? s->on == NONE : !set_value(a, s, value))
        kprintf("pinion: %s: %s\n", word, s->complaint);
    if (s->on != NONE && (value == NULL || s->kind == NUMBER))
        *(bool *)((char *)a + s->on) = true;
}

void args_parse(struct args *a, const char *bootargs)
{
    size_t len, used = 0;
    memset(a, 0, sizeof(*a));
    a->argv[0] = "pinion";
    a->argc = 1;
    for (const char *s = next_word(bootargs, &len); len > 0; s = next_word(s + len, &len)) {
        char *word = a->text + used;
        if (used + len + 1 > ARGS_BYTES || a->argc == ARGS_MAX) {
            kprintf("pinion: too many arguments; those from the %dth are left out\n", a->argc);
            break;
        }
        memcpy(word, s, len);
        used += len + 1;
        if (strncmp(word, "pinion.", 7) == 0)
            setting(a, word);
        else
            a->argv[a->argc++] = word;
    }
    if (a->scheddetail && a->schedtrace == 0)
        kprintf("pinion: pinion.scheddetail=1 without pinion.schedtrace=MS prints nothing\n");
}

bool args_host_link(const char *bootargs)
{
    size_t len;
    for (const char *s = next_word(bootargs, &len); len > 0; s = next_word(s + len, &len))
        if (len == 13 && strncmp(s, "pinion.host=1", 13) == 0)
            return true;
    return false;
}
