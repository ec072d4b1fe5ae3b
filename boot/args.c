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
 */
#include "boot/args.h"
#include <string.h>
#include "kernel/console.h"

static const char *next_word(const char *s, size_t *len)
{
    s += strspn(s, " \t\n");
    *len = strcspn(s, " \t\n");
    return s;
}

/* The value, if the word is key=value; NULL otherwise. */
static char *value_of(char *word, const char *key)
{
    size_t n = strlen(key);
    return strncmp(word, key, n) == 0 && word[n] == '=' ? word + n + 1 : NULL;
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

/* N or N,oldest; 0: not from the start. */
static void trace_setting(struct tracing *t, const char *word, char *value)
{
    char *comma = strchr(value, ',');
    unsigned n;
    t->keeps_oldest = comma != NULL && strcmp(comma, ",oldest") == 0;
    if (t->keeps_oldest)
        *comma = '\0';
    if (!number(value, &n)) {
        kprintf("pinion: %s: a number of records a hart is wanted, or N,oldest; there will be no "
                "trace\n",
                word);
        return;
    }
    t->records = n;
    t->from_start = n > 0;
}

/* false: it is none of a profile's. */
static bool profile_setting(struct profile_settings *s, char *word)
{
    const char *v;
    unsigned n = 0;
    if ((v = value_of(word, "pinion.cpuprofile")) != NULL && number(v, &n))
        s->cpu_hz = n;
    else if (v == NULL && (v = value_of(word, "pinion.goroutineprofile")) != NULL && number(v, &n))
        s->goroutines = true, s->goroutines_ms = n;
    else if (v == NULL && (v = value_of(word, "pinion.heapprofile")) != NULL && number(v, &n))
        s->heap_bytes = n;
    else if (v == NULL && (v = value_of(word, "pinion.mutexprofile")) != NULL && number(v, &n))
        s->mutex_fraction = n;
    else if (v == NULL && (v = value_of(word, "pinion.blockprofile")) != NULL && number(v, &n))
        s->block_ns = n;
    else if (v != NULL)
        kprintf("pinion: %s: a number is wanted; there will be no profile\n", word);
    return v != NULL;
}

static void setting(struct args *a, char *word)
{
    char *v;
    if ((v = value_of(word, "pinion.name")) != NULL) {
        a->argv[0] = (char *)v;
    } else if ((v = value_of(word, "pinion.gomaxprocs")) != NULL) {
        if (!number(v, &a->gomaxprocs) || a->gomaxprocs == 0)
            kprintf("pinion: %s: a number from 1 is wanted; all harts are used\n", word);
    } else if ((v = value_of(word, "pinion.schedtrace")) != NULL) {
        if (!number(v, &a->schedtrace))
            kprintf("pinion: %s: a number of milliseconds is wanted; there will be no trace\n",
                    word);
    } else if ((v = value_of(word, "pinion.scheddetail")) != NULL) {
        unsigned n;
        if (!number(v, &n) || n > 1)
            kprintf("pinion: %s: 0 or 1 is wanted; there will be no detail\n", word);
        else
            a->scheddetail = n == 1;
    } else if ((v = value_of(word, "pinion.traceback")) != NULL) {
        a->traceback = v;
    } else if ((v = value_of(word, "pinion.chaos")) != NULL) {
        if (!number(v, &a->chaos) || a->chaos == 0)
            kprintf("pinion: %s: a seed from 1 is wanted; there will be no chaos\n", word);
    } else if (strcmp(word, "pinion.trace") == 0) {
        a->trace.from_start = true;
    } else if ((v = value_of(word, "pinion.trace")) != NULL) {
        trace_setting(&a->trace, word, v);
    } else if ((v = value_of(word, "pinion.tracefile")) != NULL) {
        a->trace.file = v;
    } else if (strcmp(word, "pinion.leakcheck") == 0) {
        a->leakcheck = true;
    } else if ((v = value_of(word, "pinion.leakcheck")) != NULL) {
        a->leakcheck = true;
        if (!number(v, &a->leakcheck_exit) || a->leakcheck_exit == 0 || a->leakcheck_exit > 255) {
            kprintf("pinion: %s: an exit value from 1 to 255 is wanted; it stays as it is\n", word);
            a->leakcheck_exit = 0;
        }
    } else if (profile_setting(&a->profiles, word)) {
        return;
    } else if (strcmp(word, "pinion.memstats") == 0 || strcmp(word, "pinion.memstats=1") == 0) {
        a->memstats = true;
    } else if (strcmp(word, "pinion.monitor") == 0 || strcmp(word, "pinion.monitor=1") == 0) {
        a->monitor = true;
    } else if (value_of(word, "pinion.host") == NULL) {
        kprintf("pinion: unknown setting %s\n", word);
    }
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
