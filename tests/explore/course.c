/*
 * course: one run of a scenario, on fibers.
 *
 * A hart is a fiber: it goes on until it comes to a point at which another may, and the one that is let
 * goes on where it was. One thread of the host does it all, so nothing happens that was not chosen.
 * A hart has two places to remember: where it is when another goes on (at), and the top of its
 * scheduler's stack (base), where every visit of the scheduler starts anew. Contexts of goroutines
 * are machine.c's; a hart goes from one to the other without the engine's knowing.
 *
 * Points. Before each atomic access to something that several harts use, and before an interrupt is
 * sent, any other hart that can go on may be let: that is a choice, and a deviation. A hart that
 * pauses, waits or ends lets the next one go on, in the order of their numbers; another than the next is
 * a deviation. So the number of deviations bounds the preemptions, and the rest of a course is
 * settled. (Chess, Musuvathi and Qadeer 2007, counts likewise; delays, Emmi and others 2011.)
 *
 * Who goes on and on without a pause, since it waits for another without saying so, gives way after
 * PATIENCE points: schedules are fair in the end, as harts are.
 *
 * The clock stands still while harts work. It goes on by a step when it is read, or when a hart pauses,
 * so that waits for a time end; and when all harts wait it goes on to the first timer that is set. If
 * none is set and not all have ended, the course has failed: they would wait for ever. One that does
 * not end has failed as well.
 *
 * Interrupts come at points, unmasked, and at the opening of the mask.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <ucontext.h>
#include "tests/explore/engine.h"

#define STEPS_MAX   20000 /* of a course */
#define JUMPS_MAX   400   /* of the clock to a timer, while all wait */
#define PAUSE_NS    500
#define PATIENCE    400 /* points that a hart passes before another must go on */
#define STACK_BYTES ((size_t)32 << 10)

struct hart hart[HARTS_MAX] KEPT;
unsigned n_harts KEPT, self KEPT;
bool watched KEPT, open_ KEPT, learning KEPT, tracing KEPT;
uint64_t ticks KEPT;
enum mode mode KEPT;

static jmp_buf driver KEPT;
static unsigned steps KEPT, jumps KEPT, patience KEPT;
static char failure[400] KEPT;
static bool is_void KEPT, may_sleep KEPT;

/* ---- the end ---- */

/* Back to course_run, wherever this is. */
static _Noreturn void leave(void)
{
    watched = false;
    _longjmp(driver, 1);
}

void course_void(void)
{
    is_void = true;
    leave();
}

void course_end(void)
{
    if (watched)
        memory_drain_all();
    leave();
}

void explore_fail(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    if (failure[0] == '\0')
        vsnprintf(failure, sizeof(failure), fmt, ap);
    va_end(ap);
    if (watched && memory_guesses()) {
        hart[self].state = HART_ENDED;
        for (;;)
            course_pause(true);
    }
    course_end();
}

void course_guessed(void)
{
    if (failure[0] != '\0' && !memory_guesses())
        course_end();
}

static void on_fault(int signal)
{
    explore_fail("hart %u: %s", self, signal == SIGFPE ? "division by zero" : "a wild address");
}

static void catch_faults(void)
{
    static char stack[64 << 10] KEPT;
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof(stack)};
    struct sigaction act = {.sa_handler = on_fault, .sa_flags = SA_ONSTACK | SA_NODEFER};
    sigaltstack(&alternate, NULL);
    sigaction(SIGSEGV, &act, NULL);
    sigaction(SIGBUS, &act, NULL);
    sigaction(SIGFPE, &act, NULL);
    sigaction(SIGILL, &act, NULL);
}

/* ---- to and fro ---- */

static void at_base(void)
{
    struct hart *h = &hart[self];
    _setjmp(h->base);
    h = &hart[self];
    h->fn(h->arg, h->arch);
    memory_drain_here(0);
    hart[self].state = HART_ENDED;
    course_pause(true);
}

static void enter(unsigned i)
{
    struct hart *h = &hart[i];
    self = i;
    if (h->begun)
        _longjmp(h->at, 1);
    h->begun = true;
    ucontext_t first;
    getcontext(&first);
    first.uc_stack.ss_sp = (void *)(h->stack_top - STACK_BYTES);
    first.uc_stack.ss_size = STACK_BYTES;
    makecontext(&first, at_base, 0);
    setcontext(&first);
}

static void go_on(unsigned i)
{
    if (i == self)
        return;
    patience = 0;
    if (tracing)
        course_trace(0, "-- hart %u goes on", i);
    if (_setjmp(hart[self].at) == 0)
        enter(i);
}

void course_to_base(void *arg, void (*fn)(void *, struct arch_hart *))
{
    hart[self].fn = fn;
    hart[self].arg = arg;
    _longjmp(hart[self].base, 1);
}

void course_hart(unsigned i, struct arch_hart *arch, uintptr_t stack_top, uintptr_t tp,
                 void (*fn)(void *, struct arch_hart *))
{
    hart[i] = (struct hart){.state = HART_RUNS,
                            .deadline = UINT64_MAX,
                            .tp = tp,
                            .arch = arch,
                            .stack_top = stack_top,
                            .fn = fn};
}

/* ---- interrupts ---- */

static bool due(const struct hart *h)
{
    return h->ipi || ticks >= h->deadline;
}

/* As the trap entry of a port does, with the hook for the instruction that was interrupted. */
static void interrupt(uintptr_t pc)
{
    struct hart *h = &hart[self];
    uintptr_t here = (uintptr_t)__builtin_frame_address(0), tp = h->tp;
    struct arch_frame f = {.pc = pc, .fp = here, .sp = here, .tp = tp};
    if (tracing)
        course_trace(pc, "interrupt, %s", h->ipi ? "another hart's" : "the timer's");
    h->masked = true;
    h->tp = h->arch->sched_tp;
    arch_leaver *leaver = h->ipi ? trap_software(h->arch, &f) : trap_timer(h->arch, &f);
    h->tp = tp;
    if (leaver == NULL) {
        h->masked = false;
        return;
    }
    struct arch_context *ctx = (struct arch_context *)tp - 1;
    race_access((uintptr_t)ctx, 8, PLAIN_WRITE, pc);
    if (_setjmp(ctx->regs) == 0) {
        h->masked = false;
        h->tp = h->arch->sched_tp;
        course_to_base((void *)tp, leaver);
    }
}

static void take_interrupts(uintptr_t pc)
{
    while (!hart[self].masked && hart[self].arch != NULL && due(&hart[self]))
        interrupt(pc);
}

uintptr_t explore_mask(bool masked)
{
    bool was = hart[self].masked;
    hart[self].masked = masked;
    if (watched && !masked)
        course_step((uintptr_t)__builtin_return_address(0));
    return was;
}

/* ---- points ---- */

static bool can_go_on(const struct hart *h)
{
    return h->state == HART_RUNS || (h->state == HART_WAITS && due(h));
}

/* The n-th after this one, from 0, that can go on; HARTS_MAX: there are not so many. */
static unsigned other(unsigned n)
{
    for (unsigned i = 1; i < n_harts; i++) {
        unsigned who = (self + i) % n_harts;
        if (can_go_on(&hart[who]) && n-- == 0)
            return who;
    }
    return HARTS_MAX;
}

static unsigned others(void)
{
    unsigned n = 0;
    while (other(n) != HARTS_MAX)
        n++;
    return n;
}

void course_step(uintptr_t pc)
{
    if (++steps > STEPS_MAX)
        explore_fail("no end after %u steps", STEPS_MAX);
    take_interrupts(pc);
}

void course_point(uintptr_t pc)
{
    course_step(pc);
    unsigned n = others(), way = choose(1 + n);
    if (way == 0 && n > 0 && ++patience > PATIENCE)
        way = 1;
    if (way > 0) {
        go_on(other(way - 1));
        take_interrupts(pc);
    }
}

/* All wait: the first timer ends it. */
static void clock_jump(void)
{
    uint64_t first = UINT64_MAX;
    bool all_ended = true;
    for (unsigned i = 0; i < n_harts; i++) {
        all_ended &= hart[i].state == HART_ENDED;
        if (hart[i].state == HART_WAITS && hart[i].deadline < first)
            first = hart[i].deadline;
    }
    if (all_ended || memory_guesses() || (first == UINT64_MAX && may_sleep))
        course_end();
    if (first == UINT64_MAX)
        explore_fail("a hart sleeps for ever: nobody wakes it, and no timer is set");
    if (++jumps > JUMPS_MAX)
        explore_fail("nothing but timers happens any more");
    ticks = first;
}

void course_pause(bool wait)
{
    unsigned n = others();
    if (n > 0) {
        go_on(other(choose(n)));
    } else if (wait) {
        clock_jump();
        if (!can_go_on(&hart[self]))
            go_on(other(0));
    }
}

void explore_wait(void)
{
    memory_drain_here((uintptr_t)__builtin_return_address(0));
    if (tracing)
        course_trace((uintptr_t)__builtin_return_address(0), "waits");
    hart[self].state = HART_WAITS;
    while (!due(&hart[self]))
        course_pause(true);
    hart[self].state = HART_RUNS;
    course_step((uintptr_t)__builtin_return_address(0));
}

void explore_relax(void)
{
    if (!watched)
        return;
    memory_drain_here((uintptr_t)__builtin_return_address(0));
    ticks += PAUSE_NS;
    course_step((uintptr_t)__builtin_return_address(0));
    course_pause(false);
}

/* ---- the course ---- */

static void first_hart(void)
{
    unsigned first = choose(n_harts);
    if (_setjmp(hart[0].at) == 0) /* not to come back here: overwritten */
        enter(first);
}

const char *course_run(const struct scenario *s, enum mode m)
{
    mode = m;
    may_sleep = s->may_sleep;
    failure[0] = '\0';
    watched = open_ = is_void = false;
    steps = jumps = patience = 0;
    ticks = 0;
    self = 0;
    snapshot_restore();
    memory_reset();
    race_reset();
    memset(hart, 0, sizeof(hart));
    catch_faults();
    if (_setjmp(driver) == 0) {
        if (s->main != NULL)
            world_setup(s);
        else
            parts_setup(s);
        watched = true;
        open_ = s->main == NULL;
        first_hart();
    }
    watched = false;
    if (memory_guesses() || is_void)
        return NULL;
    if (failure[0] == '\0' && s->check != NULL && _setjmp(driver) == 0) {
        self = 0;
        s->check();
    }
    return failure[0] != '\0' ? failure : NULL;
}

void course_trace(uintptr_t pc, const char *fmt, ...)
{
    va_list ap;
    if (!open_)
        return;
    printf("  hart %u  <%lx>  ", self, (unsigned long)pc);
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    putchar('\n');
}
