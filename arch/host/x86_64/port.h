/*
 * What of the host port hangs on x86-64: the rest of arch/host/port.h.
 *
 * The thread pointer is the gs base. fs is the C library's: it names the thread, and the library
 * keeps there what belongs to a thread. gs is free on Linux, and names the goroutine:
 *
 *        struct g          tp             program's thread-local block    gs base
 *       ┌───────┬──────────▼┬───────────────────────────────────────────┬─▼─────┬────┬────────┐
 *       │ …     │ context   │ .tdata, .tbss                             │ itself │ tp │ resume │
 *       └───────┴───────────┴───────────────────────────────────────────┴───────┴────┴────────┘
 *
 * That is the layout that x86-64's thread-local accesses expect of fs (the block below the base, the
 * base's own address at it), so a program's _Thread_local variables are the goroutine's once the
 * compiler's fs has become gs; arch/host/thread-locals sees to that. gs moves with the goroutine
 * from thread to thread, as tp does on RISC-V: right at any instruction. A signal handler
 * finds it as it was.
 *
 * The thread's own words are reached by one instruction, relative to fs: so it does not matter if the
 * goroutine is on another thread by the next.
 */
#pragma once
#include "arch/host/offsets.h"

struct arch_context {
    uint64_t rip, rsp;
    uint64_t rbx, rbp, r12, r13, r14, r15;
    uint32_t mxcsr; /* rounding and exception masks of SSE, … */
    uint32_t fpcw;  /* … and the low half: of the x87 */
    int32_t error;  /* errno */
    uint32_t pad;
    uint64_t top; /* where its stack ends; fiber.c */
    void *fiber;  /* ThreadSanitizer's idea of it */
};

enum host_register {
    HOST_RAX,
    HOST_RBX,
    HOST_RCX,
    HOST_RDX,
    HOST_RSI,
    HOST_RDI,
    HOST_RBP,
    HOST_R8,
    HOST_R9,
    HOST_R10,
    HOST_R11,
    HOST_R12,
    HOST_R13,
    HOST_R14,
    HOST_R15,
};

struct arch_frame {
    uint64_t r[15]; /* by enum host_register */
    uint64_t rip, flags, rsp;
    void *fp;         /* extended state, as the kernel and xsave lay it out */
    uint64_t fp_mask; /* its components; 0: fxsave's layout */
    uint64_t fp_bytes;
    uint64_t tp;
    uint64_t trap; /* the processor's number of the exception; SIGURG's is nobody's */
    uint64_t error_code;
};

_Static_assert(sizeof(struct arch_context) == ARCH_CONTEXT_SIZE, "struct g is built around it");
_Static_assert(offsetof(struct arch_context, r15) == ARCH_CONTEXT_R15,
               "switch.S saves in this order");
_Static_assert(offsetof(struct arch_context, mxcsr) == ARCH_CONTEXT_MXCSR, "switch.S: stmxcsr");
_Static_assert(offsetof(struct arch_context, fpcw) == ARCH_CONTEXT_FPCW, "switch.S: fnstcw");
_Static_assert(offsetof(struct arch_context, error) == ARCH_CONTEXT_ERROR, "host_errno");
_Static_assert(offsetof(struct arch_frame, rip) == ARCH_FRAME_RIP, "host_frame_resume: rip");
_Static_assert(offsetof(struct arch_frame, flags) == ARCH_FRAME_FLAGS, "host_frame_resume: flags");
_Static_assert(offsetof(struct arch_frame, rsp) == ARCH_FRAME_RSP, "host_frame_resume: rsp");
_Static_assert(offsetof(struct arch_frame, fp) == ARCH_FRAME_FP, "host_frame_resume: xrstor");
_Static_assert(offsetof(struct arch_frame, fp_mask) == ARCH_FRAME_MASK, "host_frame_resume: mask");

/* See arch.h. It reads the word beside the gs base, which is the tp of whoever runs this function: so
 * the compiler may keep it, as it may on the other instruction sets. */
static inline void *host_thread_pointer(void)
{
    void *tp;
    __asm__("movq %%gs:%c1, %0" : "=r"(tp) : "i"(HOST_TAIL_TP));
    return tp;
}

static inline uintptr_t host_context_pc(const struct arch_context *ctx)
{
    return ctx->rip;
}

static inline uintptr_t host_context_fp(const struct arch_context *ctx)
{
    return ctx->rbp;
}

static inline uintptr_t host_context_sp(const struct arch_context *ctx)
{
    return ctx->rsp;
}

static inline uintptr_t arch_frame_pc(const struct arch_frame *f)
{
    return f->rip;
}

static inline uintptr_t arch_frame_fp(const struct arch_frame *f)
{
    return f->r[HOST_RBP];
}

static inline uintptr_t arch_frame_sp(const struct arch_frame *f)
{
    return f->rsp;
}

/* fs is spelled out: a program's own thread-locals are gs's, see above. */
#define HOST_SELF(offset) "%%fs:host_self@tpoff+" #offset

static inline void arch_irq_disable(void)
{
    __asm__ volatile("movb $1, " HOST_SELF(0)::: "memory");
}

/* Opens the mask: was something held back? */
static inline bool host_irq_open(void)
{
    bool pending;
    __asm__ volatile("movb $0, " HOST_SELF(0) "\n\tcmpl $0, " HOST_SELF(4)
                     : "=@ccne"(pending)::"memory");
    return pending;
}

static inline uintptr_t arch_irq_save(void)
{
    uint32_t was;
    __asm__ volatile("movzbl " HOST_SELF(0) ", %0\n\tmovb $1, " HOST_SELF(0) : "=r"(was)::"memory");
    return was;
}

static inline void host_pause(void)
{
    __builtin_ia32_pause();
}

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
