/*
 * trap: interrupts and faults as the scheduler sees them, on the hart's trap stack.
 *
 * A handler touches no run queue and takes no lock of the scheduler (trap 23): it leaves a word
 * for the hart, in its P's attention or its own self_wake, and returns. (The monitor's, who types being
 * in no hurry, tries for the lock and comes again if it is taken: monitor.c.)
 *
 * A fault is the faulting goroutine's own affair, unless it happens where no goroutine may: on a
 * scheduler stack, within the scheduler or the allocator (preemption off), or between two goroutines.
 * Then it is a bug of ours or a wild pointer given to us, and the run ends with all registers shown.
 *
 * A stack that grew by the last pages there were is such a fault too: its goroutine panics, on pages
 * of the reserve. It need not hit the one that used memory up, and it need not hit at all: a
 * goroutine that panics already, or that is within the scheduler, goes on as long as the reserve
 * lasts.
 */
#include "kernel/trap.h"
#include "kernel/clock.h"
#include "kernel/console.h"
#include "sched/defer.h"
#include "sched/fatal.h"
#include "sched/freeze.h"
#include "sched/preempt.h"
#include "sched/timer.h"

void sched_trap_timer(struct arch_hart *hart, struct arch_frame *f)
{
    if (__builtin_expect(timers_extras() != 0, 0))
        timers_interrupt_at((struct m *)hart, f);
    else
        timers_interrupt((struct m *)hart);
}

void sched_trap_ipi(struct arch_hart *hart, struct arch_frame *f)
{
    struct m *m = (struct m *)hart;
    m->soft_irqs++;
    fatal_check_halt(m, f);
    freeze_check(m, f);
    preempt_on_ipi(m);
}

arch_leaver *sched_trap_exit(struct arch_hart *hart, struct arch_frame *f)
{
    return preempt_on_trap_exit((struct m *)hart, f);
}

unsigned sched_hart_no(struct arch_hart *hart)
{
    return ((struct m *)hart)->hart_no;
}

static _Noreturn void throw_at(struct m *m, struct g *g, struct arch_frame *f, uintptr_t addr)
{
    fatal_begin();
    kprintf("fatal error: unexpected fault in the runtime [pc=0x%lx addr=0x%lx] M %u G %ld\n",
            (unsigned long)arch_frame_pc(f), (unsigned long)addr, m->id, (long)g->id);
    if (g->status == G_SYSCALL)
        kprintf("in a blocking section, from which nothing of the scheduler may be called\n");
    fatal_frame(g, f);
}

/* What a call in g's place may write is mapped: a trap handler cannot have its pages grow. */
static bool room_for_call(const struct g *g, const struct arch_frame *f)
{
    uintptr_t sp = arch_frame_sp(f);
    if (sp - g->stack.lo > g->stack.hi - g->stack.lo || sp - g->stack.lo < ARCH_FRAME_CALL)
        return false;
    enum stack_fault below = stack_fault(sp - ARCH_FRAME_CALL, sp);
    return below == STACK_GREW || below == STACK_GREW_LAST;
}

bool defer_call(struct g *g, struct arch_frame *f, void (*fn)(void *))
{
    return room_for_call(g, f) &&
           arch_frame_call(f, fn, (void *)arch_frame_pc(f), g->stack.lo, g->stack.hi);
}

/* The call is one to a panic: if nobody recovers, its report shows the registers as they are here. */
static bool call_in_place(struct m *m, struct g *g, struct arch_frame *f, void (*fn)(void *))
{
    m->fault = *f;
    m->fault_g = g->id;
    m->fault_at = clock_ns();
    return defer_call(g, f, fn);
}

static void last_page(struct m *m, struct g *g, struct arch_frame *f)
{
    if (g->preempt_off == 0 && g->status == G_RUNNING && g->panic == NULL)
        call_in_place(m, g, f, panic_no_stack);
}

void sched_trap_fault(struct arch_hart *hart, struct arch_frame *f, enum trap_fault kind,
                      uintptr_t addr, enum stack_fault stack)
{
    struct m *m = (struct m *)hart;
    struct g *g = (struct g *)arch_frame_tp(f) - 1;
    if (stack == STACK_GREW_LAST) {
        if (g != m->g0 && !arch_in_switch(arch_frame_pc(f)))
            last_page(m, g, f);
        return;
    }
    if (g == m->g0)
        throw_at(m, g, f, addr);
    /* Who leaves puts registers on his stack first, still under his own thread pointer. Later sp and
     * thread pointer may be two goroutines', but nothing is stored through either's stack. */
    bool between = arch_in_switch(arch_frame_pc(f));
    /* A frame larger than the guard page may have stepped over it: the stack pointer tells. */
    bool below = !between && g->stack.lo - arch_frame_sp(f) - 1 < STACK_MAX;
    if (stack == STACK_OVERFLOW || stack == STACK_NO_MEMORY || below)
        fatal_stack(g, f, stack == STACK_NO_MEMORY);
    if (between)
        throw_at(m, m->g0, f, addr);
    if (g->preempt_off > 0 || preempt_unbroken(arch_frame_pc(f)))
        throw_at(m, g, f, addr);
    g->wait_data = (void *)addr;
    g->wait_reason = (uint8_t)kind;
    if (!call_in_place(m, g, f, panic_from_fault))
        throw_at(m, g, f, addr);
}
