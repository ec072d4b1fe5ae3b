/*
 * trap: a signal is a trap of a hart.
 *
 * Linux stores the interrupted registers on the thread's alternate stack, which is the hart's trap
 * stack, and calls host_trap there: nothing is written through the interrupted stack pointer. The
 * thread pointer is the scheduler's for the time of the handler, as the contract wants it. SIGURG
 * is blocked meanwhile by Linux, and `masked` is set for whoever asks.
 *
 * When an interrupt is not taken. Three cases, and in each a bit in `pending` says that it came:
 *   - `masked` is set: whoever clears it looks at the bit;
 *   - the thread is in code that is not ours: the C library, a sanitizer's runtime, the dynamic
 *     linker, the kernel's vdso. That code may hold locks, its own or its thread's, and keeps what
 *     it does in words of its thread; a goroutine that were taken off there could deadlock the next,
 *     or come back on another thread in the middle of it. So such code runs with interrupts masked,
 *     as it were, and since it does not look at a bit afterwards, the timer sends the signal again
 *     in LATER_NS;
 *   - it is a sanitizer's runtime: a handler that called into it would find it in the middle of
 *     something. The same rule covers it.
 * Ours is what lies between __text_start and __text_end: the program, the rooms, and the little of
 * libgcc that is linked in.
 *
 * Leaving (host_trap_leave). The interrupted goroutine's registers have gone to its stack; the
 * scheduler's stack goes on where the handler was, and Linux is told only that SIGURG is open again;
 * it knows by the stack pointer that the alternate stack is free.
 *
 * A fault within a handler is a broken kernel: trap_nested. Linux is not to block the signals of
 * faults for that (SA_NODEFER): it would kill the process without a word.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/syscall.h>
#include "arch/host/thread.h"

/* What rt_sigaction(2) takes, which is not the C library's. */
struct action {
    void (*handler)(int, siginfo_t *, void *);
    unsigned long flags;
    void (*restorer)(void);
    uint64_t mask;
};
#define SA_RESTORER 0x04000000ul

void host_restorer(void);                                                          /* start.S */
_Noreturn void host_trap_leave(void *tp, struct arch_hart *hart, arch_leaver *fn); /* switch.S */
_Noreturn void host_trap_left(void *tp, struct arch_hart *hart, arch_leaver *fn);

static uint64_t bit_of(int signal)
{
    return UINT64_C(1) << (signal - 1);
}

/* ---- interrupts ---- */

/* One cause after the other. Any of them may be the last, since the goroutine that they met is to be
 * taken off: then host_trap_left finds what is left in `pending`. */
static arch_leaver *take_interrupts(struct host_thread *t, struct arch_frame *f)
{
    arch_leaver *leaver = NULL;
    /* relaxed, all: our own word; an IPI's bit is acquired by who acknowledges it. */
    while (leaver == NULL) {
        uint32_t pending = atomic_load_explicit(&t->pending, memory_order_relaxed);
        if (pending & HOST_PENDING_IPI) {
            leaver = trap_software(t->hart, f);
        } else if (pending & HOST_PENDING_LOOK) {
            /* relaxed: as above. */
            atomic_fetch_and_explicit(&t->pending, ~(uint32_t)HOST_PENDING_LOOK,
                                      memory_order_relaxed);
            if (t->early)
                host_timer_restore(t);
            if (host_ticks() >= t->deadline)
                leaver = trap_timer(t->hart, f);
        } else {
            break;
        }
    }
    return leaver;
}

/* ---- faults ---- */

static enum trap_fault fault_kind(int signal, const siginfo_t *info)
{
    switch (signal) {
    case SIGSEGV: return FAULT_ACCESS;
    case SIGBUS: return info->si_code == BUS_ADRALN ? FAULT_ALIGN : FAULT_ACCESS;
    case SIGILL: return FAULT_ILLEGAL;
    case SIGTRAP: return FAULT_BREAKPOINT;
    default: return FAULT_OTHER; /* SIGFPE: a division by zero */
    }
}

static void take_fault(struct host_thread *t, struct arch_frame *f, int signal,
                       const siginfo_t *info)
{
    if (t->traps > 0)
        trap_nested(t->hart, f);
    t->traps++;
    uintptr_t addr = host_frame_fault(f, signal, info->si_addr);
    trap_fault(t->hart, f, fault_kind(signal, info), addr);
    t->traps--;
}

/* ---- the handler ---- */

/* An errno that the interrupted context has not looked at yet is its own, not a handler's. */
static void keep_error(struct host_thread *t, uintptr_t tp)
{
    if (*t->error_at != 0)
        host_context_of(tp)->error = *t->error_at;
    *t->error_at = 0;
}

static void trap(struct host_thread *t, int signal, siginfo_t *info, void *context)
{
    struct arch_frame f;
    uint8_t was = t->masked;
    host_frame_load(&f, context);
    keep_error(t, f.tp);
    t->masked = 1;
    host_set_tp(t->hart->sched_tp);
    if (signal == SIGURG) {
        arch_leaver *leaver = take_interrupts(t, &f);
        if (leaver != NULL) {
            host_frame_park(&f);
            host_trap_leave((void *)f.tp, t->hart, leaver);
        }
    } else {
        take_fault(t, &f, signal, info);
    }
    host_set_tp(f.tp);
    *t->error_at = 0;
    t->masked = was;
    host_frame_store(&f, context);
}

static void host_trap(int signal, siginfo_t *info, void *context)
{
    struct host_thread *t = &host_self;
    if (signal == SIGURG) {
        /* relaxed: from a thread's handler to the thread. */
        atomic_fetch_or_explicit(&t->pending, HOST_PENDING_LOOK, memory_order_relaxed);
        if (t->masked)
            return;
        if (!host_is_ours(host_frame_at(context))) {
            host_later(t);
            return;
        }
    }
    trap(t, signal, info, context);
}

/* No device's handler asks for it here; and a signal's handler may use any register. */
void arch_trap_call(void (*fn)(void *), void *arg)
{
    fn(arg);
}

void host_trap_left(void *tp, struct arch_hart *hart, arch_leaver *fn)
{
    uint64_t mask = bit_of(SIGURG);
    host_self.traps = 0;
    host_call(SYS_rt_sigprocmask, SIG_UNBLOCK, (long)&mask, 0, sizeof mask);
    arch_irq_enable();
    fn(tp, hart);
    __builtin_unreachable();
}

void host_trap_init(struct host_thread *t)
{
    static const int signals[] = {SIGURG, SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE};
    (void)t;
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        struct action a = {.handler = host_trap,
                           .flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART | SA_RESTORER |
                                    (signals[i] == SIGURG ? 0 : SA_NODEFER),
                           .restorer = host_restorer,
                           .mask = bit_of(SIGURG)};
        host_call(SYS_rt_sigaction, signals[i], (long)&a, 0, sizeof a.mask);
    }
}
