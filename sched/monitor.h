/*
 * monitor: `pinion.monitor`: a small shell at the console. See monitor.c.
 */
#pragma once
#include "sched/schedtrace.h"

/* Boot, after sched_main: the shell's goroutine. The hart that boots. false: no memory. */
bool monitor_make(void);
/* From the tick of the console (quit.c) on m, which holds no lock: something has been typed. false: not now. */
bool monitor_wake(struct m *m);
/* The same, always: is somebody to be killed? If it is he who was interrupted, he is. */
bool monitor_kills(struct m *m, struct arch_frame *f);

/* What the commands show, as far as it fits (monitor_show.c). All other harts stand still, interrupts are
 * masked. */
typedef void monitor_page(struct line *l);
monitor_page show_ms, show_runq, show_timers, show_chans, show_shares;
/* Before show_shares: looks for a while at who has the harts. false: a CPU profile is on. */
bool shares_look(void);
