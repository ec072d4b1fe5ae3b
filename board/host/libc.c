/*
 * libc: in place of sched/libc.c, which is newlib's: the host's C library keeps what it keeps per
 * thread, and errno is the port's (arch/host/libc/errno.h).
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct g;
void libc_g_exit(struct g *g);
void libc_format(char *to, size_t n, const char *fmt, va_list ap)
    __attribute__((format(printf, 3, 0)));

void libc_format(char *to, size_t n, const char *fmt, va_list ap)
{
    vsnprintf(to, n, fmt, ap);
}

/* g->reent, which it would give back, is newlib's, and never there. */
void libc_g_exit(struct g *g)
{
    (void)g;
    abort();
}
