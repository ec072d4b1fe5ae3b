/*
 * clock: monotonic nanoseconds since boot, and the one-shot timer of each hart.
 * One counter for all harts (RISC-V time, Arm CNTVCT): reading it needs no lock and does not go
 * back between harts.
 */
#pragma once
#include <stdint.h>
#include "arch/arch.h"

#define CLOCK_NEVER INT64_MAX

/* Boot hart, before others start: time zero is now. hz: the counter's frequency, not 0. */
void clock_init(uint64_t hz);
/* Nanoseconds since clock_init. Any context. */
int64_t clock_ns(void);
/* This hart's timer interrupt at or just after `when`, never before (ns; past: at once;
 * CLOCK_NEVER: none). Replaces what was armed. Interrupts masked, or preemption off. */
void clock_arm(int64_t when);
/* Ticks of the hardware counter a second; 0 before clock_init. */
uint64_t clock_hz(void);

#if PINION_TRAP
/* With an old bug switched on (docs/lessons.md): holds its window open, so that it is met in seconds. */
static inline void clock_window(void)
{
    for (int64_t until = clock_ns() + 10000; clock_ns() < until;)
        arch_relax(0);
}
#endif
