/*
 * walk: through frames, and into contexts that do not run. On both instruction sets a frame begins with
 * {the caller's frame, the return address}. A walk believes none of it: each frame must be aligned,
 * inside the stack, and above the last one.
 */
#include "arch/host/thread.h"

const struct arch_frame *arch_context_frame(const struct arch_context *ctx)
{
    bool preempted = host_context_pc(ctx) == (uintptr_t)host_frame_resume;
    return preempted ? (const struct arch_frame *)host_context_sp(ctx) : NULL;
}

uintptr_t arch_context_pc(const struct arch_context *ctx)
{
    const struct arch_frame *f = arch_context_frame(ctx);
    return f != NULL ? arch_frame_pc(f) : host_context_pc(ctx);
}

uintptr_t arch_context_fp(const struct arch_context *ctx)
{
    const struct arch_frame *f = arch_context_frame(ctx);
    return f != NULL ? arch_frame_fp(f) : host_context_fp(ctx);
}

uintptr_t arch_context_sp(const struct arch_context *ctx)
{
    const struct arch_frame *f = arch_context_frame(ctx);
    return f != NULL ? arch_frame_sp(f) : host_context_sp(ctx);
}

bool arch_unwind(uintptr_t *pc, uintptr_t *fp, uintptr_t lo, uintptr_t hi)
{
    if (*fp % 8 != 0 || *fp < lo || *fp > hi - 16)
        return false;
    const uintptr_t *top = (const uintptr_t *)*fp;
    uintptr_t up = top[0];
    *pc = top[1];
    if (up != 0 && up <= *fp)
        return false;
    *fp = up;
    return *pc != 0;
}
