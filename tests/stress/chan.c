/*
 * chan: many goroutines and few channels: what is sent is received, once, whole, and nothing else;
 * with close against send, try forms, elements of several sizes, and a chain of 10,000 goroutines.
 */
#include <string.h>
#include "stress.h"

/* An element of `size` bytes: a number, and the rest made from it. */
#define ELEM_MAX 600

static void elem_make(unsigned char *elem, size_t size, uint64_t number)
{
    memcpy(elem, &number, 8);
    for (size_t i = 8; i < size; i++)
        elem[i] = (unsigned char)(number >> i % 8 * 8 ^ i);
}

static uint64_t elem_check(const unsigned char *elem, size_t size)
{
    uint64_t number;
    memcpy(&number, elem, 8);
    for (size_t i = 8; i < size; i++)
        CHECK(elem[i] == (unsigned char)(number >> i % 8 * 8 ^ i), "element %llu is torn at %zu",
              (unsigned long long)number, i);
    return number;
}

static chan *line;
static size_t size;
static long each;
static _Atomic uint64_t sent, received, sum_sent, sum_received;
static waitgroup producers, consumers;

static void pause_at_random(uint32_t *rng)
{
    if (random_below(rng, 32) == 0)
        runtime_gosched();
    else if (random_below(rng, 32) == 0)
        spin_for_loops(random_skewed(rng, 10));
}

static void count_to(_Atomic uint64_t *n, _Atomic uint64_t *sum, uint64_t number)
{
    atomic_fetch_add(n, 1);
    atomic_fetch_add(sum, number);
}

/* Every third a try, if it goes. */
static void produce(void *which)
{
    unsigned char elem[ELEM_MAX];
    uint32_t rng = (uint32_t)(intptr_t)which * 7919 + 1;
    for (long i = 0; i < each; i++) {
        uint64_t number = (uint64_t)(intptr_t)which << 32 | (uint64_t)i;
        elem_make(elem, size, number);
        if (i % 3 != 0 || !chan_try_send(line, elem))
            chan_send(line, elem);
        count_to(&sent, &sum_sent, number);
        pause_at_random(&rng);
    }
}

static void consume(void *which)
{
    unsigned char elem[ELEM_MAX];
    uint32_t rng = (uint32_t)(intptr_t)which * 104729 + 1;
    for (long i = 0;; i++) {
        bool ok;
        if (i % 3 != 0 || !chan_try_recv(line, elem, &ok))
            ok = chan_recv(line, elem);
        if (!ok)
            return;
        count_to(&received, &sum_received, elem_check(elem, size));
        pause_at_random(&rng);
    }
}

static void start(size_t elem_size, size_t cap)
{
    size = elem_size;
    line = chan_make(size, cap);
    CHECK(line != NULL, "no channel");
    sent = received = sum_sent = sum_received = 0;
}

static void compare(const char *what)
{
    CHECK(sent == received && sum_sent == sum_received, "%s: %llu sent, %llu received", what,
          (unsigned long long)sent, (unsigned long long)received);
    CHECK(chan_len(line) == 0, "%s: %zu left", what, chan_len(line));
    chan_free(line);
}

static void many_to_many(size_t elem_size, size_t cap, int n_producers, int n_consumers)
{
    start(elem_size, cap);
    for (intptr_t i = 1; i <= n_consumers; i++)
        CHECK(waitgroup_go(&consumers, consume, (void *)i) > 0, "no goroutine");
    for (intptr_t i = 1; i <= n_producers; i++)
        CHECK(waitgroup_go(&producers, produce, (void *)i) > 0, "no goroutine");
    waitgroup_wait(&producers);
    chan_close(line);
    waitgroup_wait(&consumers);
    CHECK(sent == (uint64_t)(n_producers * each), "only %llu sent", (unsigned long long)sent);
    compare("many to many");
}

/* ---- close against send: who is turned away has sent nothing ---- */

static void survive(void *unused)
{
    char words[64];
    (void)unused;
    CHECK(runtime_recover(words, sizeof words) && strcmp(words, "send on closed channel") == 0,
          "a panic of another kind");
}

static void send_until_closed(void *which)
{
    unsigned char elem[ELEM_MAX];
    runtime_defer(survive, NULL);
    for (uint64_t i = 0;; i++) {
        uint64_t number = (uint64_t)(intptr_t)which << 32 | i;
        elem_make(elem, size, number);
        chan_send(line, elem);
        count_to(&sent, &sum_sent, number);
    }
}

static void close_amid(size_t elem_size, size_t cap, uint32_t *rng)
{
    start(elem_size, cap);
    for (intptr_t i = 1; i <= 6; i++)
        CHECK(waitgroup_go(&producers, send_until_closed, (void *)i) > 0, "no goroutine");
    for (intptr_t i = 1; i <= 3; i++)
        CHECK(waitgroup_go(&consumers, consume, (void *)i) > 0, "no goroutine");
    for (uint32_t n = random_below(rng, 8); n > 0; n--)
        runtime_gosched();
    spin_for_loops(random_skewed(rng, 14));
    chan_close(line);
    waitgroup_wait(&producers);
    waitgroup_wait(&consumers);
    compare("close against send");
}

/* ---- a chain ---- */

struct link {
    chan *from, *to;
};

static void pass_on(void *arg)
{
    struct link *l = arg;
    uint64_t v;
    chan_recv(l->from, &v);
    v++;
    chan_send(l->to, &v);
}

static void chain(long n)
{
    struct link *links = malloc((size_t)n * sizeof(*links));
    waitgroup end = {0};
    chan *first = chan_make(8, 0), *last = first;
    uint64_t v = 0;
    for (long i = 0; i < n; i++) {
        links[i] = (struct link){last, chan_make(8, 0)};
        last = links[i].to;
        CHECK(last != NULL && waitgroup_go(&end, pass_on, &links[i]) > 0, "link %ld", i);
    }
    chan_send(first, &v);
    chan_recv(last, &v);
    CHECK(v == (uint64_t)n, "%llu links", (unsigned long long)v);
    waitgroup_wait(&end);
    chan_free(first);
    for (long i = 0; i < n; i++)
        chan_free(links[i].to);
    free(links);
}

int main(int argc, char **argv)
{
    static const size_t sizes[] = {8, 8, 24, ELEM_MAX}, caps[] = {0, 1, 16};
    uint32_t rng = 4711;
    long n = stress_size(argc, argv, 500);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (size_t k = 0; k < sizeof caps / sizeof *caps; k++) {
            each = n;
            many_to_many(sizes[i], caps[k], 8, 5);
            many_to_many(sizes[i], caps[k], 1, 7);
            many_to_many(sizes[i], caps[k], 9, 1);
            for (long round = 0; round < n / 20; round++)
                close_amid(sizes[i], caps[k], &rng);
        }
    long links = stress_size(argc, argv, 10000);
    chain(links < 10000 ? links : 10000);
    return 0;
}
