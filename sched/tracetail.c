/*
 * tracetail: the newest events of each hart as lines, for the report of a run that ends wrong (crash.c).
 *
 *     M0: trace, the last 56 of 1340
 *       -   48300 ns unblock      g 7, arg 0x0000000000000001, aux 0, P0
 *       -   21700 ns create       g 9, arg 0x0000000080201234, aux 0, P0
 *       -    1800 ns block        g 1, arg 0x0000000000000000, aux 14, P0, chan receive
 *       -    1500 ns log          g 9, arg 0x000000000000000c, aux 4, P14
 *         moodfine, thanks
 *     M0: its interrupts, the last 8 of 71
 *       -   48100 ns ipi-received g 0, arg 0x0000000000000000, aux 0, P0
 *
 * How long before the report; event; goroutine, argument, aux and P as in docs/trace.md. An argument has the
 * form of a register in the report: tools/pinion-symbolize finds a function's line.
 *
 * The harts have halted anywhere, also while they wrote a record. One that is half written is not counted yet,
 * but where the newest are kept it lies in an oldest one's place: trace_kept leaves those out.
 */
#include "sched/tracetail.h"
#include "kernel/clock.h"
#include "kernel/console.h"
#include "sched/atomic.h"
#include "sched/trace.h"
#include "sched/traceback.h"

static const char *event_name(unsigned event)
{
    static const char names[] =
        "?\0status\0create\0start\0sched\0preempt\0block\0unblock\0end\0enter\0exit\0p-start\0p-"
        "stop\0"
        "steal\0global-get\0spill\0ipi-send\0timer-fire\0stw-begin\0stw-"
        "end\0gomaxprocs\0retake\0name\0"
        "behind\0log\0region-begin\0region-end\0task-begin\0task-end\0?\0?\0?\0ipi-received\0"
        "timer-irq\0wanted";
    const char *s = names;
    for (unsigned i = event <= TRACE_WANTED ? event : 0; i > 0; i--)
        s += strlen(s) + 1;
    return s;
}

LOOKS_ON static void print_record(const struct trace_record *r, uint64_t now)
{
    unsigned event = r->what & 0xff, aux = r->what >> 8 & 0xff;
    if (event == TRACE_TEXT) {
        kprintf("    %.24s\n", (const char *)r);
        return;
    }
    uint64_t ago = now - r->time, hz = clock_hz();
    kprintf("  -%8lu ns %-12s g %lu, arg 0x%016lx, aux %u, P%u%s%s\n",
            (unsigned long)(ago / hz * 1000000000 + ago % hz * 1000000000 / hz), event_name(event),
            (unsigned long)r->g, (unsigned long)r->arg, aux, r->what >> 16,
            event == TRACE_BLOCK ? ", " : "", event == TRACE_BLOCK ? wait_name((uint8_t)aux) : "");
}

LOOKS_ON static void print_ring(const struct m *m, unsigned kind, uint64_t most)
{
    const struct trace_ring *r = &m->trace[kind];
    uint64_t oldest, n = trace_kept(r, &oldest), now = arch_ticks();
    uint64_t from = n > most ? n - most : 0;
    kprintf("M%u: %s, the last %lu of %lu\n", m->id, kind == 0 ? "trace" : "its interrupts",
            (unsigned long)(n - from), (unsigned long)trace_written(r));
    for (; from < n; from++)
        print_record(r->first + (oldest + from) % trace_places(r), now);
}

LOOKS_ON void trace_print_tail(void)
{
    for (uint32_t i = 0; i < sched.n_m; i++)
        if (sched.m[i]->tracing) {
            print_ring(sched.m[i], 0, 56);
            print_ring(sched.m[i], 1, 8);
        }
}
