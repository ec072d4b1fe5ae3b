/*
 * args: the boot arguments: the program's words, and settings (words that start with "pinion.").
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "sched/sched.h"
#include "sched/tracing.h"

#define ARGS_MAX   64   /* words for the program, its name included */
#define ARGS_BYTES 2048 /* of all words */

struct args {
    int argc;
    char *argv[ARGS_MAX + 1]; /* argv[0]: the program's name; ends with NULL */
    char text[ARGS_BYTES];    /* what argv points into */
    unsigned gomaxprocs;      /* 0: not given */
    unsigned schedtrace;      /* milliseconds; 0: not given */
    bool scheddetail;
    const char *traceback; /* NULL: not given */
    unsigned chaos;        /* a seed; 0: not given */
    bool memstats, leakcheck, monitor;
    unsigned leakcheck_exit; /* 0: not given */
    struct tracing trace;
    struct profile_settings profiles;
};

/* Takes the words apart. A setting that is unknown or makes no sense is reported and passed over;
 * words that do not fit are reported and left out. */
void args_parse(struct args *a, const char *bootargs);
/* Is a program at the other end of the console, which wants streams framed? Before all else. */
bool args_host_link(const char *bootargs);
