/*
 * frame: looking into contexts that do not run, for tracebacks.
 *
 * AAPCS64's frame record: x29 points to {the caller's x29, the return address}. A walk believes
 * none of it: each record must be aligned, inside the stack, and above the last one, so a smashed
 * chain ends the walk and nothing else.
 *
 * The compiler must keep the record in leaf functions too (-mno-omit-leaf-frame-pointer), or a
 * fault in a leaf hides its caller.
 */
#include "arch/arch.h"

#define EC_FETCH_ABORT 0x21
#define FP             29
#define LR             30

bool arch_unwind(uintptr_t *pc, uintptr_t *fp, uintptr_t lo, uintptr_t hi)
{
    if (*fp % 8 != 0 || *fp < lo || *fp > hi || hi - *fp < 16)
        return false;
    const uintptr_t *record = (const uintptr_t *)*fp;
    uintptr_t up = record[0];
    *pc = record[1];
    if (up != 0 && up <= *fp)
        return false;
    *fp = up;
    return *pc != 0;
}

/* Where contexts go on that left more than d8 … d15 on their stacks (switch.S). */
extern char arm64_fpcr_resume[], arm64_frame_resume[];

/* A goroutine with an FPCR of its own left {return address, FPCR} above them. */
static bool has_fpcr(const struct arch_context *ctx)
{
    return ctx->x[11] == (uintptr_t)arm64_fpcr_resume;
}

/* A preempted one left everything. */
const struct arch_frame *arch_context_frame(const struct arch_context *ctx)
{
    return ctx->x[11] == (uintptr_t)arm64_frame_resume ? (const struct arch_frame *)ctx->sp : NULL;
}

/* Of a preempted context the next instruction itself, else the one that a call returns to. */
uintptr_t arch_context_pc(const struct arch_context *ctx)
{
    const struct arch_frame *f = arch_context_frame(ctx);
    if (f != NULL)
        return f->pc;
    return has_fpcr(ctx) ? *(const uintptr_t *)(ctx->sp + ARM64_D_SIZE) : ctx->x[11];
}

uintptr_t arch_context_fp(const struct arch_context *ctx)
{
    const struct arch_frame *f = arch_context_frame(ctx);
    return f != NULL ? f->x[FP] : ctx->x[10];
}

uintptr_t arch_context_sp(const struct arch_context *ctx)
{
    const struct arch_frame *f = arch_context_frame(ctx);
    if (f != NULL)
        return f->sp;
    return ctx->sp + ARM64_D_SIZE + (has_fpcr(ctx) ? ARM64_FPCR_SIZE : 0);
}

static bool fetch_failed(const struct arch_frame *f)
{
    return (f->esr >> 26 & 0x3f) == EC_FETCH_ABORT;
}

/* After a failed fetch there is no function whose frame x29 is: it is still the caller's. */
bool arch_frame_caller(const struct arch_frame *f, uintptr_t lo, uintptr_t hi, uintptr_t *pc,
                       uintptr_t *fp)
{
    *pc = f->x[LR];
    *fp = f->x[29];
    return fetch_failed(f) || arch_unwind(pc, fp, lo, hi);
}

/*
 * The interrupted function looks like fn's caller: fn's own record will hold x29, which is still
 * the interrupted function's, and x30, the pc of the trap. Where that pc could not even be fetched,
 * a call through a bad pointer, x30 stays what that call made it: the caller stands in for a
 * function that never was.
 */
bool arch_frame_call(struct arch_frame *f, void (*fn)(void *), void *arg, uintptr_t lo,
                     uintptr_t hi)
{
    uintptr_t sp = f->sp & ~(uintptr_t)15;
    if (sp < lo + ARCH_FRAME_CALL || sp > hi)
        return false;
    if (!fetch_failed(f))
        f->x[LR] = f->pc;
    f->sp = sp;
    f->x[0] = (uintptr_t)arg;
    f->pc = (uintptr_t)fn;
    return true;
}

static void print_four(const struct arch_frame *f, int i)
{
    kprintf("  x%-2d 0x%016lx  x%-2d 0x%016lx  x%-2d 0x%016lx  x%-2d 0x%016lx\n", i, f->x[i], i + 1,
            f->x[i + 1], i + 2, f->x[i + 2], i + 3, f->x[i + 3]);
}

/* An interrupt's frame has no ESR, and no x20 to x27 (trap.S). */
void arch_frame_print(const struct arch_frame *f)
{
    kprintf("  pc  0x%016lx  x30 0x%016lx  sp  0x%016lx  x29 0x%016lx\n", f->pc, f->x[30], f->sp,
            f->x[29]);
    for (int i = 0; i < 20; i += 4)
        print_four(f, i);
    if (f->esr != 0) {
        print_four(f, 20);
        print_four(f, 24);
    }
    kprintf("  x28 0x%016lx  tp  0x%016lx  pstate 0x%lx\n", f->x[28], f->tp, f->pstate);
    if (f->esr != 0)
        kprintf("  esr 0x%lx  far 0x%016lx  fpcr 0x%lx  fpsr 0x%lx\n", f->esr, f->far, f->fpcr,
                f->fpsr);
}
