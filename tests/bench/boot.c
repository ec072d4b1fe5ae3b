/*
 * boot: guest time from reset to the first line of main, firmware's share included. The counter of
 * both machines starts at 0 with them.
 */
#include <pinion.h>
#include <stdio.h>
#include "arch/arch.h"
#include "kernel/clock.h"

int main(void)
{
    uint64_t ticks = arch_ticks();
    if (runtime_numcpu() != 4) {
        printf("CHECK FAILED boot: %d harts, not 4\n", runtime_numcpu());
        return 1;
    }
    printf("cold boot to main at SMP=4, ms %.2f\n", (double)ticks * 1e3 / (double)clock_hz());
    return 0;
}
