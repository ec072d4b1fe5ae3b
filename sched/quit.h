/*
 * quit: Ctrl-\ at the console, and what else comes over it. See quit.c.
 */
#pragma once
#include "sched/gmp.h"

/* Has quit_tick called again soon, on every hart that takes an interrupt; on m's first. m's own. */
void quit_again(struct m *m, int64_t after);
