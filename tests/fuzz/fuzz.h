/*
 * fuzz: what the fuzzers share. Each is a function that libFuzzer calls with bytes of its own making,
 * again and again in one process, so it starts from nothing each time and keeps nothing.
 *
 * HOLDS is a check: what fails it is kept as an input, as a crash or a report of a sanitizer is.
 * Copies go into blocks of exactly their size, so that a read of one byte too many is seen.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HOLDS(condition)                                                                   \
    do {                                                                                   \
        if (!(condition)) {                                                                \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                                       \
        }                                                                                  \
    } while (0)

/* The caller frees it. */
static inline void *exact_copy(const void *from, size_t size)
{
    void *to = malloc(size ? size : 1);
    HOLDS(to != NULL);
    memcpy(to, from, size);
    return to;
}

/* The same, and a zero behind it. */
static inline char *text_copy(const uint8_t *from, size_t size)
{
    char *to = malloc(size + 1);
    HOLDS(to != NULL);
    memcpy(to, from, size);
    to[size] = '\0';
    return to;
}
