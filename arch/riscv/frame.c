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

/* First those that an interrupt's frame has too. */
static const struct {
    char name[4];
    uint8_t x;
} shown[] = {{"pc", 0},  {"ra", 1},  {"sp", 2},   {"s0", 8},  {"tp", 4},  {"t0", 5},  {"t1", 6},
             {"t2", 7},  {"a0", 10}, {"a1", 11},  {"a2", 12}, {"a3", 13}, {"a4", 14}, {"a5", 15},
             {"a6", 16}, {"a7", 17}, {"t3", 28},  {"t4", 29}, {"t5", 30}, {"t6", 31}, {"gp", 3},
             {"s1", 9},  {"s2", 18}, {"s3", 19},  {"s4", 20}, {"s5", 21}, {"s6", 22}, {"s7", 23},
             {"s8", 24}, {"s9", 25}, {"s10", 26}, {"s11", 27}};
#define KEPT_FROM 20 /* in an exception's frame only: trap.S */

void arch_frame_print(const struct arch_frame *f)
{
    bool interrupt = f->cause & SCAUSE_INTERRUPT;
    int n = interrupt ? KEPT_FROM : sizeof(shown) / sizeof(shown[0]);
    for (int i = 0; i < n; i += 4)
        kprintf("  %-3s 0x%016lx  %-3s 0x%016lx  %-3s 0x%016lx  %-3s 0x%016lx\n", shown[i].name,
                f->x[shown[i].x], shown[i + 1].name, f->x[shown[i + 1].x], shown[i + 2].name,
                f->x[shown[i + 2].x], shown[i + 3].name, f->x[shown[i + 3].x]);
    kprintf("  sstatus 0x%lx  scause 0x%lx", f->status, f->cause);
    if (!interrupt)
        kprintf("  stval 0x%lx", f->tval);
    kprintf("\n");
}
