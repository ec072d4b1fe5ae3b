/*
 * clock_math: counter ticks to nanoseconds and back, exact and without a division.
 *
 * Both ways are a multiplication by a fraction num/den in lowest terms (24 MHz: 125/3 ns a tick).
 * It is split into a whole part and a remainder in units of 2^-64:
 *
 *     num/den = whole + frac / 2^64      v * num / den = v * whole + high64(v * frac)
 *
 * which is two multiplications and an addition. frac is rounded, by less than 1 unit, so the
 * product is off by less than v / 2^64: nothing for any v that a 64-bit counter gets to. Only the
 * rounding down to a whole nanosecond could show it:
 *   - 10, 62.5, 50, 4 and 1 MHz have den = 1 (or 10^9/hz whole), frac = 0: exact;
 *   - rounded up by e/den of a unit, e < den, the result is the true floor as long as
 *     v * e < 2^64: 24 MHz has e ≤ 2, so for 12,000 years; 54 MHz for 400, 19.2 MHz for 2,500.
 *   - a den of eight digits (99,999,001 Hz) makes it one nanosecond too many now and then, never
 *     two, and never less than for an earlier tick.
 * There is no drift: nothing is ever added up.
 *
 * Pure arithmetic, no arch.h: the unit tests run it on the host.
 */
#pragma once
#include <stdint.h>

#define CLOCK_NS_PER_SECOND UINT64_C(1000000000)

struct clock_scale {
    uint64_t whole;
    uint64_t frac;
};

struct clock_math {
    struct clock_scale ns;    /* ns a tick, rounded up */
    struct clock_scale ticks; /* ticks a ns, rounded down */
};

static inline uint64_t clock_scale_apply(struct clock_scale s, uint64_t v)
{
    return v * s.whole + (uint64_t)(((unsigned __int128)v * s.frac) >> 64);
}

/* 64 quotient bits of rest/den after the point, rest < den; den < 2^63. Boot only: a loop, since
 * a 128-bit division is a library call. */
static inline uint64_t clock_fraction(uint64_t rest, uint64_t den, int round_up)
{
    uint64_t q = 0;
    for (int i = 0; i < 64; i++) {
        rest <<= 1;
        q = q << 1 | (rest >= den);
        if (rest >= den)
            rest -= den;
    }
    return q + (round_up && rest != 0);
}

static inline struct clock_scale clock_scale_make(uint64_t num, uint64_t den, int round_up)
{
    return (struct clock_scale){num / den, clock_fraction(num % den, den, round_up)};
}

/* hz > 0. num and den need no reducing: the quotient bits are the same. */
static inline struct clock_math clock_math_make(uint64_t hz)
{
    return (struct clock_math){
        .ns = clock_scale_make(CLOCK_NS_PER_SECOND, hz, 1),
        .ticks = clock_scale_make(hz, CLOCK_NS_PER_SECOND, 0),
    };
}

static inline uint64_t clock_ticks_to_ns(const struct clock_math *m, uint64_t ticks)
{
    return clock_scale_apply(m->ns, ticks);
}

/*
 * The first tick whose time is not before ns: a timer set to it never fires early. The estimate is
 * the first tick after ns - 1, and it is that where a tick is a whole number of nanoseconds. It
 * is rounded down, hence at most two short below 1 GHz.
 */
static inline uint64_t clock_ns_to_ticks(const struct clock_math *m, uint64_t ns)
{
    uint64_t t = ns > 0 ? clock_scale_apply(m->ticks, ns - 1) + 1 : 0;
    while (clock_ticks_to_ns(m, t) < ns)
        t++;
    return t;
}
