/*
 * traceback: a goroutine's state and its frames as text.
 *
 *     goroutine 7 [sleep]:
 *     time_sleep+0x64 (0x80201234)
 *     worker+0x2e (0x80200456)
 *     created by main+0x5a (0x80200789) in goroutine 1 (named "worker")
 *
 * An address is where a call returns to. Where a goroutine was stopped between two instructions it is
 * that of the next one, and has another form, (at 0x80201234): tools/pinion-symbolize, which asks for
 * the line of the call before an address, must not do so there.
 *
 * A waiting goroutine is walked from its saved context, a running one from the frame that its
 * hart's trap left when it halted. Each frame must lie in the goroutine's own stack, above the
 * last; a corrupted chain prints short, not wrong. What lies below a stopped goroutine's stack pointer is
 * not read: there may be no page, and to have one come would take locks that a halted hart holds.
 */
#include "sched/traceback.h"
#include <pinion/go.h>
#include "kernel/console.h"
#include "kernel/symbols.h"
#include "sched/atomic.h"
#include "sched/chunk.h"
#include "sched/freeze.h"
#include "sched/g.h"
#include "sched/proc.h"

#define FRAMES_MAX 64

static const char *const wait_names[WAIT_REASONS] = {
    [WAIT_NONE] = "waiting",
    [WAIT_SLEEP] = "sleep",
    [WAIT_MUTEX] = "sync.Mutex.Lock",
    [WAIT_RWMUTEX_R] = "sync.RWMutex.RLock",
    [WAIT_RWMUTEX_W] = "sync.RWMutex.Lock",
    [WAIT_WAITGROUP] = "sync.WaitGroup.Wait",
    [WAIT_SEMACQUIRE] = "semacquire",
    [WAIT_CHAN_RECV] = "chan receive",
    [WAIT_CHAN_SEND] = "chan send",
    [WAIT_CHAN_RECV_NIL] = "chan receive (nil chan)",
    [WAIT_CHAN_SEND_NIL] = "chan send (nil chan)",
    [WAIT_SELECT] = "select",
    [WAIT_SELECT_NONE] = "select (no cases)",
    [WAIT_COND] = "sync.Cond.Wait",
};

const char *wait_name(uint8_t reason)
{
    return reason < WAIT_REASONS ? wait_names[reason] : "waiting";
}

LOOKS_ON const char *state_name(const struct g *g)
{
    switch (g->status) {
    case G_RUNNABLE: return "runnable";
    case G_RUNNING: return "running";
    case G_SYSCALL: return "syscall";
    case G_WAITING: return wait_name(g->wait_reason);
    default: return "?";
    }
}

/* The call lies before a return address. */
void traceback_pc(uintptr_t pc, bool back)
{
    uintptr_t off;
    const char *name = symbol_find(back ? pc - 1 : pc, &off);
    if (name != NULL)
        kprintf("%s+0x%lx (%s0x%lx)\n", name, (unsigned long)(off + (back ? 1 : 0)),
                back ? "" : "at ", (unsigned long)pc);
    else
        kprintf("0x%lx\n", (unsigned long)pc);
}

LOOKS_ON static void print_creator(const struct g *g)
{
    uintptr_t off, pc = g_created(g);
    if (pc == 0)
        return;
    const char *name = symbol_find(pc - 1, &off);
    kprintf("created by %s+0x%lx (0x%lx) in goroutine %ld", name != NULL ? name : "?",
            name != NULL ? (unsigned long)off + 1 : 0, (unsigned long)pc, (long)g->parent);
    if (g->name != NULL)
        kprintf(" (named \"%s\")", g->name);
    kprintf("\n");
}

/* The callers from (pc, fp) on, the first of them in pc if it is not 0; nothing below lo. fault: the
 * first after that did not call, it was stopped there; its pc may be a function's first instruction. */
LOOKS_ON static void print_callers(const struct g *g, uintptr_t lo, uintptr_t pc, uintptr_t fp,
                                   bool fault)
{
    if (pc != 0)
        traceback_pc(pc, true);
    for (int n = 0; arch_unwind(&pc, &fp, lo, g->stack.hi); n++) {
        if (n == FRAMES_MAX) {
            kprintf("...additional frames elided...\n");
            break;
        }
        if (fp != 0) /* the outermost is where goroutines begin */
            traceback_pc(pc, n > 0 || !fault);
    }
    print_creator(g);
}

LOOKS_ON static void print_header(const struct g *g)
{
    kprintf("goroutine %ld [%s%s]:\n", (long)g->id, state_name(g),
            REACH && (g->flags & GF_UNREACHABLE) != 0 ? ", unreachable" : "");
}

void traceback_here(struct g *g, uintptr_t frame, bool fault)
{
    print_header(g);
    print_callers(g, g->stack.lo, 0, frame, fault);
}

/* The part of g's stack that is in use, from sp up. */
static uintptr_t in_use(const struct g *g, uintptr_t sp)
{
    return sp > g->stack.lo ? sp : g->stack.lo;
}

LOOKS_ON void traceback_frame(struct g *g, const struct arch_frame *f)
{
    uintptr_t pc, fp, lo = in_use(g, arch_frame_sp(f));
    print_header(g);
    traceback_pc(arch_frame_pc(f), false);
    if (arch_frame_caller(f, lo, g->stack.hi, &pc, &fp))
        print_callers(g, lo, pc, fp, false);
    else
        print_creator(g);
}

LOOKS_ON static void traceback_one(struct g *g)
{
    if (g->status == G_RUNNING || g->status == G_SYSCALL) {
        struct arch_frame *f = g->m->frame;
        kprintf("\n");
        if (f != NULL && arch_frame_tp(f) == g_tp(g)) {
            traceback_frame(g, f);
        } else {
            print_header(g);
            kprintf("its hart has not stopped in it; stack unavailable\n");
            print_creator(g);
        }
        return;
    }
    kprintf("\n");
    const struct arch_frame *f = arch_context_frame(&g->ctx);
    if (f != NULL) {
        traceback_frame(g, f); /* stopped at an instruction, in a leaf perhaps, not at a call */
        return;
    }
    print_header(g);
    print_callers(g, in_use(g, arch_context_sp(&g->ctx)), arch_context_pc(&g->ctx),
                  arch_context_fp(&g->ctx), false);
}

/* Of a walk over all. */
struct all {
    const struct g *skip;
    bool parked;         /* only those that wait */
    uint32_t room, left; /* to be printed yet; passed over */
};

LOOKS_ON static bool is_wanted(const struct all *all, const struct g *g)
{
    return g != all->skip && (!all->parked || g->status == G_WAITING);
}

LOOKS_ON static void print_if_main(struct g *g, void *arg)
{
    if (g->id == 1 && is_wanted(arg, g))
        traceback_one(g);
}

LOOKS_ON static void print_unless_main(struct g *g, void *arg)
{
    struct all *all = arg;
    if (g->id == 1 || !is_wanted(all, g))
        return;
    if (all->room == 0) {
        all->left++;
        return;
    }
    all->room--;
    traceback_one(g);
}

static void print_all(struct all *all)
{
    g_each(print_if_main, all);
    g_each(print_unless_main, all);
    if (all->left > 0)
        kprintf("\n...%u more goroutines elided...\n", all->left);
}

void runtime_stack(bool all)
{
    struct g *g = g_self();
    preempt_off();
    console_hold();
    if (all)
        freeze_begin();
    console_solo(true);
    traceback_here(g, (uintptr_t)__builtin_frame_address(0), false);
    if (all)
        traceback_all(g, UINT32_MAX);
    console_solo(false);
    if (all)
        freeze_end();
    console_let_go();
    preempt_on();
}

void traceback_all(const struct g *skip, uint32_t max)
{
    print_all(&(struct all){.skip = skip, .room = max});
}

void traceback_parked(uint32_t max)
{
    print_all(&(struct all){.parked = true, .room = max});
}
