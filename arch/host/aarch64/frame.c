/*
 * frame: contexts that do not run: what Linux says of them, making them, and looking into them for
 * tracebacks.
 *
 * Linux's frame is {siginfo, ucontext}; the latter ends in records of the registers that are not in
 * every processor: {what it is, bytes} and the contents, and one of no bytes ends them. Only as much of
 * the frame's 4.6 KiB as is in use goes to a goroutine's stack.
 *
 * AAPCS64's frame record: x29 points to {the caller's x29, the return address}. A function of the C
 * library that calls none has no record, and those of switch.S have none: then the return address is
 * still in x30, and lies behind a call of ours. It may lie there in a function with a record, too,
 * before its first call; but then the record says the same.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <string.h>
#include <ucontext.h>
#include "arch/host/thread.h"

#define FP 29
#define LR 30

#define SIGINFO_SIZE 128 /* in front of the ucontext */
#define NO_STACK     4   /* ss_flags that Linux does not know: it leaves things as they are */

/* Instructions. */
#define IS_CALL(at)          (((at)&0xfc000000u) == 0x94000000u)
#define IS_CALL_INDIRECT(at) (((at)&0xfffffc1fu) == 0xd63f0000u)

extern char host_context_entry[]; /* switch.S */

void host_context_init(struct arch_context *ctx, uintptr_t sp, void (*entry)(void *), void *arg)
{
    ctx->x[0] = (uintptr_t)entry;
    ctx->x[1] = (uintptr_t)arg;
    ctx->x[10] = 0; /* the chain of frames ends here */
    ctx->x[11] = (uintptr_t)host_context_entry;
    ctx->sp = ctx->top = sp & ~(uintptr_t)15;
    ctx->fpcr = 0;
    ctx->error = 0;
}

/* ---- what Linux says ---- */

struct record {
    uint32_t magic, bytes;
};

uintptr_t host_frame_at(const void *context)
{
    const ucontext_t *uc = context;
    return uc->uc_mcontext.pc;
}

/* From the frame's begin to behind the record that ends it. */
static size_t bytes_in_use(const ucontext_t *uc)
{
    const char *at = (const char *)uc->uc_mcontext.__reserved;
    struct record r;
    for (memcpy(&r, at, sizeof r); r.magic != 0; memcpy(&r, at, sizeof r))
        at += r.bytes;
    return (size_t)(at - (const char *)uc) + 16 + SIGINFO_SIZE;
}

void host_frame_load(struct arch_frame *f, void *context)
{
    const ucontext_t *uc = context;
    memcpy(f->x, uc->uc_mcontext.regs, sizeof f->x);
    f->sp = uc->uc_mcontext.sp;
    f->pc = uc->uc_mcontext.pc;
    f->pstate = uc->uc_mcontext.pstate;
    f->far = 0;
    f->tp = host_self.tp;
    f->signal_frame = (char *)context - SIGINFO_SIZE;
    f->signal_bytes = bytes_in_use(uc);
}

void host_frame_store(const struct arch_frame *f, void *context)
{
    ucontext_t *uc = context;
    memcpy(uc->uc_mcontext.regs, f->x, sizeof f->x);
    uc->uc_mcontext.sp = f->sp;
    uc->uc_mcontext.pc = f->pc;
}

uintptr_t host_frame_fault(struct arch_frame *f, int signal, const void *address)
{
    if (signal == SIGSEGV || signal == SIGBUS)
        f->far = (uintptr_t)address;
    return f->far;
}

/* ---- preemption ---- */

/* Where a goroutine's frame may go: below its stack pointer, and so that even the unused rest of a whole
 * frame would be on the stack, for QEMU's user mode looks whether that is there. */
static char *place(const struct arch_frame *f, uintptr_t top)
{
    uintptr_t at = f->sp - f->signal_bytes, highest = top - SIGINFO_SIZE - sizeof(ucontext_t);
    return (char *)((at < highest ? at : highest) & ~(uintptr_t)15);
}

/* rt_sigreturn would make the alternate stack what it was, and that is another thread's by then. */
void host_frame_park(const struct arch_frame *f)
{
    struct arch_context *ctx = host_context_of(f->tp);
    char *copy = place(f, ctx->top);
    struct arch_frame *kept = (struct arch_frame *)(copy - sizeof *kept);
    memcpy(copy, f->signal_frame, f->signal_bytes);
    ((ucontext_t *)(copy + SIGINFO_SIZE))->uc_stack.ss_flags = NO_STACK;
    *kept = *f;
    kept->signal_frame = copy;
    ctx->x[11] = (uintptr_t)host_frame_resume;
    ctx->sp = (uintptr_t)kept;
    ctx->fpcr = 0; /* its own comes back with the rest */
}

/* ---- walking ---- */

/* A jump to nowhere: there is no function that has stopped, only one that has called. */
static bool fetch_failed(const struct arch_frame *f)
{
    return f->far != 0 ? f->far == f->pc : f->pc == 0;
}

/* Is this where a call of ours would come back to? */
static bool is_behind_call(uintptr_t pc)
{
    if (pc % 4 != 0 || !host_is_ours(pc - 4))
        return false;
    uint32_t at = *(const uint32_t *)(pc - 4);
    return IS_CALL(at) || IS_CALL_INDIRECT(at);
}

/* Has the stopped function, on the stack [lo, hi), no record? */
static bool is_bare(const struct arch_frame *f, uintptr_t lo, uintptr_t hi)
{
    uintptr_t fp = f->x[FP];
    bool maybe = !host_is_ours(f->pc) || arch_in_switch(f->pc);
    if (!maybe || !is_behind_call(f->x[LR]) || fp % 8 != 0 || fp < lo || fp > hi - 16)
        return false;
    return ((const uintptr_t *)fp)[1] != f->x[LR];
}

bool arch_frame_caller(const struct arch_frame *f, uintptr_t lo, uintptr_t hi, uintptr_t *pc,
                       uintptr_t *fp)
{
    *pc = f->x[LR];
    *fp = f->x[FP];
    return fetch_failed(f) || is_bare(f, lo, hi) || arch_unwind(pc, fp, lo, hi);
}

/*
 * The interrupted function looks like fn's caller: fn's own record will hold x29, which is still
 * the interrupted function's, and x30, the pc of the trap. A bare function gets a record first, or walks
 * would pass over its caller. A jump to nowhere was a call of nothing: fn takes its place.
 */
bool arch_frame_call(struct arch_frame *f, void (*fn)(void *), void *arg, uintptr_t lo,
                     uintptr_t hi)
{
    uintptr_t *top = (uintptr_t *)(f->sp & ~(uintptr_t)15);
    if ((uintptr_t)top < lo + ARCH_FRAME_CALL || f->sp > hi)
        return false;
    if (!fetch_failed(f)) {
        if (is_bare(f, lo, hi)) {
            *--top = f->x[LR];
            *--top = f->x[FP];
            f->x[FP] = (uintptr_t)top;
        }
        f->x[LR] = f->pc;
    }
    f->sp = (uintptr_t)top;
    f->x[0] = (uintptr_t)arg;
    f->pc = (uintptr_t)fn;
    return true;
}

void arch_frame_print(const struct arch_frame *f)
{
    for (int i = 0; i < 28; i += 4)
        kprintf("  x%-2d 0x%016lx  x%-2d 0x%016lx  x%-2d 0x%016lx  x%-2d 0x%016lx\n", i, f->x[i],
                i + 1, f->x[i + 1], i + 2, f->x[i + 2], i + 3, f->x[i + 3]);
    kprintf("  x28 0x%016lx  x29 0x%016lx  x30 0x%016lx  sp  0x%016lx\n", f->x[28], f->x[29],
            f->x[30], f->sp);
    kprintf("  pc  0x%016lx  tp  0x%016lx  far 0x%016lx  pstate 0x%lx\n", f->pc, f->tp, f->far,
            f->pstate);
}
