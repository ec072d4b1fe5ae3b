/*
 * The host port: the machine is a process of Linux on x86-64, and this is what its parts are:
 *
 *     hart                      a thread (hart.c)
 *     interrupt                 SIGURG: from another thread, or from this thread's POSIX timer
 *     trap, trap stack          a signal handler on the alternate stack (trap.c)
 *     interrupt mask            a byte of the thread, `masked`; see below
 *     wait for interrupt        a futex on the thread's word of pending interrupts
 *     thread pointer            the gs base
 *
 * The thread pointer. fs is the C library's: it names the thread, and the library keeps there
 * what belongs to a thread. gs is free on Linux, and names the goroutine:
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
 * The mask. To mask by pthread_sigmask would be a system call for what is one instruction on
 * hardware. So signals stay open, and a handler that finds `masked` set leaves a bit in `pending`
 * and returns; whoever clears `masked` looks at `pending` afterwards and sends itself the signal
 * again. Both are accesses to the thread's own memory by one instruction (fs), so it does not matter
 * if the goroutine is on another thread by the next.
 *
 * errno is in struct arch_context: arch/host/libc/errno.h says how it gets there.
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
#define __builtin_thread_pointer() host_thread_pointer()

void host_context_init(struct arch_context *ctx, uintptr_t sp, void (*entry)(void *), void *arg);
static inline void arch_context_init(struct arch_context *ctx, uintptr_t sp, void (*entry)(void *),
                                     void *arg)
{
    host_context_init(ctx, sp, entry, arg);
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

static inline uintptr_t arch_frame_tp(const struct arch_frame *f)
{
    return f->tp;
}

static inline bool arch_in_switch(uintptr_t pc)
{
    extern char arch_switch_begin[], arch_switch_end[];
    return pc >= (uintptr_t)arch_switch_begin && pc < (uintptr_t)arch_switch_end;
}

/* fs is spelled out: a program's own thread-locals are gs's, see above. */
#define HOST_SELF(offset) "%%fs:host_self@tpoff+" #offset

static inline void arch_irq_disable(void)
{
    __asm__ volatile("movb $1, " HOST_SELF(0)::: "memory");
}

void host_take_pending(void);
static inline void arch_irq_enable(void)
{
    bool pending;
    __asm__ volatile("movb $0, " HOST_SELF(0) "\n\tcmpl $0, " HOST_SELF(4)
                     : "=@ccne"(pending)::"memory");
    if (__builtin_expect(pending, 0))
        host_take_pending();
}

static inline uintptr_t arch_irq_save(void)
{
    uint32_t was;
    __asm__ volatile("movzbl " HOST_SELF(0) ", %0\n\tmovb $1, " HOST_SELF(0) : "=r"(was)::"memory");
    return was;
}

static inline void arch_irq_restore(uintptr_t was)
{
    if (was == 0)
        arch_irq_enable();
}

void host_wait(void);
static inline void arch_wait(void)
{
    host_wait();
}

void host_relax_slow(unsigned n);
static inline void arch_relax(unsigned n)
{
    if (n < 64)
        __builtin_ia32_pause();
    else
        host_relax_slow(n);
}

/* There are no devices. The doorbell is an atomic operation and a system call. */
static inline void arch_io_barrier(void)
{
    __asm__ volatile("" ::: "memory");
}

uint64_t host_ticks(void);
static inline uint64_t arch_ticks(void)
{
    return host_ticks();
}

void host_timer_set(uint64_t ticks);
static inline void arch_timer_set(uint64_t ticks)
{
    host_timer_set(ticks);
}

/* Takes back an interrupt that another hart has sent and that has not been taken. */
void host_ipi_acknowledge(void);

/* Linux maps the stacks' pages, and no thread remembers that one was missing. */
static inline void arch_tlb_fence(uintptr_t va)
{
    (void)va;
}

/* No page tables are made here: entries of them are all alike. */
static inline arch_pte arch_pte_leaf(uint64_t pa, unsigned prot, int level)
{
    (void)prot, (void)level;
    return pa;
}

static inline arch_pte arch_pte_table(uint64_t pa)
{
    return pa;
}

static inline bool arch_pte_valid(arch_pte e)
{
    return e != 0;
}

static inline bool arch_pte_is_leaf(arch_pte e, int level)
{
    (void)e;
    return level == 0;
}

static inline uint64_t arch_pte_pa(arch_pte e)
{
    return e;
}
