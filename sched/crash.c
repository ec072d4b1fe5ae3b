/*
 * crash: the report of a run that ends wrong. On a board the run may not come again, and there is a
 * serial line and no core file: so everything is said at once, unless `pinion.traceback` asks for less.
 *
 *     panic: the number is 3                          the words      (who ends the run)
 *
 *     goroutine 7 [running]:                          its traceback  (traceback.c)
 *     innermost+0x10 (0x80201234)
 *
 *     crash report: image sieve, text 0x80200000, 129380 bytes, crc32 0x1a2b3c4d
 *     M2: hart 2, id 0x2, P 1, goroutine 7, ended the run
 *       pc  0x…  ra  0x…  …                           if a fault did
 *     M0: hart 0, id 0x0, P 0, goroutine 9, stopped
 *       pc  0x…  ra  0x…  …
 *     M1: hart 1, id 0x1, no P, asleep
 *     P0: status 1, M 0, runnext 12, ring 3 [13 14 15], inbox 0 [], pinbox 0 [], pinned 0 [], timers 2
 *     global queue: 1 [17]
 *     M0: 64 of 5120 trace events                     if there is a trace    (tracetail.c)
 *       …
 *
 *     goroutine 1 [chan receive]:                     all the others, main first
 *     …
 *     crash report: end
 *
 * The levels are Go's: `none`, the words alone; `single`, this goroutine, or all if the failure is the
 * runtime's own; `all`; `system`, which adds what belongs to the runtime: all between the two lines that
 * begin with "crash report". Go's default is single, for there one runs the program again with another
 * setting, and a thousand goroutines push what matters off the screen. Here it is system, for the reason
 * above. What matters comes first and is Go's text, at most TRACEBACK_GS others follow, and a program that
 * is being written under QEMU may say `pinion.traceback=single`.
 *
 * tools/pinion-symbolize makes lines of source of the addresses, from the ELF alone. That it is the right
 * ELF the checksum tells. It is one of the code as it lies in memory, not a number that the link left
 * there: so it needs nothing in the image, it tells a board that was not flashed, and code that was
 * overwritten (where there is no MMU) does not pass either.
 *
 * A deadlock has no goroutine of its own: its goroutines come first, as Go prints them.
 *
 * Of a hart that an interrupt stopped, the frame has what C may lose; what C preserves lies in the frames
 * of the handler by now and is not shown. Of one that ended the run by a call there is nothing to show
 * that its traceback does not tell. A fault that became a panic was another context: its registers were
 * kept by the handler, until another fault on that hart.
 *
 * All harts stand still, anywhere, but for one that did not answer in HALT_WAIT_NS: queues may be in the
 * middle of a change, and in a run that ends wrong memory may be too. So lists are followed for LIST_MAX
 * steps and only through descriptors that are where descriptors are (g_known). Should this fault all the
 * same, the trap handler ends the run, in the middle of the report.
 */
#include "sched/crash.h"
#include <string.h>
#include "kernel/console.h"
#include "kernel/crc.h"
#include "kernel/power.h"
#include "sched/atomic.h"
#include "sched/chunk.h"
#include "sched/sched.h"
#include "sched/schedtrace.h"
#include "sched/traceback.h"
#include "sched/tracetail.h"

#define LIST_MAX 16 /* of a queue's goroutines */

static enum crash_level level = CRASH_SYSTEM; /* written at boot */

bool crash_shows(enum crash_level from)
{
    return level >= from;
}

bool sched_traceback(const char *name)
{
    static const char *const names[] = {"none", "single", "all", "system"};
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(name, names[i]) == 0) {
            level = (enum crash_level)i;
            return true;
        }
    return false;
}

/* ---- which image ---- */

extern const char __text_start[], __text_used_end[];
extern const char pinion_program_name[]; /* tools/link-image */

uint32_t crash_image(uint32_t *bytes)
{
    *bytes = (uint32_t)(__text_used_end - __text_start);
    return crc_more(0, __text_start, *bytes);
}

static void print_image(void)
{
    uint32_t bytes, crc = crash_image(&bytes);
    kprintf("\ncrash report: image %s, text 0x%lx, %u bytes, crc32 0x%08x\n", pinion_program_name,
            (unsigned long)__text_start, bytes, crc);
}

/* ---- harts ---- */

LOOKS_ON const struct arch_frame *crash_fault_of(const struct g *g)
{
    const struct m *last = NULL;
    for (uint32_t i = 0; i < sched.n_m; i++) {
        const struct m *m = sched.m[i];
        if (m->fault_g == g->id && (last == NULL || m->fault_at > last->fault_at))
            last = m;
    }
    return last != NULL ? &last->fault : NULL;
}

/* What m was doing; its registers, if they tell more. */
LOOKS_ON static void print_m(const struct m *m, const struct g *g, const char *state,
                             const struct arch_frame *f)
{
    kprintf("M%u: hart %u, id 0x%lx, ", m->id, m->hart_no, (unsigned long)m->hart.hwid);
    m->p != NULL ? kprintf("P %u, ", m->p->id) : kprintf("no P, ");
    if (g != NULL && g->id != 0)
        kprintf("goroutine %ld, ", (long)g->id);
    else if (g != NULL)
        kprintf("its scheduler, ");
    kprintf("%s\n", state);
    if (f != NULL)
        arch_frame_print(f);
}

LOOKS_ON static void print_other_m(const struct m *m)
{
    /* O11: acquire pairs with the release in halt_here: its frame is there. */
    if (!atomic_load_explicit(&m->halted, memory_order_acquire))
        print_m(m, NULL, "does not answer", NULL);
    else if (m->idle_since != 0)
        print_m(m, NULL, "asleep", NULL);
    else if (m->frame == NULL)
        print_m(m, NULL, "was about to end the run too", NULL);
    else
        print_m(m, g_of(arch_frame_tp(m->frame)), "stopped", m->frame);
}

static void print_ms(const struct arch_frame *f)
{
    const struct m *self = g_self()->m;
    print_m(self, g_self(), "ended the run", f);
    for (uint32_t i = 0; i < sched.n_m; i++)
        if (sched.m[i] != self)
            print_other_m(sched.m[i]);
}

/* ---- queues ---- */

/* " n [id id …]" of a list. */
LOOKS_ON static void add_list(struct line *l, const char *name, const struct g *g)
{
    struct line ids = {(char[200]){0}, 200, 0};
    uint32_t n = 0;
    for (; g != NULL && g_known(g) && n < LIST_MAX; g = g->link, n++)
        line_add(&ids, n > 0 ? " %ld" : "%ld", (long)g->id);
    line_add(l, ", %s %u%s [%s]", name, n, g != NULL ? " or more" : "", ids.text);
}

static void add_ring(struct line *l, struct runq *q)
{
    /* relaxed, all of these: everybody stands still. */
    uint32_t h = load_relaxed(&q->ring.head);
    uint32_t t = load_relaxed(&q->ring.tail); /* relaxed: as above */
    line_add(l, ", ring %u [", t - h);
    for (uint32_t i = h; i != t && i - h < LIST_MAX; i++) {
        /* relaxed: as above. */
        const struct g *g = g_of(load_relaxed(&q->slot[i % RUNQ_SIZE]));
        line_add(l, i != h ? " %ld" : "%ld", g_known(g) ? (long)g->id : -1L);
    }
    line_add(l, t - h > LIST_MAX ? " ...]" : "]");
}

LOOKS_ON static void print_p(struct p *p)
{
    char text[1024];
    struct line l = {text, sizeof(text), 0};
    /* relaxed, all: as above. */
    const struct g *next = load_relaxed(&p->runq.next);
    const struct g *inbox = load_relaxed(&p->inbox);   /* relaxed: as above */
    const struct g *pinbox = load_relaxed(&p->pinbox); /* relaxed: as above */
    line_add(&l, "P%u: status %u, ", p->id,
             P_STATUS(load_relaxed(&p->status))); /* relaxed: as above */
    p->m != NULL ? line_add(&l, "M %u, ", p->m->id) : line_add(&l, "no M, ");
    if (next != NULL)
        line_add(&l, "runnext %ld", g_known(next) ? (long)next->id : -1L);
    else
        line_add(&l, "no runnext");
    add_ring(&l, &p->runq);
    add_list(&l, "inbox", inbox);
    add_list(&l, "pinbox", pinbox);
    add_list(&l, "pinned", p->pinned_head);
    line_add(&l, ", timers %u\n", p->timers.n);
    console_post(l.text, l.n);
}

LOOKS_ON static void print_queues(void)
{
    char text[512];
    struct line l = {text, sizeof(text), 0};
    for (uint32_t i = 0; i < sched.n_p; i++)
        print_p(sched.p[i]);
    /* relaxed: everybody stands still. */
    line_add(&l, "global queue: %u", (unsigned)load_relaxed(&sched.global_n));
    add_list(&l, "first", sched.global_head);
    line_add(&l, "\n");
    console_post(l.text, l.n);
}

/* ---- all of it ---- */

static void print_system(const struct arch_frame *f)
{
    print_image();
    print_ms(f);
    print_queues();
    trace_print_tail();
}

static void print_others(const struct g *told, bool ours)
{
    if (crash_shows(CRASH_ALL) || (ours && crash_shows(CRASH_SINGLE)))
        traceback_all(told, TRACEBACK_GS);
}

void crash_end(const struct g *told, const struct arch_frame *f, bool ours)
{
    bool system = crash_shows(CRASH_SYSTEM);
    if (told == NULL)
        print_others(told, ours);
    if (system)
        print_system(f);
    if (told != NULL)
        print_others(told, ours);
    if (system)
        kprintf("\ncrash report: end\n");
    power_off(2);
}
