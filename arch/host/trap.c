/*
 * trap: a signal is a trap of a hart.
 *
 * Linux stores the interrupted registers on the thread's alternate stack, which is the hart's trap
 * stack, and calls host_trap there: nothing is written through the interrupted stack pointer. gs
 * is set to the scheduler's context for the time of the handler, as the contract wants it. SIGURG
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
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include "arch/host/thread.h"

#define TRAP_BREAKPOINT 3
#define TRAP_PROTECTION 13

/* The extended state in a signal's frame: Linux describes it in bytes that fxsave leaves free. */
#define XSTATE_MAGIC 0x46505853u
struct fp_description {
    uint32_t magic, extended_size;
    uint64_t features;
    uint32_t size;
};
#define FP_DESCRIPTION_AT 464
#define FXSAVE_SIZE       512

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

/* ---- the frame ---- */

/* Where Linux keeps each of enum host_register. */
static const int greg_of[15] = {
    [HOST_RAX] = REG_RAX, [HOST_RBX] = REG_RBX, [HOST_RCX] = REG_RCX, [HOST_RDX] = REG_RDX,
    [HOST_RSI] = REG_RSI, [HOST_RDI] = REG_RDI, [HOST_RBP] = REG_RBP, [HOST_R8] = REG_R8,
    [HOST_R9] = REG_R9,   [HOST_R10] = REG_R10, [HOST_R11] = REG_R11, [HOST_R12] = REG_R12,
    [HOST_R13] = REG_R13, [HOST_R14] = REG_R14, [HOST_R15] = REG_R15};

static void load_fp(struct arch_frame *f, const ucontext_t *uc)
{
    struct fp_description about;
    f->fp = uc->uc_mcontext.fpregs;
    memcpy(&about, (const char *)f->fp + FP_DESCRIPTION_AT, sizeof about);
    bool extended = about.magic == XSTATE_MAGIC;
    f->fp_mask = extended ? about.features : 0;
    f->fp_bytes = extended ? about.size : FXSAVE_SIZE;
}

static void load_frame(struct arch_frame *f, const ucontext_t *uc)
{
    const greg_t *g = uc->uc_mcontext.gregs;
    for (int i = 0; i < 15; i++)
        f->r[i] = (uint64_t)g[greg_of[i]];
    f->rip = (uint64_t)g[REG_RIP];
    f->flags = (uint64_t)g[REG_EFL];
    f->rsp = (uint64_t)g[REG_RSP];
    f->trap = (uint64_t)g[REG_TRAPNO];
    f->error_code = (uint64_t)g[REG_ERR];
    f->tp = (uintptr_t)host_thread_pointer();
    load_fp(f, uc);
}

/* What a handler may have changed. */
static void store_frame(const struct arch_frame *f, ucontext_t *uc)
{
    greg_t *g = uc->uc_mcontext.gregs;
    for (int i = 0; i < 15; i++)
        g[greg_of[i]] = (greg_t)f->r[i];
    g[REG_RIP] = (greg_t)f->rip;
    g[REG_RSP] = (greg_t)f->rsp;
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

/* Only a page fault tells the address; an address that is none at all (TRAP_PROTECTION) does not. */
static uintptr_t fault_address(int signal, const siginfo_t *info, const struct arch_frame *f)
{
    bool told = (signal == SIGSEGV || signal == SIGBUS) && f->trap != TRAP_PROTECTION;
    return told ? (uintptr_t)info->si_addr : 0;
}

static void take_fault(struct host_thread *t, struct arch_frame *f, int signal,
                       const siginfo_t *info)
{
    if (t->traps > 0)
        trap_nested(t->hart, f);
    t->traps++;
    if (f->trap == TRAP_BREAKPOINT)
        f->rip--; /* the instruction, not the next */
    trap_fault(t->hart, f, fault_kind(signal, info), fault_address(signal, info, f));
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

static void trap(struct host_thread *t, int signal, siginfo_t *info, ucontext_t *uc)
{
    struct arch_frame f;
    uint8_t was = t->masked;
    load_frame(&f, uc);
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
    store_frame(&f, uc);
}

static void host_trap(int signal, siginfo_t *info, void *context)
{
    struct host_thread *t = &host_self;
    ucontext_t *uc = context;
    if (signal == SIGURG) {
        /* relaxed: from a thread's handler to the thread. */
        atomic_fetch_or_explicit(&t->pending, HOST_PENDING_LOOK, memory_order_relaxed);
        if (t->masked)
            return;
        if (!host_is_ours((uintptr_t)uc->uc_mcontext.gregs[REG_RIP])) {
            host_later(t);
            return;
        }
    }
    trap(t, signal, info, uc);
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
