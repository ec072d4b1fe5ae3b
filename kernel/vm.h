/*
 * vm: one address space for all harts: 39-bit addresses, three levels, 4 KiB granule, on both
 * instruction sets. RAM is mapped where it lies (identity), text read-only, data not executable,
 * page zero not at all. Above it are windows for stacks and far devices.
 *
 *     root index    0 ............ 255 | 256 ....... 383 | 384 .. 387 |
 *                   identity, 256 GiB  | stacks, 128 GiB | devices    |
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "arch/arch.h"
#include "kernel/machine.h"

enum vm_prot { VM_READ = 1, VM_WRITE = 2, VM_EXEC = 4, VM_DEVICE = 8 };

/* What vm_map_page did. The only one that is false is the failure. */
enum vm_map {
    VM_NO_MEMORY = 0, /* no page for a table: nothing has changed */
    VM_MAPPED = 1,    /* the page is there now */
    VM_TAKEN = 2,     /* another page was there first and stays; the caller keeps his */
};

/* Boot hart: builds the tables from the machine's banks and the image's sections. page_init first. */
void vm_init(const struct machine *);
/* Every hart: turns paging on (AArch64's boot path has done so earlier, with its own tables). */
void vm_enable(void);
/* The root of the tables, for struct arch_hart. */
uintptr_t vm_root(void);
/* Makes a device's registers reachable; identity when it can. NULL: out of memory, or the range is
 * mapped as memory. Asking again for what is there is fine. Boot only. */
void *vm_map_device(uint64_t pa, size_t size);
/* Maps one page at va. Any number of harts at once, the fault handler among them. */
enum vm_map vm_map_page(uintptr_t va, void *page, unsigned prot);
/* Takes the page at va away and returns it, or NULL. The caller owes vm_flush before reuse. */
void *vm_unmap_page(uintptr_t va);
/*
 * Takes away and returns the table below the entry of va at level 1 (a table for 2 MiB) or 2 (for
 * 1 GiB), or NULL when there is none. The caller owns all these addresses: nothing in them is
 * mapped, and nobody maps there or looks there until it is done. It owes vm_flush_all before
 * page_free.
 */
void *vm_unmap_table(uintptr_t va, int level);
/* Shoots [va, va+n), or everything and tables too, down in every hart's TLB. */
void vm_flush(uintptr_t va, size_t n);
void vm_flush_all(void);
/* The page mapped at va, or NULL. */
void *vm_lookup(uintptr_t va);
/* Is there a page at va, in the window of stacks? Quicker. */
bool vm_page_there(uintptr_t va);

/* Windows of the address space. */
#define VM_IDENTITY_END ((uint64_t)1 << 38)          /* physical memory beyond is not used */
#define VM_STACKS       ARCH_VM_HIGH                 /* stack slots */
#define VM_STACKS_SIZE  ((size_t)1 << 37)            /* 128 GiB: two million slots of 64 KiB */
#define VM_DEVICES      (VM_STACKS + VM_STACKS_SIZE) /* registers that lie too high */
#define VM_DEVICES_SIZE ((size_t)1 << 32)            /* and no device has more */

/* First byte behind a range; a range that says it goes on beyond all addresses ends with them. */
static inline uint64_t range_end(const struct range *r)
{
    return r->base + r->size < r->base ? UINT64_MAX : r->base + r->size;
}

/* The part of a bank that the identity map reaches: its base is there too, so that who rounds it up
 * to a page does not pass the end of all addresses. */
static inline struct range vm_bank(const struct range *bank)
{
    uint64_t end = range_end(bank) < VM_IDENTITY_END ? range_end(bank) : VM_IDENTITY_END;
    uint64_t base = bank->base < end ? bank->base : end;
    return (struct range){base, end - base};
}
