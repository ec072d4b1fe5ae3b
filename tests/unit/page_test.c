// with: kernel/page.c -DPINION_UNIT_TEST -no-pie -fno-pie -pthread
/*
 * page: random allocation against a model that knows every page; counts to the page; four threads.
 */
#include <pthread.h>
#include "tests/unit/unit.h"
#include "tests/unit/ram.h"
#include "kernel/vm.h"

#define RAM_SIZE  (48 * MIB)
#define PAGES_MAX (RAM_SIZE / PAGE_SIZE)

static void machine_small(struct machine *m)
{
    memset(m, 0, sizeof *m);
    bank_add(m, RAM_BASE + 5 * PAGE_SIZE + 100, 20 * MIB); /* nothing is aligned */
    bank_add(m, RAM_BASE + 24 * MIB, 8 * MIB);
    bank_add(m, RAM_BASE + 32 * MIB, 9 * MIB + 3 * PAGE_SIZE); /* directly behind the last one */
    reserved_add(m, RAM_BASE + 7 * MIB + 10, 1);
    reserved_add(m, RAM_BASE + 30 * MIB, 4 * MIB); /* across two banks */
    reserved_add(m, RAM_BASE + 25 * MIB, 70 * KIB);
    reserved_add(m, RAM_BASE + 25 * MIB + 20 * KIB, 20 * KIB); /* inside the one before */
    reserved_add(m, RAM_BASE + 26 * MIB, 0);
    reserved_add(m, ~(uint64_t)0 - 4096, ~(uint64_t)0); /* nonsense */
}
#define IMAGE     (RAM_BASE + 2 * MIB)
#define IMAGE_END (RAM_BASE + 3 * MIB + 123)

static void init_small(void)
{
    struct machine m;
    machine_small(&m);
    ram_map(RAM_SIZE, RAM_SIZE);
    page_init(&m, IMAGE, IMAGE_END);
}

static bool overlaps(uintptr_t p, uint64_t base, uint64_t size)
{
    return size && p < base + size && p + PAGE_SIZE > base;
}

TEST(a_bank_beyond_reach_adds_no_page)
{
    static const uint64_t base[] = {VM_IDENTITY_END, 1ull << 63, ~0ull - 4094, ~0ull - 1};
    struct machine m = {0};
    ram_map(RAM_SIZE, RAM_SIZE);
    bank_add(&m, RAM_BASE, MIB);
    page_init(&m, IMAGE, IMAGE_END);
    size_t total = page_count_total();
    for (unsigned i = 0; i < sizeof base / sizeof *base; i++) {
        m.n_banks = 1;
        bank_add(&m, base[i], ~base[i]);
        page_init(&m, IMAGE, IMAGE_END);
        CHECK_EQ(page_count_total(), total);
    }
}

/* Is the page at p memory that may be handed out? */
static bool is_usable(const struct machine *m, uintptr_t p)
{
    bool in_bank = false;
    for (unsigned i = 0; i < m->n_banks; i++)
        if (p >= m->bank[i].base && p + PAGE_SIZE <= m->bank[i].base + m->bank[i].size)
            in_bank = true;
    for (unsigned i = 0; i + 1 < m->n_reserved; i++) /* the last is nonsense */
        if (overlaps(p, m->reserved[i].base, m->reserved[i].size))
            return false;
    return in_bank && !overlaps(p, IMAGE, IMAGE_END - IMAGE);
}

static size_t page_index(void *p)
{
    return ((uintptr_t)p - RAM_BASE) / PAGE_SIZE;
}

TEST(every_usable_page_comes_once)
{
    struct machine m;
    machine_small(&m);
    init_small();
    static uint8_t seen[PAGES_MAX];
    memset(seen, 0, sizeof seen);
    size_t usable = 0, got = 0, total = page_count_total();
    for (uintptr_t p = RAM_BASE; p < RAM_BASE + RAM_SIZE; p += PAGE_SIZE)
        usable += is_usable(&m, p);
    CHECK(page_count_free() == total);
    for (char *p; (p = page_alloc()); got++) {
        CHECK(is_usable(&m, (uintptr_t)p));
        CHECK(!seen[page_index(p)]);
        seen[page_index(p)] = 1;
        memset(p, 0x5a, PAGE_SIZE);
    }
    CHECK(got == total);
    CHECK(page_count_free() == 0);
    CHECK(!page_alloc_run(1));
    /* What is missing is one page for heads in 4096, and one at least in each of the six zones. */
    CHECK(usable - total >= 6 && usable - total <= 12);
    for (size_t i = 0; i < PAGES_MAX; i++)
        if (seen[i])
            page_free((void *)(RAM_BASE + i * PAGE_SIZE));
    CHECK(page_count_free() == total);
    for (size_t i = 0; i < total; i++)
        CHECK(page_alloc());
    CHECK(!page_alloc());
}

/* ---- The model: who has each page. */

enum { NOT_OURS, FREE, TAKEN };
static uint8_t state[PAGES_MAX];
static size_t n_model_free;
static struct piece {
    size_t at, n;
} pieces[PAGES_MAX];
static size_t n_pieces;

static void model_init(void)
{
    init_small();
    memset(state, NOT_OURS, sizeof state);
    n_pieces = n_model_free = 0;
    for (void *p; (p = page_alloc()); n_model_free++)
        state[page_index(p)] = FREE;
    for (size_t i = 0; i < PAGES_MAX; i++)
        if (state[i])
            page_free((void *)(RAM_BASE + i * PAGE_SIZE));
}

static bool model_has_run(size_t n)
{
    size_t len = 0;
    for (size_t i = 0; i < PAGES_MAX; i++) {
        len = state[i] == FREE ? len + 1 : 0;
        if (len == n)
            return true;
    }
    return false;
}

static void model_take(void *first, size_t n)
{
    size_t at = page_index(first);
    for (size_t i = at; i < at + n; i++) {
        CHECK(state[i] == FREE);
        state[i] = TAKEN;
        memset((void *)(RAM_BASE + i * PAGE_SIZE), 0x5a, 64);
        memset((void *)(RAM_BASE + (i + 1) * PAGE_SIZE - 64), 0x5a, 64);
    }
    pieces[n_pieces++] = (struct piece){at, n};
    n_model_free -= n;
}

static void model_give(size_t at, size_t n)
{
    for (size_t i = at; i < at + n; i++) {
        unsigned char *p = (void *)(RAM_BASE + i * PAGE_SIZE);
        CHECK(state[i] == TAKEN && p[0] == 0x5a && p[PAGE_SIZE - 1] == 0x5a);
        state[i] = FREE;
    }
    n_model_free += n;
    if (n == 1)
        page_free((void *)(RAM_BASE + at * PAGE_SIZE));
    else
        page_free_run((void *)(RAM_BASE + at * PAGE_SIZE), n);
}

/* Gives a random piece back: whole, or a part off either end. */
static void give_some(uint64_t *seed)
{
    struct piece *p = &pieces[rnd(seed, n_pieces)];
    size_t n = rnd(seed, 4) ? p->n : 1 + rnd(seed, p->n);
    bool front = rnd(seed, 2);
    model_give(front ? p->at : p->at + p->n - n, n);
    p->at += front ? n : 0;
    p->n -= n;
    if (p->n == 0)
        *p = pieces[--n_pieces];
}

/* Is there a block of 2^order free pages? */
static bool model_has_block(unsigned order)
{
    size_t size = (size_t)1 << order, base = RAM_BASE / PAGE_SIZE;
    for (size_t i = -base & (size - 1); i + size <= PAGES_MAX; i += size) {
        size_t n = 0;
        while (n < size && state[i + n] == FREE)
            n++;
        if (n == size)
            return true;
    }
    return false;
}

static void take_aligned(uint64_t *seed)
{
    unsigned order = (unsigned)rnd(seed, 8);
    size_t n = rnd(seed, 2) ? (size_t)1 << order : 1 + rnd(seed, (uint64_t)1 << order);
    void *p = page_alloc_aligned(n, order);
    CHECK((uintptr_t)p % (PAGE_SIZE << order) == 0);
    CHECK((p != NULL) == model_has_block(order));
    if (p)
        model_take(p, n);
}

/* A random piece grows where it is, exactly if what lies behind it is free. */
static void extend_some(uint64_t *seed)
{
    struct piece *p = &pieces[rnd(seed, n_pieces)];
    size_t more = 1 + rnd(seed, (uint64_t)1 << rnd(seed, 6)), n = 0;
    while (n < more && p->at + p->n + n < PAGES_MAX && state[p->at + p->n + n] == FREE)
        n++;
    bool done = page_extend_run((void *)(RAM_BASE + p->at * PAGE_SIZE), p->n, more);
    CHECK(done == (n == more));
    if (done) {
        size_t at = p->at, was = p->n;
        model_take((void *)(RAM_BASE + (at + was) * PAGE_SIZE), more);
        n_pieces--; /* not a piece of its own */
        p->n += more;
    }
}

TEST(random_walk_agrees_with_model)
{
    for (uint64_t round = 1; round <= 12; round++) {
        uint64_t seed = round * 0x9e3779b97f4a7c15;
        ram_rubbish = (int)round; /* looks like heads of free blocks, where nobody should look */
        model_init();
        size_t total = n_model_free;
        for (int step = 0; step < 6000; step++) {
            /* Lean towards full for a while, then towards empty. */
            if (n_pieces && rnd(&seed, 10) < (step / 1000 % 2 ? 6 : 3)) {
                give_some(&seed);
            } else if (rnd(&seed, 20) == 0) {
                take_aligned(&seed);
            } else if (n_pieces && rnd(&seed, 10) == 0) {
                extend_some(&seed);
            } else if (rnd(&seed, 3)) {
                void *p = page_alloc();
                CHECK((p != NULL) == (n_model_free > 0));
                if (p)
                    model_take(p, 1);
            } else {
                size_t n = 1 + rnd(&seed, (uint64_t)1 << rnd(&seed, 12));
                void *p = page_alloc_run(n);
                if (p)
                    model_take(p, n);
                else
                    CHECK(!model_has_run(n));
            }
            CHECK(page_count_free() == n_model_free);
        }
        while (n_pieces)
            give_some(&seed);
        CHECK(page_count_free() == total);
        for (size_t n = PAGES_MAX; n > 0; n = n * 2 / 3)
            if (model_has_run(n)) {
                void *p = page_alloc_run(n);
                CHECK(p);
                page_free_run(p, n);
            } else {
                CHECK(!page_alloc_run(n));
            }
    }
}

TEST(runs_do_not_fragment)
{
    init_small();
    size_t total = page_count_free();
    for (int i = 0; i < 20000; i++) {
        void *a = page_alloc_run(3), *b = page_alloc(), *c = page_alloc_run(17);
        CHECK(a && b && c);
        page_free_run(a, 3);
        page_free(b);
        page_free_run(c, 17);
    }
    CHECK(page_count_free() == total);
    void *big = page_alloc_run(11 * MIB / PAGE_SIZE); /* bank 0 behind its hole at 7 MiB: 12.9 */
    CHECK(big);
    CHECK(!page_alloc_run(SIZE_MAX) && !page_alloc_run((size_t)1 << 52) && !page_alloc_run(0));
}

TEST(page_zero_zeroes_one_page)
{
    init_small();
    char *p = page_alloc_run(3);
    memset(p, 1, 3 * PAGE_SIZE);
    page_zero(p + PAGE_SIZE);
    for (size_t i = 0; i < PAGE_SIZE; i++)
        CHECK(p[PAGE_SIZE + i] == 0);
    CHECK(p[PAGE_SIZE - 1] == 1 && p[2 * PAGE_SIZE] == 1);
}

static void free_run_one(void *run)
{
    page_free_run(run, 4);
}

static void free_one(void *page)
{
    page_free(page);
}

TEST(freeing_nonsense_stops_the_machine)
{
    init_small();
    void *run = page_alloc_run(4);
    page_free_run(run, 4);
    CHECK(dies(free_run_one, run));
    CHECK(dies(free_run_one, (void *)IMAGE));
    CHECK(dies(free_one, (void *)(RAM_BASE + 24 * MIB + 17)));
    CHECK(dies(free_one, NULL));
}

TEST(memory_beyond_reach_is_not_used)
{
    struct machine m = {0};
    ram_map(RAM_SIZE, 0);
    bank_add(&m, (uint64_t)1 << 38, (uint64_t)1 << 30);
    bank_add(&m, ~(uint64_t)0 - 8192, 8192);
    page_init(&m, IMAGE, IMAGE_END);
    CHECK(page_count_total() == 0 && !page_alloc() && !page_alloc_run(2));
    bank_add(&m, RAM_BASE, 4 * MIB);
    page_init(&m, IMAGE, IMAGE_END);
    CHECK(page_count_total() == (2 * MIB + MIB - 4 * KIB) / PAGE_SIZE - 2);
}

TEST(initialising_touches_next_to_nothing)
{
    struct machine m = {0};
    size_t size = (size_t)1 << 30;
    ram_map(size, 0);
    bank_add(&m, RAM_BASE, size);
    page_init(&m, IMAGE, IMAGE_END);
    CHECK(page_count_total() > size / PAGE_SIZE - 400);
    static unsigned char in_core[1 << 18];
    size_t touched = 0;
    CHECK(mincore((void *)RAM_BASE, size, in_core) == 0);
    for (size_t i = 0; i < size / PAGE_SIZE; i++)
        touched += in_core[i] & 1;
    CHECK(touched < 100);
    ram_map(RAM_SIZE, 0);
}

/* ---- Threads */

#define THREADS 4

static void *storm(void *arg)
{
    uint64_t seed = 77 + (uintptr_t)arg;
    static _Thread_local struct {
        size_t *p, n;
    } mine[256];
    for (int i = 0; i < 100000; i++) {
        size_t k = rnd(&seed, 256);
        if (mine[k].p) {
            CHECK(mine[k].p[0] == (uintptr_t)arg + k);
            CHECK(mine[k].p[(mine[k].n * PAGE_SIZE - 8) / 8] == (uintptr_t)arg + k);
            if (mine[k].n == 1)
                page_free(mine[k].p);
            else
                page_free_run(mine[k].p, mine[k].n);
            mine[k].p = NULL;
        } else {
            mine[k].n = rnd(&seed, 4) ? 1 : 1 + rnd(&seed, 20);
            mine[k].p = mine[k].n == 1 ? page_alloc() : page_alloc_run(mine[k].n);
            if (!mine[k].p)
                continue;
            mine[k].p[0] = (uintptr_t)arg + k;
            mine[k].p[(mine[k].n * PAGE_SIZE - 8) / 8] = (uintptr_t)arg + k;
        }
    }
    for (int k = 0; k < 256; k++)
        if (mine[k].p)
            page_free_run(mine[k].p, mine[k].n);
    return NULL;
}

TEST(threads_share_the_heap)
{
    init_small();
    size_t total = page_count_free();
    pthread_t t[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++)
        pthread_create(&t[i], NULL, storm, (void *)(i * 1000));
    for (int i = 0; i < THREADS; i++)
        pthread_join(t[i], NULL);
    CHECK(page_count_free() == total);
    CHECK(page_alloc_run(11 * MIB / PAGE_SIZE));
}

UNIT_MAIN
