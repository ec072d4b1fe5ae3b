/*
 * pingpong: pairs that wake each other, through wait groups and through mutexes, on any hart and
 * from one hart to another; and many that want one mutex.
 */
#include "stress.h"

struct pair {
    waitgroup at[2];
    long turns, said; /* said: whose turn it is decides who may touch it */
    uint64_t affinity[2];
    waitgroup *over;
};

struct side {
    struct pair *pair;
    int no;
};

static void player(void *arg)
{
    struct side *s = arg;
    struct pair *p = s->pair;
    for (long i = 0; i < p->turns; i++) {
        waitgroup_wait(&p->at[s->no]);
        waitgroup_add(&p->at[s->no], 1);
        CHECK(p->said == 2 * i + s->no, "player %d: turn %ld while %ld were", s->no, i, p->said);
        p->said++;
        waitgroup_done(&p->at[!s->no]);
    }
    waitgroup_done(p->over);
}

static void play(long pairs, long turns, bool pinned)
{
    static struct pair all[64];
    static struct side sides[64][2];
    waitgroup over = {0};
    uint64_t harts = (uint64_t)runtime_gomaxprocs(0);
    waitgroup_add(&over, (int)(2 * pairs));
    for (long i = 0; i < pairs; i++) {
        all[i] = (struct pair){.turns = turns, .over = &over};
        waitgroup_add(&all[i].at[1], 1);
        for (int k = 0; k < 2; k++) {
            struct go_attr attr = {.affinity = UINT64_C(1) << (uint64_t)(i + k) % harts};
            sides[i][k] = (struct side){&all[i], k};
            CHECK(go_with(pinned ? &attr : NULL, player, &sides[i][k]) > 0, "go_with failed");
        }
    }
    waitgroup_wait(&over);
    for (long i = 0; i < pairs; i++)
        CHECK(all[i].said == 2 * turns, "pair %ld: %ld turns", i, all[i].said);
}

/* ---- one mutex for all ---- */

static mutex mu;
static long guarded;
static bool inside;

static void locker(void *times)
{
    uint32_t rng = (uint32_t)runtime_goid() * 7919 + 1;
    for (long i = (long)times; i > 0; i--) {
        mutex_lock(&mu);
        CHECK(!inside, "two hold the mutex");
        inside = true;
        guarded++;
        if (random_below(&rng, 16) == 0)
            runtime_gosched();
        else
            spin_for_loops(random_skewed(&rng, 8));
        inside = false;
        mutex_unlock(&mu);
        if (random_below(&rng, 8) == 0)
            runtime_gosched();
    }
}

static void contend(long lockers, long times)
{
    waitgroup wg = {0};
    guarded = 0;
    for (long i = 0; i < lockers; i++)
        CHECK(waitgroup_go(&wg, locker, (void *)times) > 0, "waitgroup_go failed");
    waitgroup_wait(&wg);
    CHECK(guarded == lockers * times, "%ld of %ld", guarded, lockers * times);
    CHECK(mu.state_ == 0, "the mutex is left at %lx", (unsigned long)mu.state_);
}

static void report(const char *what, int64_t from)
{
    fprintf(stderr, "%s: %lld ms\n", what, (long long)((time_now() - from) / MILLISECOND));
}

int main(int argc, char **argv)
{
    long harts = runtime_gomaxprocs(0), n = stress_size(argc, argv, 10000);
    int64_t from = time_now();
    play(1, n, false);
    report("one pair", from);
    from = time_now();
    play(2 * harts, n / harts, false);
    report("two pairs a hart", from);
    from = time_now();
    play(harts, n / harts, true);
    report("pairs across harts", from);
    from = time_now();
    contend(4 * harts, 4 * n / harts);
    report("one mutex", from);
    return 0;
}
