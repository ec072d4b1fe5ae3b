/*
 * chaos_test: chaos does what it promises, and keeps off what it must. It is run with a seed; where it
 * would pass without one, sched/chaos.c does nothing.
 */
#include <stdatomic.h>
#include "check.h"
#include "sched/gmp.h"
#include "sched/preempt.h"

#define CROWD 6

static _Atomic unsigned next_place;
static uint8_t order[CROWD];

static void take_place(void *which)
{
    order[atomic_fetch_add(&next_place, 1)] = (uint8_t)(intptr_t)which;
}

/* The order of one crowd as a number. */
static uint32_t order_of_a_crowd(void)
{
    uint32_t digits = 0;
    atomic_store(&next_place, 0);
    in_parallel(CROWD, take_place);
    for (int i = 0; i < CROWD; i++)
        digits = digits * CROWD + order[i];
    return digits;
}

static void runnables_run_in_many_orders(void)
{
    uint32_t seen[16];
    int n = 0;
    for (int tries = 0; tries < 2000 && n < 16; tries++) {
        uint32_t now = order_of_a_crowd();
        int i = 0;
        while (i < n && seen[i] != now)
            i++;
        if (i == n)
            seen[n++] = now;
    }
    CHECK_EQ(n, 16);
}

static void what_runs_alone_is_taken_off(void)
{
    struct g *self = g_self();
    uint16_t was = *(volatile uint16_t *)&self->slices;
    int64_t until = time_now() + 10 * SECOND;
    while ((uint16_t)(*(volatile uint16_t *)&self->slices - was) < 20)
        CHECK(time_now() < until);
}

static uint64_t interrupts(void)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < sched.n_m; i++)
        n += *(volatile uint64_t *)&sched.m[i]->timer_irqs +
             *(volatile uint64_t *)&sched.m[i]->soft_irqs;
    return n;
}

static void sleeping_harts_are_woken_for_nothing(void)
{
    uint64_t before = interrupts();
    time_sleep(300 * MILLISECOND);
    CHECK(interrupts() - before > 8 * sched.n_m);
}

static void sleepers_are_late_and_never_early(void)
{
    int64_t longest = 0;
    for (int i = 1; i <= 300; i++) {
        int64_t d = i * MICROSECOND, from = time_now();
        time_sleep(d);
        int64_t late = time_now() - from - d;
        CHECK(late >= 0);
        longest = late > longest ? late : longest;
    }
    CHECK(longest > 5 * MICROSECOND);
}

static chan *line;

static void send_numbers(void *unused)
{
    (void)unused;
    for (int64_t i = 0; i < 5000; i++)
        chan_send(line, &i);
    chan_close(line);
}

static void channels_stay_first_in_first_out(void)
{
    static const size_t caps[] = {0, 1, 50};
    for (unsigned k = 0; k < sizeof(caps) / sizeof(caps[0]); k++) {
        int64_t got, n = 0;
        line = chan_make(sizeof(got), caps[k]);
        CHECK(line != NULL && go(send_numbers, NULL) > 0);
        for (; chan_recv(line, &got); n++)
            CHECK_EQ(got, n);
        CHECK_EQ(n, 5000);
        chan_free(line);
    }
}

static void memory_that_is_there_is_not_denied(void)
{
    void *kept[64] = {NULL};
    for (unsigned i = 0; i < 20000; i++) {
        void **at = &kept[i * 37 % 64];
        *at = i % 3 == 0 ? realloc(*at, 1 + i % 40000) : (free(*at), malloc(1 + i % 3000));
        CHECK(*at != NULL);
        memset(*at, (int)i, 1);
    }
    for (int i = 0; i < 64; i++)
        free(kept[i]);
}

int main(void)
{
    CHECK(chaos_on);
    RUN(runnables_run_in_many_orders);
    RUN(what_runs_alone_is_taken_off);
    RUN(sleeping_harts_are_woken_for_nothing);
    RUN(sleepers_are_late_and_never_early);
    RUN(channels_stay_first_in_first_out);
    RUN(memory_that_is_there_is_not_denied);
    return 0;
}
