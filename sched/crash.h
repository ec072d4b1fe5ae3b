/*
 * crash: what is printed of a run that ends wrong, behind its words and the first traceback. See crash.c.
 */
#pragma once
#include "sched/gmp.h"

/* pinion.traceback, Go's GOTRACEBACK: how much is shown. */
enum crash_level { CRASH_NONE, CRASH_SINGLE, CRASH_ALL, CRASH_SYSTEM };
bool crash_shows(enum crash_level from);

/*
 * The rest, and the end, status 2. The machine has been stopped (fatal_begin). told: who has been
 * traced; NULL: nobody, and then the goroutines come first. f: the registers to show for this hart, or
 * NULL. ours: the failure is the runtime's own, so goroutines are shown from `single` on, as Go does.
 */
_Noreturn void crash_end(const struct g *told, const struct arch_frame *f, bool ours);
/* Which image this is: the CRC-32 of its code as it lies in memory, and how much there is. */
uint32_t crash_image(uint32_t *bytes);
/* The registers of g's last fault that became a panic, or NULL: other faults have come since. */
const struct arch_frame *crash_fault_of(const struct g *g);
