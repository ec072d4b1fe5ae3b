// with: sched/lot.c -DPINION_UNIT_TEST -pthread
/*
 * lot: the parking lot's lists against a model that keeps one queue for each address.
 */
#include "tests/unit/unit.h"
#include "tests/unit/sched_world.h"
#include "sched/lot.h"
#include "sched/proc.h"

/* What lot.c calls. */
static struct spin *unlocked;
static enum wait_reason parked_for;

void sched_next(struct m *m)
{
    (void)m;
    abort();
}

void g_ready(struct g *g)
{
    (void)g;
    abort();
}

void park_unlock(void *arg, struct arch_hart *hart)
{
    (void)arg, (void)hart;
    abort();
}

void g_park(park_commit *commit, void *arg, enum wait_reason reason)
{
    CHECK(commit == park_unlock);
    unlocked = arg;
    parked_for = reason;
    spin_unlock(arg);
}

static struct g self;
static struct m m;
static struct p p;

/* ---- against a model ---- */

#define ADDRS   40
#define WAITERS 300

static uint64_t objects[1 << 14];

static struct bucket *bucket_of_object(const void *addr)
{
    struct bucket *b = lot_lock(addr);
    lot_unlock(b);
    return b;
}

/* Address i of ADDRS: four to a bucket, found by asking. A hart's scheduler must be entered. */
static const void *address(uint32_t i)
{
    static const void *found[32];
    uint32_t group = i % 8, from;
    if (found[i] != NULL)
        return found[i];
    if (i < 8)
        return found[i] = &objects[i];
    const char *last = address(i - 8);
    from = (uint32_t)((const uint64_t *)(const void *)last - objects) + 1;
    while (bucket_of_object(&objects[from]) != bucket_of_object(&objects[group]))
        from++;
    return found[i] = &objects[from];
}

static struct {
    int queue[WAITERS]; /* numbers of waiters */
    int n;
} model[ADDRS];

TEST(waiters_leave_in_the_models_order)
{
    static struct waiter w[WAITERS];
    static bool waits[WAITERS];
    uint32_t rng = 99;
    world_enter(&self, &m, &p);
    memset(model, 0, sizeof(model));
    for (int op = 0; op < 200000; op++) {
        uint32_t dice = world_random(&rng), a = dice % 32, i = (dice >> 8) % WAITERS;
        struct bucket *b = lot_lock(address(a));
        CHECK_EQ(self.preempt_off, 2); /* the world's, and the lot's */
        if ((dice >> 20) % 8 < (op / 10000 % 2 ? 5u : 3u)) {
            if (!waits[i]) {
                bool first = (dice >> 24) % 4 == 0;
                w[i] = (struct waiter){.addr = address(a), .g = (struct g *)(uintptr_t)(i + 1)};
                lot_put(b, &w[i], first);
                waits[i] = true;
                if (first)
                    memmove(model[a].queue + 1, model[a].queue,
                            (size_t)model[a].n * sizeof(model[a].queue[0]));
                model[a].queue[first ? 0 : model[a].n] = (int)i;
                model[a].n++;
            }
        } else {
            bool more = true;
            struct waiter *got = lot_take(b, address(a), &more);
            CHECK((got == NULL) == (model[a].n == 0));
            if (got != NULL) {
                CHECK_EQ(got - w, model[a].queue[0]);
                CHECK_EQ((uintptr_t)got->g, got - w + 1);
                waits[got - w] = false;
                memset(got, 0xa5, sizeof(*got)); /* L3: it is gone; nobody may look at it */
                model[a].n--;
                memmove(model[a].queue, model[a].queue + 1,
                        (size_t)model[a].n * sizeof(model[a].queue[0]));
            }
            CHECK(more == (model[a].n > 0));
        }
        lot_unlock(b);
        CHECK_EQ(self.preempt_off, 1);
    }
    for (uint32_t a = 0; a < 32; a++) {
        struct bucket *b = lot_lock(address(a));
        bool more;
        for (int i = 0; i < model[a].n; i++)
            CHECK_EQ(lot_take(b, address(a), &more) - w, model[a].queue[i]);
        CHECK(lot_take(b, address(a), &more) == NULL);
        CHECK(b->addrs == NULL || b->addrs->addr != address(a));
        lot_unlock(b);
    }
}

TEST(parking_unlocks_the_bucket_by_its_commit)
{
    world_enter(&self, &m, &p);
    struct bucket *b = lot_lock(&objects[3]);
    lot_park(b, WAIT_MUTEX);
    CHECK(unlocked == &b->lock);
    CHECK_EQ(parked_for, WAIT_MUTEX);
    CHECK(spin_try_lock(&b->lock));
    spin_unlock(&b->lock);
}

/* ---- threads: puts and takes under the bucket's lock ---- */

#define ROUNDS 20000

static _Atomic uint32_t put, got;

static void *worker(void *arg)
{
    struct g me = {.id = 0};
    struct m my_m = {.id = 0};
    uint32_t rng = (uint32_t)(uintptr_t)arg * 31 + 1;
    static struct waiter all[4][ROUNDS];
    struct waiter *w = all[(uintptr_t)arg];
    bool more;
    world_enter(&me, &my_m, &p);
    for (int i = 0; i < ROUNDS; i++) {
        const void *a = address(world_random(&rng) % 4);
        struct bucket *b = lot_lock(a);
        w[i] = (struct waiter){.addr = a};
        lot_put(b, &w[i], false);
        lot_unlock(b);
        atomic_fetch_add(&put, 1);
        a = address(world_random(&rng) % 4);
        b = lot_lock(a);
        struct waiter *took = lot_take(b, a, &more);
        lot_unlock(b);
        if (took != NULL) {
            CHECK(took->addr == a);
            CHECK(!took->token);
            took->token = true; /* plain: it is ours alone */
            atomic_fetch_add(&got, 1);
        }
    }
    return NULL;
}

TEST(four_threads_take_each_waiter_once)
{
    pthread_t threads[4];
    bool more;
    world_enter(&self, &m, &p);
    for (uint32_t i = 0; i < 4; i++)
        address(i); /* before there are threads */
    for (uintptr_t i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, worker, (void *)i);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    world_enter(&self, &m, &p);
    for (uint32_t a = 0; a < 4; a++) {
        struct bucket *b = lot_lock(address(a));
        for (struct waiter *w; (w = lot_take(b, address(a), &more)) != NULL; got++)
            CHECK(!w->token);
        lot_unlock(b);
    }
    CHECK_EQ(put, 4 * ROUNDS);
    CHECK_EQ(got, put);
}

UNIT_MAIN
