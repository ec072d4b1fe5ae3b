/*
 * What of the host port hangs on aarch64: the rest of arch/host/port.h.
 *
 * The thread pointer is a word of the thread, host_self.tp, and TPIDR_EL0, the C library's, leads there.
 * A switch writes the word. To read it takes instructions, and a goroutine that came to another
 * thread between two of them would take the other's for its own: so they are a function that lies in the
 * switch, where nobody is taken off (host_tp_x0). What it returns stays true on any thread.
 *
 *        struct g          tp       16    program's thread-local block
 *       ┌───────┬──────────▼┬───────┬──────────────────┐
 *       │ …     │ context   │       │ .tdata, .tbss    │
 *       └───────┴───────────┴───────┴──────────────────┘
 *
 * That is what aarch64's thread-local accesses expect of TPIDR_EL0. Where the compiler has a program
 * read that register into xN, arch/host/thread-locals puts a call of host_tp_xN.
 *
 * A register of the goroutine's own (-ffixed-x28) would cost no calls. But the C library uses them
 * all: what it calls, as qsort does its comparison, would begin with something else in there, and
 * an interrupt then would take that for the goroutine.
 *
 * The mask and `pending` are reached in the same way.
 */
#pragma once
#include "arch/host/offsets.h"

struct arch_context {
    uint64_t x[12]; /* x19 … x30; x[10] is the frame pointer, x[11] the return address */
    uint64_t sp;
    uint64_t fpcr; /* rounding mode and the like */
    uint64_t d[8]; /* d8 … d15 */
    int32_t error; /* errno */
    uint32_t pad;
    uint64_t top; /* where its stack ends; fiber.c */
    void *fiber;  /* ThreadSanitizer's idea of it */
    uint64_t pad2;
};

struct arch_frame {
    uint64_t x[31];
    uint64_t sp, pc, pstate;
    uint64_t tp;
    void *signal_frame; /* the frame that Linux made, or a copy of it: what rt_sigreturn(2) takes */
    uint64_t signal_bytes;
    uint64_t far; /* a fault's address; 0: none */
};

_Static_assert(sizeof(struct arch_context) == ARCH_CONTEXT_SIZE, "struct g is built around it");
_Static_assert(offsetof(struct arch_context, x) == ARCH_CONTEXT_X, "switch.S stores x19 here");
_Static_assert(offsetof(struct arch_context, sp) == ARCH_CONTEXT_SP, "switch.S: sp, FPCR");
_Static_assert(offsetof(struct arch_context, d) == ARCH_CONTEXT_D, "switch.S stores d8 here");
_Static_assert(offsetof(struct arch_context, error) == ARCH_CONTEXT_ERROR, "host_errno");
_Static_assert(offsetof(struct arch_frame, signal_frame) == ARCH_FRAME_SIGNAL, "host_frame_resume");

/* See arch.h. It is the same for whoever runs this function, so the compiler may keep it. */
void *host_tp_x0(void) __attribute__((const));
static inline void *host_thread_pointer(void)
{
    return host_tp_x0();
}

static inline uintptr_t host_context_pc(const struct arch_context *ctx)
{
    return ctx->x[11];
}

static inline uintptr_t host_context_fp(const struct arch_context *ctx)
{
    return ctx->x[10];
}

static inline uintptr_t host_context_sp(const struct arch_context *ctx)
{
    return ctx->sp;
}

static inline uintptr_t arch_frame_pc(const struct arch_frame *f)
{
    return f->pc;
}

static inline uintptr_t arch_frame_fp(const struct arch_frame *f)
{
    return f->x[29];
}

static inline uintptr_t arch_frame_sp(const struct arch_frame *f)
{
    return f->sp;
}

/* switch.S. Closes the mask: what was it? Opens it: was something held back? */
uintptr_t host_irq_close(void);
bool host_irq_open(void);

static inline void arch_irq_disable(void)
{
    host_irq_close();
}

static inline uintptr_t arch_irq_save(void)
{
    return host_irq_close();
}

static inline void host_pause(void)
{
    __asm__ volatile("yield" ::: "memory");
}

/*
 * A system call without the C library: no errno is written, and no sanitizer looks on; signal
 * handlers may do it. What Linux returns: a negative errno is an error.
 */
static inline long host_call(long number, long a, long b, long c, long d)
{
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
    return x0;
}
