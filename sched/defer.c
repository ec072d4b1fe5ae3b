/*
 * defer: runtime_defer, runtime_panic, runtime_recover.
 *
 * Deferred calls form a list on the goroutine, newest first. They run when it ends, on its stack.
 * A panic runs them too, on top of the frames that panicked: nothing is unwound, since C has
 * nothing to unwind, and the traceback is still there to be printed if nobody recovers. If one of
 * them calls runtime_recover, the panic is over as soon as that call returns: the goroutine goes
 * on to its end, which runs the calls that are left, and its stack is dropped whole.
 *
 * A panic within a deferred call starts a panic of its own, above the first; it takes the list as
 * it finds it, so no call runs twice. If nobody recovers it both are printed, older first, as Go
 * does. runtime_goexit within a deferred call of a panic ends the goroutine without a word, as in
 * Go.
 *
 * Some calls are *last*: they stay behind all others, those that come later too, and give back what
 * those may still use. Arenas end so (arena.c). A panic that nobody recovers leaves them alone: the
 * run ends, and until then other goroutines may be using it.
 *
 * Records come from pages, through a free list under a lock; they are small, and few programs
 * defer in their hot paths.
 */
#include "sched/defer.h"
#include <pinion/go.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include "kernel/console.h"
#include "kernel/format.h"
#include "kernel/page.h"
#include "sched/fatal.h"
#include "sched/proc.h"

/* Lives in the frame of the panicking call. */
struct panicking {
    struct panicking *older;
    bool in_defer; /* a deferred call runs: recover has effect */
    bool recovered;
    char msg[PANIC_BYTES];
};

static struct {
    struct spin lock;
    struct defer *free;
} records;

static struct defer *record_new(void)
{
    preempt_off();
    spin_lock(&records.lock);
    if (records.free == NULL) {
        struct defer *page = page_alloc();
        for (size_t i = 0; page != NULL && i < PAGE_SIZE / sizeof(*page); i++) {
            page[i].next = records.free;
            records.free = &page[i];
        }
    }
    struct defer *d = records.free;
    if (d != NULL)
        records.free = d->next;
    spin_unlock(&records.lock);
    preempt_on();
    return d;
}

static void record_drop(struct defer *d)
{
    preempt_off();
    spin_lock(&records.lock);
    d->next = records.free;
    records.free = d;
    spin_unlock(&records.lock);
    preempt_on();
}

void runtime_defer(void (*fn)(void *), void *arg)
{
    struct defer *d = record_new();
    if (d == NULL)
        sched_panic("runtime: out of memory");
    struct g *g = g_self();
    *d = (struct defer){g->defers, fn, arg, false, false};
    g->defers = d;
    g->flags |= GF_ENDING;
}

void defer_lend(struct defer *d, void (*fn)(void *), void *arg)
{
    struct g *g = g_self();
    *d = (struct defer){g->defers, fn, arg, true, false};
    g->defers = d;
    g->flags |= GF_ENDING;
}

void defer_lend_last(struct defer *d, void (*fn)(void *), void *arg)
{
    struct g *g = g_self();
    struct defer **at = &g->defers;
    while (*at != NULL && !(*at)->last)
        at = &(*at)->next;
    *d = (struct defer){*at, fn, arg, true, true};
    *at = d;
    g->flags |= GF_ENDING;
}

void defer_take_back(const struct defer *d)
{
    struct defer **at = &g_self()->defers;
    while (*at != d)
        at = &(*at)->next;
    *at = d->next;
}

/* Takes the newest record off first: what it calls may end in another panic, or end the G. */
static void run_one(struct g *g)
{
    struct defer d = *g->defers;
    if (!d.lent)
        record_drop(g->defers);
    g->defers = d.next;
    d.fn(d.arg);
}

void defer_run_all(struct g *g)
{
    /* From here recover has nothing to recover: in Go too it returns nil in Goexit's defers. */
    g->panic = NULL;
    while (g->defers != NULL)
        run_one(g);
}

static void print_chain(const struct panicking *p)
{
    if (p->older != NULL)
        print_chain(p->older);
    kprintf("panic: ");
    console_write(CONSOLE_ERR, p->msg, __builtin_strlen(p->msg));
    kprintf(p->recovered ? " [recovered]\n" : "\n");
}

/* The clean end after a recovery. main's is to have returned 0. */
static _Noreturn void end_recovered(struct g *g)
{
    if (g->id == 1) {
        defer_run_all(g);
        exit(0);
    }
    runtime_goexit();
}

/* Runs the defers under *p but the last ones; returns if none recovers. */
static void panic_run(struct g *g, struct panicking *p)
{
    p->older = g->panic;
    g->panic = p;
    while (g->defers != NULL && !g->defers->last) {
        p->in_defer = true;
        run_one(g);
        p->in_defer = false;
        if (p->recovered) {
            g->panic = p->older;
            end_recovered(g);
        }
    }
}

static _Noreturn void panic_die(const struct panicking *p, void *frame, bool fault)
{
    fatal_begin();
    print_chain(p);
    fatal_end(frame, fault);
}

void panic_saying(const char *words, void *frame)
{
    struct panicking p = {0};
    strncpy(p.msg, words, sizeof(p.msg) - 1);
    panic_run(g_self(), &p);
    panic_die(&p, frame, false);
}

void sched_panic(const char *fmt, ...)
{
    struct panicking p = {0};
    va_list ap;
    va_start(ap, fmt);
    print_format(p.msg, sizeof(p.msg), fmt, ap);
    va_end(ap);
    panic_run(g_self(), &p);
    panic_die(&p, __builtin_frame_address(0), false);
}

bool runtime_recover(char *msg, size_t size)
{
    struct panicking *p = g_self()->panic;
    if (p == NULL || !p->in_defer || p->recovered)
        return false;
    p->recovered = true;
    for (size_t i = 0; i < size; i++) {
        msg[i] = i + 1 < size ? p->msg[i] : '\0';
        if (msg[i] == '\0')
            break;
    }
    return true;
}

static const char *fault_text(int kind)
{
    switch (kind) {
    case FAULT_ACCESS: return "runtime error: invalid memory address or nil pointer dereference";
    case FAULT_ILLEGAL: return "runtime error: illegal instruction";
    case FAULT_ALIGN: return "runtime error: misaligned memory access";
    case FAULT_BREAKPOINT: return "runtime error: breakpoint";
    default: return "runtime error: unexpected trap";
    }
}

static void format_into(struct panicking *p, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    print_format(p->msg, sizeof(p->msg), fmt, ap);
    va_end(ap);
}

void panic_no_stack(void *arg)
{
    struct g *g = g_self();
    struct panicking p = {0};
    format_into(&p, "runtime error: out of memory: a stack cannot grow [pc=0x%lx]",
                (unsigned long)arg);
    panic_run(g, &p);
    panic_die(&p, __builtin_frame_address(0), true);
}

void panic_from_fault(void *arg)
{
    struct g *g = g_self();
    struct panicking p = {0};
    format_into(&p, "%s [pc=0x%lx addr=0x%lx]", fault_text(g->wait_reason), (unsigned long)arg,
                (unsigned long)g->wait_data);
    g->wait_reason = WAIT_NONE;
    panic_run(g, &p);
    panic_die(&p, __builtin_frame_address(0), true);
}
