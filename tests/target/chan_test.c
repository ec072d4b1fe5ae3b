/*
 * chan_test: channels, one corner of their semantics after the other. With an argument: runs that end
 * badly, which tests/list judges by what they say.
 */
#include <stdatomic.h>
#include "check.h"

static uint64_t pattern(uint64_t seed, size_t i)
{
    return (seed * 1103515245 + i * 2654435761) >> 7;
}

/* ---- what goes in comes out ---- */

static void a_buffer_keeps_order_and_wraps(void)
{
    chan *c = chan_make(sizeof(int), 3);
    int v, next = 0, want = 0;
    for (int round = 0; round < 20; round++) {
        while (chan_len(c) < 3)
            chan_send(c, &(int){next++});
        for (int k = 0; k < 1 + round % 3; k++) {
            CHECK(chan_recv(c, &v));
            CHECK_EQ(v, want++);
        }
    }
    chan_free(c);
}

static chan *line;
static size_t size_now;

static void send_two(void *unused)
{
    (void)unused;
    unsigned char *elem = malloc(size_now + 1);
    for (int n = 0; n < 2; n++) {
        for (size_t i = 0; i < size_now; i++)
            elem[i] = (unsigned char)pattern((uint64_t)n + size_now, i);
        chan_send(line, elem);
    }
    free(elem);
}

static void receive_two(size_t size)
{
    unsigned char *elem = malloc(size + 2);
    for (int n = 0; n < 2; n++) {
        memset(elem, 0xee, size + 2);
        CHECK(chan_recv(line, elem + 1)); /* at an odd address, too */
        CHECK_EQ(elem[0], 0xee);
        CHECK_EQ(elem[size + 1], 0xee);
        for (size_t i = 0; i < size; i++)
            CHECK_EQ(elem[i + 1], (unsigned char)pattern((uint64_t)n + size, i));
    }
    free(elem);
}

/* Both ways round: the sender waits, then the receiver does. */
static void elements_of_any_size_arrive_whole(void)
{
    static const size_t sizes[] = {0, 1, 2, 3, 4, 7, 8, 9, 16, 24, 100, 4095, 4096, 4097, 20000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (size_t cap = 0; cap < 3; cap++)
            for (int yields = 0; yields < 2; yields++) {
                waitgroup end = {0};
                size_now = sizes[i];
                line = chan_make(size_now, cap);
                CHECK(waitgroup_go(&end, send_two, NULL) > 0);
                for (int n = 0; n < 3 * yields; n++)
                    runtime_gosched();
                receive_two(size_now);
                waitgroup_wait(&end);
                chan_free(line);
            }
}

static void an_element_may_be_dropped(void)
{
    chan *c = chan_make(8, 2);
    uint64_t v = 7;
    chan_send(c, &v);
    chan_send(c, &v);
    CHECK(chan_recv(c, NULL));
    CHECK(chan_try_recv(c, NULL, NULL));
    chan_close(c);
    CHECK(!chan_recv(c, NULL));
    chan_free(c);
}

static void send_nothing(void *c)
{
    chan_send(c, NULL);
}

static void elements_without_size_need_no_pointer(void)
{
    chan *c = chan_make(0, 1000000);
    for (int i = 0; i < 1000; i++)
        chan_send(c, NULL);
    CHECK_EQ(chan_len(c), 1000);
    for (int i = 0; i < 1000; i++)
        CHECK(chan_recv(c, NULL));
    chan_free(c);
    c = chan_make(0, 0);
    CHECK(go(send_nothing, c) > 0);
    CHECK(chan_recv(c, NULL));
    chan_free(c);
}

/* ---- who waits ---- */

static _Atomic int stage;

static void send_and_tell(void *c)
{
    chan_send(c, &(uint64_t){5});
    atomic_store(&stage, 1);
}

static void a_send_without_buffer_returns_after_the_receiver_came(void)
{
    chan *c = chan_make(8, 0);
    uint64_t v = 0;
    atomic_store(&stage, 0);
    CHECK(go(send_and_tell, c) > 0);
    time_sleep(2 * MILLISECOND);
    CHECK_EQ(atomic_load(&stage), 0);
    CHECK(chan_recv(c, &v));
    CHECK_EQ(v, 5);
    CHECK_SOON(atomic_load(&stage) == 1);
    chan_free(c);
}

static _Atomic int arrived;

static void send_its_number(void *arg)
{
    atomic_fetch_add(&arrived, 1);
    chan_send(line, &(long){(long)(intptr_t)arg});
}

/* Lets 20 goroutines run until they wait, one after the other. */
static void queue_twenty(void (*fn)(void *))
{
    atomic_store(&arrived, 0);
    for (intptr_t i = 0; i < 20; i++) {
        CHECK(go_with(&(struct go_attr){.affinity = 1}, fn, (void *)i) > 0);
        CHECK_SOON(atomic_load(&arrived) == i + 1);
        /* It has a few steps left to its wait, and may have lost its hart in the middle of them. */
        time_sleep(2 * MILLISECOND);
        for (int k = 0; k < 5; k++)
            runtime_gosched();
    }
}

static void waiting_senders_are_served_in_order(void)
{
    line = chan_make(sizeof(long), 2);
    queue_twenty(send_its_number);
    CHECK_EQ(chan_len(line), 2);
    for (long i = 0, v; i < 20; i++) {
        CHECK(chan_recv(line, &v));
        CHECK_EQ(v, i);
    }
    chan_free(line);
}

static long got[20];

static void receive_at(void *place)
{
    atomic_fetch_add(&arrived, 1);
    chan_recv(line, &got[(intptr_t)place]);
    atomic_fetch_add(&arrived, 1);
}

static void waiting_receivers_are_served_in_order(void)
{
    line = chan_make(sizeof(long), 2);
    queue_twenty(receive_at);
    for (long i = 100; i < 120; i++)
        chan_send(line, &i);
    CHECK_SOON(atomic_load(&arrived) == 40);
    for (int i = 0; i < 20; i++)
        CHECK_EQ(got[i], 100 + i);
    chan_free(line);
}

/* The receiver's element lies deep in a stack that has not been touched there. */
static __attribute__((noinline)) void receive_deep(chan *c, uint64_t *sum)
{
    struct {
        unsigned char untouched[3 * 4096];
        uint64_t words[1024];
        unsigned char more[3 * 4096];
    } deep;
    CHECK(chan_recv(c, deep.words));
    for (int i = 0; i < 1024; i++)
        *sum += deep.words[i];
    __asm__ volatile("" ::"r"(&deep) : "memory");
}

static void receive_on_a_new_stack(void *sum)
{
    receive_deep(line, sum);
    atomic_fetch_add(&arrived, 1);
}

static void an_element_grows_the_receivers_stack(void)
{
    static uint64_t words[1024];
    for (int i = 0; i < 1024; i++)
        words[i] = (uint64_t)i;
    for (int round = 0; round < 20; round++) {
        uint64_t sum = 0;
        atomic_store(&arrived, 0);
        line = chan_make(sizeof words, 0);
        CHECK(go(receive_on_a_new_stack, &sum) > 0);
        if (round % 2 == 0)
            time_sleep(100 * MICROSECOND);
        chan_send(line, words);
        CHECK_SOON(atomic_load(&arrived) == 1);
        CHECK_EQ(sum, 1024 * 1023 / 2);
        chan_free(line);
    }
}

/* ---- close ---- */

static void what_is_buffered_outlives_close(void)
{
    chan *c = chan_make(sizeof(int), 4);
    bool ok = true;
    int v;
    chan_send(c, &(int){1});
    chan_send(c, &(int){2});
    chan_close(c);
    CHECK_EQ(chan_len(c), 2);
    CHECK(chan_recv(c, &v) && v == 1);
    CHECK(chan_try_recv(c, &v, &ok) && ok && v == 2);
    v = 99;
    CHECK(!chan_recv(c, &v));
    CHECK_EQ(v, 0);
    v = 99;
    CHECK(chan_try_recv(c, &v, &ok) && !ok);
    CHECK_EQ(v, 0);
    chan_free(c);
}

static void see_the_end(void *c)
{
    uint64_t v = 99;
    CHECK(!chan_recv(c, &v));
    CHECK_EQ(v, 0);
    atomic_fetch_add(&arrived, 1);
}

static void close_wakes_every_receiver(void)
{
    chan *c = chan_make(8, 3);
    atomic_store(&arrived, 0);
    for (int i = 0; i < 50; i++)
        CHECK(go(see_the_end, c) > 0);
    time_sleep(MILLISECOND);
    chan_close(c);
    CHECK_SOON(atomic_load(&arrived) == 50);
    chan_free(c);
}

/* For many at once, each with words of its own. */
static void check_words(void *wanted)
{
    char words[128];
    CHECK(runtime_recover(words, sizeof words));
    CHECK(strcmp(words, wanted) == 0);
    atomic_fetch_add(&arrived, 1);
}

static void send_in_vain(void *c)
{
    runtime_defer(check_words, (void *)"send on closed channel");
    chan_send(c, &(uint64_t){1});
    CHECK(!"a send on a closed channel returned");
}

static void close_wakes_every_sender_to_a_panic(void)
{
    for (size_t cap = 0; cap < 2; cap++) {
        chan *c = chan_make(8, cap);
        if (cap > 0)
            chan_send(c, &(uint64_t){3});
        atomic_store(&arrived, 0);
        for (int i = 0; i < 20; i++)
            CHECK(go(send_in_vain, c) > 0);
        time_sleep(MILLISECOND);
        chan_close(c);
        CHECK_SOON(atomic_load(&arrived) == 20);
        CHECK_EQ(chan_len(c), cap);
        chan_free(c);
    }
}

/* What panics, and in which words. */
static void (*doomed)(chan *);

static void run_doomed(void *c)
{
    doomed(c);
}

static const char *panic_with(void (*fn)(chan *), chan *c)
{
    doomed = fn;
    return panic_of(run_doomed, c);
}

static void send_one(chan *c)
{
    chan_send(c, &(uint64_t){1});
}

static void try_send_one(chan *c)
{
    chan_try_send(c, &(uint64_t){1});
}

static void send_from_nowhere(chan *c)
{
    chan_send(c, NULL);
}

static void receive_to_nowhere(chan *c)
{
    chan_recv(c, (void *)8);
}

static void wrong_uses_panic_in_gos_words(void)
{
    chan *c = chan_make(8, 1);
    chan_close(c);
    CHECK_STR(panic_with(send_one, c), "send on closed channel");
    CHECK_STR(panic_with(try_send_one, c), "send on closed channel");
    CHECK_STR(panic_with(chan_close, c), "close of closed channel");
    CHECK_STR(panic_with(chan_close, NULL), "close of nil channel");
    chan_free(c);
}

static void a_bad_pointer_is_the_callers_panic(void)
{
    for (size_t cap = 0; cap < 2; cap++) {
        chan *c = chan_make(8, cap), *big = chan_make(100, cap);
        CHECK(strstr(panic_with(send_from_nowhere, c), "nil pointer dereference") != NULL);
        CHECK(strstr(panic_with(send_from_nowhere, big), "nil pointer dereference") != NULL);
        CHECK(strstr(panic_with(receive_to_nowhere, c), "nil pointer dereference") != NULL);
        CHECK(!chan_try_recv(c, NULL, NULL)); /* and the channel is none the worse */
        chan_free(c);
        chan_free(big);
    }
}

static void receive_one(void *c)
{
    atomic_store(&stage, 2);
    chan_recv(c, NULL);
}

static void a_channel_with_waiters_is_not_freed(void)
{
    chan *c = chan_make(8, 0);
    atomic_store(&stage, 0);
    CHECK(go(receive_one, c) > 0);
    CHECK_SOON(atomic_load(&stage) == 2);
    time_sleep(50 * MILLISECOND); /* from its last words to its wait; slow hosts need a while */
    CHECK_STR(panic_with(chan_free, c), "free of channel with waiters");
    chan_send(c, &(uint64_t){1});
    chan_free(c);
    chan_free(NULL);
}

/* ---- try forms, len and cap, NULL, sizes ---- */

static void try_forms_never_wait(void)
{
    chan *c = chan_make(sizeof(int), 1), *d = chan_make(sizeof(int), 0);
    bool ok;
    int v = 42;
    CHECK(!chan_try_recv(c, &v, &ok));
    CHECK(!chan_try_recv(d, &v, &ok));
    CHECK(!chan_try_send(d, &v));
    CHECK_EQ(v, 42);
    CHECK(chan_try_send(c, &v));
    CHECK(!chan_try_send(c, &v));
    CHECK(chan_try_recv(c, &v, &ok) && ok && v == 42);
    CHECK(!chan_try_send(NULL, &v));
    CHECK(!chan_try_recv(NULL, &v, &ok));
    chan_free(c);
    chan_free(d);
}

static void try_forms_meet_who_waits(void)
{
    line = chan_make(sizeof(long), 0);
    long v = 0;
    CHECK(go(send_its_number, (void *)17) > 0);
    CHECK_SOON(chan_try_recv(line, &v, NULL));
    CHECK_EQ(v, 17);
    atomic_store(&arrived, 0);
    CHECK(go(receive_at, (void *)3) > 0);
    CHECK_SOON(chan_try_send(line, &(long){18}));
    CHECK_SOON(atomic_load(&arrived) == 2);
    CHECK_EQ(got[3], 18);
    chan_free(line);
}

static void len_and_cap_tell(void)
{
    chan *c = chan_make(1, 5), *d = chan_make(1, 0);
    CHECK_EQ(chan_len(NULL), 0);
    CHECK_EQ(chan_cap(NULL), 0);
    CHECK_EQ(chan_cap(c), 5);
    CHECK_EQ(chan_cap(d), 0);
    CHECK_EQ(chan_len(d), 0);
    chan_send(c, "x");
    CHECK_EQ(chan_len(c), 1);
    chan_free(c);
    chan_free(d);
}

static void a_channel_that_cannot_be_is_refused(void)
{
    errno = 0;
    CHECK(chan_make(SIZE_MAX / 2, 3) == NULL);
    CHECK_EQ(errno, EINVAL);
    errno = 0;
    CHECK(chan_make(SIZE_MAX, 1) == NULL);
    CHECK_EQ(errno, EINVAL);
    errno = 0;
    CHECK(chan_make((size_t)1 << 30, 1 << 10) == NULL);
    CHECK_EQ(errno, ENOMEM);
}

/* ---- freed as soon as the last use has returned ---- */

static void send_last(void *c)
{
    chan_send(c, &(uint64_t){1});
}

static void close_last(void *c)
{
    chan_close(c);
}

static void a_channel_may_go_with_its_last_element(void)
{
    for (int i = 0; i < 3000; i++) {
        chan *c = chan_make(8, (size_t)i % 2);
        CHECK(go(send_last, c) > 0);
        CHECK(chan_recv(c, NULL));
        /* Whoever touched it now would spoil this, or be spoilt. */
        memset((void *)c, 0xa5, 16);
        memset((void *)c, 0, 16);
        chan_free(c);
        c = chan_make(8, (size_t)i % 2);
        CHECK(go(close_last, c) > 0);
        CHECK(!chan_recv(c, NULL));
        chan_free(c);
    }
}

/* ---- ends that tests/list reads ---- */

static void wait_in_vain(void *how)
{
    uint64_t v = 1;
    chan *c = chan_make(8, 0);
    switch ((intptr_t)how) {
    case 0: chan_recv(c, &v); break;
    case 1: chan_send(c, &v); break;
    case 2: chan_recv(NULL, &v); break;
    case 3: chan_send(NULL, &v); break;
    }
}

static int deadlock(void)
{
    for (intptr_t how = 0; how < 4; how++)
        CHECK(go(wait_in_vain, (void *)how) > 0);
    chan_recv(chan_make(4, 1), NULL);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "deadlock") == 0)
        return deadlock();
    if (argc > 1 && strcmp(argv[1], "panic") == 0) {
        chan *c = chan_make(8, 0);
        chan_close(c);
        send_one(c);
    }
    RUN(a_buffer_keeps_order_and_wraps);
    RUN(elements_of_any_size_arrive_whole);
    RUN(an_element_may_be_dropped);
    RUN(elements_without_size_need_no_pointer);
    RUN(a_send_without_buffer_returns_after_the_receiver_came);
    RUN(waiting_senders_are_served_in_order);
    RUN(waiting_receivers_are_served_in_order);
    RUN(an_element_grows_the_receivers_stack);
    RUN(what_is_buffered_outlives_close);
    RUN(close_wakes_every_receiver);
    RUN(close_wakes_every_sender_to_a_panic);
    RUN(wrong_uses_panic_in_gos_words);
    RUN(a_bad_pointer_is_the_callers_panic);
    RUN(a_channel_with_waiters_is_not_freed);
    RUN(try_forms_never_wait);
    RUN(try_forms_meet_who_waits);
    RUN(len_and_cap_tell);
    RUN(a_channel_that_cannot_be_is_refused);
    RUN(a_channel_may_go_with_its_last_element);
    CHECK_SOON(runtime_numgoroutine() == 1);
    return 0;
}
