/*
 * clock: see clock.h; the arithmetic is in clock_math.h.
 *
 * Both instruction sets promise one counter: RISC-V's `time` is the same real time on all harts
 * (unprivileged manual, "Zicntr"), Arm's CNTVCT views one system counter with an offset that
 * firmware sets alike everywhere. So "now" is comparable between harts without a lock (trap 29),
 * and what is to happen later is told as a time, never as a count of ticks of some hart.
 *
 * A timer is a compare register that fires while the counter is at or past it. So a time that is
 * already past needs no case of its own: it fires at once.
 */
#include "arch/arch.h"
#include "kernel/clock.h"
#include "kernel/clock_math.h"

/* A timer this far off, 73 years, is none: keeps the arithmetic clear of 2^64 up to 4 GHz. */
#define TOO_FAR (INT64_C(1) << 61)

/* Written by clock_init, then only read. */
static uint64_t hertz;
static uint64_t base; /* the counter at time zero */
static struct clock_math scale;

void clock_init(uint64_t hz)
{
    hertz = hz;
    scale = clock_math_make(hz);
    base = arch_ticks();
}

/* It calls nothing: no frame, which would be a third of it. */
__attribute__((optimize("omit-frame-pointer"))) int64_t clock_ns(void)
{
    return (int64_t)clock_ticks_to_ns(&scale, arch_ticks() - base);
}

void clock_arm(int64_t when)
{
    if (when > TOO_FAR)
        arch_timer_set(UINT64_MAX);
    else if (when <= 0)
        arch_timer_set(base);
    else
        arch_timer_set(base + clock_ns_to_ticks(&scale, (uint64_t)when));
}

uint64_t clock_hz(void)
{
    return hertz;
}
