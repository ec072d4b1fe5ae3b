/*
 * heap_check: finding wrong uses of memory, in debug images (MODE=debug).
 *
 * Each object has a tag at its end, and what lies between what was asked for and the tag is filled:
 *
 *      object ┌────────────────────────────┬──────────┬────────────────────────────┐
 *             │ the n bytes asked for      │ 0xfd …   │ tag: state, n, who, …      │
 *             └────────────────────────────┴──────────┴────────────────────────────┘
 *
 *     state LIVE    malloc has given it out. free looks at the filling and at the tag's first word,
 *                   which lies next to it: whoever wrote beyond the end has changed one of them
 *     state FREED   free has taken it. A second free finds that; and the next malloc looks whether
 *                   the bytes, which free has filled with 0xdd, are all there still. (The first
 *                   word links free objects: it is looked at by whoever follows it.)
 *     neither       no malloc has ever given it out, or it is overwritten
 *
 * A message names the address, the size, the class, and who allocated and who freed the object: places
 * in the program, and goroutines. The run ends with it, status 2; it cannot be recovered from.
 *
 * What it does not see: a wrong free of an object that is in use again; writes that jump over the
 * filling; anything about large objects that are freed, since their pages are gone at once (but a
 * second free finds no object there, unless another one is by then).
 *
 * New objects are filled with 0xcd, so that who reads before he writes is wrong in the same way each
 * time. Large ones are not, and freed large ones neither.
 */
#include "sched/heap_check.h"
#include "sched/lockorder.h"
#include <string.h>
#include "kernel/console.h"
#include "kernel/size_class.h"
#include "kernel/span.h"
#include "sched/fatal.h"
#include "sched/gmp.h"
#include "sched/traceback.h"

#ifdef PINION_DEBUG
#define LIVE  UINT64_C(0x5a69a596965a9669)
#define FREED UINT64_C(0xa596695a69a56996)

enum { FILL_NEW = 0xcd, FILL_FREED = HEAP_FREED_BYTE, FILL_BEHIND = 0xfd };

struct place {
    uintptr_t pc; /* a return address */
    int64_t g;
};

struct tag {
    uint64_t state;
    size_t n;
    struct place begun, freed;
};

static size_t object_size(const void *x, unsigned class)
{
    return class == CLASS_LARGE ? large_pages(x) * PAGE_SIZE : size_class[class].size;
}

static struct tag *tag_of(const void *x, unsigned class)
{
    return (struct tag *)((uintptr_t)x + object_size(x, class)) - 1;
}

static struct place place(uintptr_t pc)
{
    return (struct place){pc, g_self()->id};
}

static void print_place(const char *what, struct place p)
{
    kprintf("%s in goroutine %ld by ", what, (long)p.g);
    traceback_pc(p.pc, true);
}

static void print_tag(const void *x, unsigned class)
{
    const struct tag *t = tag_of(x, class);
    if (t->state != LIVE && t->state != FREED) {
        kprintf(", its tag overwritten or never written\n");
        return;
    }
    kprintf(", for %lu bytes\n", (unsigned long)t->n);
    print_place("allocated", t->begun);
    if (t->state == FREED)
        print_place("freed", t->freed);
}

/* ---- the life of an object ---- */

size_t check_room(size_t n)
{
    return n > PTRDIFF_MAX ? n : n + sizeof(struct tag);
}

/* Are all bytes of [from, to) this one? */
static bool is_filled(const void *from, const void *to, unsigned char with)
{
    const unsigned char *at = from;
    while (at < (const unsigned char *)to && *at == with)
        at++;
    return at >= (const unsigned char *)to;
}

void *check_begin(void *x, unsigned class, size_t n, uintptr_t by)
{
    struct tag *t = tag_of(x, class);
    if (class != CLASS_LARGE) {
        if (t->state == FREED && !is_filled((char *)x + sizeof(void *), t, FILL_FREED))
            heap_misused("memory was written to after it had been freed", x, class);
        memset(x, FILL_NEW, n);
    }
    memset((char *)x + n, FILL_BEHIND, (size_t)((char *)t - ((char *)x + n)));
    *t = (struct tag){.state = LIVE, .n = n, .begun = place(by)};
    return x;
}

void check_end(void *x, unsigned class, uintptr_t by)
{
    struct tag *t = tag_of(x, class);
    if (t->state == FREED)
        heap_misused("double free", x, class);
    if (t->state != LIVE)
        heap_misused("free of an object that was never allocated, or that was written beyond", x,
                     class);
    if (!is_filled((char *)x + t->n, t, FILL_BEHIND))
        heap_misused("memory was written to beyond the end of an object", x, class);
    t->state = FREED;
    t->freed = place(by);
    lockorder_forget(x, t->n);
    if (class != CLASS_LARGE)
        memset(x, FILL_FREED, (size_t)((char *)t - (char *)x));
}

size_t check_size(const void *x, unsigned class)
{
    return tag_of(x, class)->n;
}

#else
static void print_tag(const void *x, unsigned class)
{
    (void)x, (void)class;
    kprintf("\n");
}
#endif

/* ---- messages, of all images ---- */

static void print_object(const void *x, unsigned class)
{
    if (class == CLASS_LARGE)
        kprintf("object %p of %lu pages", x, (unsigned long)large_pages(x));
    else
        kprintf("object %p of class %u (%u bytes)", x, class, size_class[class].size);
    print_tag(x, class);
}

_Noreturn void heap_misused(const char *what, const void *x, unsigned class)
{
    fatal_begin();
    kprintf("fatal error: %s: %p\n", what, x);
    print_object(x, class);
    fatal_end(__builtin_frame_address(0), false);
}

void check_explain(const void *x)
{
    unsigned class = span_class(x);
    if (class == CLASS_NONE || class == CLASS_LARGE)
        return;
    uint32_t at = (uint32_t)((uintptr_t)x & size_class[class].span_mask) % size_class[class].size;
    kprintf("it lies %u bytes into ", at);
    print_object((const char *)x - at, class);
}
