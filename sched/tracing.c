/*
 * tracing: the beginning and the end of a trace, and its file (docs/trace.md has the format).
 *
 * Begun at boot, the trace knows every goroutine from its creation. Begun later, the world is stopped for
 * a moment: every goroutine that lives is marked and gets a record of the state in which it is met; from
 * then on the records tell. Ended, the world is stopped again and the marks are taken back. An end of the
 * run ends the trace as well, whatever the end is: the other harts have stopped then, wherever they were.
 * One may have been about to write: its last record is whole or not counted (TR3).
 *
 * The rings go out as they are, the oldest record first, by way of the debugger's or emulator's file
 * (kernel/outfile.h). Without, they stay in memory, and the line at the end says so.
 */
#include "sched/tracing.h"
#include <errno.h>
#include <pinion/runtime.h>
#include <stdarg.h>
#include <string.h>
#include "kernel/clock.h"
#include "kernel/console.h"
#include "kernel/format.h"
#include "kernel/outfile.h"
#include "kernel/page.h"
#include "kernel/power.h"
#include "sched/chunk.h"
#include "sched/g.h"
#include "sched/proc.h"
#include "sched/trace.h"
#include "sched/traceback.h"
#include "sched/world.h"

extern const char __text_start[];

#define RARE __attribute__((cold)) /* small rather than quick */

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
RARE static void drop_rings(void)
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
RARE static bool have_rings(void)
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

RARE static void ring_empty(struct trace_ring *r, unsigned kind)
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

/* Text, in records of 24 bytes. */
RARE static void put_text(struct m *m, const char *s, size_t n)
{
    for (size_t at = 0; at < n; at += 24) {
        uint64_t words[3] = {0};
        memcpy(words, s + at, n - at < 24 ? n - at : 24);
        trace_text(m, words);
    }
}

RARE void trace_name(struct m *m, const struct g *g)
{
    size_t n = strnlen(g->name, UINT8_MAX);
    trace_m(m, (uint64_t)g->id, 0, TRACE_WHAT(TRACE_NAME, n, 0));
    put_text(m, g->name, n);
}

void trace_create(struct m *m, struct g *g, uintptr_t fn)
{
    g->watched = 1;
    g->flags |= GF_ODD;
    g->trace_seq = 0;
    uint32_t base = (uint32_t)(uintptr_t)__text_start; /* the low half, as created_at is */
    trace_numbered(m, (uint64_t)g->id, fn,
                   TRACE_WHAT(TRACE_CREATE, 0, 0) | trace_where(g, TRACE_NEXT, m->p),
                   g->created_at != 0 ? g->created_at - base : 0);
    if (g->name != NULL)
        trace_name(m, g);
}

RARE static void note_status(struct g *g, void *m)
{
    g->watched = 1;
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
    g->watched = 0;
}

/* The world is stopped, or nobody else runs yet. */
RARE static void begin(struct m *self)
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

RARE static void end(void)
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

static uint32_t crc;

/* CRC-32 as of zlib, half a byte at a time. */
static bool put(const void *data, size_t n)
{
    static const uint32_t step[16] = {0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac,
                                      0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
                                      0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
                                      0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c};
    const uint8_t *s = data;
    for (size_t i = 0; i < n; i++) {
        crc ^= s[i];
        crc = crc >> 4 ^ step[crc & 15];
        crc = crc >> 4 ^ step[crc & 15];
    }
    return outfile_write(data, n);
}

RARE static bool put_header(void)
{
    struct {
        char magic[8];
        uint32_t version, record;
        uint64_t hz, begun, ended, base;
        uint32_t harts, ps, gomaxprocs, flags, rings, reasons;
        uint64_t zero;
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
           0};
    _Static_assert(sizeof(h) == 80, "the file's format");
    return put(&h, sizeof(h));
}

RARE static bool put_reasons(void)
{
    static const char zeros[8];
    size_t used = 0;
    bool ok = true;
    for (unsigned i = 0; i < WAIT_REASONS; i++) {
        const char *name = traceback_reason(i);
        uint8_t n = (uint8_t)strlen(name);
        ok = ok && put(&n, 1) && put(name, n);
        used += 1u + n;
    }
    return ok && put(zeros, -used & 7);
}

RARE static bool put_ring(const struct trace_ring *r, uint32_t hart, uint32_t kind)
{
    uint64_t n = (uint64_t)(r->next - r->first), older = 0;
    if (r->before != 0) {
        older = wanted.keeps_oldest ? 0 : n;
        n = ring_places(kind);
    }
    struct {
        uint32_t hart, kind;
        uint64_t n, lost, zero;
    } h = {hart, kind, n, trace_written(r) - n, 0};
    size_t first = sizeof(struct trace_record) * older;
    return put(&h, sizeof(h)) && put((char *)r->first + first, n * sizeof(*r->first) - first) &&
           put(r->first, first);
}

RARE static bool put_all(void)
{
    crc = UINT32_MAX;
    bool ok = put_header() && put_reasons();
    for (uint32_t i = 0; ok && i < sched.n_m; i++)
        ok = put_ring(&sched.m[i]->trace[0], i, 0) && put_ring(&sched.m[i]->trace[1], i, 1);
    uint32_t sum = ~crc;
    return ok && put(&sum, sizeof(sum));
}

static void print(char *to, size_t n, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    print_format(to, n, fmt, args);
    va_end(args);
}

/* The second and later ones get a number: FILE.2. The run is at its end, or the world stopped. */
RARE static void write_out(void)
{
    char path[216];
    files++;
    if (wanted.file == NULL) {
        kprintf("pinion: trace: it stays in memory (no pinion.tracefile)\n");
        return;
    }
    print(path, sizeof(path), files == 1 ? "%s" : "%s.%u", wanted.file, files);
    if (!outfile_open(path))
        kprintf("pinion: trace: %s cannot be made\n", path);
    else if (!put_all() || !outfile_close())
        kprintf("pinion: trace: %s is not whole\n", path);
}

/* ---- the interface ---- */

static void (*next_words)(void);

RARE static void last_words(void)
{
    bool was = on;
    on = false; /* should writing it fault, the run ends here a second time */
    if (was)
        write_out();
    if (next_words != NULL)
        next_words();
}

RARE void sched_tracing(const struct tracing *t)
{
    static char file[200];
    wanted = *t;
    if (t->file != NULL) {
        print(file, sizeof(file), "%s", t->file);
        wanted.file = file;
    }
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

RARE int runtime_trace_start(void)
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

RARE int runtime_trace_stop(void)
{
    world_stop();
    if (on) {
        end();
        write_out();
    }
    world_start();
    return 0;
}
