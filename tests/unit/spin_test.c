// with: -DPINION_UNIT_TEST -pthread -fno-sanitize=all -fsanitize=thread
/*
 * spin: the spinlock under ThreadSanitizer, and the states that threads seldom meet, by hand.
 */
#include "tests/unit/unit.h"
#include <pthread.h>
#include "tests/unit/sched_world.h"
#include "kernel/spin.h"

#define THREADS 4
#define TURNS   20000

static struct spin lock;
static long counted; /* plain: the lock is all that orders it */

static void *count(void *which)
{
    for (long i = 0; i < TURNS; i++) {
        if ((intptr_t)which % 2 == 0 || !spin_try_lock(&lock))
            spin_lock(&lock);
        counted++;
        spin_unlock(&lock);
    }
    return NULL;
}

TEST(one_at_a_time_holds_it)
{
    pthread_t threads[THREADS];
    for (intptr_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, count, (void *)i);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    CHECK_EQ(counted, (long)THREADS * TURNS);
    CHECK_EQ(atomic_load(&lock.word), 0);
}

TEST(try_takes_what_is_free_and_nothing_else)
{
    struct spin l = {0};
    CHECK(spin_try_lock(&l));
    CHECK(!spin_try_lock(&l));
    CHECK_EQ(atomic_load(&l.word), SPIN_HELD);
    spin_unlock(&l);
    CHECK(spin_try_lock(&l));
}

/* Trap 20: nobody holds it at this moment, but one waits in the queue. */
TEST(a_newcomer_does_not_pass_who_waits)
{
    struct spin l = {.word = SPIN_WAITER};
    CHECK(!spin_try_lock(&l));
    CHECK_EQ(atomic_load(&l.word), SPIN_WAITER);
}

static struct spin free_but_waited_for = {.word = SPIN_WAITER, .next = 1};
static _Atomic bool passed;

static void *come_new(void *unused)
{
    spin_lock(&free_but_waited_for);
    atomic_store(&passed, true);
    return unused;
}

/* The same for one that is ready to wait: it takes the next ticket, and has the lock when that is served. */
TEST(trap_20_a_newcomer_queues_behind_who_waits)
{
    struct spin *l = &free_but_waited_for;
    pthread_t newcomer;
    pthread_create(&newcomer, NULL, come_new, NULL);
    while (atomic_load(&l->next) == 1 && !atomic_load(&passed))
        continue;
    CHECK(!atomic_load(&passed));
    atomic_fetch_sub(&l->word, SPIN_WAITER); /* the one before has had it, and gone */
    atomic_store(&l->serving, 1);
    pthread_join(newcomer, NULL);
    CHECK(atomic_load(&passed));
}

static struct spin queued;
static _Atomic int first;

static void *wait_in_queue(void *which)
{
    spin_lock(&queued);
    int nobody = 0;
    atomic_compare_exchange_strong(&first, &nobody, (int)(intptr_t)which);
    spin_unlock(&queued);
    return NULL;
}

/* Of two that wait, the one that came first gets it. */
TEST(trap_20_tickets_are_served_in_order)
{
    for (int round = 0; round < 50; round++) {
        pthread_t threads[2];
        atomic_store(&first, 0);
        spin_lock(&queued);
        for (uint32_t i = 0; i < 2; i++) {
            uint32_t next = atomic_load(&queued.next);
            pthread_create(&threads[i], NULL, wait_in_queue, (void *)(intptr_t)(i + 1));
            while (atomic_load(&queued.next) == next)
                continue;
        }
        spin_unlock(&queued);
        pthread_join(threads[0], NULL);
        pthread_join(threads[1], NULL);
        CHECK_EQ(atomic_load(&first), 1);
    }
}

UNIT_MAIN
