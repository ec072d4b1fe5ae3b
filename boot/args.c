/*
 * args: words, separated by blanks; see args.h. Settings:
 *
 *     pinion.host=1          streams framed for tools/pinion-run
 *     pinion.name=NAME       argv[0]
 *     pinion.gomaxprocs=N    Ps at the start
 *     pinion.schedtrace=MS   the scheduler's state every MS milliseconds, as one line in Go's form
 *     pinion.chaos=SEED      the scheduler chooses at random (sched/chaos.c)
 *     pinion.cpuprofile=HZ   a profile of the processors' time (sched/profile_cpu.c)
 *     pinion.goroutineprofile=MS  the stacks of all goroutines after MS milliseconds, or at the end
 *     pinion.heapprofile=BYTES    who allocates, one sample in so many bytes
 *     pinion.mutexprofile=N  who keeps others waiting for a mutex, one wait in N
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
static const char *value_of(const char *word, const char *key)
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

/* false: it is none of a profile's. */
static bool profile_setting(struct profile_settings *s, const char *word)
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
    else if (v != NULL)
        kprintf("pinion: %s: a number is wanted; there will be no profile\n", word);
    return v != NULL;
}

static void setting(struct args *a, char *word)
{
    const char *v;
    if ((v = value_of(word, "pinion.name")) != NULL) {
        a->argv[0] = (char *)v;
    } else if ((v = value_of(word, "pinion.gomaxprocs")) != NULL) {
        if (!number(v, &a->gomaxprocs) || a->gomaxprocs == 0)
            kprintf("pinion: %s: a number from 1 is wanted; all harts are used\n", word);
    } else if ((v = value_of(word, "pinion.schedtrace")) != NULL) {
        if (!number(v, &a->schedtrace))
            kprintf("pinion: %s: a number of milliseconds is wanted; there will be no trace\n",
                    word);
    } else if ((v = value_of(word, "pinion.chaos")) != NULL) {
        if (!number(v, &a->chaos) || a->chaos == 0)
            kprintf("pinion: %s: a seed from 1 is wanted; there will be no chaos\n", word);
    } else if (profile_setting(&a->profiles, word)) {
        return;
    } else if (strcmp(word, "pinion.memstats") == 0 || strcmp(word, "pinion.memstats=1") == 0) {
        a->memstats = true;
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
}

bool args_host_link(const char *bootargs)
{
    size_t len;
    for (const char *s = next_word(bootargs, &len); len > 0; s = next_word(s + len, &len))
        if (len == 13 && strncmp(s, "pinion.host=1", 13) == 0)
            return true;
    return false;
}
