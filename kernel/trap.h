/*
 * trap: what the scheduler gives the kernel's trap code. All run on the hart's trap stack with
 * interrupts masked.
 */
#pragma once
#include "arch/arch.h"
#include "kernel/stack.h"

void sched_trap_timer(struct arch_hart *, struct arch_frame *);
void sched_trap_ipi(struct arch_hart *, struct arch_frame *);
/* The interrupt is done with; the goroutine that it met may be taken off: see arch/arch.h. */
arch_leaver *sched_trap_exit(struct arch_hart *, struct arch_frame *);
/* A fault that no stack's growth explains, or one that took the last memory; `stack` says what
 * stack_fault found. May change the frame so that the goroutine panics when it goes on. */
void sched_trap_fault(struct arch_hart *, struct arch_frame *, enum trap_fault, uintptr_t addr,
                      enum stack_fault stack);
/* The hart's logical number for the interrupt controller. */
unsigned sched_hart_no(struct arch_hart *);
