/*
 * outfile: a file on the computer at the debugger's end, by semihosting. QEMU has it if it is told so. Where
 * nobody serves it the call is an exception that the port answers with a refusal; from within a trap
 * handler it is a fault there, and ends the run. One file at a time; preemption off, or the world at an end.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

/* Makes the file, or makes it empty. false: the other end refuses. */
bool outfile_open(const char *path);
/* false: not all of it is written. */
bool outfile_write(const void *data, size_t n);
bool outfile_close(void);
