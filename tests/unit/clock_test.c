/*
 * clock: ticks and nanoseconds, against 128-bit division, over a hundred years.
 */
#include <stdint.h>
#include "kernel/clock_math.h"
#include "tests/unit/unit.h"

#define YEAR_NS (UINT64_C(366) * 86400 * CLOCK_NS_PER_SECOND)

static const uint64_t exact_hz[] = {1000000,  3000000,  4000000,  8000000,  10000000,  19200000,
                                    24000000, 50000000, 54000000, 62500000, 100000000, 1000000000};
/* Prime, or nearly: nothing cancels. */
static const uint64_t odd_hz[] = {32768, 33333333, 99999001, 99999989, 1000000007, 2399999999};

#define COUNT(a) (sizeof(a) / sizeof *(a))

static uint64_t state = 88172645463325252u;
static uint64_t next_random(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

/* True floor of ticks × 10^9 / hz. */
static uint64_t true_ns(uint64_t ticks, uint64_t hz)
{
    return (uint64_t)((unsigned __int128)ticks * CLOCK_NS_PER_SECOND / hz);
}

static uint64_t ticks_of_years(uint64_t years, uint64_t hz)
{
    return (uint64_t)((unsigned __int128)years * YEAR_NS * hz / CLOCK_NS_PER_SECOND);
}

TEST(boards_frequencies_are_exact_for_a_century)
{
    for (unsigned i = 0; i < COUNT(exact_hz); i++) {
        uint64_t hz = exact_hz[i], end = ticks_of_years(100, hz);
        struct clock_math m = clock_math_make(hz);
        for (int n = 0; n < 100000; n++) {
            uint64_t t = n < 1000   ? (uint64_t)n
                         : n < 2000 ? end - (uint64_t)n
                                    : next_random() % end;
            if (clock_ticks_to_ns(&m, t) != true_ns(t, hz)) {
                CHECK(clock_ticks_to_ns(&m, t) == true_ns(t, hz));
                break;
            }
        }
        CHECK(clock_ticks_to_ns(&m, end) == true_ns(end, hz));
    }
}

TEST(odd_frequencies_are_off_by_one_at_most_and_never_go_back)
{
    for (unsigned i = 0; i < COUNT(odd_hz); i++) {
        uint64_t hz = odd_hz[i], end = ticks_of_years(100, hz), worst = 0;
        struct clock_math m = clock_math_make(hz);
        int back = 0;
        for (int n = 0; n < 100000; n++) {
            uint64_t t = next_random() % end;
            uint64_t off = clock_ticks_to_ns(&m, t) - true_ns(t, hz);
            if (off > worst)
                worst = off;
            back |= clock_ticks_to_ns(&m, t + 1) < clock_ticks_to_ns(&m, t);
        }
        CHECK(worst <= 1);
        CHECK(!back);
    }
}

static int never_early(uint64_t hz)
{
    struct clock_math m = clock_math_make(hz);
    for (int n = 0; n < 100000; n++) {
        uint64_t ns = n < 1000 ? (uint64_t)n : next_random() % (60 * YEAR_NS);
        uint64_t t = clock_ns_to_ticks(&m, ns);
        if (clock_ticks_to_ns(&m, t) < ns)
            return 0; /* would fire early */
        if (t && clock_ticks_to_ns(&m, t - 1) >= ns)
            return 0; /* would fire later than it could */
    }
    return 1;
}

TEST(a_timer_fires_at_the_first_tick_that_is_not_early)
{
    for (unsigned i = 0; i < COUNT(exact_hz); i++)
        CHECK(never_early(exact_hz[i]));
    for (unsigned i = 0; i < COUNT(odd_hz); i++)
        CHECK(never_early(odd_hz[i]));
}

UNIT_MAIN
