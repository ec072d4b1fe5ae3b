/*
 * frame: looking into contexts that do not run, for tracebacks.
 *
 * GCC's frame on RISC-V, with -fno-omit-frame-pointer: s0 points just above the frame, the return
 * address lies at s0 - 8 and the caller's s0 at s0 - 16. A walk believes none of it: each s0 must
 * be aligned, inside the stack, and above the last one, so a smashed chain ends the walk and
 * nothing else.
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

/* A goroutine with floating point left its real return address below its stack pointer (switch.S). */
uintptr_t arch_context_pc(const struct arch_context *ctx)
{
    extern char fp_resume[];
    if (ctx->ra == (uintptr_t)fp_resume)
        return *(const uintptr_t *)(ctx->sp - ARCH_FP_SIZE + ARCH_FP_RA);
    return ctx->ra;
}

uintptr_t arch_context_fp(const struct arch_context *ctx)
{
    return ctx->s[0];
}

uintptr_t arch_context_sp(const struct arch_context *ctx)
{
    return ctx->sp;
}

uintptr_t arch_frame_pc(const struct arch_frame *f)
{
    return f->x[0];
}

uintptr_t arch_frame_fp(const struct arch_frame *f)
{
    return f->x[8];
}

uintptr_t arch_frame_sp(const struct arch_frame *f)
{
    return f->x[2];
}

uintptr_t arch_frame_tp(const struct arch_frame *f)
{
    return f->x[4];
}

/* The interrupted function looks like fn's caller: fn saves ra, the pc of the trap, and s0. */
void arch_frame_call(struct arch_frame *f, void (*fn)(void *), void *arg)
{
    f->x[1] = f->x[0];
    f->x[2] &= ~(uintptr_t)15;
    f->x[10] = (uintptr_t)arg;
    f->x[0] = (uintptr_t)fn;
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
