// with: boot/args.c
/*
 * args_fuzz: any text as boot arguments. Words and settings are told again here, in a plainer way, and
 * both must come to the same.
 */
#include "boot/args.h"
#include "kernel/console.h"
#include <stdarg.h>
#include "tests/fuzz/fuzz.h"

static unsigned said;

void kprintf(const char *fmt, ...)
{
    char text[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    said++;
}

static void arguments_hold(const struct args *a)
{
    HOLDS(a->argc >= 1 && a->argc <= ARGS_MAX && a->argv[a->argc] == NULL);
    HOLDS(a->gomaxprocs <= 10000009 && a->schedtrace <= 10000009);
    HOLDS(a->profiles.cpu_hz <= 10000009 && a->profiles.heap_bytes <= 10000009 &&
          a->profiles.block_ns <= 10000009);
    for (int i = 1; i < a->argc; i++) {
        HOLDS(a->argv[i] >= a->text && a->argv[i] < a->text + ARGS_BYTES);
        HOLDS(memchr(a->argv[i], '\0', (size_t)(a->text + ARGS_BYTES - a->argv[i])) != NULL);
        HOLDS(a->argv[i][0] != '\0' && strncmp(a->argv[i], "pinion.", 7) != 0);
    }
}

/* The program's words, in their order, but for those at the end that have no room. */
static void words_hold(const struct args *a, char *text, bool cut)
{
    int i = 1;
    for (char *word = strtok(text, " \t\n"); word; word = strtok(NULL, " \t\n")) {
        if (strncmp(word, "pinion.", 7) == 0)
            continue;
        HOLDS(i < a->argc ? strcmp(word, a->argv[i]) == 0 : cut);
        i++;
    }
    HOLDS(i >= a->argc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = text_copy(data, size);
    struct args *a = malloc(sizeof *a);
    memset(a, 0xa5, sizeof *a);
    said = 0;
    args_parse(a, text);
    arguments_hold(a);
    bool host = args_host_link(text);
    HOLDS(!host || strstr(text, "pinion.host=1") != NULL);
    words_hold(a, text, said > 0);
    free(a);
    free(text);
    return 0;
}
