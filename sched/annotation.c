/*
 * annotation: what the program itself has to say in a trace: logs, regions and tasks. Go: runtime/trace's
 * Log, StartRegion and NewTask.
 *
 * One is a leader, with its goroutine, its task and the length of its text, and behind it the text, 24 bytes a
 * record (TRACE_TEXT). The text is a copy. We rejected to note where a string lies, even for those among
 * constants: a file could then not be read without the ELF that ran; and most are shorter than what it takes to
 * find out.
 *
 * A text has to be in one piece: in one ring, and nothing in between. A ring is written by its hart alone,
 * so who could come in between is
 *
 *     another goroutine, if this one is preempted      preemption is off from the leader to the last of it
 *     an interrupt handler                             handlers have a ring of their own
 *     an end of the trace, and another beginning       both stop the world, and that waits for preemption …
 *
 * … but not for who is in a blocking section, whose hart has no P. It takes sched.lock, which who begins and
 * ends a trace holds as well (TR1 of trace.c), with interrupts masked: a handler that finds a section takes the
 * lock too. Where a run ends with no such regard a text may be short; its leader knows how long it is.
 *
 * A task is a number and nothing else: nobody here remembers which there are. Numbers are given whether there
 * is a trace or not: one that begins later shows what belongs together.
 */
#include <pinion/runtime.h>
#include <string.h>
#include "sched/proc.h"
#include "sched/trace.h"

#define TEXT_MOST     1000 /* bytes; what is longer is cut */
#define CATEGORY_MOST 100  /* of them, of a log's category; the file has a byte for its length */

/* Nothing to be said? In a section only the lock tells. */
static inline bool silent(const struct g *g)
{
    return g->status != G_SYSCALL && __builtin_expect(!g_traced(g), 1);
}

/* A text of two parts. */
static void put_both(struct m *m, const char *a, size_t n_a, const char *b, size_t n_b)
{
    char joint[TRACE_TEXT_BYTES];
    size_t odd = n_a % sizeof(joint), room = sizeof(joint) - odd, rest = n_b < room ? n_b : room;
    trace_put_text(m, a, n_a - odd);
    memcpy(joint, a + n_a - odd, odd);
    memcpy(joint + odd, b, rest);
    trace_put_text(m, joint, odd + rest);
    trace_put_text(m, b + rest, n_b - rest);
}

static __attribute__((noinline)) void say(struct g *g, uint32_t task, uint32_t what,
                                          uint32_t parent, const char *a, size_t n_a, const char *b,
                                          size_t n_b)
{
    struct m *m = preempt_off();
    bool section = g->status == G_SYSCALL;
    uintptr_t irq = 0;
    if (section) {
        irq = arch_irq_save();
        spin_lock(&sched.lock);
    }
    if (g_traced(g)) {
        trace_numbered(m, (uint64_t)g->id, task, what | TRACE_WHAT(0, 0, n_a + n_b), parent);
        put_both(m, a, n_a, b, n_b);
    }
    if (section) {
        spin_unlock(&sched.lock);
        arch_irq_restore(irq);
    }
    preempt_on();
}

static void say_type(struct g *g, enum trace_event event, uint32_t task, uint32_t parent,
                     const char *type)
{
    say(g, task, TRACE_WHAT(event, 0, 0), parent, type, strnlen(type, TEXT_MOST), "", 0);
}

void runtime_trace_log(uint32_t task, const char *category, const char *message)
{
    struct g *g = g_self();
    if (silent(g))
        return;
    size_t n = strnlen(category, CATEGORY_MOST);
    say(g, task, TRACE_WHAT(TRACE_LOG, n, 0), 0, category, n, message,
        strnlen(message, TEXT_MOST - n));
}

void runtime_trace_region_begin(uint32_t task, const char *type)
{
    struct g *g = g_self();
    if (!silent(g))
        say_type(g, TRACE_REGION_BEGIN, task, 0, type);
}

void runtime_trace_region_end(uint32_t task, const char *type)
{
    struct g *g = g_self();
    if (!silent(g))
        say_type(g, TRACE_REGION_END, task, 0, type);
}

uint32_t runtime_trace_task_begin(uint32_t parent, const char *type)
{
    static _Atomic uint32_t last;
    struct g *g = g_self();
    /* relaxed: they are to differ, no more. */
    uint32_t task = atomic_fetch_add_explicit(&last, 1, memory_order_relaxed) + 1;
    if (!silent(g))
        say_type(g, TRACE_TASK_BEGIN, task, parent, type);
    return task;
}

void runtime_trace_task_end(uint32_t task)
{
    struct g *g = g_self();
    if (!silent(g))
        say_type(g, TRACE_TASK_END, task, 0, "");
}
