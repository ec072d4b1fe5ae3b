/*
 * thread: a hart's thread, for the files of the host port.
 */
#pragma once
#include "arch/arch.h"

/* Each thread's own. Assembly, and port.h, know the first four. */
struct host_thread {
    uint8_t masked;           /* interrupts are held back */
    _Atomic uint32_t pending; /* HOST_PENDING_…: others set, the thread clears */
    int *error_at;            /* the thread's errno, the C library's */
    uintptr_t tp;             /* aarch64: the thread pointer of what runs; x86-64 has gs for it */

    /* The thread's own, its handlers included. */
    struct arch_hart *hart;
    uint64_t deadline; /* when its timer fires, by host_ticks; UINT64_MAX: never */
    bool early;        /* the POSIX timer has been brought forward: see host_later */
    uint8_t traps;     /* handlers of faults that have begun and not ended; 0 or 1 */

    /* Constant. */
    int tid;
    int timer;
};
_Static_assert(offsetof(struct host_thread, masked) == HOST_MASKED, "port.h writes it");
_Static_assert(offsetof(struct host_thread, pending) == HOST_PENDING, "port.h reads it");
_Static_assert(offsetof(struct host_thread, error_at) == HOST_ERROR_AT, "switch.S: errno");
_Static_assert(offsetof(struct host_thread, tp) == HOST_TP, "aarch64/switch.S: thread pointer");

extern _Thread_local struct host_thread host_self;

/* tp.c. The context whose thread pointer is tp is made ready to be named; and named. */
void host_tp_init(uintptr_t tp);
void host_set_tp(uintptr_t tp);
/* What this computer or its Linux lacks for the port, in a sentence; NULL: nothing. */
const char *host_lacks(void);

/* Is this code of the program and its rooms? See trap.c. */
static inline bool host_is_ours(uintptr_t pc)
{
    extern char __text_start[], __text_end[];
    return pc >= (uintptr_t)__text_start && pc < (uintptr_t)__text_end;
}

static inline struct arch_context *host_context_of(uintptr_t tp)
{
    return (struct arch_context *)tp - 1;
}

/*
 * The instruction set's frame.c. context is what Linux gives a signal's handler, a ucontext_t: where it
 * was interrupted; all of its registers, to f; what a handler may have changed of them, back.
 */
uintptr_t host_frame_at(const void *context);
void host_frame_load(struct arch_frame *f, void *context);
void host_frame_store(const struct arch_frame *f, void *context);
/* The signal was for a fault: its address, 0 if that is not known; and f's pc is where it happened. */
uintptr_t host_frame_fault(struct arch_frame *f, int signal, const void *address);
/* All registers of an interrupted goroutine go to its stack, to be resumed from there. */
void host_frame_park(const struct arch_frame *f);
/* switch.S: where a context goes on that was parked so. Its stack pointer is its frame. */
extern char host_frame_resume[];
/* trap.c: this thread takes signals from here on. */
void host_trap_init(struct host_thread *t);
/* hart.c: sends this thread the signal again, in a moment. */
void host_later(struct host_thread *t);
/* hart.c: the timer is as deadline says. */
void host_timer_restore(struct host_thread *t);
