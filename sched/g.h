/*
 * g: making and ending goroutines.
 */
#pragma once
#include <pinion/go.h>
#include "sched/gmp.h"

struct waitgroup;

/* A scheduler's context: a G that is never queued. NULL: no memory. */
struct g *g_new_scheduler(struct m *m);
/* As go_with, called from pc; wg, if not NULL, is done when the goroutine has ended. */
int64_t g_spawn(const struct go_attr *attr, struct waitgroup *wg, void (*fn)(void *), void *arg,
                uintptr_t pc);
/* What a new goroutine needs beyond the common. Mostly nothing, which one load tells. Written at boot,
 * and those of who is watched with the world stopped. */
enum { MORE_TLS = 1, MORE_CHAOS = 2, MORE_TRACE = 4, MORE_BLOCKS = 8 };
extern uint32_t g_more;
/* The address after the call that started g, or 0. (An image's text lies between two multiples of 4 GiB.) */
uintptr_t g_created(const struct g *g);
/* Live goroutines. */
int64_t g_count(void);
/* Empties p's list of dead Gs. The caller has p. */
void g_give_all(struct p *p);
/* Gives the stacks of dead Gs back, of this P's and the global list. Preemption off. */
void g_trim(void);
