/*
 * sysmon: what Go has a thread for. Here a hart that is spare, idle while every idle P has another
 * idle hart to its name, takes the duty for a while and naps on its own timer.
 *
 * Most of what Go's sysmon does has no need of it: a slice is ended by the hart's own timer
 * (preempt.c), and an idle hart is woken by who has work for it. What remains is what a hart in a
 * blocking section cannot do itself: hand its P on when the section lasts and work waits. Only a
 * hart without a P of its own could use that P, so where none is spare there is no duty.
 *
 * The rule is Go's: a section seen in two rounds is long, so it has lasted for at least one nap, and
 * its P is retaken if anything waits for it, or if it has lasted for RETAKE_NS. The naps are
 * NAP_NS at first; after ROUNDS_AT_FIRST they double up to NAP_MAX_NS. With no section left the
 * duty ends, and nobody naps.
 *
 * O22  The end of the duty is a store-buffering race with the beginning of a section: here sysmon =
 *      NULL, full fence, a look at the states; there the state, full fence, a look at sysmon.
 *
 * The hart on duty can be given a P like any other that is idle. Then it passes the duty on. It is
 * never one that could be stuck: it runs nothing.
 */
#include "sched/sysmon.h"
#include "kernel/clock.h"
#include "sched/atomic.h"
#include "sched/idle.h"
#include "sched/ipi.h"
#include "sched/runq.h"
#include "sched/timer.h"
#include "sched/world.h"

/* The one on duty alone, handed on by sched.sysmon (O76). */
static int64_t nap;
static unsigned rounds;

static bool a_section(void)
{
    /* relaxed: O22 orders it, or a later round sees it. All Ps there are: n_p may be changing, and one
     * beyond it is P_DEAD. */
    for (uint32_t i = 0; i < sched.n_m; i++)
        if (P_STATUS(load_relaxed(&sched.p[i]->status)) == P_SYSCALL)
            return true;
    return false;
}

/* Are there more idle harts than idle Ps? */
static bool any_spare(void)
{
    /* relaxed, both: under the lock, or to see whether to take it. */
    return __builtin_popcountll(load_relaxed(&sched.idle_m)) >
           __builtin_popcountll(load_relaxed(&sched.idle_p)); /* relaxed: as above */
}

/* An idle hart that watches no idle P's timers. NULL: there is none. */
static struct m *spare_locked(void)
{
    /* relaxed, both: under the lock. */
    uint64_t ms = load_relaxed(&sched.idle_m), ps = load_relaxed(&sched.idle_p);
    for (; ms != 0; ms &= ms - 1) {
        struct m *m = sched.m[lowest(ms)];
        if (m->last_p == NULL || (ps & bit(m->last_p->id)) == 0 || m->last_p->last_m != m)
            return m;
    }
    return NULL;
}

void sysmon_call(void)
{
    struct m *m = NULL;
    fence_full(); /* O22: pairs with the fence in off_duty */
    /* relaxed, both: ordered by the fence; looked at again under the lock. */
    if (load_relaxed(&sched.sysmon) != NULL || !any_spare())
        return;
    spin_lock(&sched.lock);
    /* O76: acquire pairs with the release in off_duty: nap and rounds are nobody's. */
    if (load_acquire(&sched.sysmon) == NULL && any_spare() && (m = spare_locked()) != NULL) {
        nap = NAP_NS;
        rounds = 0;
        /* O76: release pairs with the acquire in sysmon_round: nap and rounds. */
        store_release(&sched.sysmon, m);
    }
    spin_unlock(&sched.lock);
    if (m != NULL) {
        ipi_send(g_self()->m, m, IPI_WAKE);
    }
}

/* ---- on duty ---- */

static void off_duty(void)
{
    /* O76: release pairs with the acquire in sysmon_call: what we wrote to nap and rounds comes before
     * what the next one finds there. */
    store_release(&sched.sysmon, NULL);
    fence_full(); /* O22: pairs with the fence in sysmon_call */
    if (a_section())
        sysmon_call();
}

static bool work_waits(struct p *p, int64_t now)
{
    /* relaxed, all: a moment old; the next round looks again. */
    return load_relaxed(&sched.global_n) != 0 || !runq_empty(&p->runq) ||
           load_relaxed(&p->inbox) != NULL || load_relaxed(&p->pinbox) != NULL || /* relaxed: */
           load_relaxed(&p->timers.first) <= now;                                 /* relaxed: */
}

/* Has p been in the same section for as long as it takes? */
static bool is_long(struct p *p, int64_t now)
{
    uint32_t n = load_relaxed(&p->sections); /* relaxed: the next round sees what this one misses */
    if (n != p->seen_sections) {
        p->seen_sections = n;
        p->seen_at = now;
        nap = NAP_NS;
        rounds = 0;
        return false;
    }
    return work_waits(p, now) || now - p->seen_at >= RETAKE_NS;
}

static bool retake(struct m *m, struct p *p)
{
    /* relaxed, all of the set: under the lock. */
    bool mine = false;
    spin_lock(&sched.lock);
    uint64_t ms = load_relaxed(&sched.idle_m);
    uint32_t state = load_relaxed(&p->status); /* relaxed: the swap decides */
    /* O20: acquire pairs with the release in section_lend. */
    if (!world_stops() && (ms & bit(m->id)) != 0 && any_spare() && P_STATUS(state) == P_SYSCALL &&
        cas_acquire(&p->status, &state, P_RUNNING)) {
        store_relaxed(&sched.idle_m, ms & ~bit(m->id)); /* relaxed: as above */
        p->m = m;
        m->p = p;
        mine = true;
    }
    spin_unlock(&sched.lock);
    if (mine) {
        TRACE_M(m, 0, P_M(state)->id, TRACE_WHAT(TRACE_RETAKE, 0, p->id));
        TRACE_M(m, 0, 0, TRACE_WHAT(TRACE_P_START, 0, p->id));
    }
    return mine;
}

bool sysmon_round(struct m *m)
{
    /* O76: acquire pairs with the release in sysmon_call. */
    if (load_acquire(&sched.sysmon) != m)
        return false;
    int64_t now = clock_ns();
    for (uint32_t i = 0; i < sched.n_m; i++) { /* as in a_section */
        struct p *p = sched.p[i];
        /* relaxed: retake's swap decides. */
        if (P_STATUS(load_relaxed(&p->status)) == P_SYSCALL && is_long(p, now) && retake(m, p)) {
            spin_start(m);
            return true;
        }
    }
    if (++rounds > ROUNDS_AT_FIRST && nap < NAP_MAX_NS)
        nap *= 2;
    if (!a_section() && nap > NAP_NS)
        off_duty();
    else
        timers_arm_at(m, now + nap);
    return false;
}

void sysmon_pass_on(void)
{
    off_duty();
}
