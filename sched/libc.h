/*
 * libc: what newlib needs of the scheduler: locks, errno, its per-thread state. See libc.c.
 */
#pragma once
#include "sched/gmp.h"

/* A goroutine ends: gives its newlib state back. */
void libc_g_exit(struct g *g);
