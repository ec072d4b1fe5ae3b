/*
 * page: physical pages of 4 KiB from all banks of the tree, less what is reserved.
 *
 * Callers: goroutines with preemption off, scheduler stacks, boot, and the fault handler when it
 * grows a stack; no other trap code. Returns are physical = identity-mapped addresses.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE_SHIFT 12
#define PAGE_SIZE  ((size_t)1 << PAGE_SHIFT)

struct machine;

/* Takes over all memory of the machine but [image_start, image_end) and the reserved ranges. */
void page_init(const struct machine *, uintptr_t image_start, uintptr_t image_end);
/* Boot: sets n pages aside, for page_spend_reserve. */
#define PAGE_RESERVE 16
void page_reserve(size_t n);
/* page_alloc has failed where it must not: gives it some pages of the reserve. false: all are spent.
 * What is freed fills the reserve again. */
bool page_spend_reserve(void);
/* One page, not zeroed; NULL when there is none. */
void *page_alloc(void);
/* n pages in one piece, not zeroed; NULL when there is no such piece. */
void *page_alloc_run(size_t n);
/* The same, from an address that is a multiple of 2^order pages, and of n if that is a power of two. */
void *page_alloc_aligned(size_t n, unsigned order);
/* The `more` pages behind a run of n, if they are free: they belong to it then. */
bool page_extend_run(void *first, size_t n, size_t more);
/* A run may be given back in parts, and a part of it page by page. */
void page_free(void *page);
void page_free_run(void *first, size_t n);
/* Fills a page with zeros, by plain stores of integer registers: trap code may call it too. */
void page_zero(void *page);
/* Pages free, and pages in all: both count only what page_alloc can give. */
size_t page_count_free(void);
size_t page_count_total(void);
/* The numbers (addresses / PAGE_SIZE) between which all of these lie: [first, end). */
struct page_bounds {
    uintptr_t first, end;
};
struct page_bounds page_bounds(void);

/*
 * The rule of the locks that the fault handler takes. A goroutine's stack is mapped as it is
 * touched. Were it to touch a new page of it with such a lock held, the fault handler, on the same
 * hart, would wait for ever for the very context that it interrupted. So whoever is about to take
 * one touches its stack `depth` bytes further down first, and needs less than that until it lets
 * go. The load faults where the page is missing, while no lock is held yet. An outer lock's depth
 * includes that of the locks taken under it, for they probe again.
 *
 * Two loads do for the whole range: it is shorter than a page, so its ends lie in every page that
 * it touches. (What the frame holds above the frame address is less than a page too, between an
 * address that is touched here and the caller's frame, which is.)
 */
#define PAGE_PROBE 1024 /* what page.c needs */

static inline __attribute__((always_inline, no_sanitize_address)) void stack_probe(size_t depth)
{
    uintptr_t frame = (uintptr_t)__builtin_frame_address(0);
    (void)*(volatile const unsigned char *)(frame - 1);
    (void)*(volatile const unsigned char *)(frame - depth);
}
