/*
 * frame: looking into contexts that do not run, for tracebacks.
 *
 * GCC's frame on RISC-V, with -fno-omit-frame-pointer: s0 points just above the frame, the return
 * address lies at s0 - 8 and the caller's s0 at s0 - 16. A walk believes none of it: each s0 must
 * be aligned, inside the stack, and above the last one, so a smashed chain ends the walk and
 * nothing else.
 *
 * A leaf function keeps its return address in ra and stores its caller's s0 alone, at s0 - 8. Only
 * a trap stops in one, and then ra and s0 are in the trap's frame; what lies at s0 - 8 tells: a
 * place in the stack is no return address.
 */
#include "arch/arch.h"

bool arch_unwind(uintptr_t *pc, uintptr_t *fp, uintptr_t lo, uintptr_t hi)
{
    if (*fp % 8 != 0 || *fp < lo + 16 || *fp > hi)
        return false;
    const uintptr_t *top = (const uintptr_t *)*fp;
    uintptr_t up = top[-2];
    *pc = top[-1];
    if (up != 0 && up <= *fp)
        return false;
    *fp = up;
    return *pc != 0;
}

extern char fp_resume[], riscv_frame_resume[];

const struct arch_frame *arch_context_frame(const struct arch_context *ctx)
{
    return ctx->ra == (uintptr_t)riscv_frame_resume ? (const struct arch_frame *)ctx->sp : NULL;
}

/* A goroutine with floating point left its real return address below its stack pointer. */
uintptr_t arch_context_pc(const struct arch_context *ctx)
{
    if (ctx->ra == (uintptr_t)fp_resume)
        return *(const uintptr_t *)(ctx->sp - ARCH_FP_SIZE + ARCH_FP_RA);
    return arch_context_frame(ctx) ? arch_context_frame(ctx)->x[0] : ctx->ra;
}

uintptr_t arch_context_fp(const struct arch_context *ctx)
{
    return arch_context_frame(ctx) ? arch_context_frame(ctx)->x[8] : ctx->s[0];
}

uintptr_t arch_context_sp(const struct arch_context *ctx)
{
    return arch_context_frame(ctx) ? arch_context_frame(ctx)->x[2] : ctx->sp;
}

/* f stopped in a leaf function that has set up its frame, on a stack [lo, hi). */
static bool in_leaf(const struct arch_frame *f, uintptr_t lo, uintptr_t hi)
{
    uintptr_t s0 = f->x[8];
    if (s0 % 8 != 0 || s0 < f->x[2] + 8 || s0 < lo + 16 || s0 > hi)
        return false;
    uintptr_t word = ((const uintptr_t *)s0)[-1];
    return word >= s0 && word <= hi;
}

/* A jump to nowhere: there is no function whose frame s0 is; it is still the caller's. */
static bool fetch_failed(const struct arch_frame *f)
{
    return f->cause == CAUSE_FETCH_ACCESS || f->cause == CAUSE_FETCH_PAGE;
}

bool arch_frame_caller(const struct arch_frame *f, uintptr_t lo, uintptr_t hi, uintptr_t *pc,
                       uintptr_t *fp)
{
    *pc = f->x[1];
    *fp = f->x[8];
    if (fetch_failed(f))
        return true;
    if (!in_leaf(f, lo, hi))
        return arch_unwind(pc, fp, lo, hi);
    *fp = ((const uintptr_t *)*fp)[-1];
    return true;
}

/*
 * fn stores ra and s0 as if the interrupted function had called it, so ra becomes the pc of the
 * trap. In a leaf, ra was needed for the next step: it goes on the stack, with the caller's s0, as
 * the frame that the leaf did not make.
 */
bool arch_frame_call(struct arch_frame *f, void (*fn)(void *), void *arg, uintptr_t lo,
                     uintptr_t hi)
{
    uintptr_t sp = f->x[2] & ~(uintptr_t)15;
    if (sp < lo + ARCH_FRAME_CALL || sp > hi)
        return false;
    if (!fetch_failed(f) && in_leaf(f, lo, hi)) {
        uintptr_t *top = (uintptr_t *)sp;
        top[-1] = f->x[1];
        top[-2] = ((const uintptr_t *)f->x[8])[-1];
        f->x[8] = sp;
        sp -= 16;
    }
    if (!fetch_failed(f))
        f->x[1] = f->x[0];
    f->x[2] = sp;
    f->x[10] = (uintptr_t)arg;
    f->x[0] = (uintptr_t)fn;
    return true;
}

void arch_frame_print(const struct arch_frame *f)
{
    static const char name[32][4] = {"pc", "ra", "sp",  "gp",  "tp", "t0", "t1", "t2",
                                     "s0", "s1", "a0",  "a1",  "a2", "a3", "a4", "a5",
                                     "a6", "a7", "s2",  "s3",  "s4", "s5", "s6", "s7",
                                     "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6"};
    for (int i = 0; i < 32; i += 4)
        kprintf("%-3s %016lx  %-3s %016lx  %-3s %016lx  %-3s %016lx\n", name[i], f->x[i],
                name[i + 1], f->x[i + 1], name[i + 2], f->x[i + 2], name[i + 3], f->x[i + 3]);
    kprintf("sstatus %lx  scause %lx  stval %lx\n", f->status, f->cause, f->tval);
}
