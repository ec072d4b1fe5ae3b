/*
 * thread: a hart's thread, for the files of the host port.
 */
#pragma once
#include "arch/arch.h"

/* Each thread's own, at %fs:host_self. Assembly, and port.h, know the first three. */
struct host_thread {
    uint8_t masked;           /* interrupts are held back */
    _Atomic uint32_t pending; /* HOST_PENDING_…: others set, the thread clears */
    int *error_at;            /* the thread's errno, the C library's */

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

extern _Thread_local struct host_thread host_self;

/*
 * A system call without the C library: no errno is written, and no sanitizer looks on; signal
 * handlers may do it. What Linux returns: a negative errno is an error.
 */
static inline long host_call(long number, long a, long b, long c, long d)
{
    register long r10 __asm__("r10") = d;
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10)
                     : "rcx", "r11", "memory");
    return result;
}

/* gs names the context whose thread pointer is tp; the words at the gs base are made first. */
void host_tail_init(uintptr_t tp);
void host_set_tp(uintptr_t tp);

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

/* frame.c: all registers of an interrupted goroutine go to its stack, to be resumed from there. */
void host_frame_park(const struct arch_frame *f);
/* trap.c: this thread takes signals from here on. */
void host_trap_init(struct host_thread *t);
/* hart.c: sends this thread the signal again, in a moment. */
void host_later(struct host_thread *t);
/* hart.c: the timer is as deadline says. */
void host_timer_restore(struct host_thread *t);
