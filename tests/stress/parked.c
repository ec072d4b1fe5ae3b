/*
 * parked: very many goroutines alive at once, all parked on one channel; then it is closed, all
 * finish, and memory is back where it was.
 *
 *     parked.c N [BYTES [NS]]  N goroutines, of so many bytes each at most, its page included, and
 *                              so many nanoseconds from go to parked, which are instructions under
 *                              ICOUNT=1 SMP=1
 *     parked.c N full          memory ends before N: go says so, those that exist finish, and the
 *                              program goes on spawning
 */
#include "level.h"
#include <errno.h>
#include <string.h>

static chan *gate;
static _Atomic long ran, failed;
static waitgroup spawned, finished;

static void park(void *unused)
{
    (void)unused;
    int nothing = 0;
    CHECK(!chan_recv(gate, &nothing), "a closed channel gave a value");
    /* relaxed, both: counts, read after the wait group. */
    atomic_fetch_add_explicit(&ran, 1, memory_order_relaxed);
    waitgroup_done(&finished);
}

/* The first that fails ends the share: memory is full. */
static void spawner(void *share)
{
    for (long n = (long)share; n > 0; n--) {
        waitgroup_add(&finished, 1);
        if (go(park, NULL) > 0)
            continue;
        CHECK(errno == ENOMEM, "go failed: errno %d", errno);
        waitgroup_done(&finished);
        atomic_fetch_add_explicit(&failed, n, memory_order_relaxed); /* relaxed: as above */
        break;
    }
    waitgroup_done(&spawned);
}

/* Starts up to n and waits until they are parked: nobody else is left to run. Returns how many. */
static long park_all(long n)
{
    long harts = runtime_gomaxprocs(0), share = (n + harts - 1) / harts, sent = 0;
    ran = failed = 0;
    waitgroup_add(&spawned, (int)harts);
    for (long i = 0; i < harts; i++, sent += share) {
        struct go_attr attr = {.affinity = UINT64_C(1) << i};
        CHECK(go_with(&attr, spawner, (void *)(sent + share < n ? share : n - sent)) > 0,
              "go_with failed");
    }
    waitgroup_wait(&spawned);
    long alive = n - failed;
    /* relaxed: a guess at who is busy, and a look at the queues of a machine that stands still. */
    for (int64_t until = time_now() + 10 * PATIENCE;
         (uint32_t)__builtin_popcountll(load_relaxed(&sched.idle_m)) + 1 != sched.n_m ||
         load_relaxed(&sched.global_n) != 0;) {
        CHECK(time_now() < until, "not all %ld are parked", alive);
        time_sleep(MILLISECOND);
    }
    CHECK(ran == 0, "%ld did not wait", (long)ran);
    CHECK(runtime_numgoroutine() == alive + 1, "%d exist of %ld", runtime_numgoroutine(),
          alive + 1);
    return alive;
}

static void release(long alive)
{
    chan_close(gate);
    waitgroup_wait(&finished);
    CHECK(ran == alive, "%ld of %ld finished", (long)ran, alive);
    chan_free(gate);
}

static void round_of(long n, long bytes, long ns, bool full)
{
    gate = chan_make(sizeof(int), 0);
    CHECK(gate != NULL, "chan_make failed");
    size_t before = page_count_free() + stack_pages_pooled();
    int64_t from = time_now();
    long alive = park_all(n);
    long took = (long)((time_now() - from) / alive);
    /* Below 0 if they are dead goroutines of an earlier round, with their stacks. */
    long used = ((long)before - (long)(page_count_free() + stack_pages_pooled())) * (long)PAGE_SIZE;
    long each = used / alive;
    fprintf(stderr, "%ld parked: %ld MiB, %ld bytes each, %ld ns each\n", alive, used / (1 << 20),
            each, took);
    CHECK(full == (alive < n), "%ld of %ld were spawned", alive, n);
    CHECK(bytes == 0 || each <= bytes, "more than %ld bytes each", bytes);
    CHECK(ns == 0 || took <= ns, "more than %ld ns each", ns);
    release(alive);
}

int main(int argc, char **argv)
{
    bool full = argc > 2 && strcmp(argv[2], "full") == 0;
    long n = argc > 1 ? atol(argv[1]) : 20000;
    level_warm_up(64);
    round_of(1000, 0, 0, false);
    size_t before = level_free();
    round_of(n, argc > 2 ? atol(argv[2]) : 0, argc > 3 ? atol(argv[3]) : 0, full);
    if (full)
        round_of(1000, 0, 0, false);
    size_t after = level_free();
    CHECK(level_same(before, after), "free pages: %lu before, %lu after", (unsigned long)before,
          (unsigned long)after);
    return 0;
}
