/*
 * sync_rwmutex_test: who may enter beside whom, and in what order. The order of events is made by
 * waiting until a goroutine has surely parked (settle); the stress is in tests/stress/sync.c.
 */
#include <stdatomic.h>
#include "check.h"
#include "settle.h"

static rwmutex rw;
static char order[64];
static _Atomic int said;

static void say(char c)
{
    order[atomic_fetch_add(&said, 1)] = c;
}

static void start(waitgroup *wg, void (*fn)(void *), intptr_t name)
{
    CHECK(waitgroup_go(wg, fn, (void *)name) > 0);
    settle();
}

static void begin(void)
{
    memset(order, 0, sizeof order);
    atomic_store(&said, 0);
}

static void read_and_say(void *name)
{
    rwmutex_rlock(&rw);
    say((char)(intptr_t)name);
    rwmutex_runlock(&rw);
}

static void write_and_say(void *name)
{
    rwmutex_lock(&rw);
    say((char)(intptr_t)name);
    rwmutex_unlock(&rw);
}

static void readers_enter_together(void)
{
    waitgroup wg = {0};
    begin();
    rwmutex_rlock(&rw);
    for (int i = 0; i < 4; i++)
        start(&wg, read_and_say, 'r');
    waitgroup_wait(&wg);
    CHECK_EQ(said, 4);
    rwmutex_runlock(&rw);
}

static void a_writer_waits_for_all_readers(void)
{
    waitgroup wg = {0};
    begin();
    rwmutex_rlock(&rw);
    rwmutex_rlock(&rw);
    start(&wg, write_and_say, 'w');
    rwmutex_runlock(&rw);
    settle();
    CHECK_EQ(said, 0);
    rwmutex_runlock(&rw);
    waitgroup_wait(&wg);
    CHECK_EQ(said, 1);
}

static void a_waiting_writer_holds_back_new_readers(void)
{
    waitgroup wg = {0};
    begin();
    rwmutex_rlock(&rw);
    start(&wg, write_and_say, 'w');
    start(&wg, read_and_say, 'r');
    start(&wg, read_and_say, 'r');
    CHECK_EQ(said, 0);
    CHECK(!rwmutex_try_rlock(&rw));
    rwmutex_runlock(&rw);
    waitgroup_wait(&wg);
    CHECK(strcmp(order, "wrr") == 0);
}

static void unlock_lets_all_waiting_readers_in_before_the_next_writer(void)
{
    waitgroup wg = {0};
    begin();
    rwmutex_lock(&rw);
    start(&wg, write_and_say, 'w');
    start(&wg, write_and_say, 'x');
    for (int i = 0; i < 5; i++)
        start(&wg, read_and_say, 'r');
    rwmutex_unlock(&rw);
    waitgroup_wait(&wg);
    CHECK(strcmp(order, "rrrrrwx") == 0);
}

static void writers_alone_go_in_their_order(void)
{
    waitgroup wg = {0};
    begin();
    rwmutex_lock(&rw);
    for (int i = 0; i < 6; i++)
        start(&wg, write_and_say, 'a' + i);
    rwmutex_unlock(&rw);
    waitgroup_wait(&wg);
    CHECK(strcmp(order, "abcdef") == 0);
}

static void try_locks_take_only_what_is_free(void)
{
    CHECK(rwmutex_try_lock(&rw));
    CHECK(!rwmutex_try_lock(&rw));
    CHECK(!rwmutex_try_rlock(&rw));
    rwmutex_unlock(&rw);
    CHECK(rwmutex_try_rlock(&rw));
    CHECK(rwmutex_try_rlock(&rw));
    CHECK(!rwmutex_try_lock(&rw));
    rwmutex_runlock(&rw);
    CHECK(!rwmutex_try_lock(&rw));
    rwmutex_runlock(&rw);
    CHECK(rwmutex_try_lock(&rw));
    rwmutex_unlock(&rw);
}

static void unlock_it(void *unused)
{
    (void)unused;
    rwmutex_unlock(&rw);
}

static void runlock_it(void *unused)
{
    (void)unused;
    rwmutex_runlock(&rw);
}

static void any_goroutine_may_unlock(void)
{
    rwmutex_lock(&rw);
    apart(unlock_it, NULL);
    rwmutex_rlock(&rw);
    apart(runlock_it, NULL);
    CHECK(rwmutex_try_lock(&rw));
    rwmutex_unlock(&rw);
}

/* A counted object under its own lock, freed by the last: nobody may touch it behind his back. */
struct counted {
    rwmutex rw;
    int holders;
    uint64_t after[4];
};

static void let_go(void *arg)
{
    struct counted *c = arg;
    rwmutex_rlock(&c->rw);
    rwmutex_runlock(&c->rw);
    rwmutex_lock(&c->rw);
    bool last = --c->holders == 0;
    rwmutex_unlock(&c->rw);
    if (last) {
        memset(c, 0xa5, sizeof *c);
        runtime_gosched();
        for (size_t i = 0; i < sizeof *c; i++)
            CHECK_EQ(((unsigned char *)c)[i], 0xa5);
        free(c);
    }
}

static void the_last_one_out_may_free_it(void)
{
    waitgroup wg = {0};
    for (int i = 0; i < 300; i++) {
        struct counted *c = calloc(1, sizeof *c);
        CHECK(c != NULL);
        c->holders = 3;
        for (int k = 0; k < 3; k++)
            CHECK(waitgroup_go(&wg, let_go, c) > 0);
    }
    waitgroup_wait(&wg);
}

/*
 * Readers overlap, so that the rwmutex is never without one. Who reads when the writer comes may end,
 * and each that was let in by the last unlock may not have noticed yet; nobody else goes before it.
 * In turns (ICOUNT=1, one hart), so that nothing happens between the count and the lock.
 */
#define READERS 12

static _Atomic bool enough;
static _Atomic long reads;

static void read_without_end(void *unused)
{
    (void)unused;
    while (!enough) {
        rwmutex_rlock(&rw);
        reads++;
        runtime_gosched();
        rwmutex_runlock(&rw);
    }
}

static void readers_that_overlap_keep_no_writer_out(void)
{
    waitgroup wg = {0};
    for (int i = 0; i < READERS; i++)
        CHECK(waitgroup_go(&wg, read_without_end, NULL) > 0);
    for (int i = 0; i < 500; i++) {
        runtime_gosched();
        CHECK(!rwmutex_try_lock(&rw)); /* they do overlap */
        long before = reads;
        rwmutex_lock(&rw);
        CHECK(reads - before <= READERS);
        rwmutex_unlock(&rw);
    }
    CHECK(reads > 500 * READERS / 2); /* nor does it keep them out */
    enough = true;
    waitgroup_wait(&wg);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "exact") == 0)
        RUN(readers_that_overlap_keep_no_writer_out);
    RUN(readers_enter_together);
    RUN(a_writer_waits_for_all_readers);
    RUN(a_waiting_writer_holds_back_new_readers);
    RUN(unlock_lets_all_waiting_readers_in_before_the_next_writer);
    RUN(writers_alone_go_in_their_order);
    RUN(try_locks_take_only_what_is_free);
    RUN(any_goroutine_may_unlock);
    RUN(the_last_one_out_may_free_it);
    return 0;
}
