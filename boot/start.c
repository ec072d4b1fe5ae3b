/*
 * start: goroutine 1: what a C program expects to have happened before main, main, and after.
 */
#include "boot/start.h"
#include <stdlib.h>
#include "boot/args.h"
#include "sched/defer.h"
#include "sched/gmp.h"
#include "sched/sched.h"

int main(int argc, char **argv);

typedef void init_fn(void);
extern init_fn *__preinit_array_start[], *__preinit_array_end[];
extern init_fn *__init_array_start[], *__init_array_end[];

static struct args kept;

void *start_prepare(const struct args *args)
{
    kept = *args;
    for (int i = 0; i < args->argc; i++) {
        size_t at = (size_t)(args->argv[i] - args->text);
        kept.argv[i] = at < ARGS_BYTES ? kept.text + at : args->argv[i];
    }
    return &kept;
}

static void run_forwards(init_fn **from, init_fn **to)
{
    for (; from < to; from++)
        (*from)();
}

/* newlib registers __libc_fini_array with atexit by itself; after the destructors it calls this. */
void _fini(void);
void _fini(void)
{
}

void start_main(void *prepared)
{
    struct args *a = prepared;
    sched_profiles(&a->profiles);
    run_forwards(__preinit_array_start, __preinit_array_end);
    run_forwards(__init_array_start, __init_array_end);
    int status = main(a->argc, a->argv);
    defer_run_all(g_self());
    exit(status);
}
