/*
 * panic: runtime_panic, with newlib's printf.
 *
 * Apart from defer.c because it alone of sched/ may be given floating-point numbers: on arm64 a function of
 * varying arguments finds them in vector registers, which the rest of the room is compiled not to touch
 * (FLOATS in files.mk). It runs on its goroutine's stack as the program's own code does.
 */
#include <pinion/go.h>
#include <stdarg.h>
#include "sched/defer.h"
#include "sched/libc.h"

void runtime_panic(const char *fmt, ...)
{
    char words[PANIC_BYTES];
    va_list ap;
    va_start(ap, fmt);
    libc_format(words, sizeof(words), fmt, ap);
    va_end(ap);
    panic_saying(words, __builtin_frame_address(0));
}
