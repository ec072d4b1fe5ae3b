/*
 * tracing: the beginning and the end of a trace, and its file.
 */
#pragma once
#include <stdbool.h>

/* What boot was told; all of it may be left out. */
struct tracing {
    unsigned
        records; /* a hart; 0: TRACING_RECORDS, if the trace is on from the start or begun later */
    bool from_start;   /* else runtime_trace_start begins it */
    bool keeps_oldest; /* full is full; else the newest are kept */
    const char *
        file; /* where it goes, on the computer at the other end (traceout.h); NULL: it stays in memory */
};
#define TRACING_RECORDS 16384

/* Boot, after sched_settle, before sched_main. */
void sched_tracing(const struct tracing *);
