/*
 * mutex_profile_test: the mutex profile goes on and off, and from fraction to fraction, while goroutines
 * wait for mutexes and rwmutexes, which whoever is last frees. Each that has waited writes at once over
 * the stack that its record lay on, so an unlock that looks at it too late goes astray.
 */
#include "tests/target/check.h"

#define WORKERS 6
#define ROUNDS  1000

static _Atomic bool over;
static _Atomic int freed;

struct shared {
    mutex m;
    rwmutex rw;
    int holders;
    long turns; /* rw */
};

static struct shared *now; /* the round's */

static __attribute__((noipa)) void write_over_stack(void)
{
    char text[512];
    memset(text, 0x7f, sizeof text);
    __asm__ volatile("" ::"r"(text) : "memory");
}

static void read_it(struct shared *s)
{
    rwmutex_rlock(&s->rw);
    write_over_stack();
    CHECK(s->turns >= 0 && s->turns <= WORKERS);
    runtime_gosched();
    rwmutex_runlock(&s->rw);
}

static void write_it(struct shared *s)
{
    rwmutex_lock(&s->rw);
    write_over_stack();
    long was = s->turns;
    runtime_gosched();
    s->turns = was + 1;
    rwmutex_unlock(&s->rw);
}

static void let_go(struct shared *s)
{
    mutex_lock(&s->m);
    write_over_stack();
    runtime_gosched();
    bool last = --s->holders == 0;
    mutex_unlock(&s->m);
    if (!last)
        return;
    CHECK_EQ(s->turns, WORKERS);
    memset(s, 0xa5, sizeof *s);
    runtime_gosched();
    for (size_t i = 0; i < sizeof *s; i++)
        CHECK_EQ(((unsigned char *)s)[i], 0xa5);
    free(s);
    freed++;
}

/* Half of them write first and half read, so that writers and readers wait for each other. */
static void work(void *no)
{
    struct shared *s = now;
    if ((intptr_t)no % 2 == 0)
        read_it(s);
    write_it(s);
    if ((intptr_t)no % 2 != 0)
        read_it(s);
    let_go(s);
}

static void switch_it(void *unused)
{
    static const int fractions[] = {1, 0, 3, -1, 1000, 1};
    (void)unused;
    for (unsigned i = 0, is = 0; !over; i++) {
        CHECK_EQ(runtime_set_mutex_profile_fraction(fractions[i % 6]), (int)is);
        is = fractions[i % 6] < 0 ? is : (unsigned)fractions[i % 6];
        time_sleep((i % 7) * 20 * MICROSECOND);
    }
}

int main(void)
{
    waitgroup switching = {0};
    errno = 0;
    CHECK(runtime_profile_write("mutex") == -1 && errno == EINVAL); /* it has never been on */
    CHECK(waitgroup_go(&switching, switch_it, NULL) > 0);
    for (int i = 0; i < ROUNDS; i++) {
        now = calloc(1, sizeof *now);
        CHECK(now != NULL);
        now->holders = WORKERS;
        in_parallel(WORKERS, work);
    }
    over = true;
    waitgroup_wait(&switching);
    CHECK_EQ(freed, ROUNDS);
    return 0;
}
