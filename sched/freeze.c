/*
 * freeze: standing still for a traceback of all goroutines.
 *
 * F is who freezes, H any other hart.
 *
 *     F1  takes the freeze lock, its interrupts on        H1  interrupted: sees a freezer (acquire)
 *     F2  freezer = F (release), IPI to all others        H2  notes its frame, frozen = true (release)
 *     F3  waits for each frozen (acquire)                 H3  waits until there is no freezer
 *     F4  looks
 *     F5  freezer = NULL (release)                        H4  frozen = false (release), goes on
 *     F6  waits for each frozen to be false
 *
 * F6, so that the next F3 does not take an old frozen for a new one. Two that freeze at once: the
 * second waits in F1 with its interrupts on, so it is held like everyone else (trap 22). F's own
 * handler may run as well, for a spurious interrupt: it holds everyone but F.
 */
#include "sched/freeze.h"
#include "kernel/clock.h"
#include "sched/atomic.h"
#include "sched/ipi.h"
#include "sched/profile.h"
#include "sched/timer.h"

static struct spin freeze_lock;
struct m *_Atomic freezer;

void freeze_here(struct m *m, struct arch_frame *f)
{
    /* O12: acquire pairs with F2. */
    struct m *by = atomic_load_explicit(&freezer, memory_order_acquire);
    if (by == NULL || by == m) /* over already */
        return;
    m->ipis_received++;
    m->frame = f;
    /* O12: release pairs with F3: all that this hart has done is visible. */
    atomic_store_explicit(&m->frozen, true, memory_order_release);
    /* O12: acquire pairs with F5. */
    for (unsigned n = 0; atomic_load_explicit(&freezer, memory_order_acquire) == by; n++)
        arch_relax(n);
    m->frame = NULL;
    /* O12: release pairs with F6. */
    atomic_store_explicit(&m->frozen, false, memory_order_release);
    uint32_t extras = timers_extras(); /* since a moment ago, perhaps */
    if (extras & EXTRA_CPU_PROFILE)
        cpu_profile_tick(m, NULL);
    if (extras & EXTRA_CONSOLE)
        timers_arm_at(m, clock_ns());
}

/* Waits until every hart but self is frozen, or none is; not for ever. */
static void wait_until(struct m *self, bool frozen)
{
    int64_t until = clock_ns() + HALT_WAIT_NS;
    for (uint32_t i = 0; i < sched.n_m; i++) {
        struct m *m = sched.m[i];
        /* O12: acquire pairs with H2 and H4. */
        for (unsigned n = 0;
             m != self && atomic_load_explicit(&m->frozen, memory_order_acquire) != frozen &&
             clock_ns() < until;
             n++)
            arch_relax(n);
    }
}

/*
 * A hart that stands still may hold the locks that the growth of a stack takes. So whoever makes
 * it stand still must not need another page of stack until it goes on.
 */
#define RESERVE ((uintptr_t)12 << 10)
void stack_reserve(void)
{
    struct g *g = g_self();
    uintptr_t here = (uintptr_t)__builtin_frame_address(0), lo = g->stack.lo;
    if (g == g->m->g0)
        return; /* all of a scheduler's stack is there */
    for (uintptr_t down = 4096; down <= RESERVE && here - down >= lo; down += 4096)
        (void)*(volatile char *)(here - down);
}

bool freeze_try(void)
{
    struct m *self = g_self()->m;
    if (!spin_try_lock(&freeze_lock))
        return false;
    /* O12: release pairs with H1. */
    atomic_store_explicit(&freezer, self, memory_order_release);
    bool handler = g_self() == self->g0; /* it may have interrupted who was noting something */
    for (uint32_t i = 0; i < sched.n_m; i++)
        if (sched.m[i] != self && !handler)
            ipi_send(self, sched.m[i], IPI_STOP);
        else if (sched.m[i] != self)
            irq_send_ipi(sched.m[i]->hart_no);
    wait_until(self, true);
    return true;
}

void freeze_begin(void)
{
    stack_reserve();
    for (unsigned n = 0; !freeze_try(); n++)
        arch_relax(n);
}

void freeze_end(void)
{
    /* O12: release pairs with H3. */
    atomic_store_explicit(&freezer, NULL, memory_order_release);
    wait_until(g_self()->m, false);
    spin_unlock(&freeze_lock);
}
