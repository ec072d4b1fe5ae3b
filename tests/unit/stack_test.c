// with: kernel/stack.c kernel/stack_slot.c kernel/stack_trim.c kernel/vm.c kernel/page.c -DPINION_UNIT_TEST -no-pie -fno-pie -pthread
/*
 * stack: slots, growth by fault, the pool, trims. A "touch" is what hardware would do: translate,
 * and ask stack_fault when there is no translation. Pages carry tags, so that a page in two stacks
 * at once, or one that is used through a stale translation, shows.
 */
#include <pthread.h>
#include "tests/unit/unit.h"
#include "tests/unit/ram.h"
#include "kernel/stack.h"
#include "kernel/vm.h"

__asm__(".globl __text_start, __text_end, __rodata_start, __rodata_end\n"
        ".globl unit_data_start, __bss_end, __image_end\n"
        ".set __text_start,   0x10200000\n"
        ".set __text_end,     0x10201000\n"
        ".set __rodata_start, 0x10201000\n"
        ".set __rodata_end,   0x10202000\n"
        ".set unit_data_start,0x10202000\n"
        ".set __bss_end,      0x10203000\n"
        ".set __image_end,    0x10203000\n");

static size_t baseline; /* page_count_free with no stack in the world */

/* Stacks of the last test are in the last memory: they must be gone (every test ends at baseline). */
static void init(size_t size)
{
    static struct machine m;
    memset(&m, 0, sizeof m);
    ram_map(size, size);
    bank_add(&m, RAM_BASE, size);
    page_init(&m, 0x10200000, 0x10203000);
    vm_init(&m);
    baseline = page_count_free();
    CHECK(stack_pages_pooled() == 0);
}

static bool all_is_back(void)
{
    stack_trim();
    return stack_pages_pooled() == 0 && page_count_free() == baseline;
}

/* The memory behind va, grown if need be; NULL: no memory. sp is where a frame would be. */
static uint64_t *touch(uintptr_t va)
{
    char *page = vm_lookup(va);
    if (!page) {
        enum stack_fault f = stack_fault(va, va & ~15ul);
        if (f == STACK_NO_MEMORY)
            return NULL;
        CHECK(f == STACK_GREW);
        page = vm_lookup(va);
        CHECK(page);
        for (size_t i = 0; i < PAGE_SIZE; i += 8)
            CHECK(*(uint64_t *)(page + i) == 0);
    }
    return (uint64_t *)(page + (va & (PAGE_SIZE - 1) & ~7ul));
}

TEST(a_stack_has_its_top_page_only)
{
    init(16 * MIB);
    struct stack s = {0};
    CHECK(stack_alloc(&s, 0));
    CHECK(s.hi - s.lo == 60 * KIB && s.hi % (64 * KIB) == 0);
    CHECK(s.lo >= VM_STACKS && s.hi <= VM_STACKS + VM_STACKS_SIZE);
    CHECK(vm_lookup(s.hi - 1) && !vm_lookup(s.hi - 1 - PAGE_SIZE));
    CHECK(baseline - page_count_free() == 5); /* page, two tables, a region, its records */
    stack_free(&s);
    CHECK(s.lo == 0 && s.hi == 0 && stack_pages_pooled() == 1);
    CHECK(all_is_back());
}

TEST(sizes_round_up_to_classes)
{
    init(16 * MIB);
    const struct {
        size_t asked, got;
    } sizes[] = {{1, 64 * KIB},       {64 * KIB, 64 * KIB}, {64 * KIB + 1, 128 * KIB},
                 {2 * MIB, 2 * MIB},  {3 * MIB, 4 * MIB},   {40 * MIB, 64 * MIB},
                 {64 * MIB, 64 * MIB}};
    struct stack s[7];
    for (int i = 0; i < 7; i++) {
        CHECK(stack_alloc(&s[i], sizes[i].asked));
        CHECK(s[i].hi - s[i].lo == sizes[i].got - PAGE_SIZE && s[i].hi % sizes[i].got == 0);
        for (int j = 0; j < i; j++)
            CHECK(s[i].hi <= s[j].lo || s[j].hi <= s[i].lo);
    }
    struct stack none = {7, 7};
    CHECK(!stack_alloc(&none, 64 * MIB + 1) && !stack_alloc(&none, SIZE_MAX) && none.lo == 7);
    for (int i = 0; i < 7; i++)
        stack_free(&s[i]);
    CHECK(all_is_back());
}

TEST(faults_are_told_apart)
{
    init(16 * MIB);
    struct stack s, t;
    CHECK(stack_alloc(&s, 64 * KIB) && stack_alloc(&t, 1 * MIB));
    CHECK(stack_fault(s.hi - 5000, s.hi - 5008) == STACK_GREW && vm_lookup(s.hi - 5000));
    CHECK(stack_fault(s.hi - 5000, s.hi - 5008) == STACK_GREW); /* spurious */
    CHECK(stack_fault(s.lo + PAGE_SIZE, s.lo + PAGE_SIZE) == STACK_GREW);
    CHECK(vm_lookup(s.lo + PAGE_SIZE) && !vm_lookup(s.lo + 2 * PAGE_SIZE));
    CHECK(stack_fault(s.lo + PAGE_SIZE - 1, s.lo + PAGE_SIZE) == STACK_OVERFLOW &&
          !vm_lookup(s.lo));
    CHECK(!stack_spill(s.lo - 1) && stack_spill(s.lo + 8) && vm_lookup(s.lo));
    CHECK(stack_fault(s.lo, s.lo) == STACK_GREW); /* there it is */
    CHECK(stack_fault(s.lo + 2 * PAGE_SIZE, s.lo + 16) == STACK_OVERFLOW);
    CHECK(stack_fault(t.lo + PAGE_SIZE + 100, s.hi) ==
          STACK_GREW); /* another goroutine's, by a pointer */
    CHECK(stack_fault(s.lo - 1, s.lo + 16) == STACK_OVERFLOW);
    CHECK(stack_fault(s.lo - PAGE_SIZE, s.lo + 16) == STACK_OVERFLOW);
    CHECK(stack_fault(s.lo + 2 * PAGE_SIZE, s.lo - 64) == STACK_OVERFLOW);
    CHECK(!vm_lookup(s.lo - 1) && !vm_lookup(s.lo + 2 * PAGE_SIZE));
    CHECK(stack_fault(0, s.hi) == STACK_NOT_MINE && stack_fault(RAM_BASE, 0) == STACK_NOT_MINE);
    CHECK(stack_fault(s.hi + 64 * KIB - 1, s.hi) == STACK_NOT_MINE);        /* a slot never used */
    CHECK(stack_fault(VM_STACKS + VM_STACKS_SIZE, s.hi) == STACK_NOT_MINE); /* another window */
    CHECK(stack_fault(VM_STACKS + VM_STACKS_SIZE - 1, s.hi) == STACK_NOT_MINE);
    uintptr_t lo = s.lo;
    stack_free(&s);
    CHECK(stack_fault(lo, lo) == STACK_NOT_MINE); /* dead, in the pool */
    CHECK(stack_pages_pooled() == 4);
    stack_trim();
    CHECK(stack_fault(lo, lo) == STACK_NOT_MINE && !vm_lookup(lo));
    CHECK(stack_fault(t.lo + PAGE_SIZE, t.lo + PAGE_SIZE) == STACK_GREW);
    stack_free(&t);
    CHECK(all_is_back());
}

TEST(a_dead_stack_is_reused_with_its_pages)
{
    init(16 * MIB);
    struct stack s, t;
    CHECK(stack_alloc(&s, 0) && touch(s.hi - 3 * PAGE_SIZE));
    uintptr_t hi = s.hi;
    stack_free(&s);
    CHECK(stack_pages_pooled() == 2);
    size_t before = page_count_free();
    CHECK(stack_alloc(&t, 0) && t.hi == hi && vm_lookup(hi - 3 * PAGE_SIZE));
    CHECK(page_count_free() == before && stack_pages_pooled() == 0);
    stack_free(&t);
    CHECK(all_is_back());
}

TEST(a_stack_can_be_filled_at_once)
{
    init(16 * MIB);
    struct stack s;
    CHECK(stack_alloc(&s, 0) && stack_fill(&s, 0) && stack_fill(&s, PAGE_SIZE + 1));
    CHECK(vm_lookup(s.hi - 2 * PAGE_SIZE) && !vm_lookup(s.hi - 2 * PAGE_SIZE - 1));
    CHECK(stack_fill(&s, s.hi - s.lo) && vm_lookup(s.lo) && !vm_lookup(s.lo - 1));
    CHECK(!stack_fill(&s, s.hi - s.lo + 1));
    stack_free(&s);
    CHECK(stack_pages_pooled() == 15);
    CHECK(all_is_back());
}

static void free_twice(void *s)
{
    struct stack copy = *(struct stack *)s;
    stack_free(&copy);
    copy = *(struct stack *)s;
    stack_free(&copy);
}

static void free_middle(void *s)
{
    struct stack copy = *(struct stack *)s;
    copy.lo += PAGE_SIZE;
    stack_free(&copy);
}

TEST(freeing_nonsense_stops_the_machine)
{
    init(16 * MIB);
    struct stack s;
    CHECK(stack_alloc(&s, 0));
    CHECK(dies(free_twice, &s) && dies(free_middle, &s));
    stack_free(&s);
    CHECK(all_is_back());
}

/* ---- The pool's limit, and one shootdown a batch */

#define MANY 4000
static struct stack many[MANY];
static size_t free_at_shootdown;

static void note_free(void)
{
    free_at_shootdown = page_count_free();
}

TEST(the_pool_has_a_limit)
{
    init(64 * MIB);
    size_t limit = page_count_total() / 8;
    for (int i = 0; i < MANY; i++)
        CHECK(stack_alloc(&many[i], 0));
    unsigned long shootdowns = unit_tlb_shootdowns;
    for (int i = 0; i < MANY; i++) {
        stack_free(&many[i]);
        CHECK(stack_pages_pooled() <= limit);
    }
    CHECK(stack_pages_pooled() > limit / 4);
    CHECK(unit_tlb_shootdowns - shootdowns <= 4);
    CHECK(all_is_back());
}

TEST(pages_wait_for_their_shootdown)
{
    init(64 * MIB);
    for (int i = 0; i < 100; i++)
        CHECK(stack_alloc(&many[i], 0));
    for (int i = 0; i < 100; i++)
        stack_free(&many[i]);
    size_t before = page_count_free();
    unsigned long shootdowns = unit_tlb_shootdowns;
    unit_on_shootdown = note_free;
    stack_trim();
    unit_on_shootdown = NULL;
    CHECK(unit_tlb_shootdowns == shootdowns + 1);
    CHECK(free_at_shootdown == before);
    CHECK(all_is_back());
}

static struct stack meanwhile;
static uintptr_t meanwhile_not;

static void take_one(void)
{
    unit_on_shootdown = NULL;
    CHECK(stack_alloc(&meanwhile, 0));
    CHECK(meanwhile.hi - meanwhile_not >= (uintptr_t)1 << 30);
    CHECK(touch(meanwhile.lo + PAGE_SIZE));
}

/* A region that is on its way out gives no slot, and the slots of a batch are nobody's. */
TEST(a_slot_waits_for_its_shootdown_too)
{
    init(16 * MIB);
    struct stack s;
    CHECK(stack_alloc(&s, 0) && touch(s.lo + PAGE_SIZE));
    meanwhile_not = s.hi;
    stack_free(&s);
    unit_on_shootdown = take_one;
    stack_trim();
    CHECK(vm_lookup(meanwhile.lo + PAGE_SIZE) && vm_lookup(meanwhile.hi - 1));
    CHECK(stack_alloc(&s, 64 * KIB) && touch(s.lo + PAGE_SIZE) && s.hi != meanwhile.hi);
    stack_free(&meanwhile);
    stack_free(&s);
    CHECK(all_is_back());
}

static pthread_t second;
static _Atomic bool second_is_done;

static void *trim_too(void *unused)
{
    stack_trim();
    second_is_done = true;
    return unused;
}

static void start_second(void)
{
    unit_on_shootdown = NULL;
    pthread_create(&second, NULL, trim_too, NULL);
    usleep(50000);
    CHECK(!second_is_done);
}

TEST(one_trim_at_a_time)
{
    init(16 * MIB);
    struct stack s;
    CHECK(stack_alloc(&s, 0));
    stack_free(&s);
    unit_on_shootdown = start_second;
    CHECK(all_is_back());
    pthread_join(second, NULL);
    CHECK(second_is_done);
}

/* ---- Out of memory */

TEST(out_of_memory_is_an_answer)
{
    init(8 * MIB);
    int n = 0;
    while (n < MANY && stack_alloc(&many[n], 0))
        n++;
    CHECK(n > 1000 && n < MANY && page_count_free() < 3);
    while (page_alloc())
        ;
    CHECK(stack_fault(many[0].lo + PAGE_SIZE, many[0].lo + PAGE_SIZE) == STACK_NO_MEMORY &&
          !vm_lookup(many[0].lo + PAGE_SIZE));
    struct stack s = {0};
    CHECK(!stack_alloc(&s, 0) && !stack_alloc(&s, 1 * MIB));
    /* Dead stacks of another class are memory too. */
    for (int i = 10; i < 20; i++)
        stack_free(&many[i]);
    CHECK(stack_alloc(&s, 1 * MIB));
    CHECK(stack_fault(many[0].lo + PAGE_SIZE, many[0].lo + PAGE_SIZE) == STACK_GREW);
    CHECK(stack_fault(s.lo + PAGE_SIZE, s.lo + PAGE_SIZE) == STACK_GREW);
    stack_free(&s);
    for (int i = 0; i < n; i++)
        if (i < 10 || i >= 20)
            stack_free(&many[i]);
    stack_trim();
    CHECK(stack_pages_pooled() == 0 && page_count_free() >= baseline - 3);
}

/* The nth page that is asked for is not there, for every n. */
TEST(every_page_may_fail)
{
    for (size_t n = 0; n < 12; n++) {
        init(8 * MIB);
        static void *taken[2048];
        size_t k = 0;
        while (page_count_free() > n)
            taken[k++] = page_alloc();
        struct stack s;
        bool got = stack_alloc(&s, 2 * MIB) && stack_fill(&s, 5 * PAGE_SIZE);
        CHECK(got == (n >= 9)); /* 5 pages, 2 tables, a region, its records */
        while (k > 0)
            page_free(taken[--k]);
        if (n >= 5)
            stack_free(&s);
        CHECK(all_is_back());
    }
}

TEST(the_window_has_an_end)
{
    init(64 * MIB);
    int n = 0;
    while (n < MANY && stack_alloc(&many[n], 64 * MIB))
        n++;
    CHECK(n == 2048);
    struct stack s;
    CHECK(!stack_alloc(&s, 0));
    for (int i = 0; i < 16; i++)
        stack_free(&many[i]);
    CHECK(stack_alloc(&s, 0)); /* a region changes hands */
    stack_free(&s);
    for (int i = 16; i < n; i++)
        stack_free(&many[i]);
    CHECK(all_is_back());
}

/* ---- A random life, against a model */

#define LIVES 300
static struct life {
    struct stack s;
    uint64_t tag;
    uint32_t touched[1024]; /* bit a page from the top, the first 32 Ki pages */
} lives[LIVES];

static void life_touch(struct life *l, uint64_t *seed)
{
    size_t pages = (l->s.hi - l->s.lo) / PAGE_SIZE - 1; /* of the program */
    size_t k = rnd(seed, 3) ? rnd(seed, 4) : rnd(seed, pages);
    uint64_t *word = touch(l->s.hi - (k + 1) * PAGE_SIZE);
    if (!word)
        return;
    if (l->touched[k / 32] >> k % 32 & 1)
        CHECK(*word == l->tag + k);
    l->touched[k / 32] |= 1u << k % 32;
    *word = l->tag + k;
}

static void life_check(struct life *l)
{
    for (size_t k = 0; k < (l->s.hi - l->s.lo) / PAGE_SIZE; k++)
        if (l->touched[k / 32] >> k % 32 & 1) {
            uint64_t *word = vm_lookup(l->s.hi - (k + 1) * PAGE_SIZE);
            CHECK(word && *word == l->tag + k);
        }
}

static void random_lives(size_t ram, uint64_t seed, bool may_fail)
{
    init(ram);
    memset(lives, 0, sizeof lives);
    for (int step = 0; step < 60000; step++) {
        struct life *l = &lives[rnd(&seed, LIVES)];
        if (rnd(&seed, 1000) == 0)
            stack_trim();
        if (!l->s.hi) {
            size_t class = rnd(&seed, 4) ? 0 : rnd(&seed, 11);
            bool got = stack_alloc(&l->s, 64 * KIB << class);
            CHECK(got || may_fail);
            if (!got)
                continue;
            l->tag = (uint64_t)(step + 1) << 20;
            memset(l->touched, 0, sizeof l->touched);
        } else if (rnd(&seed, 6)) {
            life_touch(l, &seed);
        } else {
            life_check(l);
            stack_free(&l->s);
        }
    }
    for (int i = 0; i < LIVES; i++)
        if (lives[i].s.hi) {
            life_check(&lives[i]);
            stack_free(&lives[i].s);
        }
    CHECK(all_is_back());
}

TEST(stacks_live_and_die_at_random)
{
    for (uint64_t seed = 1; seed <= 4; seed++)
        random_lives(64 * MIB, seed * 0x9e3779b97f4a7c15, false);
}

TEST(stacks_live_and_die_at_random_in_little_memory)
{
    for (uint64_t seed = 5; seed <= 8; seed++)
        random_lives(5 * MIB, seed * 0x9e3779b97f4a7c15, true);
}

/* ---- Threads, each with a translation buffer that only a shootdown empties */

#define THREADS 4
#define MINE    40
#define TLB     64

static _Atomic unsigned generation;
static _Atomic size_t failures;

static void shoot_down(void)
{
    atomic_fetch_add(&generation, 1);
}

static _Thread_local struct {
    uintptr_t va;
    char *page;
    unsigned generation;
} tlb[TLB];

/* As touch, through this thread's buffer; retried when a shootdown came in between. */
static uint64_t *touch_tlb(uintptr_t va)
{
    va &= -PAGE_SIZE;
    unsigned k = va / PAGE_SIZE % TLB;
    unsigned now = generation;
    if (tlb[k].va == va && tlb[k].generation == now)
        return (uint64_t *)tlb[k].page;
    uint64_t *there = touch(va);
    if (there) {
        tlb[k].va = va;
        tlb[k].page = (char *)there;
        tlb[k].generation = now;
    }
    return there;
}

static void *live_on_a_hart(void *arg)
{
    uint64_t seed = 1234 + 17 * (uintptr_t)arg;
    static _Thread_local struct {
        struct stack s;
        uint64_t tag;
        uint16_t touched;
    } mine[MINE];
    for (uint64_t step = 1; step <= 30000; step++) {
        int i = (int)rnd(&seed, MINE);
        if (!mine[i].s.hi) {
            if (!stack_alloc(&mine[i].s, rnd(&seed, 8) ? 0 : 256 * KIB)) {
                failures++;
                continue;
            }
            mine[i].tag = (uintptr_t)arg << 48 | step << 8;
            mine[i].touched = 0;
        }
        for (int j = 0; j < 4; j++) {
            unsigned k = (unsigned)rnd(&seed, rnd(&seed, 4) ? 2 : 14);
            uint64_t *word = touch_tlb(mine[i].s.hi - (k + 1) * PAGE_SIZE);
            if (!word) {
                failures++;
                continue;
            }
            if (mine[i].touched >> k & 1)
                CHECK(*word == mine[i].tag + k);
            *word = mine[i].tag + k;
            mine[i].touched |= (uint16_t)(1u << k);
        }
        if (rnd(&seed, 3) == 0)
            stack_free(&mine[i].s);
    }
    for (int i = 0; i < MINE; i++)
        if (mine[i].s.hi)
            stack_free(&mine[i].s);
    return NULL;
}

static void run_harts(size_t ram)
{
    init(ram);
    failures = 0;
    unit_on_shootdown = shoot_down;
    pthread_t t[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++)
        pthread_create(&t[i], NULL, live_on_a_hart, (void *)(i + 1));
    for (int i = 0; i < THREADS; i++)
        pthread_join(t[i], NULL);
    unit_on_shootdown = NULL;
    CHECK(all_is_back());
}

TEST(harts_share_the_window)
{
    run_harts(32 * MIB);
    CHECK(failures == 0);
}

TEST(harts_share_too_little_memory)
{
    run_harts(3 * MIB);
    CHECK(failures > 0);
}

UNIT_MAIN
