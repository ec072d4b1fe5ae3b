/*
 * sched: what boot needs of the scheduler: bringing it up, and letting harts in.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct m;

/*
 * Boot, on the first hart, memory ready: makes an M with its stacks and a P for each of n harts,
 * number i for the machine's hart i. 0, or -1: no memory.
 */
int sched_init(unsigned n, const uint64_t hwid[], uintptr_t root);
/* The M made for the machine's hart i. */
struct m *sched_hart(unsigned i);
/* An M whose hart did not come up is left out; the rest are numbered anew. Then gomaxprocs (0: all
 * that came up). Before any hart is let in. */
void sched_settle(uint64_t up, unsigned gomaxprocs);
/* Prints a line on the scheduler's state every ms milliseconds, or with detail a page; 0: never. After
 * sched_settle, before other harts are let in. */
void sched_trace_every(unsigned ms, bool detail);
/* Lists the goroutines that are left when the program ends (leakcheck.c); if there are any, 0 becomes
 * exit_value. */
void sched_leakcheck(unsigned exit_value);
/* pinion.traceback=name; false: there is no such level. */
bool sched_traceback(const char *name);
/* pinion.chaos=seed; 0: none (chaos.c). After sched_settle, before sched_main. */
void sched_chaos(unsigned seed);
/* Ctrl-\ at the console prints all goroutines (quit.c); irq: the line of its UART, 0: none. With a monitor,
 * a shell is there too (monitor.c). After sched_main, before other harts are let in. */
void sched_console(unsigned irq, bool monitor);
/* Prints a table of the memory's use when the program ends (memstats.c). */
void sched_memstats_at_exit(void);
/* Profiles that the boot arguments ask for (profile.c). */
struct profile_settings {
    unsigned cpu_hz; /* 0: none */
    unsigned
        goroutines_ms; /* so long after the start, or at exit if that comes first; 0: at exit */
    bool goroutines;
    unsigned heap_bytes;     /* one sample in so many; 0: none */
    unsigned mutex_fraction; /* one wait in so many; 0: none */
    unsigned block_ns;       /* one wait in so many ns; 0: none */
};
/* They begin, and are written at exit. Goroutine 1, before main. */
void sched_profiles(const struct profile_settings *s);
/* The hart of m begins to run goroutines. On its scheduler stack, interrupts masked. */
_Noreturn void sched_start(struct m *m);
/* Queues fn(arg) as goroutine 1, for m to run. */
void sched_main(struct m *m, void (*fn)(void *), void *arg);
