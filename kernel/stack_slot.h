/*
 * stack_slot: the bookkeeping of stacks: which slots there are, whose they are, what is mapped in them.
 * For stack.c and stack_trim.c only; stack.c has the words and the invariants.
 */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "kernel/page.h"
#include "kernel/spin.h"
#include "kernel/vm.h"

#define SLOT_SHIFT   16 /* of class 0 */
#define CLASSES      11 /* 64 KiB ... 64 MiB */
#define AREA_SHIFT   21 /* of small classes; a large slot is an area of its own */
#define AREA_SLOTS   32 /* at most */
#define REGION_SHIFT 30
#define REGIONS      (VM_STACKS_SIZE >> REGION_SHIFT)
#define REGION_AREAS ((size_t)1 << (REGION_SHIFT - AREA_SHIFT)) /* at most */
#define RECORDS      16                                         /* areas' records a page */
#define STACK_PROBE  (1024 + PAGE_PROBE) /* of both locks: page.c's is taken under them */

enum kind { WARM, COLD, EMPTY, KINDS }; /* has a warm slot; has live and cold ones; all are cold */

struct area {
    struct area *next, *prev;  /* list of its kind and class; next alone: chain of a trim */
    uintptr_t base;            /* its first address; 0: the record is not in use */
    uint32_t live, warm, gone; /* a bit a slot */
    uint8_t class;
    uint8_t kind; /* whose list it is on; KINDS: none */
    _Atomic uint32_t pages[AREA_SLOTS];
};
_Static_assert(sizeof(struct area) * RECORDS <= PAGE_SIZE, "a page holds the records of 16 areas");

struct region {
    unsigned class;
    unsigned used;                   /* areas */
    unsigned leaving;                /* those of them that a trim has picked as a whole */
    bool closing;                    /* all of them: no new area */
    uint64_t map[REGION_AREAS / 64]; /* a bit an area: in use */
    struct area *records[REGION_AREAS / RECORDS]; /* pages of records, as needed */
    uint8_t n_records[REGION_AREAS / RECORDS];    /* records in use in each */
};
_Static_assert(sizeof(struct region) <= PAGE_SIZE, "a region's bookkeeping is one page");

struct slot {
    struct area *area; /* NULL: there is none */
    unsigned index;
};

/* The lock protects all of it, and regions and areas but for pages[] (I2). */
extern struct stack_slots {
    struct spin lock;
    struct region *region[REGIONS];
    struct area *list[KINDS][CLASSES];
    size_t pooled;
    _Atomic size_t grown; /* pages that have been mapped, ever */
} stack_slots;

/* Ends the run: the bookkeeping does not hold. */
_Noreturn void stack_broken(const char *what, uintptr_t address);

/* ---- sizes and addresses */

static inline unsigned slot_shift(unsigned class)
{
    return SLOT_SHIFT + class;
}

static inline unsigned area_shift(unsigned class)
{
    return slot_shift(class) > AREA_SHIFT ? slot_shift(class) : AREA_SHIFT;
}

/* A bit for each slot of an area. */
static inline uint32_t all_slots(unsigned class)
{
    unsigned n = 1u << (area_shift(class) - slot_shift(class));
    return (uint32_t)(((uint64_t)1 << n) - 1);
}

static inline uintptr_t slot_base(struct slot s)
{
    return s.area->base + ((uintptr_t)s.index << slot_shift(s.area->class));
}

static inline uintptr_t slot_end(struct slot s)
{
    return slot_base(s) + ((uintptr_t)1 << slot_shift(s.area->class));
}

/* Those that slots are in; NULL: none. Under the lock. */
struct region *stack_region_of(uintptr_t address);
struct slot stack_slot_at(uintptr_t address);

static inline bool is_live(struct slot s)
{
    return s.area && s.area->live >> s.index & 1;
}

/* The slot in use at address, or none. Takes the lock: areas come and go. */
struct slot stack_slot_live_at(uintptr_t address);

/* ---- areas. Under the lock. */

/* Takes an area off the list it is on, if it is; puts it in front of the one where it belongs (I4). */
void stack_area_unlist(struct area *a);
void stack_area_list(struct area *a);
/* Forgets an area that has gone as a whole: nothing in it is mapped. */
void stack_area_forget(struct area *a);

/* ---- slots */

static inline uint32_t pages_load(const struct area *a, unsigned i)
{
    /* relaxed: a count. Whoever needs it exact got the slot by way of the lock (I2). */
    return atomic_load_explicit(&a->pages[i], memory_order_relaxed);
}

/* Takes a free slot, a warm one if there is one: *warm. Under the lock. */
struct slot stack_slot_take(unsigned class, bool *warm);
/* A live slot is free again. Under the lock. */
void stack_slot_put(struct slot s);
/* Maps a fresh page at va, which lies in the live slot s. */
enum vm_map stack_slot_grow(struct slot s, uintptr_t va);
