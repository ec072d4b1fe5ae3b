/*
 * traceout: the way of a trace out of the machine. One at a time; the world stopped, or at its end.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

/* The path that means lines on the console. */
#define TRACE_BY_SERIAL "serial"

/* false: the other end refuses. */
bool trace_out_open(const char *path);
/* The next n bytes. false: not all of it is written. */
bool trace_out(const void *data, size_t n);
/* Ends it with the CRC-32 of all its bytes. */
bool trace_out_close(void);
