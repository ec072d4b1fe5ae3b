/*
 * section: blocking sections, runtime_entersyscall and runtime_exitsyscall. See section.c.
 */
#pragma once
#include "kernel/console.h"
#include "sched/gmp.h"

/* The timer or another interrupt of m came while its goroutine is in a section; from the handler. */
void section_interrupted(struct m *m);

/* Fires what is due on Ps in sections; p is the caller's. */
void section_run_timers(struct p *p);
/* Is anything due there? */
bool section_timer_due(void);
/* m leaves its P to whoever takes it, for a section or because its goroutine waits (wired.c). */
void section_lend(struct m *m);
/* m takes it back. false: it is gone, or the stopper's. */
bool section_take_back(struct m *m);
/* m's section or loan ends, its P being gone: that P if it is back, or an idle one; NULL: m is to
 * become idle. sched.lock held. */
struct p *section_end_locked(struct m *m);

/* For the runtime's own calls that may wait outside the scheduler: a section, unless the caller is
 * where there can be none (the scheduler's stack, preemption off, a section already). */
bool section_enter(void);
/* console_write as a section, where there can be one: a serial line may take a second for what stdio
 * writes at once. Any goroutine. */
void section_write(enum console_stream to, const char *s, size_t n);
