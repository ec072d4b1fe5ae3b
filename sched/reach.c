/*
 * reach: which of the goroutines that wait can still be woken, as far as memory tells. Asked once, at the
 * end of a run, by leakcheck.c.
 *
 * Who is to wake a goroutine must find it: the record of its wait lies on its stack, and a channel, a cond
 * or a timer points there, for a mutex and its like the lot (lot.c) has it by the object's address. And
 * who is to use the channel must find that. So we follow all words that may be pointers, as a garbage
 * collector does for a program that does not say which they are (Boehm's for C). A goroutine that is not
 * come by will wait for ever; Go 1.26 asks its collector the same question.
 *
 *   roots      .data and .bss, all but the lot; the heaps of timers; objects of malloc beyond the size
 *              classes (32 KiB); and of each goroutine that does not wait, or sleeps, its stack from where
 *              it stands, its registers, thread-local block and deferred calls
 *   a pointer  is any word that is an address in an object of malloc, which is looked through then from
 *              end to end, or in a stack: its goroutine waits with good reason, and is a root itself
 *   the lot    knows objects by their addresses and does not hold them: its table is no root; but if an
 *              object is come by, who waits there for it is too
 *
 * The world is stopped: no goroutine holds a lock or has a record in hand, each one's registers are saved,
 * and nobody is about to wake anybody. But one in a blocking section runs on, with registers that nobody
 * sees: while there is one nothing is told.
 *
 *   R1  Told unreachable are only goroutines that no word leads to. That is wrong only of a program that
 *       hides its pointers: packed, encoded, not at a multiple of 8, or outside of the machine's memory.
 *   R2  Not all of them are told: a stale word, or a number that looks like an address, is a reference,
 *       and so is a static variable that nobody uses any more. A word that points just behind an object is
 *       one to the next.
 *
 * Found and not yet looked through are put on a list, not called for: the stack would not do. There is
 * room for as many as there are pages and stacks; if that is not enough, or PASSES over the lot, or there
 * is no memory for the bits, nothing is told either.
 */
#include "sched/reach.h"
#include <string.h>
#include "kernel/page.h"
#include "kernel/span.h"
#include "kernel/stack.h"
#include "kernel/vm.h"
#include "sched/chunk.h"
#include "sched/defer.h"
#include "sched/lot.h"
#include "sched/proc.h"

#if REACH
#define PASSES 4096 /* over the lot; each finds somebody */

#define PAGE_GRAINS (PAGE_SIZE / GRAIN)
#define NO_BIT      SIZE_MAX

static struct {
    uint8_t *bits; /* a bit for each GRAIN of the heap: an object that begins there was come by */
    struct g **owner;  /* of each slot of the stacks' window, or NULL … */
    size_t slots;      /* … up to the last that has one */
    uintptr_t *todo;   /* objects and goroutines to be looked through … */
    size_t n, room;    /* … so many, of as many at most */
    uintptr_t here;    /* the stack of the goroutine that asks is in use from here on */
    bool more, failed; /* something has been come by since */
} reach;

/* A slot and the stack in it end at the same address, which is the stack's here. */
static size_t slot_of(uintptr_t x)
{
    return (x - 1 - VM_STACKS) / STACK_SIZE_MIN;
}

static struct g *owner_of(uintptr_t x)
{
    size_t i = slot_of(x);
    return i < reach.slots ? reach.owner[i] : NULL;
}

/* The bit of the object that *x lies in, where *x then points to its beginning; NO_BIT: there is none. */
static size_t bit_of(uintptr_t *x)
{
    unsigned class = span_class((void *)*x);
    const struct size_class *c = &size_class[class];
    uint32_t in = (uint32_t)*x & c->span_mask;
    if (class == CLASS_NONE || class == CLASS_LARGE || in / c->size >= c->objects)
        return NO_BIT;
    *x -= in % c->size;
    return *x / GRAIN - span_map.first * PAGE_GRAINS;
}

static bool is_set(size_t bit)
{
    return reach.bits[bit / 8] >> bit % 8 & 1;
}

static bool is_come_by(uintptr_t x)
{
    const struct g *g = owner_of(x);
    if (g != NULL)
        return (g->flags & GF_UNREACHABLE) == 0;
    size_t i = bit_of(&x);
    return i == NO_BIT || is_set(i);
}

static void see(uintptr_t x)
{
    struct g *g = owner_of(x);
    if (is_come_by(x))
        return;
    if (g != NULL) {
        g->flags &= (uint8_t)~GF_UNREACHABLE;
        x = (uintptr_t)g;
    } else {
        size_t i = bit_of(&x);
        reach.bits[i / 8] |= (uint8_t)(1 << i % 8);
    }
    reach.more = true;
    if (reach.n < reach.room)
        reach.todo[reach.n++] = x;
    else
        reach.failed = true;
}

static void see_all(const void *from, const void *to)
{
    for (const uintptr_t *p = from; p < (const uintptr_t *)to; p++)
        see(*p);
}

static void look_through_g(const struct g *g)
{
    const struct arch_frame *f = arch_context_frame(&g->ctx);
    uintptr_t sp = f != NULL ? (uintptr_t)f : arch_context_sp(&g->ctx);
    for (const struct defer *d = g->defers; d != NULL; d = d->next)
        see_all(d, d + 1);
    see_all(&g->wg, (const char *)g + g_bytes());
    see_all((const void *)(g == g_self() ? reach.here : sp), (const void *)g->stack.hi);
}

static void look_through_todo(void)
{
    while (reach.n > 0) {
        const char *x = (const char *)reach.todo[--reach.n];
        unsigned class = span_class(x);
        if (class == CLASS_NONE)
            look_through_g((const struct g *)x);
        else
            see_all(x, x + size_class[class].size);
    }
}

/* And all that each word leads to at once, so that the list stays short. */
static void look_through_root(const void *from, const void *to)
{
    for (const uintptr_t *p = from; p < (const uintptr_t *)to; p++) {
        see(*p);
        look_through_todo();
    }
}

/* ---- the order of it ---- */

static void count_slots(struct g *g, void *unused)
{
    (void)unused;
    size_t i = slot_of(g->stack.hi);
    if (i >= reach.slots)
        reach.slots = i + 1;
}

static void enter(struct g *g, void *unused)
{
    (void)unused;
    for (uintptr_t at = g->stack.lo; at < g->stack.hi; at += STACK_SIZE_MIN)
        reach.owner[slot_of(at)] = g;
    if (g->status == G_WAITING && g->wait_reason != WAIT_SLEEP)
        g->flags |= GF_UNREACHABLE;
    else if ((g->status == G_RUNNING || g->status == G_SYSCALL) && g != g_self())
        reach.failed = true;
}

static void look_through_active(struct g *g, void *unused)
{
    (void)unused;
    if (is_come_by(g->stack.hi))
        look_through_g(g);
    look_through_todo();
}

static void look_through_data(void)
{
    extern const char __data_start[], __keys_start[], __keys_end[], __bss_end[];
    look_through_root(__data_start, __keys_start);
    look_through_root(__keys_end, __bss_end);
    for (uint32_t i = 0; i < sched.n_m; i++) {
        const struct timers *t = &sched.p[i]->timers;
        look_through_root(t->heap, t->heap + t->n);
    }
    for (size_t i = 0; i < span_map.pages; i++) {
        const char *x = (const char *)((span_map.first + i) << PAGE_SHIFT);
        if (span_map.class[i] == CLASS_LARGE)
            look_through_root(x, x + large_pages(x) * PAGE_SIZE);
    }
}

/* A link from one address's waiters to another's lies on a stack, where it looks like a reference: so
 * until all is done it is upside down. */
static struct waiter *turned(struct waiter *w)
{
    return (struct waiter *)~(uintptr_t)w;
}

/* And back again. */
static void turn_lot(bool back)
{
    for (struct bucket *b = lot_table; b < lot_table + (1u << SEMA_BUCKETS_LOG2); b++)
        for (struct waiter *a = b->addrs, *next; a != NULL; a = next) {
            next = back ? turned(a->next_addr) : a->next_addr;
            a->next_addr = turned(a->next_addr);
        }
}

static void look_through_lot(void)
{
    for (const struct bucket *b = lot_table; b < lot_table + (1u << SEMA_BUCKETS_LOG2); b++)
        for (const struct waiter *a = b->addrs; a != NULL; a = turned(a->next_addr))
            for (const struct waiter *w = a; w != NULL && is_come_by((uintptr_t)a->addr);
                 w = w->next)
                see((uintptr_t)w);
    look_through_todo();
}

/* From its caller's frame on, in which are the call-saved registers of who called that. */
static __attribute__((noinline)) void look_from_here(void)
{
    reach.here = (uintptr_t)__builtin_frame_address(0);
    g_each(look_through_active, NULL);
    look_through_data();
    unsigned pass = 0;
    do {
        reach.more = false;
        look_through_lot();
        reach.failed |= ++pass == PASSES;
    } while (reach.more && !reach.failed);
}

static __attribute__((noinline)) void look(void)
{
    __builtin_unwind_init();
    turn_lot(false);
    look_from_here();
    turn_lot(true);
}

static void forget(struct g *g, void *unused)
{
    (void)unused;
    g->flags &= (uint8_t)~GF_UNREACHABLE;
}

bool reach_find(void)
{
    g_each(count_slots, NULL);
    reach.room = span_map.pages + reach.slots;
    size_t bits = span_map.pages * PAGE_GRAINS / 8;
    size_t bytes = bits + (reach.slots + reach.room) * sizeof(uintptr_t);
    size_t pages = (bytes + PAGE_SIZE - 1) / PAGE_SIZE;
    reach.bits = page_alloc_run(pages);
    if (reach.bits == NULL)
        return false;
    memset(reach.bits, 0, bytes);
    reach.owner = (struct g **)(reach.bits + bits);
    reach.todo = (uintptr_t *)(reach.owner + reach.slots);
    g_each(enter, NULL);
    look();
    if (reach.failed)
        g_each(forget, NULL);
    page_free_run(reach.bits, pages);
    return !reach.failed;
}
#endif
