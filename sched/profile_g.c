/*
 * profile_g: all goroutines, by stack.
 *
 * The harts stand still (freeze.c), as for a traceback of all, and each goroutine is walked from where
 * it stopped: from its saved context if it waits or is queued, from its hart's trap if that was running
 * it, and from here if it is the one that asks. Meanwhile no lock may be taken, so the memory is taken
 * before; it is written out afterwards, when all go on.
 */
#include "sched/chunk.h"
#include "sched/freeze.h"
#include "sched/proc.h"
#include "sched/profile.h"

/* 0: there is nothing to be seen of it. */
static uint32_t walk(const struct g *g, uintptr_t *pc)
{
    if (g == g_self())
        return profile_callers(g, (uintptr_t)__builtin_frame_address(0), pc, 0);
    if (g->status == G_RUNNING || g->status == G_SYSCALL) {
        const struct arch_frame *f = g->m->frame;
        return f != NULL && arch_frame_tp(f) == g_tp(g) ? profile_frame(g, f, pc, 0) : 0;
    }
    const struct arch_frame *f = arch_context_frame(&g->ctx);
    if (f != NULL)
        return profile_frame(g, f, pc, 0);
    pc[0] = arch_context_pc(&g->ctx) - 1;
    return profile_callers(g, arch_context_fp(&g->ctx), pc, 1);
}

static void count(struct g *g, void *arg)
{
    struct stacks *s = arg;
    uint32_t n = walk(g, stacks_next(s));
    if (n > 0)
        stacks_count(s, n, 1, 0);
}

int goroutine_profile_write(void)
{
    struct stacks s;
    preempt_off();
    bool made = stacks_make(&s, STACK_PROFILE_PAGES);
    if (made) {
        freeze_begin();
        g_each(count, &s);
        freeze_end();
    }
    preempt_on();
    return profile_write("goroutine", made ? &s : NULL, 1);
}
