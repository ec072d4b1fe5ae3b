/*
 * producer_consumer: three producers and two consumers around a buffer of ten, which a select tells
 * to stop. Shows: a bounded buffer is a channel, waiting for room and for something to take is its
 * own affair; select waits for one of two things; closing a channel tells any number of goroutines
 * at once.
 */
#include <pinion.h>
#include <stdatomic.h>
#include <stdio.h>

#define PRODUCERS 3
#define CONSUMERS 2
#define EACH      100

static chan *buffer, *stop;
static waitgroup producers, consumers;
static _Atomic int produced, consumed;

static void produce(void *which)
{
    for (long i = 0; i < EACH; i++) {
        long item = (long)which * 1000 + i;
        chan_send(buffer, &item);
        atomic_fetch_add(&produced, 1);
    }
}

static void consume(void *unused)
{
    long item, count = 0;
    struct select_case cases[] = {{buffer, SELECT_RECV, &item, false},
                                  {stop, SELECT_RECV, NULL, false}};
    (void)unused;
    while (chan_select(cases, 2, true) == 0)
        count++;
    while (chan_try_recv(buffer, &item, NULL)) /* what was left when the word came */
        count++;
    atomic_fetch_add(&consumed, (int)count);
    printf("a consumer on hart %d took %ld\n", runtime_hart(), count);
}

int main(void)
{
    buffer = chan_make(sizeof(long), 10);
    stop = chan_make(0, 0);
    if (buffer == NULL || stop == NULL)
        runtime_panic("out of memory");
    for (long i = 0; i < CONSUMERS; i++)
        if (waitgroup_go(&consumers, consume, NULL) < 0)
            runtime_panic("out of memory");
    for (long i = 0; i < PRODUCERS; i++)
        if (waitgroup_go(&producers, produce, (void *)i) < 0)
            runtime_panic("out of memory");
    waitgroup_wait(&producers);
    chan_close(stop);
    waitgroup_wait(&consumers);
    printf("produced %d, consumed %d\n", atomic_load(&produced), atomic_load(&consumed));
    return 0;
}
