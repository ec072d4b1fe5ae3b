/*
 * format: the small printf of the kernel, into a buffer. No allocation, no libc, no floating
 * point, no global state: it works before paging, in a trap handler and on the host.
 */
#pragma once
#include <stdarg.h>
#include <stddef.h>

/*
 * Formats into buf, at most n bytes with the terminating zero (n ≥ 1), and returns how many bytes
 * the whole text has, zero not counted: ≥ n says that it was cut.
 *
 *     %s %c %d %i %u %x %X %p %%   with flags 0 and -, a width, l ll z before d i u x X,
 *     and a precision before s;    width and precision may be *.
 *
 * NULL for %s prints (null). An unknown conversion prints as it stands.
 */
size_t print_format(char *buf, size_t n, const char *fmt, va_list ap)
    __attribute__((format(printf, 3, 0)));
