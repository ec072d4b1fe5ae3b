/*
 * noted: proc.c's long ways for who is watched, for tests of files that park and ready: nobody is, and
 * what parks runs whatever its state said.
 */
#pragma once
#include <stdlib.h>
#include "sched/proc.h"
#include "tests/unit/unit.h"

void g_park_noted(park_commit *commit, void *arg, enum wait_reason reason)
{
    CHECK_EQ(g_self()->preempt_off, 1);
    g_self()->state = G_STATE(G_RUNNING, 1);
    g_park_here(commit, arg, reason);
}

bool g_ready_noted(struct g *g)
{
    (void)g;
    abort();
}
