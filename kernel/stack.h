/*
 * stack: goroutines' stacks, mapped page by page as they are touched.
 *
 *     slot:  | guard | spill | ....... not mapped yet ....... | mapped | mapped |
 *                    ^ lo                                            hi ^ sp starts here
 *
 * The spill page is not the program's: to touch it is an overflow. It is for the registers of one that
 * is interrupted with less room than they take.
 *
 * Callers, except of stack_fault: goroutines with preemption off, scheduler stacks, boot; paging on
 * or about to be.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A slot with its guard page; the default too. Where sanitizers look on, frames are larger, and a
 * report wants tens of KiB at once. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define STACK_SIZE_MIN ((size_t)256 << 10)
#else
#define STACK_SIZE_MIN ((size_t)64 << 10)
#endif
#define STACK_SIZE_MAX ((size_t)64 << 20)
#define STACK_POOL_MAX 16384 /* pages, 64 MiB; nor more than an eighth of memory */

struct stack {
    uintptr_t lo, hi; /* [lo, hi), the spill page first; the guard page lies directly below lo */
};

/*
 * Takes a slot of size bytes, guard page included, rounded up to a power of two; its top page is
 * mapped. false, and *s as it was: out of memory or of slots, or size beyond STACK_SIZE_MAX.
 */
bool stack_alloc(struct stack *s, size_t size);
/* Maps the topmost n bytes at once, for stacks that must not fault. false: out of memory; what was
 * mapped until then stays with the stack. */
bool stack_fill(const struct stack *s, size_t n);
/* Nobody is on it and nobody looks at it any more: a goroutine's last stack is freed from another. */
void stack_free(struct stack *s);

enum stack_fault {
    STACK_NOT_MINE,  /* not an address of a live stack: an ordinary bad access */
    STACK_GREW,      /* go on: the page is there now, or was by the time we looked */
    STACK_GREW_LAST, /* it is there, but out of the reserve: there is no other memory */
    STACK_OVERFLOW,  /* in the spill or the guard page, or the stack pointer is */
    STACK_NO_MEMORY, /* there is no page to be had, not even in the reserve */
};
/*
 * The fault handler's question, on the trap stack with interrupts masked: a load or store at addr
 * was refused, sp as it was. Not for a refused fetch (addr is the pc): the page is there then, and
 * the answer would be STACK_GREW for ever.
 */
enum stack_fault stack_fault(uintptr_t addr, uintptr_t sp);

/* From an interrupt handler: sees to it that there is a page at addr, in a stack and its spill page.
 * Such a page stays. false: there is none to be had, or addr is elsewhere. */
bool stack_spill(uintptr_t addr);

/* Pages that stacks hold, live and dead, with their spill pages; that dead ones hold, not in
 * page_count_free either; and gives the latter all back. */
size_t stack_pages(void);
size_t stack_pages_pooled(void);
void stack_trim(void);
