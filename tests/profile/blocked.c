/*
 * blocked: one goroutine waits in each of ten ways, and each time somebody sleeps for so long before he ends
 * the wait: 5 times 20 ms in a receive, 5 times 2 ms in most others, and 4000 times 50 µs.
 */
#include <pinion.h>

/* A function that stays one, under its name. */
#define PLACE static __attribute__((noipa))

static chan *c, *d;
static mutex m, lock;
static rwmutex rw;
static semaphore sem;
static waitgroup wg;
static cond changed = {.l = &lock};
static volatile unsigned waited; /* so that no wait is a function's last call */

static struct waker {
    void (*wake)(void);
    duration after;
} waker;

static void wakes(void *unused)
{
    (void)unused;
    struct waker w = waker;
    time_sleep(w.after);
    w.wake();
}

static void wake_by(void (*wake)(void), duration after)
{
    waker = (struct waker){wake, after};
    go(wakes, NULL);
}

static void send_one(void)
{
    uint64_t x = 1;
    chan_send(c, &x);
}

static void receive_one(void)
{
    uint64_t x;
    chan_recv(c, &x);
}

static void unlock_it(void)
{
    mutex_unlock(&m);
}

static void unlock_writer(void)
{
    rwmutex_unlock(&rw);
}

static void release_it(void)
{
    semaphore_release(&sem, 1);
}

static void done(void)
{
    waitgroup_done(&wg);
}

static void signal_it(void)
{
    cond_signal(&changed);
}

PLACE void receives(duration after)
{
    uint64_t x;
    wake_by(send_one, after);
    chan_recv(c, &x);
    waited++;
}

PLACE void receives_soon(void)
{
    uint64_t x;
    wake_by(send_one, 50 * MICROSECOND);
    chan_recv(c, &x);
    waited++;
}

PLACE void sends(duration after)
{
    uint64_t x = 2;
    wake_by(receive_one, after);
    chan_send(c, &x);
    waited++;
}

PLACE void selects(duration after)
{
    uint64_t x;
    struct select_case cases[] = {{.c = d, .dir = SELECT_RECV, .elem = &x},
                                  {.c = c, .dir = SELECT_RECV, .elem = &x}};
    wake_by(send_one, after);
    chan_select(cases, 2, true);
    waited++;
}

PLACE void locks(duration after)
{
    mutex_lock(&m);
    wake_by(unlock_it, after);
    mutex_lock(&m);
    mutex_unlock(&m);
    waited++;
}

PLACE void locks_to_write(duration after)
{
    rwmutex_lock(&rw);
    wake_by(unlock_writer, after);
    rwmutex_lock(&rw);
    rwmutex_unlock(&rw);
    waited++;
}

PLACE void locks_to_read(duration after)
{
    rwmutex_lock(&rw);
    wake_by(unlock_writer, after);
    rwmutex_rlock(&rw);
    rwmutex_runlock(&rw);
    waited++;
}

PLACE void acquires(duration after)
{
    semaphore_acquire(&sem, 1);
    wake_by(release_it, after);
    semaphore_acquire(&sem, 1);
    semaphore_release(&sem, 1);
    waited++;
}

PLACE void waits_for_group(duration after)
{
    waitgroup_add(&wg, 1);
    wake_by(done, after);
    waitgroup_wait(&wg);
    waited++;
}

PLACE void waits_for_cond(duration after)
{
    mutex_lock(&lock);
    wake_by(signal_it, after);
    cond_wait(&changed);
    mutex_unlock(&lock);
    waited++;
}

int main(void)
{
    c = chan_make(sizeof(uint64_t), 0);
    d = chan_make(sizeof(uint64_t), 0);
    semaphore_init(&sem, 1);
    for (int i = 0; i < 5; i++) {
        receives(20 * MILLISECOND);
        sends(2 * MILLISECOND);
        selects(5 * MILLISECOND);
        locks(2 * MILLISECOND);
        locks_to_write(2 * MILLISECOND);
        locks_to_read(2 * MILLISECOND);
        acquires(2 * MILLISECOND);
        waits_for_group(2 * MILLISECOND);
        waits_for_cond(2 * MILLISECOND);
    }
    for (int i = 0; i < 4000; i++)
        receives_soon();
}
