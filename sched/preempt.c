/*
 * preempt: slices, and the end of them at any instruction.
 *
 * A goroutine that runs while others wait on its hart is taken off after SLICE_NS. Where nobody
 * waits there is no timer and no interrupt.
 *
 *     slice_on     the hart's timer is set for the end of the slice, slice_end
 *     p_turns      schedules that began a turn of their own: all but those out of runnext. Two that
 *                  keep waking each other share one slice, so they cannot starve a third (trap 32)
 *     slice_mark   p_turns when the slice began
 *
 * S1  While a goroutine runs and its P has work queued, or the global queue has, slice_on is true:
 *     a goroutine that queues calls slice_ensure; the scheduler calls slice_check when it has found
 *     work by more than a look at its own queue. (What a commit queues is at most one, and that is
 *     what runs next.) What comes from elsewhere comes with an interrupt: inboxes by wake_p or the
 *     sender, the global queue by slice_notify.
 *
 * At the end of the slice the handler looks: nobody waits: the slice is off, the hart is quiet
 * again. p_turns has moved on: somebody else runs than when the slice began; it gets a slice from
 * now. Otherwise what runs has had its time and is taken off.
 *
 * A blocking section has no slice, since it has no P, but the turn goes on when the section ends on the
 * same P, and so does the slice, the section's time gone from it. To begin anew there would let whoever
 * enters sections all the time, printing for instance, run for ever while others wait for its hart.
 *
 * To turn a slice off and to publish work are the two sides of a store-buffering race (O19): the hart
 * writes slice_on = false, full fence, looks at the global queue again; the other publishes, full
 * fence, looks at slice_on. One of them sees the other.
 *
 * Taking off. An interrupt has stopped the goroutine somewhere. If its own preempt_off is 0 and the
 * hart is not between two goroutines, all its registers go to its stack and the handler leaves for
 * the scheduler's, where the goroutine is queued like any that left by itself: by then
 * nothing of it is on this hart any more (trap 5). If preempt_off is above 0, it runs with something
 * in hand that must not wait: a word in the G asks it to leave by itself as soon as preempt_on finds
 * the count at 0. That word may be stale when it is found: the goroutine may have parked
 * and come back meanwhile; wanted_at tells (trap 12). On a scheduler stack there is nobody to take
 * off: the scheduler is about to choose anyway; but it may have looked already, so if something still
 * wants attention, the hart is interrupted again a little later. The same between two
 * (arch_in_switch, or a yield on its way there), and, besides the word, in the part of the image
 * that is not to be broken off: malloc and free (cache.c). Both parts lie side by side, so that the
 * common case looks once.
 *
 * In both cases the turn may go on with another goroutine, out of runnext, which knows nothing of it.
 * So a slice whose end could not be had is not begun anew, but ends again a little later (put_off).
 *
 * The registers' place on the stack must be there, since a handler may not fault. To look it up in
 * the page tables each time would cost a tenth of a preemption; so g->pages remembers:
 *
 * S2  The topmost g->pages pages of g's stack are mapped. It stays true: a live stack only grows
 *     (stack.c, I1), and who gives g another one starts with its top page.
 *
 * Why it is taken off decides where it goes. Its slice is over: to the global queue, behind
 * everyone, and who was to run next loses that place too. A timer or an arrival wants the
 * scheduler to look: what that look brings to light runs first, and the goroutine next, within the
 * same slice; so a timer is not late, and a fast ticker takes only its own time from the slice. If the
 * slice ends while such a guest runs, it is the host who has had his time and goes behind everyone; the
 * guest runs on in a slice of its own. A ticker whose ticks meet the ends of slices would otherwise
 * cost its receiver a round of all who wait.
 */
#include "sched/preempt.h"
#include "kernel/clock.h"
#include "kernel/stack.h"
#include "kernel/vm.h"
#include "sched/atomic.h"
#include "sched/chaos.h"
#include "sched/fatal.h"
#include "sched/global.h"
#include "sched/idle.h"
#include "sched/ipi.h"
#include "sched/runq.h"
#include "sched/section.h"
#include "sched/timer.h"

enum { WANT_END = TRACE_WHY_SLICE, WANT_LOOK = TRACE_WHY_LOOK, WANT_CHAOS = TRACE_WHY_CHAOS };

_Atomic int64_t preempt_slice_ns = SLICE_NS;

static uint64_t p_turns(const struct p *p)
{
    return p_switches(p) - p->inherited - (uint32_t)p->tick % TICK;
}

/* What was wanted while another schedule's goroutine ran is wanted no more. */
static void want(struct m *m, struct p *p, uint32_t why)
{
    uint64_t at = p->schedule;
    /* relaxed, both: our own word, and this is a handler: nothing comes between. */
    uint32_t was = m->wanted_at == at ? load_relaxed(&m->wanted) : 0;
    m->wanted_at = at;
    store_relaxed(&m->wanted, was | why); /* relaxed: as above */
    trace_irq_if(m, TRACE_WHAT(TRACE_WANTED, why, 0));
}

/* ---- slices ---- */

/* mark: p_turns of the turn that the slice is for. */
static void slice_begin(struct m *m, uint64_t mark, int64_t now)
{
    m->slice_mark = mark;
    /* relaxed: a length, nothing more. */
    m->slice_end = now + atomic_load_explicit(&preempt_slice_ns, memory_order_relaxed);
}

/* Interrupts masked: the handler writes all of this too. */
static void start_masked(struct m *m, struct p *p)
{
    if (!m->slice_kept)
        slice_begin(m, p_turns(p), clock_ns());
    m->slice_kept = false;
    /* relaxed: true is only a promise; O19 is about false. */
    atomic_store_explicit(&m->slice_on, true, memory_order_relaxed);
    timers_arm(m, p);
}

static void start(struct m *m)
{
    uintptr_t was = arch_irq_save();
    start_masked(m, m->p);
    arch_irq_restore(was);
}

void slice_start(struct m *m)
{
    if (g_self() != m->g0)
        start(m);
}

void slice_restart(struct m *m)
{
    uintptr_t was = arch_irq_save(); /* as in start */
    slice_begin(m, p_turns(m->p), clock_ns());
    store_relaxed(&m->wanted, 0); /* relaxed: our own word; it was of the other P */
    arch_irq_restore(was);
}

void slice_stop(struct m *m)
{
    m->slice_kept = false;
    /* relaxed: idle_sleep's full fence and last look follow (O3). */
    atomic_store_explicit(&m->slice_on, false, memory_order_relaxed);
}

/* Does anyone wait for this P's hart? */
static bool somebody_waits(struct p *p)
{
    /* relaxed, all: O19's fence, or the next interrupt, makes up for what is missed. */
    return load_relaxed(&sched.global_n) != 0 || runq_len(&p->runq) != 0 ||
           p->pinned_head != NULL || (load_relaxed(&p->attention) & ATTN_INBOX) != 0;
}

void slice_check(struct m *m)
{
    /* relaxed: as in slice_ensure. */
    if (!load_relaxed(&m->slice_on) && somebody_waits(m->p))
        start(m);
}

void slice_resume(struct m *m)
{
    slice_check(m);
    m->slice_kept = false;
}

static void slice_over(struct m *m, struct p *p, int64_t now)
{
    if (!somebody_waits(p)) {
        /* relaxed: the fence orders it. */
        atomic_store_explicit(&m->slice_on, false, memory_order_relaxed);
        fence_full(); /* O19: pairs with the fence in slice_notify */
        if (!somebody_waits(p))
            return;
        /* relaxed: as in slice_start. */
        atomic_store_explicit(&m->slice_on, true, memory_order_relaxed);
    }
    uint64_t turns = p_turns(p);
    if (turns == m->slice_mark)
        want(m, p, WANT_END);
    slice_begin(m, turns, now);
}

void slice_notify(void)
{
    struct m *self = g_self()->m;
    fence_full(); /* O19: pairs with the fence in slice_over */
    for (uint32_t i = 0; i < sched.n_m; i++) {
        struct m *m = sched.m[i];
        /* relaxed: ordered by the fence; idle harts are woken by wake_idle instead. */
        if (m != self && !atomic_load_explicit(&m->slice_on, memory_order_relaxed) &&
            (load_relaxed(&sched.idle_m) >> m->id & 1) == 0) { /* relaxed: as above */
            ipi_send(self, m, IPI_LOOK);
        }
    }
}

/* Something for the scheduler to look at that whoever ran last has not looked at. */
static bool attention_pending(const struct p *p)
{
    /* relaxed: what is behind the bits is taken with its own acquire. */
    return (load_relaxed(&p->attention) & ~(uint32_t)ATTN_PINNED) != 0;
}

/* ---- interrupts ---- */

void preempt_on_timer(struct m *m, int64_t now)
{
    struct p *p = m->p;
    /* relaxed: T1 of timer.c; from this hart's interrupt to this hart. */
    if (load_relaxed(&p->timers.first) <= now)
        atomic_fetch_or_explicit(&p->attention, ATTN_TIMER, memory_order_relaxed);
    if (attention_pending(p))
        want(m, p, WANT_LOOK);
    if (load_relaxed(&m->slice_on) && now >= m->slice_end) /* relaxed: our own */
        slice_over(m, p, now);
}

void preempt_on_ipi(struct m *m)
{
    struct p *p = m->p;
    if (p == NULL) {
        /* relaxed, all: to be looked at; sysmon_round acquires. */
        if (load_relaxed(&sched.sysmon) == m || m->wired != NULL)
            store_relaxed(&m->self_wake, true); /* relaxed: as above */
        if (m->section != NULL)
            timers_arm_at(m, load_relaxed(&m->section->timers.first)); /* relaxed: T1 */
        return;
    }
    trace_irq_if(m, TRACE_WHAT(TRACE_IPI_RECEIVED, 0, 0));
    if (attention_pending(p))
        want(m, p, WANT_LOOK);
    if (!load_relaxed(&m->slice_on) && somebody_waits(p)) /* relaxed: our own */
        start_masked(m, p);
}

/* PREEMPT_RETRY_NS, and sometimes up to half as much again: two goroutines whose loop kept step with it
 * would be met at the same instruction for ever. */
static int64_t retry_ns(const struct m *m)
{
    return PREEMPT_RETRY_NS + (int64_t)(m->timer_irqs % 8) * (PREEMPT_RETRY_NS / 16 + 1);
}

static void try_again(struct m *m, int64_t after)
{
    int64_t when = clock_ns() + after;
    if (when < m->armed) {
        m->armed = when;
        clock_arm(when);
    }
}

/* All of the frame lies on pages of g's stack that are known to be there (struct g's pages). */
_Static_assert(ARCH_FRAME_ROOM <= 4096,
               "a stack's first page holds it: S2's count is never too small");
static inline bool has_room(const struct g *g, uintptr_t sp)
{
    return g->stack.hi - sp <= ((size_t)g->pages << 12) - ARCH_FRAME_ROOM;
}

/* Is there room for the frame on g's stack? Maps it if need be, the spill page too: this is a handler,
 * where a fault is fatal. And notes what it has seen: the pages from there up to those known, if there
 * are few. */
static __attribute__((noinline)) bool make_room(struct g *g, uintptr_t sp)
{
    uintptr_t hi = g->stack.hi, low = sp - ARCH_FRAME_ROOM, page = low & ~(uintptr_t)4095;
    uintptr_t at = page, known = hi - ((uintptr_t)g->pages << 12);
    if (sp > hi || low < g->stack.lo || low > sp)
        return false;
    for (; at < sp; at += 4096)
        if (!vm_page_there(at) && !stack_spill(at))
            return false;
    while (at < known && at - page < PREEMPT_LOOK_UP && vm_page_there(at))
        at += 4096;
    if (at >= known && page < known && (hi - page) >> 12 <= UINT8_MAX)
        g->pages = (uint8_t)((hi - page) >> 12);
    return true;
}

static void preempt_commit(void *arg, struct arch_hart *hart);

static inline arch_leaver *leave(struct g *g, uintptr_t sp)
{
    /* A page that another hart has mapped: this one may remember it as unmapped. */
    arch_tlb_fence(sp - ARCH_FRAME_ROOM);
    g->status = G_RUNNABLE;
    g->preempt_off = 1;
    return preempt_commit;
}

/* What is wanted cannot be now, from what the hart is at. Is it to be tried again? */
static __attribute__((noinline)) arch_leaver *put_off(struct m *m, bool again)
{
    int64_t after = retry_ns(m);
    /* relaxed: written on this hart only. */
    if ((load_relaxed(&m->wanted) & WANT_END) != 0 && m->wanted_at == m->p->schedule) {
        m->slice_end = clock_ns() + after;
        again = true;
    }
    if (again)
        try_again(m, after);
    return NULL;
}

/* Nobody is taken off here; the scheduler is about to look, perhaps. If g is within malloc or free, it
 * finds the word there (O81), or is on its way out already. */
static __attribute__((noinline)) arch_leaver *put_off_held(struct m *m, struct g *g, uintptr_t pc)
{
    if (g != m->g0 && preempt_unbroken(pc) && m->wanted_at == m->p->schedule)
        g->preempt_wanted = 1;
    return put_off(m, attention_pending(m->p));
}

static __attribute__((noinline)) arch_leaver *make_room_and_leave(struct m *m, struct g *g,
                                                                  struct arch_frame *f)
{
    uintptr_t sp = arch_frame_sp(f);
    if (!chaos_refusal() && make_room(g, sp))
        return leave(g, sp);
    /* On the spill page, which an earlier preemption has mapped, and nearly at its end. */
    if (sp - g->stack.lo < ARCH_FRAME_ROOM)
        fatal_stack(g, f, false);
    try_again(m, PREEMPT_NO_ROOM_NS);
    return NULL;
}

HOT static __attribute__((noinline)) arch_leaver *take_off(struct m *m, struct g *g,
                                                           struct arch_frame *f)
{
    uintptr_t sp = arch_frame_sp(f);
    if (g == m->g0 || g->status != G_RUNNING || preempt_held(arch_frame_pc(f)))
        return put_off_held(m, g, arch_frame_pc(f));
    if (m->wanted_at != m->p->schedule)
        return NULL;
    if (g->preempt_off > 0) { /* before make_room: g may hold a lock that it takes */
        g->preempt_wanted = 1;
        return put_off(m, false);
    }
    return has_room(g, sp) ? leave(g, sp) : make_room_and_leave(m, g, f);
}

static __attribute__((noinline)) arch_leaver *exit_without_p(struct m *m, struct g *g)
{
    if (m->section != NULL && g != m->g0)
        section_interrupted(m);
    return NULL;
}

HOT arch_leaver *preempt_on_trap_exit(struct m *m, struct arch_frame *f)
{
    struct g *g = g_of(arch_frame_tp(f));
    if (__builtin_expect(m->p == NULL, 0))
        return exit_without_p(m, g);
    /* relaxed: written on this hart only. */
    return load_relaxed(&m->wanted) != 0 ? take_off(m, g, f) : NULL;
}

/* ---- on the scheduler stack ---- */

/* g has had its slice: behind everyone. */
static inline __attribute__((always_inline)) void send_behind(struct m *m, struct g *g)
{
    struct p *p = m->p;
    p->count.preemptions++;
    g->slices++;
    if (g->flags & GF_ASIDE)
        sched_put_tail(p, g);
    else
        global_put_batch(g, g, 1);
    /* S1: the timer may have come while it was in hand, and seen nobody. relaxed: our own. */
    if (__builtin_expect(!load_relaxed(&m->slice_on), 0))
        slice_check(m);
    wake_idle();
}

/* g's slice is over, and no one jumps the queue in its name. */
static void end_slice(struct m *m, struct g *g)
{
    struct p *p = m->p;
    struct g *next = runq_take_next(&p->runq);
    if (next != NULL)
        runq_put_tail(p, next);
    /* The turn that is about to begin: slice_over, in this very schedule, has marked the present one.
     * It has begun the slice too, and the timer is set. */
    m->slice_mark++;
    send_behind(m, g);
}

/* The slice is over in which m->host was to go on when its guest, who runs, has parked. (If it is not
 * the next any more it has lost its place already.) The one that slice_over has begun is the guest's. */
static __attribute__((noinline)) void end_hosts_slice(struct m *m)
{
    struct p *p = m->p;
    struct g *host = m->host, *next = runq_take_next(&p->runq);
    if (next == host) {
        TRACE_G(m, host, 0, TRACE_WHAT(TRACE_BEHIND, 0, m->p->id));
        send_behind(m, host);
    } else if (next != NULL)
        runq_put_next(p, next);
}

static bool guest_runs(const struct m *m)
{
    return m->host != NULL && m->guest_at == p_switches(m->p);
}

void preempt_at_random(struct m *m)
{
    want(m, m->p, WANT_CHAOS);
}

void preempt_not_yet(struct m *m)
{
    /* relaxed, both: our own word, and this is a handler. */
    store_relaxed(&m->wanted, load_relaxed(&m->wanted) & ~(uint32_t)WANT_LOOK);
}

void preempt_soon(struct m *m)
{
    uintptr_t was = arch_irq_save(); /* the handler writes these too */
    want(m, m->p, WANT_LOOK);
    g_self()->preempt_wanted = 1;
    arch_irq_restore(was);
}

static __attribute__((noinline)) void leave_by_chance(struct m *m, struct g *g)
{
    g->flags |= GF_CHAOS;
    send_behind(m, g);
    sched_next(m);
}

/* Its own slice is over, unless it is a guest. */
static void note_leave(struct m *m, struct g *g, uint32_t why)
{
    uint32_t was = (why & WANT_END) != 0 ? guest_runs(m) ? WANT_LOOK : WANT_END
                   : why & WANT_CHAOS    ? WANT_CHAOS
                                         : WANT_LOOK;
    TRACE_G(m, g, 0, TRACE_WHAT(TRACE_PREEMPT, was, m->p->id));
}

static void preempt_commit(void *arg, struct arch_hart *hart)
{
    struct m *m = (struct m *)hart;
    struct g *g = g_of((uintptr_t)arg);
    /* relaxed: this hart's alone; in one, so that an interrupt's word is never half lost. */
    uint32_t why = atomic_exchange_explicit(&m->wanted, 0, memory_order_relaxed);
    g->preempt_wanted = 0;
    note_leave(m, g, why);
    if ((why & WANT_END) != 0 && guest_runs(m)) {
        end_hosts_slice(m);
        sched_look(m, g);
    } else if (why & WANT_END) {
        end_slice(m, g);
        sched_next(m);
    } else if (why & WANT_CHAOS) {
        leave_by_chance(m, g);
    } else {
        sched_look(m, g);
    }
}

void preempt_honour(void)
{
    struct g *g = g_self();
    g->preempt_wanted = 0;
    struct m *m = preempt_off();
    /* relaxed: this hart's alone. */
    if (load_relaxed(&m->wanted) == 0 || m->wanted_at != m->p->schedule) {
        preempt_on(); /* stale: it was meant for an earlier stay on a hart */
        return;
    }
    g->status = G_RUNNABLE;
    /* Late for the end of a slice: who comes next gets a whole one. A look is within the slice. relaxed:
     * as above. */
    if (load_relaxed(&m->wanted) & WANT_END)
        slice_begin(m, m->slice_mark, clock_ns());
    arch_park((void *)g_tp(g), &m->hart, preempt_commit);
}

bool preempt_honour_true(void)
{
    if (g_self()->preempt_off == 0)
        preempt_honour();
    return true;
}
