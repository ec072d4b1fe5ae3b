/*
 * tracing: the beginning and the end of a trace, and its file (docs/trace.md has the format).
 *
 * Begun at boot, the trace knows every goroutine from its creation. Begun later, the world is stopped for
 * a moment: every goroutine that lives is marked and gets a record of the state in which it is met; from
 * then on the records tell. Ended, the world is stopped again and the marks are taken back. An end of the
 * run ends the trace as well, whatever the end is: the other harts have stopped then, wherever they were.
 * One may have been about to write: its last record is whole or not counted (TR3); see trace_kept.
 *
 * The rings go out as they are, the oldest record first (traceout.c). Without a place to go to they stay in
 * memory, and the line at the end says so.
 */
#include "sched/tracing.h"
#include <errno.h>
#include <pinion/runtime.h>
#include <string.h>
#include "kernel/clock.h"
#include "kernel/console.h"
#include "kernel/page.h"
#include "kernel/power.h"
#include "sched/atomic.h"
#include "sched/chunk.h"
#include "sched/crash.h"
#include "sched/g.h"
#include "sched/line.h"
#include "sched/proc.h"
#include "sched/trace.h"
#include "sched/traceout.h"
#include "sched/traceback.h"
#include "sched/world.h"

extern const char __text_start[];

static struct tracing wanted;
static bool on;           /* the world stopped to write */
static unsigned files;    /* written so far */
static uint64_t begun_at; /* ticks */
static uint32_t begun_p;  /* gomaxprocs then */

/* ---- rings ---- */

/* 2^k records, as many as were asked for or more; handlers say less: an eighth. */
static uint64_t ring_places(unsigned kind)
{
    unsigned records = wanted.records != 0 ? wanted.records : TRACING_RECORDS;
    uint64_t n = 64;
    while (n < records)
        n *= 2;
    return kind == 0 ? n : n / 8;
}

static size_t ring_pages(unsigned kind)
{
    size_t bytes = (ring_places(kind) + TRACE_SPARE) * sizeof(struct trace_record);
    return (bytes + PAGE_SIZE - 1) / PAGE_SIZE;
}

/* There is no memory for all of them, so none has been used: the program needs it more. */
static void drop_rings(void)
{
    for (uint32_t i = 0; i < sched.n_m; i++)
        for (unsigned kind = 0; kind < 2; kind++) {
            struct trace_ring *r = &sched.m[i]->trace[kind];
            if (r->first != NULL)
                page_free_run(r->first, ring_pages(kind));
            r->first = NULL;
        }
}

/* Memory for all rings, once and for ever, or for none. */
static bool have_rings(void)
{
    for (uint32_t i = 0; i < sched.n_m; i++)
        for (unsigned kind = 0; kind < 2; kind++) {
            struct trace_ring *r = &sched.m[i]->trace[kind];
            if (r->first == NULL)
                r->first = page_alloc_run(ring_pages(kind));
            if (r->first == NULL) {
                drop_rings();
                return false;
            }
        }
    return true;
}

/* Where the newest are kept, those that may be being written, two at most, have the places of the oldest. */
LOOKS_ON uint64_t trace_kept(const struct trace_ring *r, uint64_t *oldest)
{
    uint64_t places = trace_places(r), n = (uint64_t)(r->next - r->first);
    bool round = r->before != 0;
    bool newest = r->again == r->first;
    *oldest = round && newest ? (n + 2) % places : 0;
    return !round ? n : newest ? places - 2 : places;
}

static void ring_empty(struct trace_ring *r, unsigned kind)
{
    r->before = 0;
    r->next = r->begin = r->again = r->first;
    r->end = r->again_end = r->first + ring_places(kind);
    if (wanted.keeps_oldest) {
        r->again = r->end;
        r->again_end = r->end + TRACE_SPARE;
    }
}

/* ---- what there is when it begins ---- */

void trace_name(struct m *m, const struct g *g)
{
    size_t n = strnlen(g->name, UINT8_MAX);
    trace_m(m, (uint64_t)g->id, 0, TRACE_WHAT(TRACE_NAME, n, 0));
    trace_put_text(m, g->name, n);
}

void trace_create(struct m *m, struct g *g, uintptr_t fn)
{
    g->watched |= WATCH_TRACE;
    g->flags |= GF_ODD;
    g->trace_seq = 0;
    uint32_t base = (uint32_t)(uintptr_t)__text_start; /* the low half, as created_at is */
    trace_numbered(m, (uint64_t)g->id, fn,
                   TRACE_WHAT(TRACE_CREATE, 0, 0) | trace_where(g, TRACE_NEXT, m->p),
                   g->created_at != 0 ? g->created_at - base : 0);
    if (g->name != NULL)
        trace_name(m, g);
}

static void note_status(struct g *g, void *m)
{
    g->watched |= WATCH_TRACE;
    g->flags |= GF_ODD;
    g->trace_seq = 0;
    unsigned reason = g->status == G_WAITING ? g->wait_reason : 0;
    trace_m(m, (uint64_t)g->id, 0, TRACE_WHAT(TRACE_STATUS, g->status, reason));
    if (g->name != NULL)
        trace_name(m, g);
}

static void forget(struct g *g, void *unused)
{
    (void)unused;
    g->watched &= (uint8_t)~WATCH_TRACE;
}

/* The world is stopped, or nobody else runs yet. */
static void begin(struct m *self)
{
    spin_lock(&sched.lock); /* TR1 */
    begun_at = arch_ticks();
    begun_p = sched.n_p;
    for (uint32_t i = 0; i < sched.n_m; i++) {
        ring_empty(&sched.m[i]->trace[0], 0);
        ring_empty(&sched.m[i]->trace[1], 1);
        sched.m[i]->tracing = true;
        sched.p[i]->watched = 1;
    }
    if (g_self() != self->g0) /* else each hart says so when it starts */
        trace_m(self, 0, 0, TRACE_WHAT(TRACE_P_START, 0, self->p->id));
    g_each(note_status, self);
    g_more |= MORE_TRACE;
    on = true;
    spin_unlock(&sched.lock);
}

static void end(void)
{
    spin_lock(&sched.lock); /* TR1 */
    g_more &= ~(uint32_t)MORE_TRACE;
    for (uint32_t i = 0; i < sched.n_m; i++) {
        sched.m[i]->tracing = false;
        sched.p[i]->watched = 0;
    }
    g_each(forget, NULL);
    on = false;
    spin_unlock(&sched.lock);
}

/* ---- the file ---- */

static bool put_header(void)
{
    struct {
        char magic[8];
        uint32_t version, record;
        uint64_t hz, begun, ended, base;
        uint32_t harts, ps, gomaxprocs, flags, rings, reasons;
        uint32_t code_bytes, code_crc;
    } h = {{'p', 'i', 'n', 'T', 'R', 'A', 'C', 'E'},
           1,
           sizeof(struct trace_record),
           clock_hz(),
           begun_at,
           arch_ticks(),
           (uintptr_t)__text_start,
           sched.n_m,
           sched.n_m,
           begun_p,
           !wanted.keeps_oldest,
           2 * sched.n_m,
           WAIT_REASONS,
           0,
           0};
    _Static_assert(sizeof(h) == 80, "the file's format");
    h.code_crc = crash_image(&h.code_bytes);
    return trace_out(&h, sizeof(h));
}

static bool put_reasons(void)
{
    static const char zeros[8];
    size_t used = 0;
    bool ok = true;
    for (unsigned i = 0; i < WAIT_REASONS; i++) {
        const char *name = wait_name((uint8_t)i);
        uint8_t n = (uint8_t)strlen(name);
        ok = ok && trace_out(&n, 1) && trace_out(name, n);
        used += 1u + n;
    }
    return ok && trace_out(zeros, -used & 7);
}

static bool put_ring(const struct trace_ring *r, uint32_t hart, uint32_t kind)
{
    uint64_t oldest, n = trace_kept(r, &oldest);
    uint64_t straight = n < trace_places(r) - oldest ? n : trace_places(r) - oldest;
    struct {
        uint32_t hart, kind;
        uint64_t n, lost, zero;
    } h = {hart, kind, n, trace_written(r) - n, 0};
    return trace_out(&h, sizeof(h)) && trace_out(r->first + oldest, straight * sizeof(*r->first)) &&
           trace_out(r->first, (n - straight) * sizeof(*r->first));
}

static bool put_all(void)
{
    bool ok = put_header() && put_reasons();
    for (uint32_t i = 0; ok && i < sched.n_m; i++)
        ok = put_ring(&sched.m[i]->trace[0], i, 0) && put_ring(&sched.m[i]->trace[1], i, 1);
    return ok;
}

/* The second and later ones get a number: FILE.2. The run is at its end, or the world stopped. */
static void write_out(void)
{
    char path[216];
    struct line l = {path, sizeof(path), 0};
    files++;
    if (wanted.file == NULL) {
        kprintf("pinion: trace: it stays in memory (no pinion.tracefile)\n");
        return;
    }
    bool by_file = strcmp(wanted.file, TRACE_BY_SERIAL) != 0;
    line_add(&l, files > 1 && by_file ? "%s.%u" : "%s", wanted.file, files);
    if (!trace_out_open(path))
        kprintf("pinion: trace: %s cannot be made\n", path);
    else if (!put_all() || !trace_out_close())
        kprintf("pinion: trace: %s is not whole\n", path);
}

/* ---- the interface ---- */

static void (*next_words)(void);

static void last_words(void)
{
    bool was = on;
    on = false; /* should writing it fault, the run ends here a second time */
    if (was)
        write_out();
    if (next_words != NULL)
        next_words();
}

void sched_tracing(const struct tracing *t)
{
    static char file[200];
    wanted = *t;
    if (t->file != NULL)
        wanted.file = strncpy(file, t->file, sizeof(file) - 1);
    next_words = power_last_words;
    power_last_words = last_words;
    if (!t->from_start)
        return;
    if (!have_rings())
        kprintf("pinion: trace: no memory for %lu records a hart; there will be none\n",
                (unsigned long)ring_places(0));
    else
        begin(g_self()->m); /* the hart that boots, whatever its number */
}

int runtime_trace_start(void)
{
    int error = 0;
    world_stop();
    struct m *self = g_self()->m;
    if (on)
        error = EBUSY;
    else if (!have_rings())
        error = ENOMEM;
    else
        begin(self);
    world_start();
    if (error != 0)
        errno = error;
    return error == 0 ? 0 : -1;
}

int runtime_trace_stop(void)
{
    world_stop();
    if (on) {
        end();
        write_out();
    }
    world_start();
    return 0;
}
