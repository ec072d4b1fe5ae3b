/*
 * profile: counting stacks, and getting them out. What is counted is in profile_cpu.c, profile_g.c,
 * profile_mutex.c, profile_block.c and profile_heap.c.
 *
 * A stack is a row of addresses, innermost first. Each lies in the instruction that it is about: a
 * return address is stored less one, for the call lies before it; the place of an interrupt is itself.
 * Names are nobody's business here: tools/pinion-profile has the ELF.
 *
 * The table. Stacks lie one after another in a run of pages, behind the heads of their hash chains,
 * and are only ever added:
 *
 *     | heads | stack, counts | stack, counts | ... |  place for the next  |
 *
 * A new stack is written to the place behind the last, without knowing whether it is one: no copy, no
 * buffer on a trap's stack. If it is known, its counts go up and the place is used again.
 *
 * F1  Behind `used` there is always room for a stack of PROFILE_DEPTH. A stack after which that would
 *     not hold is not kept, and counts as lost.
 *
 * The walk. An interrupt may have come anywhere, and a function may use the frame pointer for
 * something else (HOT, hand-written code), so a frame pointer is believed only as far as arch_unwind
 * does, and besides the words that it leads to must be on a page that is there: a handler may not
 * fault. Two things are lost: the caller of a function that has no frame of its own, or not yet; and
 * what lies beyond PROFILE_DEPTH.
 *
 * The text. A profile leaves the machine as lines, on a stream of its own of the console, so that it
 * can be taken from a log of a plain serial line too:
 *
 *     %pinion-profile KIND begin PERIOD #CRC
 *     %pinion-profile KIND COUNT COUNT @ ADDRESS ADDRESS … #CRC
 *     %pinion-profile KIND end LINES LOST DURATION #CRC
 *
 * Numbers before the @ and PERIOD and the rest are decimal, addresses hexadecimal. CRC is CRC-32 (that
 * of zlib) of what is before it in the line, the blank excluded. The same stack may come in several
 * lines. Each line is a piece on the console and stands for itself: what is said in between does no
 * harm, and a damaged one is missed by the count of lines at the end. We rejected to send profile.proto
 * itself: a machine with a serial line would need an encoder, and a lost byte would cost all of it.
 */
#include "sched/profile.h"
#include <errno.h>
#include <pinion/go.h>
#include <pinion/runtime.h>
#include <pinion/sync.h>
#include <pinion/time.h>
#include <stdlib.h>
#include <string.h>
#include "kernel/console.h"
#include "kernel/page.h"
#include "kernel/vm.h"
#include "sched/line.h"
#include "sched/proc.h"
#include "sched/profile_heap.h"
#include "sched/sched.h"

/* ---- the table ---- */

#define HEADS      512u /* a power of two */
#define HEAD_WORDS (HEADS * sizeof(uint32_t) / sizeof(uint64_t))
#define WORDS(n)   ((sizeof(struct stack_count) / sizeof(uint64_t)) + (n))
_Static_assert(sizeof(struct stack_count) % sizeof(uint64_t) == 0, "a stack is whole words");
_Static_assert(sizeof(uintptr_t) == sizeof(uint64_t), "an address is a word");

static struct stack_count *stack_at(const struct stacks *s, uint32_t at)
{
    return (struct stack_count *)(s->word + at);
}

void stacks_clear(struct stacks *s)
{
    for (uint32_t i = 0; i < HEAD_WORDS; i++)
        s->word[i] = 0;
    s->used = HEAD_WORDS;
    s->lost = 0;
}

bool stacks_make(struct stacks *s, size_t pages)
{
    s->word = page_alloc_run(pages);
    if (s->word == NULL)
        return false;
    s->room = (uint32_t)(pages * PAGE_SIZE / sizeof(uint64_t));
    stacks_clear(s);
    return true;
}

bool stacks_make_once(struct stacks *s, struct spin *lock)
{
    preempt_off();
    spin_lock(lock);
    bool done = s->word != NULL || stacks_make(s, STACK_PROFILE_PAGES);
    spin_unlock(lock);
    preempt_on();
    if (!done)
        errno = ENOMEM;
    return done;
}

void stacks_free(struct stacks *s)
{
    page_free_run(s->word, s->room * sizeof(uint64_t) / PAGE_SIZE);
    s->word = NULL;
}

uintptr_t *stacks_next(struct stacks *s)
{
    return stack_at(s, s->used)->pc;
}

/* to: with no fewer pages. */
static void stacks_copy(struct stacks *to, const struct stacks *from)
{
    for (uint32_t i = 0; i < from->used; i++)
        to->word[i] = from->word[i];
    to->used = from->used;
    to->lost = from->lost;
}

static uint64_t hash_of(const uintptr_t *pc, uint32_t n)
{
    uint64_t h = n;
    for (uint32_t i = 0; i < n; i++)
        h = (h ^ pc[i]) * UINT64_C(0x9e3779b97f4a7c15);
    return h ^ h >> 32;
}

static bool same(const struct stack_count *a, const struct stack_count *b)
{
    if (a->hash != b->hash || a->n != b->n)
        return false;
    for (uint32_t i = 0; i < a->n; i++)
        if (a->pc[i] != b->pc[i])
            return false;
    return true;
}

static struct stack_count *find(const struct stacks *s, uint32_t at, const struct stack_count *like)
{
    for (; at != 0; at = stack_at(s, at)->next)
        if (same(stack_at(s, at), like))
            return stack_at(s, at);
    return NULL;
}

struct stack_count *stacks_count(struct stacks *s, uint32_t n, uint64_t a, uint64_t b)
{
    struct stack_count *new = stack_at(s, s->used), *c;
    new->n = n;
    new->hash = hash_of(new->pc, n);
    uint32_t *head = (uint32_t *)s->word + new->hash % HEADS;
    if ((c = find(s, *head, new)) == NULL) {
        if (s->used + WORDS(n) + WORDS(PROFILE_DEPTH) > s->room) { /* F1 */
            s->lost++;
            return NULL;
        }
        c = new;
        c->next = *head;
        c->count[0] = c->count[1] = 0;
        *head = s->used;
        s->used += (uint32_t)WORDS(n);
    }
    c->count[0] += a;
    c->count[1] += b;
    return c;
}

/* ---- the walk ---- */

/* Is there a page? This hart may remember one that another has mapped as unmapped. */
static bool page_seen(uintptr_t at)
{
    if (!vm_page_there(at))
        return false;
    arch_tlb_fence(at);
    return true;
}

/* The words by which a step goes lie next to fp: before it on one instruction set, behind it on the
 * other. *page: known to be there, or 0. */
static bool readable(const struct g *g, uintptr_t fp, uintptr_t *page)
{
    const uintptr_t mask = ~(uintptr_t)(PAGE_SIZE - 1);
    if (fp < g->stack.lo + 16 || fp > g->stack.hi)
        return false;
    uintptr_t first = (fp - 16) & mask, last = (fp + 15 < g->stack.hi ? fp + 15 : fp - 1) & mask;
    if ((first != *page && !page_seen(first)) || (last != first && !page_seen(last)))
        return false;
    *page = last;
    return true;
}

uint32_t profile_callers(const struct g *g, uintptr_t frame, uintptr_t *pc, uint32_t n)
{
    uintptr_t back, page = 0;
    while (n < PROFILE_DEPTH && readable(g, frame, &page) &&
           arch_unwind(&back, &frame, g->stack.lo, g->stack.hi) &&
           frame != 0) /* the outermost is where goroutines begin */
        pc[n++] = back - 1;
    return n;
}

uint32_t profile_frame(const struct g *g, const struct arch_frame *f, uintptr_t *pc, uint32_t n)
{
    uintptr_t back, frame, page = 0;
    pc[n++] = arch_frame_pc(f);
    if (!readable(g, arch_frame_fp(f), &page) ||
        !arch_frame_caller(f, g->stack.lo, g->stack.hi, &back, &frame) || frame == 0)
        return n;
    pc[n++] = back - 1;
    return profile_callers(g, frame, pc, n);
}

__attribute__((noinline)) void stacks_count_self(struct stacks *s, struct spin *lock, uint64_t a,
                                                 uint64_t b)
{
    uintptr_t frame = (uintptr_t)__builtin_frame_address(0);
    spin_lock(lock);
    stacks_count(s, profile_callers(g_self(), frame, stacks_next(s), 0), a, b);
    spin_unlock(lock);
}

/* ---- the text ---- */

static mutex writing; /* a profile at a time */

#define LINE_SIZE (64 + 17 * PROFILE_DEPTH + 64)

static struct line begin(char *text, const char *kind)
{
    struct line l = {text, LINE_SIZE, 0};
    line_add(&l, "%%pinion-profile %s ", kind);
    return l;
}

static void say_stack(const char *kind, const struct stack_count *c)
{
    char text[LINE_SIZE];
    struct line l = begin(text, kind);
    line_add(&l, "%lu %lu @", (unsigned long)c->count[0], (unsigned long)c->count[1]);
    for (uint32_t i = 0; i < c->n; i++)
        line_add(&l, " %lx", (unsigned long)c->pc[i]);
    line_send(&l);
}

void profile_begin(const char *kind, int64_t period)
{
    char text[LINE_SIZE];
    mutex_lock(&writing);
    struct line l = begin(text, kind);
    line_add(&l, "begin %ld", (long)period);
    line_send(&l);
}

struct stack_count *stacks_after(const struct stacks *s, struct stack_count *c)
{
    struct stack_count *next =
        c == NULL ? stack_at(s, HEAD_WORDS) : (void *)((uint64_t *)c + WORDS(c->n));
    return next == stack_at(s, s->used) ? NULL : next;
}

uint32_t profile_stacks(const char *kind, const struct stacks *s)
{
    uint32_t lines = 0;
    for (struct stack_count *c = NULL; (c = stacks_after(s, c)) != NULL; lines++)
        say_stack(kind, c);
    return lines;
}

void profile_end(const char *kind, uint32_t lines, uint64_t lost, int64_t lasted)
{
    char text[LINE_SIZE];
    struct line l = begin(text, kind);
    line_add(&l, "end %u %lu %ld", lines, (unsigned long)lost, (long)lasted);
    line_send(&l);
    mutex_unlock(&writing);
}

int profile_write(const char *kind, struct stacks *s, int64_t period)
{
    if (s == NULL) {
        errno = ENOMEM;
        return -1;
    }
    profile_begin(kind, period);
    profile_end(kind, profile_stacks(kind, s), s->lost, 0);
    preempt_off();
    stacks_free(s);
    preempt_on();
    return 0;
}

int profile_write_copy(const char *kind, const struct stacks *s, struct spin *lock, int64_t period)
{
    struct stacks copy;
    if (s->word == NULL) {
        errno = EINVAL;
        return -1;
    }
    preempt_off();
    bool made = stacks_make(&copy, STACK_PROFILE_PAGES);
    if (made) {
        spin_lock(lock);
        stacks_copy(&copy, s);
        spin_unlock(lock);
    }
    preempt_on();
    return profile_write(kind, made ? &copy : NULL, period);
}

/* ---- what programs call, and boot ---- */

int runtime_profile_write(const char *kind)
{
    static const struct {
        const char *name;
        int (*write)(void);
    } kinds[] = {{"goroutine", goroutine_profile_write},
                 {"heap", heap_profile_write},
                 {"mutex", mutex_profile_write},
                 {"block", block_profile_write}};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (strcmp(kind, kinds[i].name) == 0)
            return kinds[i].write();
    errno = EINVAL;
    return -1;
}

static _Atomic uint32_t goroutines_due; /* 1: yes */

static const char *due[3]; /* kinds that are written at exit, as many as were asked for */
static unsigned n_due;     /* of them; both written at the start */

static void write_goroutines(void)
{
    /* relaxed: once; what it shows it sees by stopping the harts. */
    if (atomic_exchange_explicit(&goroutines_due, 0, memory_order_relaxed))
        runtime_profile_write("goroutine");
}

static void write_goroutines_later(void *ms)
{
    time_sleep((int64_t)(intptr_t)ms * MILLISECOND);
    write_goroutines();
}

static void at_exit(void)
{
    runtime_cpu_profile_stop();
    write_goroutines();
    for (unsigned i = 0; i < n_due; i++)
        runtime_profile_write(due[i]);
}

/* Is it to begin, and has it begun? */
static bool begins(const char *kind, unsigned value, int (*start)(int))
{
    if (value == 0 || start((int)value) >= 0)
        return value != 0;
    kprintf("pinion: pinion.%sprofile=%u: %s; there will be no profile\n", kind, value,
            errno == ENOMEM ? "not enough memory" : "that is out of range");
    return false;
}

static void begin_due(const char *kind, unsigned value, int (*start)(int))
{
    if (begins(kind, value, start))
        due[n_due++] = kind;
}

void sched_profiles(const struct profile_settings *s)
{
    bool cpu = begins("cpu", s->cpu_hz, runtime_cpu_profile_start);
    /* relaxed: nobody else runs. */
    atomic_store_explicit(&goroutines_due, s->goroutines, memory_order_relaxed);
    if (s->goroutines_ms != 0)
        go(write_goroutines_later, (void *)(intptr_t)s->goroutines_ms);
    begin_due("heap", s->heap_bytes, runtime_set_mem_profile_rate);
    begin_due("mutex", s->mutex_fraction, runtime_set_mutex_profile_fraction);
    begin_due("block", s->block_ns, runtime_set_block_profile_rate);
    if (cpu || s->goroutines || n_due > 0)
        atexit(at_exit);
}
