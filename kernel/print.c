/*
 * print: kprintf, the kernel's own voice. One call is one piece on the wire, and never waits for
 * another hart's piece: see console_post in console.c.
 */
#include "kernel/console.h"
#include "kernel/format.h"

#define LINE_BYTES 257 /* 256 and the zero */

void kprintf(const char *fmt, ...)
{
    char line[LINE_BYTES];
    va_list ap;

    va_start(ap, fmt);
    size_t n = print_format(line, sizeof line, fmt, ap);
    va_end(ap);
    if (n >= sizeof line) {
        n = sizeof line - 1;
        line[n - 1] = '\n'; /* a cut line still ends */
    }
    console_post(line, n);
}
