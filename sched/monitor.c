/*
 * monitor: `pinion.monitor` starts a small shell at the console:
 *
 *     > ps
 *     P0: status=1 schedtick=812 syscalltick=0 m=0 runqsize=2 gfreecnt=0 timerslen=1
 *      62.5% G7 running worker
 *      37.0% G8 runnable worker
 *     > kill 8
 *     goroutine 8 ends
 *
 * docs/monitor.md has the commands. The shell is a goroutine and needs a turn like any other: a program
 * that keeps all harts busy is preempted for it, also with one P. What it needs beside that is told here.
 *
 * It is nobody's. Its number is 0, as of what is no goroutine (g_lives), and it is not counted among those
 * that were started. So it is in no listing, traceback, profile or trace and no leak; it does not keep the
 * program from ending, and while it waits for a key it has no timer, so all others being asleep is
 * a deadlock as ever. While it looks or waits for something itself (ps, top, kill) it is asleep with a
 * timer, and a deadlock is found afterwards.
 *
 * Input. With the monitor, all that is typed is the shell's; the program's standard input is what `< TEXT`
 * gives it, line by line, and ends when what is typed ends (Ctrl-D).
 *
 * Its sleep, W who waits and K the tick that has seen keys:
 *
 *     W1  came = false; no key is there    K1  the keys are in the ring
 *     W2  parks; then waiter = itself      K2  came = true
 *     W3  full fence                       K3  full fence
 *     W4  came? takes waiter back          K4  takes waiter: ready
 *
 * O90: of W4 and K4 at least one sees the other's write, and who gets `waiter` out by exchange makes it
 * ready, once. Between W3 and W4 K may have done so already, and the shell have run on another hart and
 * parked there: what W4 takes out then is of that later wait, with registers that were saved elsewhere. So
 * W4 acquires, as K4 does; that the shell is woken for nothing does no harm.
 *
 * K makes it ready through the global queue, under the scheduler's lock. A handler may not wait for
 * that (trap 23), but try: what it has interrupted does not hold it then, and nothing of that can come
 * before the handler returns. From there on all is as for a goroutine that calls: whoever sleeps is woken
 * (O3), whoever has no slice gets one (O19).
 *
 * Output is text made while all other harts stand still, and printed as one piece when they run again: it
 * is one moment's, it is not torn, and a slow line costs the program nothing.
 *
 * kill. A goroutine can be ended where it could do so itself, so the rule is: K. It calls runtime_goexit, as
 * if its next instruction were that call, at an instruction of the program's own code, with preemption on.
 * There it holds nothing of the runtime's or of the C library's that it might not have had in a call of
 * runtime_goexit of its own; its deferred calls run. What it holds of the program's, a mutex without a
 * deferred unlock, stays. Handlers look for that moment, in the interrupts of whoever has it: the ticks,
 * QUIT_RETRY_NS apart on each hart, while the shell waits. A goroutine that waits has no such moment, and
 * one that only ever waits again at once may not be met: after MONITOR_KILL_NS it is left alone. main is
 * refused: its end is the program's.
 *
 * There is no line editor from elsewhere. Those that are known (linenoise, editline, microrl) are not to be
 * had as packages, or want a terminal's system calls and newlib's printf, some twenty times this file. So
 * lines are plain: echo, backspace, Ctrl-U, Ctrl-C.
 */
#include "sched/monitor.h"
#include <pinion/runtime.h>
#include <pinion/time.h>
#include <string.h>
#include "kernel/clock.h"
#include "kernel/console.h"
#include "kernel/page.h"
#include "sched/atomic.h"
#include "sched/chunk.h"
#include "sched/defer.h"
#include "sched/freeze.h"
#include "sched/g.h"
#include "sched/global.h"
#include "sched/memstats.h"
#include "sched/preempt.h"
#include "sched/quit.h"
#include "sched/section.h"
#include "sched/timer.h"
#include "sched/traceback.h"

static struct g *_Atomic waiter; /* O90 */
static _Atomic bool came;        /* O90 */
static _Atomic int64_t victim;   /* to be ended; 0: nobody */
static struct line page;         /* the shell's */

/* ---- keys ---- */

static void wait_commit(void *arg, struct arch_hart *hart)
{
    /* O90: release pairs with the acquire in monitor_wake: its context is saved. */
    store_release(&waiter, (struct g *)arg);
    fence_full(); /* O90: W3, pairs with the fence in monitor_wake */
    /* relaxed: ordered by the fence. */
    if (load_relaxed(&came) &&
        /* O90: acquire pairs with the release above, on whichever hart it parked last. */
        atomic_exchange_explicit(&waiter, NULL, memory_order_acquire) != NULL)
        g_ready_tail(arg);
    sched_next((struct m *)hart);
}

static int key(void)
{
    int c;
    while ((c = console_key()) < 0) {
        store_relaxed(&came, false); /* relaxed: the lock of the ring orders it and W1 */
        if ((c = console_key()) >= 0)
            break;
        preempt_off();
        g_park(wait_commit, g_self(), WAIT_NONE);
    }
    return c;
}

bool monitor_wake(struct m *m)
{
    if (!spin_try_lock(&sched.lock))
        return false;
    store_relaxed(&came, true); /* relaxed: the fence orders it */
    fence_full();               /* O90: K3, pairs with the fence in wait_commit */
    bool first = false;
    /* O90: acquire pairs with the release in wait_commit. */
    struct g *g = atomic_exchange_explicit(&waiter, NULL, memory_order_acquire);
    if (g != NULL) {
        g->status = G_RUNNABLE;
        first = global_put_locked(g, g, 1);
    }
    spin_unlock(&sched.lock);
    if (first)
        slice_notify();
    if (m->p != NULL)
        preempt_on_ipi(m); /* it is one of those that slice_notify tells, but for itself */
    if (g != NULL)
        wake_idle();
    return true;
}

/* ---- a line ---- */

#define BACKSPACE "\b \b"

static void erase(size_t n)
{
    while (n-- > 0)
        kprintf(BACKSPACE);
}

/* What is typed up to the end of the line goes to line, with a zero behind. false: the input has ended. */
static bool read_line(char *line, size_t size)
{
    for (size_t n = 0;;) {
        int c = key();
        switch (c) {
        case '\r':
        case '\n':
            kprintf("\n");
            line[n] = '\0';
            return true;
        case 3: /* Ctrl-C */
            kprintf("^C\n> ");
            n = 0;
            break;
        case 4: /* Ctrl-D */
            if (n == 0)
                return false;
            break;
        case '\b':
        case 0x7f:
            erase(n > 0);
            n -= n > 0;
            break;
        case 0x15: /* Ctrl-U */
            erase(n);
            n = 0;
            break;
        default:
            if (c >= ' ' && n + 1 < size)
                kprintf("%c", line[n++] = (char)c);
        }
    }
}

/* ---- commands ---- */

static void say_page(void)
{
    section_write(CONSOLE_ERR, page.text, page.n);
    if (page.n + 1 == page.size)
        kprintf("\n... there is more than fits\n");
}

static void show(monitor_page *fill)
{
    page.n = 0;
    preempt_off();
    freeze_begin();
    uintptr_t was = arch_irq_save();
    fill(&page);
    arch_irq_restore(was);
    freeze_end();
    preempt_on();
    say_page();
}

static void shares(void)
{
    if (shares_look())
        show(show_shares);
    else
        kprintf("a CPU profile is being taken: ask again when it is over\n");
}

static void do_ps(const char *arg)
{
    (void)arg;
    shares();
}

static void do_top(const char *arg)
{
    (void)arg;
    while (console_key() < 0) {
        kprintf("\033[H\033[J%ld s, until a key is pressed:\n", (long)(clock_ns() / 1000000000));
        shares();
    }
}

static void do_mem(const char *arg)
{
    (void)arg;
    memstats_print();
}

static void do_gs(const char *arg)
{
    (void)arg;
    sched_console_quit();
}

static void do_trace(const char *arg)
{
    if (strcmp(arg, "on") == 0)
        kprintf(runtime_trace_start() == 0 ? "a trace is on\n"
                                           : "no trace: one is on, or no memory\n");
    else if (strcmp(arg, "off") == 0)
        runtime_trace_stop();
    else
        kprintf("trace on, or trace off\n");
}

static void do_input(const char *arg)
{
    bool room = true;
    for (; *arg != '\0'; arg++)
        room = room && console_feed(*arg);
    if (!(room && console_feed('\n')))
        kprintf("the program does not read: the rest of that is lost\n");
}

/* Where he is interrupted. */
static void end_here(void *pc)
{
    (void)pc;
    runtime_goexit();
}

extern const char __text_program_start[], __text_program_end[];

static bool is_own_code(uintptr_t pc)
{
    return pc >= (uintptr_t)__text_program_start && pc < (uintptr_t)__text_program_end;
}

bool monitor_kills(struct m *m, struct arch_frame *f)
{
    /* relaxed, both: a number; nothing goes with it. */
    int64_t id = load_relaxed(&victim);
    if (id == 0 || f == NULL || !is_own_code(arch_frame_pc(f)))
        return id != 0;
    struct g *g = g_of(arch_frame_tp(f));
    if (g == m->g0 || g->id != id || g->status != G_RUNNING || g->preempt_off != 0 ||
        (g->flags & GF_KILLED) != 0 || !defer_call(g, f, end_here))
        return true;
    g->flags |= GF_KILLED;     /* it is in its own code: not in the middle of a change of these */
    store_relaxed(&victim, 0); /* relaxed: as above */
    return false;
}

static struct g *found; /* by find: the shell's */

static void find(struct g *g, void *id)
{
    if (g->id == *(int64_t *)id)
        found = g;
}

/* The state of the goroutine with that number; NULL: there is none. */
static const char *state_of(int64_t id)
{
    preempt_off();
    freeze_begin();
    found = NULL;
    g_each(find, &id);
    const char *state = found != NULL ? state_name(found) : NULL;
    freeze_end();
    preempt_on();
    return state;
}

/* 0: that is no number. */
static int64_t number(const char *s)
{
    int64_t n = 0;
    for (; *s >= '0' && *s <= '9' && n < INT64_MAX / 16; s++)
        n = 10 * n + *s - '0';
    return *s == '\0' ? n : 0;
}

static void do_kill(const char *arg)
{
    int64_t id = number(arg), until = clock_ns() + MONITOR_KILL_NS;
    const char *state = id > 0 ? state_of(id) : NULL;
    if (id <= 0) {
        kprintf("kill N: the number of a goroutine, as ps shows it\n");
    } else if (id == 1) {
        kprintf("goroutine 1 is main: its end is the program's\n");
    } else if (state == NULL) {
        kprintf("there is no goroutine %ld\n", (long)id);
    } else {
        store_relaxed(&victim, id); /* relaxed: as in monitor_kills */
        quit_again(preempt_off(), 0);
        preempt_on();
        state_of(0); /* every hart has been interrupted: its ticks begin (freeze_here) */
        while (load_relaxed(&victim) != 0 && clock_ns() < until) /* relaxed: as in monitor_kills */
            time_sleep(QUIT_RETRY_NS);
        /* relaxed: as in monitor_kills. */
        if (atomic_exchange_explicit(&victim, 0, memory_order_relaxed) == 0)
            kprintf("goroutine %ld ends\n", (long)id);
        else if ((state = state_of(id)) == NULL)
            kprintf("goroutine %ld has ended\n", (long)id);
        else
            kprintf("goroutine %ld [%s] was not met in its own code: it is left alone\n", (long)id,
                    state);
    }
}

static void do_help(const char *arg);

static const struct command {
    char name[8];
    void (*run)(const char *arg);
    monitor_page *page;
} commands[] = {
    {"help", do_help, NULL},       {"ps", do_ps, NULL},       {"top", do_top, NULL},
    {"ms", NULL, show_ms},         {"runq", NULL, show_runq}, {"chans", NULL, show_chans},
    {"timers", NULL, show_timers}, {"mem", do_mem, NULL},     {"gs", do_gs, NULL},
    {"kill", do_kill, NULL},       {"trace", do_trace, NULL}, {"<", do_input, NULL},
};

static void do_help(const char *arg)
{
    static const char text[] = "ps      Ps, and goroutines by their share of the harts' time\n"
                               "top     the same again and again, until a key is pressed\n"
                               "ms      harts\n"
                               "runq    who is runnable, queue by queue\n"
                               "chans   channels that goroutines wait for, and who\n"
                               "timers  by P\n"
                               "mem     memory\n"
                               "gs      all goroutines and where they are, as Ctrl-\\\n"
                               "kill N  goroutine N calls runtime_goexit\n"
                               "trace on, trace off\n"
                               "< TEXT  a line of the program's input\n";
    (void)arg;
    section_write(CONSOLE_ERR, text, sizeof(text) - 1);
}

static void obey(char *line)
{
    size_t n = strcspn(line, " ");
    char *arg = line + n;
    if (*arg != '\0')
        *arg++ = '\0';
    if (n == 0)
        return;
    for (const struct command *c = commands; c < commands + sizeof(commands) / sizeof(*c); c++)
        if (strcmp(line, c->name) == 0) {
            if (c->page != NULL)
                show(c->page);
            else
                c->run(arg);
            return;
        }
    kprintf("%s: no such command; help lists them\n", line);
}

static void shell(void *unused)
{
    char line[128];
    (void)unused;
    for (;;) {
        kprintf("> ");
        if (read_line(line, sizeof(line)))
            obey(line);
        else
            console_feed(4); /* Ctrl-D */
    }
}

/* ---- boot ---- */

static void hide(struct g *g, void *id)
{
    if (g->id == *(int64_t *)id)
        g->id = 0;
}

/* No trace hears of it, and its number is the next one's. */
bool monitor_make(void)
{
    static const struct go_attr attr = {.name = "monitor"};
    struct p *p = sched.p[0];
    struct m *m = g_self()->m;
    page = (struct line){page_alloc_run(MONITOR_PAGES), MONITOR_PAGES * PAGE_SIZE, 0};
    uint32_t more = g_more;
    g_more &= ~(uint32_t)MORE_TRACE;
    struct p *was = m->p;
    m->p = p;
    int64_t id = page.text != NULL ? g_spawn(&attr, NULL, shell, NULL, 0) : -1;
    m->p = was;
    g_more = more;
    if (id < 0)
        return false;
    p->goid_next--;
    p->count.spawned--;
    g_each(hide, &id);
    console_to_monitor();
    return true;
}
