/*
 * go.h: goroutines. Go's counterparts: the go statement and package runtime.
 *
 * Everything here may be called from any goroutine, and from nothing else: not from interrupt
 * handlers. "May switch" marks calls after which the caller may find itself on another hart.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Starts fn(arg) as a new goroutine (Go: `go fn(arg)`). Returns its id, or -1 with errno ENOMEM
 * (no memory for it; nothing was started) or EINVAL (fn is NULL). main is goroutine 1.
 */
int64_t go(void (*fn)(void *), void *arg);

/* What go_with may choose; zero is the default of each. */
struct go_attr {
    const char *name;  /* shown in tracebacks; the string must live as long as the goroutine */
    size_t stack_size; /* bytes, rounded up to a class: 64 KiB (default) … 64 MiB */
    uint64_t affinity; /* bit i: may run on P i; 0: on any. If gomaxprocs takes all of them away
                            it may run anywhere until one is back */
};

/* As go. EINVAL also for an affinity that names no P, and a stack_size above 64 MiB. */
int64_t go_with(const struct go_attr *attr, void (*fn)(void *), void *arg);

/* Yields: runs again behind every other goroutine of this P. May switch. */
void runtime_gosched(void);

/*
 * Ends this goroutine after running its defers. From main the other goroutines go on, and when none
 * is left: "fatal error: no goroutines (main called runtime.Goexit) - deadlock!".
 */
_Noreturn void runtime_goexit(void);

/*
 * Sets the number of Ps, the harts that may run goroutines at once, while everything runs: the world
 * is stopped for it. Returns the old number. n < 1 only reads; more than there are harts is as
 * many. Nothing is lost: goroutines and timers of a P that goes move to others. Without memory for
 * that the number stays, and errno is ENOMEM. Go: runtime.GOMAXPROCS.
 */
int runtime_gomaxprocs(int n);
/* Harts brought up. */
int runtime_numcpu(void);
/* Goroutines that exist: runnable, running or waiting. */
int runtime_numgoroutine(void);
/* This goroutine's id. */
int64_t runtime_goid(void);
/* Logical number, 0 … numcpu-1, of the hart that runs this line; it may be another one by the next. */
int runtime_hart(void);

/*
 * A blocking section: between the two this hart is about to wait for something outside the
 * scheduler's reach, such as firmware or a polled device. The goroutine keeps its hart and is not
 * preempted; its P is handed to a spare hart if the section lasts and work waits. Afterwards it goes
 * on with its old P if that is free, else with an idle one, else it waits its turn in the global
 * queue; possibly on another hart. Within the section nothing of this library may be called but
 * time_now, and sections do not nest. Go: entersyscall, exitsyscall.
 */
void runtime_entersyscall(void);
void runtime_exitsyscall(void);

/*
 * Wires this goroutine to the hart that it runs on: until as many unlocks as locks it runs only
 * there, and the hart runs nothing else, also while the goroutine waits. Its end unlocks. An unlock
 * too many does nothing. One hart is always left for the others: where all the others are taken, or
 * there is only one, the lock merely counts. Affinity does not hold while it lasts. Panics that
 * cannot be recovered: nested more than 65535 times. Go: runtime.LockOSThread.
 */
void runtime_lock_os_thread(void);
void runtime_unlock_os_thread(void);

/*
 * Calls fn(arg) when this goroutine ends or panics, last in first out. Panics with "runtime: out of
 * memory" if there is none for the record.
 */
void runtime_defer(void (*fn)(void *), void *arg);

/*
 * Panics: runs the defers; unless one recovers, prints "panic: …" and this goroutine's traceback on
 * stderr and ends the run with status 2. Messages are cut at 255 bytes.
 */
_Noreturn void runtime_panic(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * In a deferred call: stops the panic, so that the goroutine ends cleanly after its other defers,
 * and copies its message to msg (size bytes, always terminated; NULL, 0 is fine). false elsewhere,
 * or when nobody panics.
 */
bool runtime_recover(char *msg, size_t size);

/* Prints this goroutine's traceback, or all goroutines', on stderr. */
void runtime_stack(bool all);
