/*
 * scheddetail: `pinion.schedtrace=MS pinion.scheddetail=1` prints Go's page every MS milliseconds:
 *
 *     SCHED 1009ms: gomaxprocs=4 idleprocs=0 threads=4 spinningthreads=1 needspinning=0 idlethreads=0
 *       runqueue=0 gcwaiting=false nmidlelocked=0 stopwait=0 sysmonwait=true          (one line)
 *       P0: status=1 schedtick=9 syscalltick=1 m=0 runqsize=3 gfreecnt=2 timerslen=1
 *       M0: p=0 curg=7 mallocing=0 throwing=0 preemptoff= locks=0 dying=0 spinning=false blocked=false
 *         lockedg=nil                                                                 (one line)
 *       G1: status=4(chan receive) m=nil lockedm=nil
 *
 * Fields, their order and their words are Go's. What they mean here:
 *
 *     gcwaiting      the world is being stopped, or is; stopwait: Ps that are still to be given up
 *     nmidlelocked   harts whose own goroutines wait (runtime_lock_os_thread)
 *     sysmonwait     no hart has sysmon's duty
 *     syscalltick    blocking sections in which the P was left behind; its m is whose section it is
 *     runqsize       with runnext, as in the one line's brackets; Go's is without
 *     locks          preempt_off of the goroutine that runs: what Go counts in m.locks
 *     blocked        the hart is asleep
 *     status, m      of a G: m only while it runs, as Go's
 *
 * mallocing, throwing and dying are 0: nobody looks while a hart is in one of these, since the first
 * hart's interrupts are masked then or it has been halted. preemptoff is empty: it is a reason in words,
 * which no C code gives. Go prints the last reason of a G that no longer waits; here it is empty.
 *
 * A page may be long, and it is the timer interrupt that writes it, whatever this hart was doing. So:
 *
 *     - it takes no lock, but for the console's by try. What has no room there is kept, and comes with
 *       the next interrupt: nothing is lost, nothing waits;
 *     - an interrupt writes one piece of whole lines, at most PIECE bytes (22 ms at 115200 baud, as
 *       long as kprintf may mask interrupts), and looks at DETAIL_LOOKS descriptors at most. The next
 *       comes after a pause at least as long as that took: half of the hart's time stays its program's.
 *       Pieces of others may come between, lines are whole. A page that is due while one is being
 *       written is left out;
 *     - the first DETAIL_GS goroutines are shown, and a last line says how many are not: Go's all of
 *       them would be a page of minutes for 100,000.
 *
 * Goroutines are made and end meanwhile. Their descriptors stay (chunk.c, D4), each field is read by one
 * load, and whoever is dead when he is looked at is passed over. So a page is not one moment's: it says
 * of each line what was true when it was written. Of a machine at rest all lines agree.
 *
 * Which goroutine a hart runs is in its own register and nowhere else (gmp.h). It is found the other way
 * round: a walk over all Gs before the lines of the Ms notes those that run, and where; these lines say
 * what was noted.
 */
#include "kernel/clock.h"
#include "kernel/console.h"
#include "sched/atomic.h"
#include "sched/chunk.h"
#include "sched/g.h"
#include "sched/proc.h"
#include "sched/runq.h"
#include "sched/schedtrace.h"
#include "sched/traceback.h"

#define PIECE 256

/* The first hart's interrupt handler's. */
static enum { REST, SUM, PS, LOOK, MS, GS } doing;
static uint32_t i;       /* the P or the M that comes next */
static struct g_walk at; /* the G */
static struct g *held;   /* it had no room in the last piece */
static uint32_t shown;   /* Gs so far */
static struct {
    int64_t id; /* below 0: none */
    uint8_t locks;
} curg[64];
static char text[PIECE];
static size_t unsent; /* of text */

LOOKS_ON static bool runs(const struct g *g)
{
    return g->status == G_RUNNING || g->status == G_SYSCALL;
}

/* ": KEY=NUMBER", or nil for a number below 0. */
static bool add_or_nil(struct line *l, const char *key, int64_t number)
{
    return number < 0 ? line_add(l, " %s=nil", key) : line_add(l, " %s=%ld", key, (long)number);
}

static const char *truth(bool b)
{
    return b ? "true" : "false";
}

/* ---- lines; false: it did not fit ---- */

LOOKS_ON static bool add_sum(struct line *l)
{
    schedtrace_sum(l, clock_ns());
    /* relaxed, all: a look at what moves. */
    bool stopping = load_relaxed(&sched.stopping);
    unsigned wait = load_relaxed(&sched.stop_wait);      /* relaxed: as above */
    bool off_duty = load_relaxed(&sched.sysmon) == NULL; /* relaxed: as above */
    return line_add(l, " gcwaiting=%s nmidlelocked=%d stopwait=%u sysmonwait=%s\n", truth(stopping),
                    sched_bits(sched.wired_idle), wait, truth(off_duty));
}

LOOKS_ON static bool add_p(struct line *l, struct p *p)
{
    const struct m *m = *(struct m *volatile *)&p->m;
    /* relaxed, both: a look at what moves. */
    uint32_t status = P_STATUS(load_relaxed(&p->status));
    unsigned sections = load_relaxed(&p->sections); /* relaxed: as above */
    line_add(l, "  P%u: status=%u schedtick=%lu syscalltick=%u", p->id, status,
             (unsigned long)p_switches(p), sections);
    add_or_nil(l, "m", m != NULL ? (int64_t)m->id : -1);
    return line_add(l, " runqsize=%u gfreecnt=%u timerslen=%u\n", runq_len(&p->runq), p->n_free,
                    p->timers.n);
}

LOOKS_ON static bool add_m(struct line *l, const struct m *m)
{
    const struct p *p = *(struct p *const volatile *)&m->p;
    const struct g *wired = *(struct g *const volatile *)&m->wired;
    line_add(l, "  M%u:", m->id);
    add_or_nil(l, "p", p != NULL ? (int64_t)p->id : -1);
    add_or_nil(l, "curg", curg[m->id].id);
    line_add(l, " mallocing=0 throwing=0 preemptoff= locks=%u dying=0 spinning=%s blocked=%s",
             curg[m->id].locks, truth(m->spinning), truth(m->idle_since != 0));
    add_or_nil(l, "lockedg", wired != NULL ? wired->id : -1);
    return line_add(l, "\n");
}

LOOKS_ON static bool add_g(struct line *l, const struct g *g)
{
    uint8_t status = *(const volatile uint8_t *)&g->status;
    const struct m *m = *(struct m *const volatile *)&g->m;
    int64_t hart = m != NULL ? (int64_t)m->id : -1;
    line_add(l, "  G%ld: status=%u(%s)", (long)g->id, status,
             status == G_WAITING ? wait_name(g->wait_reason) : "");
    add_or_nil(l, "m", status == G_RUNNING || status == G_SYSCALL ? hart : -1);
    add_or_nil(l, "lockedm", g->flags & GF_WIRED ? hart : -1);
    return line_add(l, "\n");
}

static bool add_left_out(struct line *l)
{
    int64_t left = g_count() - shown;
    return left <= 0 || line_add(l, "  ... %ld more goroutines\n", (long)left);
}

/* ---- what is being written; each false: not done yet, it goes on in another piece ---- */

/* Adds a line or leaves the text as it was. */
#define WHOLE_LINE(l, add)    \
    do {                      \
        size_t was_ = (l)->n; \
        if (!(add)) {         \
            (l)->n = was_;    \
            return false;     \
        }                     \
    } while (0)

static void look_begin(void)
{
    for (uint32_t m = 0; m < sched.n_m; m++) {
        curg[m].id = -1;
        curg[m].locks = 0;
    }
}

LOOKS_ON static void note(const struct g *g)
{
    const struct m *m = *(struct m *const volatile *)&g->m;
    if (!g_lives(g) || !runs(g) || m == NULL)
        return;
    curg[m->id].id = g->id;
    curg[m->id].locks = g->preempt_off;
}

static bool look(void)
{
    struct g *g;
    for (uint32_t n = 0; n < DETAIL_LOOKS; n++) {
        if ((g = g_walk_next(&at)) == NULL)
            return true;
        note(g);
    }
    return false;
}

static bool write_ps(struct line *l)
{
    for (; i < sched.n_p; i++)
        WHOLE_LINE(l, add_p(l, sched.p[i]));
    return true;
}

static bool write_ms(struct line *l)
{
    for (; i < sched.n_m; i++)
        WHOLE_LINE(l, add_m(l, sched.m[i]));
    return true;
}

static bool write_gs(struct line *l)
{
    for (uint32_t n = 0; shown < DETAIL_GS; n++) {
        if (held == NULL && (held = g_walk_next(&at)) == NULL)
            return true;
        if (n == DETAIL_LOOKS)
            return false;
        if (g_lives(held)) {
            WHOLE_LINE(l, add_g(l, held));
            shown++;
        }
        held = NULL;
    }
    WHOLE_LINE(l, add_left_out(l));
    return true;
}

/* As much as fits. */
static void write_on(struct line *l)
{
    switch (doing) {
    case REST: return;
    case SUM:
        add_sum(l); /* the first, so there is room */
        i = 0;
        doing = PS; /* fallthrough */
    case PS:
        if (!write_ps(l))
            return;
        look_begin();
        g_walk_begin(&at);
        doing = LOOK; /* fallthrough */
    case LOOK:
        if (!look())
            return;
        i = 0;
        doing = MS; /* fallthrough */
    case MS:
        if (!write_ms(l))
            return;
        g_walk_begin(&at);
        shown = 0;
        doing = GS; /* fallthrough */
    case GS:
        if (write_gs(l))
            doing = REST;
    }
}

static void note_one(struct g *g, void *unused)
{
    (void)unused;
    note(g);
}

void scheddetail_show(struct line *l, bool ms)
{
    uint32_t was = i;
    i = 0;
    if (ms) {
        look_begin();
        g_each(note_one, NULL);
        write_ms(l);
    } else {
        write_ps(l);
    }
    i = was;
}

void scheddetail_begin(void)
{
    if (doing == REST)
        doing = SUM;
}

int64_t scheddetail_go_on(int64_t now)
{
    if (doing == REST && unsent == 0)
        return CLOCK_NEVER;
    if (unsent == 0) {
        struct line l = {text, sizeof(text), 0};
        write_on(&l);
        unsent = l.n;
    }
    if (unsent == 0 || console_try_post(text, unsent))
        unsent = 0;
    int64_t after = clock_ns();
    return after + (after - now) + DETAIL_PAUSE_NS;
}
