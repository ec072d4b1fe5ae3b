/*
 * soak: what the parts of the soak share: the gate, and the counts of which the laws are made.
 *
 * Every goroutine of the soak passes the gate between two deeds, where it holds nothing. Once a second
 * the gate is shut and main waits until the machine is at rest: all are at the gate, or in a channel's
 * send or receive that only those at the gate could end. Then nothing moves, and what was begun is
 * exactly what was done and what is under way: the laws (main.c) are equations, not estimates.
 */
#pragma once
#include "tests/stress/stress.h"

/* relaxed, all counts: they are read at rest, which the scheduler's own orders bring about. */
extern struct counts {
    _Atomic long spawned, finished;
    _Atomic long at_gate, in_send, in_receive;
    _Atomic long begun, given_up, received;
    _Atomic long blocks, bytes;
    _Atomic long locks, puts, takes, permits;
    _Atomic long deeds;
} n;

static inline void count(_Atomic long *counter, long by)
{
    atomic_fetch_add_explicit(counter, by, memory_order_relaxed); /* relaxed: as above */
}

extern _Atomic bool gate_shut, closing;

/* Between two deeds. false: the soak is over. */
bool gate_pass(void);
void gate_open(void);

/* Starts fn(arg), which ends in leave(), counted; attr may be NULL. */
void start(const struct go_attr *attr, void (*fn)(void *), void *arg);
void leave(void);

/* Goroutines that pass the gate: at rest each is there or in a send or receive. */
#define CHANNELS 5
#define TALKERS  3 /* who send to each, and as many who receive */
#define WORKERS  24
#define CREW     (2 * CHANNELS * TALKERS + WORKERS + 1)

void messages_start(uint32_t seed);
/* Elements in all buffers. */
long messages_buffered(void);
/* What is left over is received, and all talkers go. */
void messages_end(void);

void deeds_start(uint32_t seed);
/* At rest: what these guard is as it should be. */
void deeds_check(void);
