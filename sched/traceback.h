/*
 * traceback: who called whom, in Go's layout. Walks frame pointers (arch_unwind), believes nothing
 * and stops at the first doubt. Prints with kprintf; any context whose goroutines stand still.
 */
#pragma once
#include "sched/gmp.h"

/* g, the caller's own, from the caller of the function that has this frame. fault: that one made no
 * call, a trap put it in (arch_frame_call). */
void traceback_here(struct g *g, uintptr_t frame, bool fault);
/* g, stopped by a trap. */
void traceback_frame(struct g *g, const struct arch_frame *f);
/* A line: the function that pc lies in, how far in, and pc. back: pc is a return address. */
void traceback_pc(uintptr_t pc, bool back);
/* Every live goroutine but skip; main first, then at most max others. Running ones only if their hart
 * has halted. */
void traceback_all(const struct g *skip, uint32_t max);
/* The same of those that wait. */
void traceback_parked(uint32_t max);
/* What g is at, and an enum wait_reason, in Go's words. */
const char *state_name(const struct g *g);
const char *wait_name(uint8_t reason);
