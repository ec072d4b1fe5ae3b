/*
 * deferred: deferred calls that leave a trace, for the tests of what runs them.
 */
#pragma once
#include "check.h"

/* What deferred calls leave behind: a letter each, in the order they ran. */
static char log_text[64];
static size_t log_n;

/* Not inline: then the compiler keeps it behind the fault that is to come first. */
static __attribute__((noinline, unused)) void note(void *letter)
{
    log_text[log_n++] = (char)(intptr_t)letter;
    log_text[log_n] = '\0';
}

static inline void defer_note(char letter)
{
    runtime_defer(note, (void *)(intptr_t)letter);
}

static inline void run_and_expect(void (*fn)(void *), const char *letters)
{
    log_n = 0;
    log_text[0] = '\0';
    apart(fn, NULL);
    CHECK_STR(log_text, letters);
}

/* A deferred call that recovers: notes R, and keeps the message. */
static char message[400];
static bool recovered;

static inline void recover(void *unused)
{
    (void)unused;
    memset(message, '#', sizeof message);
    recovered = runtime_recover(message, sizeof message);
    note((void *)(intptr_t)(recovered ? 'R' : 'n'));
}

static inline void recover_blindly(void *unused)
{
    (void)unused;
    CHECK(runtime_recover(NULL, 0));
    CHECK(!runtime_recover(NULL, 0));
    note((void *)'R');
}
