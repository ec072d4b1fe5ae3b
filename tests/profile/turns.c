/*
 * turns: readers and writers of an rwmutex keep each other waiting, each for as long as it sleeps. Each
 * way to let it go is a function of its own. Five rounds; then the profile goes on and off while they wait.
 */
#include <pinion.h>
#include "sched/lot.h"

/* A function that stays one, under its name. */
#define PLACE static __attribute__((noipa))

static rwmutex rw;
static waitgroup wg;

PLACE void lets_all_in(void)
{
    rwmutex_unlock(&rw);
}

PLACE void lets_the_next_in(void)
{
    rwmutex_unlock(&rw);
}

PLACE void ends_the_line(void)
{
    rwmutex_unlock(&rw);
}

PLACE void ends_reading(void)
{
    rwmutex_runlock(&rw);
}

PLACE void ends_reading_alone(void)
{
    rwmutex_runlock(&rw);
}

PLACE void lets_in_who_came_unseen(void)
{
    rwmutex_unlock(&rw);
}

PLACE void ends_reading_seen(void)
{
    rwmutex_runlock(&rw);
}

struct turn {
    void (*lock)(rwmutex *);
    duration hold;
    void (*let_go)(void);
};

static void take(void *turn)
{
    const struct turn *t = turn;
    t->lock(&rw);
    time_sleep(t->hold);
    t->let_go();
}

static void lock_to_read(rwmutex *m)
{
    rwmutex_rlock(m);
}

static void lock_to_write(rwmutex *m)
{
    rwmutex_lock(m);
}

static int waiting(void)
{
    int n = 0;
    struct bucket *b = lot_lock(&rw);
    for (const struct waiter *first = b->addrs; first != NULL; first = first->next_addr)
        for (const struct waiter *w = first; w != NULL; w = w->next)
            n++;
    lot_unlock(b);
    return n;
}

/* Starts one that waits for its turn, and comes back when it does. */
static void put_in_line(struct turn *t)
{
    int before = waiting();
    waitgroup_go(&wg, take, t);
    while (waiting() == before)
        time_sleep(10 * MICROSECOND);
}

/*
 * For 20 ms three readers and two writers wait for main. Then the readers have it, for 5, 10 and 15 ms,
 * and the first writer waits for the last of them; then it has it for 10 ms, and the second waits on.
 */
static void writers_and_readers_wait_for_a_writer(void)
{
    static struct turn turns[] = {
        {lock_to_write, 10 * MILLISECOND, lets_the_next_in},
        {lock_to_write, 0, ends_the_line},
        {lock_to_read, 5 * MILLISECOND, ends_reading},
        {lock_to_read, 15 * MILLISECOND, ends_reading},
        {lock_to_read, 10 * MILLISECOND, ends_reading},
    };
    rwmutex_lock(&rw);
    for (int i = 0; i < 5; i++)
        put_in_line(&turns[i]);
    time_sleep(20 * MILLISECOND);
    lets_all_in();
    waitgroup_wait(&wg);
}

/* For 20 ms a writer waits for main, that reads. */
static void a_writer_waits_for_a_reader(void)
{
    static struct turn writer = {lock_to_write, 0, ends_the_line};
    rwmutex_rlock(&rw);
    put_in_line(&writer);
    time_sleep(20 * MILLISECOND);
    ends_reading_alone();
    waitgroup_wait(&wg);
}

/* A reader and a writer begin to wait for main, then the writer for the reader, with the profile on or off
 * as each begins; it is on at the end. */
static void wait_unseen(bool first, bool then)
{
    static struct turn turns[] = {{lock_to_write, 0, ends_the_line},
                                  {lock_to_read, 5 * MILLISECOND, ends_reading_seen}};
    rwmutex_lock(&rw);
    runtime_set_mutex_profile_fraction(first);
    put_in_line(&turns[0]);
    put_in_line(&turns[1]);
    runtime_set_mutex_profile_fraction(then);
    lets_in_who_came_unseen();
    runtime_set_mutex_profile_fraction(1);
    waitgroup_wait(&wg);
}

int main(void)
{
    for (int i = 0; i < 5; i++) {
        writers_and_readers_wait_for_a_writer();
        a_writer_waits_for_a_reader();
    }
    wait_unseen(true, false);
    wait_unseen(false, true);
}
