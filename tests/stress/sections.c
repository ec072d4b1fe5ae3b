/*
 * sections: blocking sections, short and long, against all who take a P out of one: sysmon, stoppers,
 * the hart itself; with fewer Ps than harts, so that a P that was retaken is soon in a section of
 * another hart when the first one comes back for it.
 *
 * Whoever runs looks whether its P knows its hart: by p->m the hart gets its interrupts, and with a
 * wrong one the world does not stop.
 */
#include "stress.h"

#define WORKERS 3 /* for each hart */
#define CHANGES 400
#define WIRED   2

static _Atomic bool stop;
static _Atomic long sections, rounds, changes;
static waitgroup end;

static void check_whose_p_it_is(void)
{
    struct m *m = preempt_off();
    struct p *p = m->p;
    struct m *holder = *(struct m *volatile *)&p->m;
    uint32_t status = load_relaxed(&p->status);
    preempt_on();
    CHECK(holder == m, "P%lu of M%lu believes itself M%ld's", (unsigned long)p->id,
          (unsigned long)m->id, holder != NULL ? (long)holder->id : -1L);
    CHECK(status == P_RUNNING, "P%lu runs in state %lu", (unsigned long)p->id,
          (unsigned long)status);
}

/* Some are over at once, some are seen by sysmon once, twice, or taken. */
static void section(uint32_t *rng)
{
    runtime_entersyscall();
    if (random_below(rng, 4) == 0) {
        int64_t until = time_now() + random_skewed(rng, 8) * MICROSECOND;
        while (time_now() < until)
            ;
    } else {
        spin_for_loops(random_skewed(rng, 12));
    }
    runtime_exitsyscall();
    check_whose_p_it_is();
    atomic_fetch_add(&sections, 1);
}

static void live(uint32_t *rng)
{
    switch (random_below(rng, 8)) {
    case 0: runtime_gosched(); break;
    case 1: time_sleep(random_below(rng, 100) * MICROSECOND); break;
    case 2: spin_for_loops(random_skewed(rng, 14)); break;
    default: section(rng);
    }
    check_whose_p_it_is();
    atomic_fetch_add(&rounds, 1);
}

static void work(void *which)
{
    uint32_t rng = 1 + 2654435761u * (uint32_t)(uintptr_t)which;
    while (!atomic_load(&stop))
        live(&rng);
}

/* Its hart lends the P whenever it waits, and takes it back by the same swap. */
static void work_wired(void *which)
{
    uint32_t rng = 7919 + 2654435761u * (uint32_t)(uintptr_t)which;
    while (!atomic_load(&stop)) {
        runtime_lock_os_thread();
        int here = runtime_hart();
        bool alone = (g_self()->flags & GF_WIRED) != 0;
        for (int i = 0; i < 10; i++) {
            live(&rng);
            CHECK(!alone || runtime_hart() == here, "left its hart");
        }
        runtime_unlock_os_thread();
    }
}

/* Mostly fewer than there are harts; each change stops the world, and finds Ps in every state. */
static void change(void *n)
{
    uint32_t rng = 4711;
    int cpus = runtime_numcpu();
    for (long i = 0; i < (long)(intptr_t)n; i++) {
        runtime_gomaxprocs(1 + (int)random_below(&rng, (uint32_t)(i % 4 == 0 ? cpus : cpus - 1)));
        for (uint32_t turns = random_below(&rng, 8); turns > 0; turns--)
            live(&rng);
        atomic_fetch_add(&changes, 1);
    }
    atomic_store(&stop, true);
    waitgroup_done(&end);
}

int main(int argc, char **argv)
{
    int cpus = runtime_numcpu();
    long n = stress_size(argc, argv, CHANGES);
    for (intptr_t i = 0; i < WORKERS * cpus; i++)
        CHECK(waitgroup_go(&end, i < WIRED ? work_wired : work, (void *)i) > 0, "no memory");
    waitgroup_add(&end, 1);
    CHECK(go(change, (void *)n) > 0, "no memory");
    for (long seen = -1; !atomic_load(&stop);) { /* a hang of the changer: somebody must say so */
        int64_t until = time_now() + PATIENCE;
        seen = atomic_load(&changes);
        while (!atomic_load(&stop) && atomic_load(&changes) == seen) {
            CHECK(time_now() < until, "no change since the %ld-th", seen);
            time_sleep(10 * MILLISECOND);
        }
    }
    waitgroup_wait(&end);
    fprintf(stderr, "%ld sections, %ld rounds, %ld changes\n", atomic_load(&sections),
            atomic_load(&rounds), atomic_load(&changes));
    return 0;
}
