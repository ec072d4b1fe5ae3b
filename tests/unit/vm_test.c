// with: kernel/vm.c kernel/page.c -DPINION_UNIT_TEST -no-pie -fno-pie -pthread -Wl,--wrap=page_alloc
/*
 * vm: the identity map byte for byte against the machine's description, devices, and harts that map
 * in the same table at once. Entries are those of tests/unit/port.h.
 */
#include <pthread.h>
#include "tests/unit/unit.h"
#include "tests/unit/ram.h"
#include "kernel/vm.h"

#define UNUSED_VA (VM_STACKS + VM_STACKS_SIZE / 2) /* by the other tests */

#define RAM_SIZE (64 * MIB)
#define GIB      ((uint64_t)1 << 30)

/* The image, as the linker script would place it: at 2 MiB in memory. */
__asm__(".globl __text_start, __text_end, __rodata_start, __rodata_end\n"
        ".globl unit_data_start, __bss_end, __image_end\n"
        ".set __text_start,   0x10200000\n"
        ".set __text_end,     0x10211000\n"
        ".set __rodata_start, 0x10211000\n"
        ".set __rodata_end,   0x10215000\n"
        ".set unit_data_start, 0x10215000\n"
        ".set __bss_end,      0x10450000\n"
        ".set __image_end,    0x10460000\n");
#define TEXT      0x10200000
#define RODATA    0x10211000
#define DATA      0x10215000
#define IMAGE_END 0x10460000

/* The entry that translates va: its protection (0: none), its level, where it leads. */
struct found {
    unsigned prot;
    int level;
    uint64_t pa;
};

static struct found find(uintptr_t va)
{
    arch_pte *table = (arch_pte *)vm_root();
    for (int level = 2;; level--) {
        arch_pte e = table[va >> (12 + 9 * level) & 511];
        if (!(e & UNIT_PTE_VALID))
            return (struct found){0, level, 0};
        if (!(e & UNIT_PTE_TABLE)) {
            uint64_t offset = va & ((PAGE_SIZE << 9 * level) - 1);
            return (struct found){e >> 2 & 15, level, (e & ~(arch_pte)0xfff) + offset};
        }
        CHECK(level > 0);
        table = (arch_pte *)(e & ~(arch_pte)0xfff);
    }
}

static struct machine machine;

static void init(void)
{
    struct machine *m = &machine;
    memset(m, 0, sizeof *m);
    ram_map(RAM_SIZE, RAM_SIZE);
    bank_add(m, RAM_BASE, RAM_SIZE);
    reserved_add(m, RAM_BASE, 512 * KIB);                 /* firmware below the image */
    reserved_add(m, RAM_BASE + 40 * MIB, 2 * MIB);        /* a whole large page */
    reserved_add(m, RAM_BASE + 50 * MIB + 100, 10 * KIB); /* ragged */
    reserved_add(m, RAM_BASE + 60 * MIB + 0x100, 0x3210); /* the tree */
    m->fdt = (void *)(RAM_BASE + 60 * MIB + 0x100);
    m->fdt_size = 0x3210;
    page_init(m, TEXT, IMAGE_END);
    bank_add(m, 0, 64 * KIB);                           /* with page zero */
    bank_add(m, 4 * GIB, 3 * GIB + 6 * MIB + 12 * KIB); /* large leaves */
    bank_add(m, 255 * GIB, 4 * GIB);                    /* one of them in reach */
    bank_add(m, ~(uint64_t)0 - 4094, 4094);             /* rounded up, it would begin at 0 */
    bank_add(m, 300 * GIB, GIB);
    reserved_add(m, 7 * GIB + 4 * MIB, 2 * MIB);
    vm_init(m);
}

static bool in(uintptr_t p, uint64_t from, uint64_t to)
{
    return p >= from && p < to;
}

static unsigned expected(uintptr_t p)
{
    const unsigned rw = VM_READ | VM_WRITE;
    if (in(p, 0x1000, 64 * KIB))
        return rw;
    if (in(p, 7 * GIB + 4 * MIB, 7 * GIB + 6 * MIB))
        return 0;
    if (in(p, 4 * GIB, 7 * GIB + 6 * MIB + 12 * KIB) || in(p, 255 * GIB, 256 * GIB))
        return rw;
    if (!in(p, RAM_BASE, RAM_BASE + RAM_SIZE) || in(p, RAM_BASE, RAM_BASE + 512 * KIB))
        return 0;
    if (in(p, TEXT, RODATA))
        return VM_READ | VM_EXEC;
    if (in(p, RODATA, DATA))
        return VM_READ;
    if (in(p, RAM_BASE + 40 * MIB, RAM_BASE + 42 * MIB))
        return 0;
    if (in(p, RAM_BASE + 50 * MIB + 4 * KIB, RAM_BASE + 50 * MIB + 8 * KIB))
        return 0; /* of four pages that it touches these are wholly reserved */
    if (in(p, RAM_BASE + 60 * MIB + 4 * KIB, RAM_BASE + 60 * MIB + 12 * KIB))
        return VM_READ;
    return rw;
}

static void check_identity(uintptr_t from, uintptr_t to, uintptr_t step)
{
    for (uintptr_t p = from; p < to; p += step) {
        struct found f = find(p);
        CHECK(f.prot == expected(p));
        CHECK(f.prot == 0 || f.pa == p);
    }
}

TEST(identity_map_is_the_machine)
{
    init();
    CHECK(strcmp(unit_said, "vm: memory from 4b00000000 on is out of reach\n") == 0);
    check_identity(0, 2 * MIB, PAGE_SIZE);
    check_identity(RAM_BASE - 4 * MIB, RAM_BASE + RAM_SIZE + 4 * MIB, PAGE_SIZE);
    check_identity(7 * GIB - 4 * MIB, 7 * GIB + 10 * MIB, PAGE_SIZE);
    check_identity(0x12345000, 256 * GIB, 61 * MIB + PAGE_SIZE);
    for (unsigned i = 256; i < 512; i++)
        CHECK(((arch_pte *)vm_root())[i] == 0);
}

TEST(leaves_are_as_large_as_fits)
{
    init();
    CHECK(find(4 * GIB).level == 2 && find(7 * GIB - 1).level == 2);
    CHECK(find(7 * GIB).level == 1 && find(7 * GIB + 6 * MIB).level == 0);
    CHECK(find(RAM_BASE + 30 * MIB).level == 1 && find(RAM_BASE + 50 * MIB).level == 0);
    CHECK(find(TEXT).level == 0 && find(255 * GIB).level == 2);
}

TEST(lookup_knows_every_level)
{
    init();
    CHECK(vm_lookup(4 * GIB + 0x12345678) == (void *)(4 * GIB + 0x12345000));
    CHECK(vm_lookup(RAM_BASE + 30 * MIB + 0x7fff) == (void *)(RAM_BASE + 30 * MIB + 0x7000));
    CHECK(vm_lookup(TEXT + 1) == (void *)TEXT);
    CHECK(!vm_lookup(0) && !vm_lookup(RAM_BASE) && !vm_lookup(VM_STACKS) && !vm_lookup(8));
}

TEST(devices_are_mapped_once_and_never_over_memory)
{
    init();
    char *uart = vm_map_device(0x9001010, 16);
    CHECK(uart == (char *)0x9001010);
    CHECK(find(0x9001000).prot == (VM_READ | VM_WRITE | VM_DEVICE));
    CHECK(find(0x9002000).prot == 0 && find(0x9000000).prot == 0);
    size_t before = page_count_free();
    CHECK(vm_map_device(0x9001000, 0x1000) == (void *)0x9001000);
    CHECK(vm_map_device(0x9000ff8, 16) == (void *)0x9000ff8);
    CHECK(find(0x9000000).prot && find(0x9001000).prot && !find(0x9002000).prot);
    CHECK(page_count_free() == before);
    CHECK(!vm_map_device(RAM_BASE + 30 * MIB, 4));
    CHECK(!vm_map_device(TEXT, 4));
    CHECK(!vm_map_device(RAM_BASE - 8, 1 * MIB));
    CHECK(!vm_map_device(0x9001000, 0));
    CHECK(!vm_map_device(~(uint64_t)0 - 10, 100));
    /* A reserved piece of memory may be one: nothing is mapped there. */
    CHECK(vm_map_device(RAM_BASE + 41 * MIB, 64) == (void *)(RAM_BASE + 41 * MIB));
}

TEST(far_devices_go_through_the_window)
{
    init();
    uintptr_t far = (uintptr_t)vm_map_device(0x7040000123, 0x2000);
    CHECK(far == 0x7040000123 - 0x7040000000 + VM_DEVICES);
    CHECK(find(far).pa == 0x7040000123 && find(far + 0x2000).pa == 0x7040002123);
    CHECK(find(far).prot == (VM_READ | VM_WRITE | VM_DEVICE));
    CHECK((uintptr_t)vm_map_device(0x7040001000, 4) == VM_DEVICES + 0x1000);
    CHECK((uintptr_t)vm_map_device(0x7040002000, 0x2000) == VM_DEVICES + 0x3000);
    CHECK((uintptr_t)vm_map_device(0xd8, 8) == VM_DEVICES + 0x50d8); /* a release address */
    CHECK(find(0xd8).prot == 0);
    CHECK(!vm_map_device((uint64_t)1 << 39, VM_DEVICES_SIZE));
    size_t before = page_count_free();
    CHECK(!vm_map_device(8 * GIB, 8 * GIB)); /* in reach, but what for? */
    CHECK_EQ(page_count_free(), before);
}

TEST(pages_come_and_go)
{
    init();
    size_t before = page_count_free();
    uintptr_t va = VM_STACKS + 5 * GIB + 0x123000;
    void *a = page_alloc(), *b = page_alloc();
    CHECK(vm_map_page(va, a, VM_READ | VM_WRITE) == VM_MAPPED);
    CHECK(vm_map_page(va, b, VM_READ | VM_WRITE) == VM_TAKEN);
    CHECK(vm_lookup(va + 17) == a && find(va).prot == (VM_READ | VM_WRITE));
    CHECK(vm_map_page(va + PAGE_SIZE, b, VM_READ) == VM_MAPPED);
    CHECK(before - page_count_free() == 4);
    CHECK(vm_unmap_page(va) == a && !vm_unmap_page(va) && !vm_lookup(va));
    CHECK(!vm_unmap_page(va + 7 * GIB) && !vm_unmap_page(4 * GIB));
    CHECK(vm_unmap_page(va + PAGE_SIZE) == b);
    page_free(a);
    page_free(b);
    CHECK(!vm_unmap_table(va + 4 * MIB, 1) && !vm_unmap_table(va + GIB, 2));
    CHECK(!vm_unmap_table(4 * GIB, 2) && !vm_unmap_table(RAM_BASE + 30 * MIB, 1));
    page_free(vm_unmap_table(va, 1));
    page_free(vm_unmap_table(va, 2));
    CHECK(!vm_unmap_table(va, 1) && !vm_unmap_table(va, 2));
    CHECK(page_count_free() == before);
    unsigned long n = unit_tlb_shootdowns;
    vm_flush(va, PAGE_SIZE);
    vm_flush_all();
    CHECK(unit_tlb_shootdowns == n + 2);
}

TEST(out_of_memory_changes_nothing)
{
    init();
    void *chain = NULL;
    void **last = NULL;
    for (void **p; (p = page_alloc()); chain = p)
        last = p, *p = chain;
    CHECK(last != NULL && page_count_free() == 0);
    chain = *last;
    uintptr_t va = UNUSED_VA;
    CHECK(vm_map_page(va, last, VM_READ) == VM_NO_MEMORY && !vm_lookup(va));
    void **second = chain;
    chain = *second;
    page_free(second); /* enough for one of two tables */
    CHECK(vm_map_page(va, last, VM_READ) == VM_NO_MEMORY && !vm_lookup(va));
    CHECK(page_count_free() == 0);
    void **third = chain;
    page_free(third);
    CHECK(vm_map_page(va, last, VM_READ) == VM_MAPPED && vm_lookup(va) == last);
}

/* ---- Another hart is faster: it maps the page while we are out for a table. */

static _Thread_local uintptr_t rival_va;
static void *rival_page;

void *__real_page_alloc(void);
void *__wrap_page_alloc(void);
void *__wrap_page_alloc(void)
{
    uintptr_t va = rival_va;
    rival_va = 0;
    if (va)
        CHECK(vm_map_page(va, rival_page, VM_READ) == VM_MAPPED);
    return __real_page_alloc();
}

TEST(the_loser_of_a_race_uses_the_winners_table)
{
    init();
    size_t before = page_count_free();
    rival_va = VM_STACKS + 3 * PAGE_SIZE;
    rival_page = (void *)(RAM_BASE + 20 * MIB);
    void *ours = (void *)(RAM_BASE + 21 * MIB);
    CHECK(vm_map_page(VM_STACKS + 4 * PAGE_SIZE, ours, VM_READ) == VM_MAPPED);
    CHECK(vm_lookup(VM_STACKS + 3 * PAGE_SIZE) == rival_page);
    CHECK(vm_lookup(VM_STACKS + 4 * PAGE_SIZE) == ours);
    rival_va = UNUSED_VA;
    CHECK(vm_map_page(UNUSED_VA, ours, VM_READ) == VM_TAKEN && vm_lookup(UNUSED_VA) == rival_page);
    CHECK(before - page_count_free() == 4);
}

/* ---- Harts that map in the same, as yet missing tables. */

#define THREADS 4
#define RACES   300
#define SPAN    64 /* pages each race is about */

static pthread_barrier_t start;
static _Atomic unsigned mapped[RACES], taken[RACES];

static void *racer(void *arg)
{
    uint64_t seed = 99 + (uintptr_t)arg;
    for (int r = 0; r < RACES; r++) {
        uintptr_t base = VM_STACKS + (uintptr_t)r * GIB / 2 % (VM_STACKS_SIZE - GIB);
        pthread_barrier_wait(&start);
        for (int i = 0; i < SPAN; i++) {
            uintptr_t va = base + rnd(&seed, SPAN) * PAGE_SIZE;
            uint64_t *page = page_alloc();
            *page = va;
            switch (vm_map_page(va, page, VM_READ | VM_WRITE)) {
            case VM_MAPPED: atomic_fetch_add(&mapped[r], 1); break;
            case VM_TAKEN:
                atomic_fetch_add(&taken[r], 1);
                page_free(page);
                break;
            case VM_NO_MEMORY: CHECK(false);
            }
            uint64_t *there = vm_lookup(va);
            CHECK(there && *there == va);
        }
        if (pthread_barrier_wait(&start) == PTHREAD_BARRIER_SERIAL_THREAD) {
            for (int i = 0; i < SPAN; i++) {
                void *page = vm_unmap_page(base + (uintptr_t)i * PAGE_SIZE);
                if (page) {
                    mapped[r]--;
                    page_free(page);
                }
            }
            page_free(vm_unmap_table(base, 1));
            page_free(vm_unmap_table(base, 2));
        }
    }
    return NULL;
}

TEST(harts_that_map_at_once_agree)
{
    init();
    size_t before = page_count_free();
    pthread_t t[THREADS];
    pthread_barrier_init(&start, NULL, THREADS);
    for (uintptr_t i = 0; i < THREADS; i++)
        pthread_create(&t[i], NULL, racer, (void *)i);
    for (int i = 0; i < THREADS; i++)
        pthread_join(t[i], NULL);
    for (int r = 0; r < RACES; r++)
        CHECK(mapped[r] == 0 && taken[r] > 0);
    CHECK(page_count_free() == before);
}

UNIT_MAIN
