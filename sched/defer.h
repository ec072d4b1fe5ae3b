/*
 * defer: deferred calls, panics and recovery of a goroutine. See defer.c.
 */
#pragma once
#include "sched/gmp.h"

/* Runs g's deferred calls, last in first out; g is the caller. They may defer more. */
void defer_run_all(struct g *g);

/* A G that a fault has stopped panics: called by the trap as if by the faulting instruction, on the
 * G's own stack. arg: the faulting pc; wait_data and wait_reason hold address and kind. */
void panic_from_fault(void *arg);
