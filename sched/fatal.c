/*
 * fatal: stopping the machine, in order, from any state.
 *
 * Whoever ends the run claims it (halting), interrupts every other hart and waits until each has
 * said that it stopped, or for HALT_WAIT_NS: a hart with its interrupts masked for ever must not
 * keep a panic from being read. From then on the console is ours without its lock, whose holder may
 * be among the stopped (trap 31). A hart that stops notes its trap frame, so that tracebacks can
 * show what it was doing. Two that end the run at once: the second just stops.
 */
#include "sched/atomic.h"
#include "sched/fatal.h"
#include "kernel/clock.h"
#include "kernel/console.h"
#include "kernel/irq.h"
#include "kernel/power.h"
#include "sched/crash.h"
#include "sched/freeze.h"
#include "sched/proc.h"
#include "sched/traceback.h"

static _Noreturn void halt_here(struct m *m, struct arch_frame *f)
{
    arch_irq_disable();
    m->frame = f;
    /* O11: release pairs with the acquire in fatal_begin: frame is set. */
    atomic_store_explicit(&m->halted, true, memory_order_release);
    arch_halt();
}

void fatal_halt(struct m *m, struct arch_frame *f)
{
    /* O11: acquire pairs with the swap in fatal_begin. */
    (void)atomic_load_explicit(&sched.halting, memory_order_acquire);
    halt_here(m, f);
}

static bool others_halted(struct m *self)
{
    bool all = true;
    for (uint32_t i = 0; i < sched.n_m; i++)
        /* O11: acquire pairs with the release in halt_here. */
        all &=
            sched.m[i] == self || atomic_load_explicit(&sched.m[i]->halted, memory_order_acquire);
    return all;
}

void fatal_begin(void)
{
    stack_reserve();
    /* For good: an interrupt meant for us before, or our own of arch_relax, would halt us too. */
    arch_irq_disable();
    struct m *self = g_self()->m;
    g_self()->preempt_off++;
    struct m *nobody = NULL;
    /* O11: acq_rel: one claims; the others read our stores if they look for why. relaxed: lost. */
    if (!cas_acq_rel(&sched.halting, &nobody, self) && nobody != self)
        halt_here(self, NULL);
    for (uint32_t i = 0; i < sched.n_m; i++)
        if (sched.m[i] != self)
            irq_send_ipi(sched.m[i]->hart_no);
    int64_t until = clock_ns() + HALT_WAIT_NS;
    for (unsigned n = 0; !others_halted(self) && clock_ns() < until; n++)
        arch_relax(n);
    console_panic_mode();
}

static void exit_commit(void *status, struct arch_hart *hart)
{
    (void)hart;
    fatal_begin();
    power_off((int)(intptr_t)status);
}

/* On the scheduler stack, which needs no more memory: a program may end because there is none. */
void sched_exit(int status)
{
    arch_leave((void *)(intptr_t)status, &preempt_off()->hart, exit_commit);
}

/* ours: it is the runtime's own failure. */
static _Noreturn void end_here(void *frame, bool fault, bool ours)
{
    struct g *g = g_self();
    if (crash_shows(CRASH_SINGLE)) {
        kprintf("\n");
        traceback_here(g, (uintptr_t)frame, fault);
    }
    crash_end(g, fault ? crash_fault_of(g) : NULL, ours);
}

void fatal_end(void *frame, bool fault)
{
    end_here(frame, fault, false);
}

void fatal_frame(struct g *g, const struct arch_frame *f)
{
    if (crash_shows(CRASH_SINGLE)) {
        kprintf("\n");
        traceback_frame(g, f);
    }
    crash_end(g, f, true);
}

void fatal(const char *what)
{
    fatal_begin();
    kprintf("fatal error: %s\n", what);
    fatal_end(__builtin_frame_address(0), false);
}

void sched_throw(const char *what)
{
    struct m *m = g_self()->m;
    fatal_begin();
    kprintf("fatal error: %s [M %u, P %d, G %ld]\n", what, m->id, m->p != NULL ? (int)m->p->id : -1,
            (long)g_self()->id);
    end_here(__builtin_frame_address(0), false, true);
}

void fatal_deadlock(int64_t live)
{
    fatal_begin();
    kprintf("fatal error: %s\n", live == 0 && sched.main_exited
                                     ? "no goroutines (main called runtime.Goexit) - deadlock!"
                                     : "all goroutines are asleep - deadlock!");
    crash_end(NULL, NULL, true);
}

void fatal_stack(struct g *g, struct arch_frame *f, bool no_memory)
{
    fatal_begin();
    if (no_memory)
        kprintf("fatal error: out of memory for a goroutine's stack\n");
    else
        kprintf("runtime: goroutine stack exceeds %lu-byte limit\nfatal error: stack overflow\n",
                (unsigned long)(g->stack.hi - g->stack.lo));
    fatal_frame(g, f);
}
