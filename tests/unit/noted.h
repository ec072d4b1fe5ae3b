/*
 * noted: proc.c's and park.c's long ways for who is watched, for tests of files that park and ready:
 * nobody is, and what parks runs whatever its state said.
 */
#pragma once
#include <stdlib.h>
#include "sched/proc.h"
#include "tests/unit/unit.h"

void g_park_noted(void *arg, struct m *m, park_commit *commit, enum wait_reason reason,
                  uint32_t state)
{
    (void)m, (void)state;
    CHECK_EQ(g_self()->preempt_off, 1);
    g_self()->state = G_STATE(G_RUNNING, 1);
    g_park_here(commit, arg, reason);
}

bool g_ready_noted(struct g *g, uint8_t was, uint32_t state)
{
    (void)g, (void)was, (void)state;
    abort();
}
