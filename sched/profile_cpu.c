/*
 * profile_cpu: what the harts are at, looked at now and then.
 *
 * Each hart is its own sampler. Its timer interrupt takes the stack of what it has interrupted and
 * counts it in the hart's own table: no lock, no atomic, nothing shared.
 *
 *     period      |         |         |         |         |         |
 *     samples        x            x  x       x           x     x
 *
 * Time is cut in periods, 1/hz of a second, and each period has one sample, at a random moment of it.
 * A sample at the same place of each would keep step with a program whose rounds take a period, or
 * divide it, and see the same line of it for ever; to shift the place a little each time helps only
 * after many. A moment that is random in all of the period has no such memory: each moment of the
 * program is as likely to be seen, whatever it does, and there is one sample a period all the same.
 *
 * What counts. A hart that sleeps is left out: it takes no time. One in a blocking section is there. On
 * a scheduler's stack what counts is the scheduler. In a switch (arch_in_switch) the thread pointer and
 * the stack may be two goroutines', so only the place is known. Where interrupts are masked the sample
 * comes when they are let in again, and counts there; if periods have gone by meanwhile they are lost,
 * and counted as that.
 *
 * C1  harts[i] is written by the handler of hart i, and while that stands still (freeze.c) by whoever
 *     starts and stops. After a stop nobody writes, and it may be read at leisure. (A hart that could
 *     not be made to stand still in time may write once more, to memory that stays what it is: tables
 *     are kept.)
 *
 * A hart hears of the start when it is let go from standing still (freeze_here): there its timer is
 * armed. From then on each tick arms the next, asleep or not, as schedtrace does; one asleep looks
 * around for work and goes on sleeping.
 */
#include <errno.h>
#include <pinion/runtime.h>
#include <pinion/sync.h>
#include "kernel/clock.h"
#include "sched/freeze.h"
#include "sched/proc.h"
#include "sched/profile.h"
#include "sched/timer.h"

static struct sampler {
    struct stacks stacks;
    int64_t begin; /* of the period, ns */
    int64_t next;  /* its sample; behind it, the next one's */
    uint64_t rng;
    uint64_t missed; /* periods without a sample */
    int64_t last;    /* the goroutine that was met last */
} harts[64];         /* C1 */

/* Written by who holds the lock, harts standing still. */
static mutex lock;
static int64_t period, since; /* ns; period 0: it is off */
static bool of_gs;            /* it is a look at who, not a profile of where */

/* A random moment of the period. */
static void choose(struct sampler *s)
{
    s->rng ^= s->rng << 13;
    s->rng ^= s->rng >> 7;
    s->rng ^= s->rng << 17;
    s->next = s->begin + (int64_t)((s->rng >> 32) * (uint64_t)period >> 32);
}

static void next_period(struct sampler *s, int64_t now)
{
    s->begin += period;
    if (now - s->begin >= period) {
        int64_t gone = (now - s->begin) / period;
        s->begin += gone * period;
        s->missed += (uint64_t)gone;
    }
    choose(s);
}

static void sample(struct sampler *s, const struct arch_frame *f)
{
    uintptr_t *pc = stacks_next(&s->stacks);
    const struct g *g = g_of(arch_frame_tp(f));
    uint32_t n = 1;
    if (of_gs) {
        /* A sample that is due as its hart is at the end of a slice comes in the scheduler: it is of whose
         * slice that was. A busy host makes many of these. */
        if (g != sched.m[s - harts]->g0)
            s->last = g->id;
        pc[0] = (uintptr_t)s->last;
    } else if (arch_in_switch(arch_frame_pc(f)))
        pc[0] = arch_frame_pc(f);
    else
        n = profile_frame(g, f, pc, 0);
    stacks_count(&s->stacks, n, 1, 0);
}

void cpu_profile_tick(struct m *m, const struct arch_frame *f)
{
    struct sampler *s = &harts[m->id];
    int64_t now = clock_ns();
    bool asleep = m->idle_since != 0;
    if (now >= s->next && (f != NULL || asleep)) {
        if (!asleep)
            sample(s, f);
        next_period(s, now);
    }
    timers_arm_at(m, s->next);
}

/* ---- on and off ---- */

static bool make_tables(void)
{
    for (uint32_t i = 0; i < sched.n_m; i++)
        if (harts[i].stacks.word == NULL && !stacks_make(&harts[i].stacks, CPU_PROFILE_PAGES))
            return false;
    return true;
}

/* The harts stand still. */
static void begin_all(int hz, bool gs)
{
    of_gs = gs;
    period = 1000000000 / hz;
    since = clock_ns();
    for (uint32_t i = 0; i < sched.n_m; i++) {
        struct sampler *s = &harts[i];
        stacks_clear(&s->stacks);
        s->begin = since;
        s->rng = UINT64_C(0x9e3779b97f4a7c15) * (i + 1);
        s->missed = 0;
        s->last = 0;
        choose(s);
    }
    timers_extras_set(EXTRA_CPU_PROFILE);
}

/* This hart's own timer; the others' are armed when they go on. */
static void arm_here(struct m *m)
{
    uintptr_t was = arch_irq_save();
    cpu_profile_tick(m, NULL);
    arch_irq_restore(was);
}

static int start(int hz, bool gs)
{
    if (period != 0) {
        errno = EBUSY;
        return -1;
    }
    struct m *m = preempt_off();
    bool made = make_tables();
    if (made) {
        freeze_begin();
        begin_all(hz, gs);
        freeze_end();
        arm_here(m);
    }
    preempt_on();
    if (!made)
        errno = ENOMEM;
    return made ? 0 : -1;
}

int runtime_cpu_profile_start(int hz)
{
    if (hz < 1 || hz > CPU_PROFILE_HZ_MAX) {
        errno = EINVAL;
        return -1;
    }
    mutex_lock(&lock);
    int done = start(hz, false);
    mutex_unlock(&lock);
    return done;
}

static void write_all(int64_t duration)
{
    uint32_t lines = 0;
    uint64_t lost = 0;
    profile_begin("cpu", period);
    for (uint32_t i = 0; i < sched.n_m; i++) {
        lines += profile_stacks("cpu", &harts[i].stacks);
        lost += harts[i].stacks.lost + harts[i].missed;
    }
    profile_end("cpu", lines, lost, duration);
}

/* How long it has lasted. */
static int64_t stop(void)
{
    preempt_off();
    freeze_begin();
    timers_extras_clear(EXTRA_CPU_PROFILE);
    int64_t duration = clock_ns() - since;
    freeze_end();
    preempt_on();
    return duration;
}

void runtime_cpu_profile_stop(void)
{
    mutex_lock(&lock);
    if (period != 0 && !of_gs) {
        write_all(stop());
        period = 0;
    }
    mutex_unlock(&lock);
}

bool cpu_shares_begin(int hz)
{
    mutex_lock(&lock);
    int done = start(hz, true);
    mutex_unlock(&lock);
    return done == 0;
}

uint32_t cpu_shares_end(void (*each)(int64_t id, uint32_t n))
{
    mutex_lock(&lock);
    uint64_t had = (uint64_t)(stop() / period) * sched.n_m;
    for (uint32_t i = 0; i < sched.n_m; i++) {
        had -= harts[i].missed < had ? harts[i].missed : had;
        for (struct stack_count *c = NULL; (c = stacks_after(&harts[i].stacks, c)) != NULL;)
            each((int64_t)c->pc[0], (uint32_t)c->count[0]);
    }
    period = 0;
    mutex_unlock(&lock);
    return (uint32_t)(had / sched.n_m);
}
