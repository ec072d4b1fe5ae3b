/*
 * power: the end of a run.
 */
#pragma once
#include <stdint.h>

struct machine;

/* Boot: notes the machine's exit device, if the tree has one, reachable at regs. */
void power_init(volatile uint32_t *exit_dev);
/* Drains the console, says how it ended, powers off; if nothing can, stops here. The other harts
 * are stopped. */
_Noreturn void power_off(int status);
/* NULL, or what power_off calls first. Written at boot. */
extern void (*power_last_words)(void);
