/*
 * vm: the page tables.
 *
 * There is one address space, shared by all harts, so a root is set once a hart and never changed.
 * Three levels of 512 entries: an entry of level 2 (the root) spans 1 GiB, of level 1 2 MiB, of
 * level 0 a page. How an entry looks is the port's business (arch_pte_…), and so is what the
 * hardware asks for after a change (arch_tlb_…; one board's fence by address is broken, which the
 * port knows and we don't). Sv39 sign-extends bit 38 and AArch64's TTBR0 does not; both have the
 * index of va at bits 38 to 30, so nothing here sees the difference.
 *
 * The identity map has every bank, in leaves as large as fit, readable and writable, not
 * executable. Cut out of it are, page by page:
 *
 *     text                 read and execute
 *     rodata               read
 *     the device tree      read (it is among the reserved ranges, but we go on reading it)
 *     page zero            nothing, so that a null pointer with a small offset faults
 *     reserved ranges      nothing. Firmware lives there, often behind a lock (PMP, TrustZone) that
 *                          answers an access with an error. A hart may read ahead into whatever is
 *                          mapped as memory, so harmless looks depend on the implementation; an
 *                          invalid entry stops them by the book. The price is small leaves around it.
 *
 * Changing tables takes no lock. An entry changes in three ways only:
 *
 *   invalid -> table     by compare-and-swap; who loses the race frees his table and uses the other
 *   invalid -> leaf      by compare-and-swap; who loses is told VM_TAKEN
 *   valid   -> invalid   by exchange; who got the old value owns the page or table behind it
 *
 * so two harts that grow stacks in the same 2 MiB agree without waiting for each other, and a fault
 * handler can't find this file locked by the context it interrupted. (It calls page_alloc, which
 * has a lock and the rule for it: kernel/page.c, I4 to I6.)
 *
 *   I1  A table is full of invalid entries when it becomes reachable, and whoever reaches it sees
 *       that. (O14)
 *   I2  A table becomes unreachable only by vm_unmap_table, whose caller owns every address it
 *       spans: nobody is inside it then, and the TLBs forget it before it is used again.
 *   I3  The identity map and devices change at boot only, before a second hart runs.
 *   I4  A leaf is never changed into another leaf. So no TLB holds two answers for one address,
 *       which Arm forbids (break before make), and only valid -> invalid needs a shootdown.
 *
 * O14 Entries are stored with release and loaded with acquire: the zeros in a new table, or in a
 *     new page, are visible to whoever finds the entry. The hardware's walker is one of those: it is
 *     an observer like the harts, its walk of a table depends on the entry it read, and the tables
 *     lie in ordinary shareable memory, on Arm too (cacheable walks, so that no cache is cleaned
 *     here). arch_tlb_fence then holds this hart back until its own walker sees the entry. A hart
 *     elsewhere that remembers "invalid" takes a fault, finds the entry valid and goes on.
 */
#include "kernel/vm.h"
#include "arch/arch.h"
#include "kernel/console.h"
#include "kernel/page.h"

#define ENTRIES     512
#define WINDOWS_MAX 16 /* far devices */

typedef _Atomic arch_pte entry;

/* The linker script's; each boundary is a multiple of a page. */
extern char __text_start[], __text_end[], __rodata_start[], __rodata_end[];
extern char __data_start[], __bss_end[], __image_end[];

static entry *root;

/* Devices that are mapped away from their physical address. Boot only. */
static struct window {
    uint64_t pa;
    size_t size;
    uintptr_t va;
} windows[WINDOWS_MAX];
static unsigned n_windows;
static uintptr_t window_next;

static inline size_t level_size(int level)
{
    return PAGE_SIZE << (9 * level);
}

static inline entry *entry_of(entry *table, uintptr_t va, int level)
{
    return &table[va >> (PAGE_SHIFT + 9 * level) & (ENTRIES - 1)];
}

static inline entry *table_of(arch_pte e)
{
    return (entry *)(uintptr_t)arch_pte_pa(e);
}

static inline arch_pte entry_load(entry *e)
{
    /* O14: pairs with entry_fill's release. */
    return atomic_load_explicit(e, memory_order_acquire);
}

/* Fills an invalid entry. false: another hart did, and *seen is what it put there. */
static inline bool entry_fill(entry *e, arch_pte value, arch_pte *seen)
{
    *seen = 0;
    /* O14: release, pairs with entry_load; acquire, for a failure: we are about to use the table of
     * whoever was faster. */
    atomic_thread_fence(
        memory_order_release); /* O14: GCC 12 loses it on RISC-V as part of the swap */
    return atomic_compare_exchange_strong_explicit(e, seen, value, memory_order_acquire,
                                                   memory_order_acquire);
}

static inline void *entry_clear(entry *e)
{
    /* O14: acquire, to see what was done in the page through this entry's table; release, so that
     * what we did with the page lies before. */
    arch_pte was = atomic_exchange_explicit(e, 0, memory_order_acq_rel);
    return arch_pte_valid(was) ? (void *)(uintptr_t)arch_pte_pa(was) : NULL;
}

/* A new, empty table, in *e if nobody else is faster. false: out of memory. */
static bool table_make(entry *e, arch_pte *value)
{
    void *page = page_alloc();
    if (!page)
        return false;
    page_zero(page);
    *value = arch_pte_table((uintptr_t)page);
    arch_pte seen;
    if (!entry_fill(e, *value, &seen)) {
        page_free(page);
        *value = seen;
    }
    return true;
}

/*
 * The entry of va at a level. Tables on the way are made if asked for. NULL: out of memory, there is
 * no table (and none is to be made), or a larger leaf lies in the way.
 */
static entry *walk(uintptr_t va, int level, bool make)
{
    entry *table = root;
    for (int l = 2; l > level; l--) {
        entry *e = entry_of(table, va, l);
        arch_pte value = entry_load(e);
        if (!arch_pte_valid(value) && (!make || !table_make(e, &value)))
            return NULL;
        if (arch_pte_is_leaf(value, l))
            return NULL;
        table = table_of(value);
    }
    return entry_of(table, va, level);
}

/* ---- Building the identity map. Boot hart alone (I3). */

/* One leaf. false: out of memory. */
static bool leaf_put(uintptr_t va, uint64_t pa, unsigned prot, int level)
{
    arch_pte seen, value = arch_pte_leaf(pa, prot, level);
    entry *e = walk(va, level, true);
    return e && (entry_fill(e, value, &seen) || seen == value);
}

/* The largest leaf that may start at pa and ends at or before end. */
static int leaf_level(uint64_t pa, uint64_t end)
{
    for (int level = 2; level > 0; level--)
        if (pa % level_size(level) == 0 && end - pa >= level_size(level))
            return level;
    return 0;
}

static bool identity_map(uint64_t pa, uint64_t end, unsigned prot)
{
    while (pa < end) {
        int level = leaf_level(pa, end);
        if (!leaf_put(pa, pa, prot, level))
            return false;
        pa += level_size(level);
    }
    return true;
}

/* Is pa in [from, to)? Either way *end comes down to where that changes, if it does. */
static bool range_at(uint64_t pa, uint64_t from, uint64_t to, uint64_t *end)
{
    bool inside = pa >= from && pa < to;
    uint64_t change = inside ? to : from;
    if (change > pa && change < *end && from < to)
        *end = change;
    return inside;
}

/* The protection of the page at pa, and in *end where another one begins. 0: not mapped. */
static unsigned prot_at(const struct machine *m, uint64_t pa, uint64_t *end)
{
    unsigned prot = VM_READ | VM_WRITE;
    for (unsigned i = 0; i < m->n_reserved; i++) {
        const struct range *r = &m->reserved[i];
        if (r->base >= VM_IDENTITY_END)
            continue;
        uint64_t from = (r->base + PAGE_SIZE - 1) & -PAGE_SIZE;
        if (range_at(pa, from, range_end(r) & -PAGE_SIZE, end))
            prot = 0;
    }
    if (range_at(pa, 0, PAGE_SIZE, end))
        prot = 0;
    if (range_at(pa, (uintptr_t)__text_start, (uintptr_t)__text_end, end))
        prot = VM_READ | VM_EXEC;
    if (range_at(pa, (uintptr_t)__rodata_start, (uintptr_t)__rodata_end, end))
        prot = VM_READ;
    if (range_at(pa, (uintptr_t)__data_start, (uintptr_t)__image_end, end))
        prot = VM_READ | VM_WRITE;
    return prot;
}

static bool bank_map(const struct machine *m, const struct range *bank)
{
    uint64_t pa = (bank->base + PAGE_SIZE - 1) & -PAGE_SIZE;
    uint64_t bank_end = range_end(bank) & -PAGE_SIZE;
    while (pa < bank_end) {
        uint64_t end = bank_end;
        unsigned prot = prot_at(m, pa, &end);
        if (prot && !identity_map(pa, end, prot))
            return false;
        pa = end;
    }
    return true;
}

/* The tree lies in a reserved range of its own, or outside of all banks. */
static bool tree_map(const struct machine *m)
{
    uintptr_t p = (uintptr_t)m->fdt & -PAGE_SIZE;
    for (uintptr_t end = (uintptr_t)m->fdt + m->fdt_size; p < end; p += PAGE_SIZE)
        if (p >= PAGE_SIZE && !vm_lookup(p) && !leaf_put(p, p, VM_READ, 0))
            return false;
    return true;
}

void vm_init(const struct machine *m)
{
    root = page_alloc();
    bool ok = root != NULL;
    if (ok)
        page_zero(root);
    n_windows = 0;
    window_next = VM_DEVICES;
    for (unsigned i = 0; ok && i < m->n_banks; i++) {
        struct range bank = vm_bank(&m->bank[i]);
        if (bank.size != m->bank[i].size)
            kprintf("vm: memory from %lx on is out of reach\n", m->bank[i].base + bank.size);
        ok = bank_map(m, &bank);
    }
    if (!ok || !tree_map(m)) {
        kprintf("vm: no memory for the page tables\n");
        __builtin_trap();
    }
}

uintptr_t vm_root(void)
{
    return (uintptr_t)root;
}

void vm_enable(void)
{
    arch_mmu_enable(vm_root());
}

/* ---- Devices. Boot hart alone (I3). */

/* Where [pa, pa + size) is or may be mapped away from its physical address; 0: no room. */
static uintptr_t window_of(uint64_t pa, size_t size)
{
    for (struct window *w = windows; w < windows + n_windows; w++)
        if (pa >= w->pa && size <= w->size && pa - w->pa <= w->size - size)
            return w->va + (pa - w->pa);
    if (n_windows == WINDOWS_MAX || size > VM_DEVICES + VM_DEVICES_SIZE - window_next)
        return 0;
    uintptr_t va = window_next;
    windows[n_windows++] = (struct window){pa, size, va};
    window_next += size;
    return va;
}

void *vm_map_device(uint64_t pa, size_t size)
{
    uint64_t first = pa & -PAGE_SIZE;
    uint64_t end = (pa + size + PAGE_SIZE - 1) & -PAGE_SIZE;
    if (size == 0 || size > VM_DEVICES_SIZE || end <= first)
        return NULL;
    /* Page zero is never mapped where it lies, even if some board has registers there. */
    bool identity = first >= PAGE_SIZE && end <= VM_IDENTITY_END;
    uintptr_t va = identity ? first : window_of(first, end - first);
    if (!va)
        return NULL;
    for (uint64_t p = first; p < end; p += PAGE_SIZE) {
        if (!leaf_put(va + (p - first), p, VM_READ | VM_WRITE | VM_DEVICE, 0))
            return NULL;
        arch_tlb_fence(va + (p - first));
    }
    return (void *)(va + (pa - first));
}

/* ---- Single pages. Any hart. */

enum vm_map vm_map_page(uintptr_t va, void *page, unsigned prot)
{
    entry *e = walk(va, 0, true);
    if (!e)
        return VM_NO_MEMORY;
    arch_pte seen;
    bool mine = entry_fill(e, arch_pte_leaf((uintptr_t)page, prot, 0), &seen);
    arch_tlb_fence(va);
    return mine ? VM_MAPPED : VM_TAKEN;
}

void *vm_unmap_page(uintptr_t va)
{
    entry *e = walk(va, 0, false);
    return e ? entry_clear(e) : NULL;
}

void *vm_unmap_table(uintptr_t va, int level)
{
    entry *e = walk(va, level, false);
    return e && !arch_pte_is_leaf(entry_load(e), level) ? entry_clear(e) : NULL;
}

bool vm_page_there(uintptr_t va)
{
    arch_pte upper = entry_load(entry_of(root, va, 2));
    if (!arch_pte_valid(upper))
        return false;
    arch_pte lower = entry_load(entry_of(table_of(upper), va, 1));
    return arch_pte_valid(lower) && arch_pte_valid(entry_load(entry_of(table_of(lower), va, 0)));
}

void *vm_lookup(uintptr_t va)
{
    entry *table = root;
    for (int level = 2;; level--) {
        arch_pte e = entry_load(entry_of(table, va, level));
        if (!arch_pte_valid(e))
            return NULL;
        if (level == 0 || arch_pte_is_leaf(e, level))
            return (void *)(uintptr_t)(arch_pte_pa(e) + (va & (level_size(level) - PAGE_SIZE)));
        table = table_of(e);
    }
}

void vm_flush(uintptr_t va, size_t n)
{
    arch_tlb_shootdown(va, n);
}

/*
 * As large a range of pages as there is. Both ports, and SBI firmware, turn one beyond a few pages
 * into "forget everything", which is what a vanished table needs: a fence by address would leave
 * the entries of upper levels alone (RISC-V privileged manual, SFENCE.VMA).
 */
void vm_flush_all(void)
{
    arch_tlb_shootdown(0, -PAGE_SIZE);
}
