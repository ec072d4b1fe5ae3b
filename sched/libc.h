/*
 * libc: what newlib needs of the scheduler: locks, errno, its per-thread state. See libc.c.
 */
#pragma once
#include <stdarg.h>
#include "sched/gmp.h"

/* A goroutine ends: gives its newlib state back. */
void libc_g_exit(struct g *g);
/* vsnprintf into n bytes, n at least 1; any goroutine. */
void libc_format(char *to, size_t n, const char *fmt, va_list ap)
    __attribute__((format(printf, 3, 0)));
