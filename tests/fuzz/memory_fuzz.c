// with: kernel/page.c kernel/vm.c -DPINION_UNIT_TEST -no-pie -fno-pie -pthread
/*
 * memory_fuzz: the page heap and the map of memory, made of any banks and reserved ranges that
 * machine_parse may hand on: sorted, apart, not wrapping around; and registers anywhere mapped after.
 *
 * Input: records of nine bytes: what and where, then two numbers. Memory that is there in truth is 8 MiB
 * at RAM_BASE; banks lie there or beyond what the identity map reaches, reserved ranges and registers
 * anywhere.
 */
#include "tests/fuzz/fuzz.h"
#include "tests/unit/ram.h"
#include "kernel/vm.h"

#define RAM_SIZE (8 * MIB)
#define RECORD   9
#define PAGES_FOR_VM \
    400 /* fewer than that, and the tables may not fit: vm_init says so and stops */

/* The image, where the linker script would place it: at 1 MiB in memory. */
__asm__(".globl __text_start, __text_end, __rodata_start, __rodata_end\n"
        ".globl unit_data_start, __bss_end, __image_end\n"
        ".set __text_start,   0x10100000\n"
        ".set __text_end,     0x10111000\n"
        ".set __rodata_start, 0x10111000\n"
        ".set __rodata_end,   0x10115000\n"
        ".set unit_data_start, 0x10115000\n"
        ".set __bss_end,      0x10150000\n"
        ".set __image_end,    0x10160000\n");
#define IMAGE     ((uintptr_t)0x10100000)
#define IMAGE_END ((uintptr_t)0x10160000)

static struct range range_of(unsigned where, uint32_t a, uint32_t b)
{
    struct range r = {RAM_BASE + a % RAM_SIZE, b % RAM_SIZE};
    if (where == 1)
        r = (struct range){(uint64_t)a << 8, (uint64_t)b << 8};
    else if (where == 2)
        r = (struct range){~(uint64_t)a, b};
    else if (where == 3)
        r = (struct range){VM_IDENTITY_END - (a & 0xffff) + (b >> 16), b & 0xffff};
    if (r.size > UINT64_MAX - r.base)
        r.size = UINT64_MAX - r.base;
    return r;
}

/* Takes r in among n ranges if there is room and it touches none. */
static void insert(struct range *table, unsigned *n, unsigned max, struct range r)
{
    unsigned i = 0, at;
    if (r.size == 0 || *n == max)
        return;
    while (i < *n && table[i].base + table[i].size < r.base)
        i++;
    if (i < *n && table[i].base <= r.base + r.size)
        return;
    for (at = (*n)++; at > i; at--)
        table[at] = table[at - 1];
    table[i] = r;
}

/* A bank that a hart would reach has to be there. */
static bool bank_is_there(struct range *r)
{
    uint64_t end = r->base + r->size;
    if (r->base >= RAM_BASE && r->base < RAM_BASE + RAM_SIZE && end > RAM_BASE + RAM_SIZE)
        r->size = RAM_BASE + RAM_SIZE - r->base;
    return r->base >= VM_IDENTITY_END ||
           (r->base >= RAM_BASE && r->base + r->size <= RAM_BASE + RAM_SIZE);
}

static void make_machine(struct machine *m, const uint8_t *data, size_t size)
{
    for (; size >= RECORD; data += RECORD, size -= RECORD) {
        uint32_t a, b;
        memcpy(&a, data + 1, 4);
        memcpy(&b, data + 5, 4);
        struct range r = range_of(data[0] >> 2 & 3, a, b);
        switch (data[0] & 3) {
        case 0:
            if (bank_is_there(&r))
                insert(m->bank, &m->n_banks, MACHINE_MAX_BANKS, r);
            break;
        case 3: m->exit_dev = r; break;
        default: insert(m->reserved, &m->n_reserved, MACHINE_MAX_RESERVED, r);
        }
    }
}

static bool overlaps(uintptr_t page, uint64_t from, uint64_t to)
{
    return from < to && page < to && page + PAGE_SIZE > from;
}

static bool may_be_given(const struct machine *m, uintptr_t page)
{
    bool in_bank = false;
    for (unsigned i = 0; i < m->n_banks; i++)
        in_bank |= page >= m->bank[i].base && page + PAGE_SIZE <= range_end(&m->bank[i]);
    for (unsigned i = 0; i < m->n_reserved; i++)
        if (overlaps(page, m->reserved[i].base, range_end(&m->reserved[i])))
            return false;
    return in_bank && !overlaps(page, IMAGE, IMAGE_END);
}

/* Maps registers, then takes every page that is left. */
static void pages_hold(const struct machine *m, bool mapped)
{
    static bool seen[RAM_SIZE / PAGE_SIZE];
    char *page;
    memset(seen, 0, sizeof seen);
    if (mapped && m->exit_dev.size > 0)
        vm_map_device(m->exit_dev.base, m->exit_dev.size);
    while ((page = page_alloc()) != NULL) {
        HOLDS(may_be_given(m, (uintptr_t)page));
        bool *was = &seen[((uintptr_t)page - RAM_BASE) / PAGE_SIZE];
        HOLDS(!*was && (!mapped || vm_lookup((uintptr_t)page) == page));
        *was = true;
        memset(page, 0xa5, PAGE_SIZE);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct machine m;
    static bool there;
    if (!there)
        ram_map(RAM_SIZE, RAM_SIZE);
    there = true;
    memset(&m, 0, sizeof m);
    make_machine(&m, data, size);
    page_init(&m, IMAGE, IMAGE_END);
    HOLDS(page_count_free() == page_count_total());
    bool mapped = page_count_free() >= PAGES_FOR_VM;
    if (mapped)
        vm_init(&m);
    pages_hold(&m, mapped);
    return 0;
}
