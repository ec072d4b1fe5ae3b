/*
 * line: text in the making, for those who may not allocate. Any context.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct line {
    char *text;
    size_t size, n;
};
/* false: it was cut. */
bool line_add(struct line *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/*
 * Ends a line of a file for the computer at the other end of the console and sends it, in one piece:
 * its last word is # and the CRC-32 of what is before that, the blank excluded. So a line stands for itself,
 * whatever is said between two; who reads (tools/pinionframes.py) knows a damaged one. Who may not enter a
 * section (section_write) is not made to. No trap handler.
 */
void line_send(struct line *l);
