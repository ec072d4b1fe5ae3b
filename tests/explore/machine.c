/*
 * machine: what sched/ stands on in a course: contexts, interrupts, the clock, memory, a console.
 *
 * Memory is an arena that only grows: within a course nothing is given out twice, so an access to what
 * has been freed meets what it met before, and no order is lent by an allocator. The next course
 * finds all of it new.
 *
 * A context that leaves writes a word of its struct arch_context, and one that comes reads it, for the
 * race detector: so who resumes a goroutine without having acquired it is found, though the
 * registers themselves go by other ways.
 */
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include "kernel/clock.h"
#include "kernel/console.h"
#include "kernel/format.h"
#include "kernel/irq.h"
#include "kernel/page.h"
#include "kernel/power.h"
#include "kernel/stack.h"
#include "kernel/vm.h"
#include "sched/cache.h"
#include "sched/chaos.h"
#include "sched/crash.h"
#include "sched/proc.h"
#include "sched/profile.h"
#include "sched/schedtrace.h"
#include "sched/trace.h"
#include "sched/traceback.h"
#include "tests/explore/engine.h"

#define ARENA_AT    ((char *)0x200000000000)
#define ARENA_BYTES ((size_t)256 << 20)
#define STACKS_AT   (ARENA_BYTES / 2) /* above it, stacks, which nobody clears */
#define CLOCK_STEP  100               /* ns that it takes to read the clock */

/* ---- what is put back ---- */

extern char __data_start[], _end[], __start_explore_kept[], __stop_explore_kept[];

static char *saved KEPT;
static size_t used, stacks_used; /* of the arena */

/* fn for both parts of what is put back: below KEPT, and above. */
static void each_part(void (*fn)(char *at, char *copy, size_t n))
{
    char *low = __start_explore_kept, *high = __stop_explore_kept;
    low = low < _end ? low : _end;
    high = high < _end ? high : _end;
    fn(__data_start, saved, (size_t)(low - __data_start));
    fn(high, saved + (low - __data_start), (size_t)(_end - high));
}

static void save(char *at, char *copy, size_t n)
{
    memcpy(copy, at, n);
}

static void put_back(char *at, char *copy, size_t n)
{
    memcpy(at, copy, n);
}

void snapshot_take(void)
{
    void *at = mmap(ARENA_AT, ARENA_BYTES, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
    saved = malloc((size_t)(_end - __data_start));
    if (at != ARENA_AT || saved == NULL) {
        fprintf(stderr, "explore: no memory for the arena\n");
        exit(2);
    }
    each_part(save);
}

void snapshot_restore(void)
{
    each_part(put_back);
}

void *arena_take(size_t n)
{
    char *at = ARENA_AT + used;
    n = (n + 63) & ~(size_t)63;
    if (used + n > STACKS_AT)
        explore_fail("the arena is used up");
    used += n;
    return memset(at, 0, n);
}

uintptr_t arena_stack(size_t n)
{
    stacks_used += n;
    if (STACKS_AT + stacks_used > ARENA_BYTES)
        explore_fail("there is no room for stacks");
    return (uintptr_t)ARENA_AT + STACKS_AT + stacks_used;
}

/* ---- contexts (arch/arch.h) ---- */

_Noreturn void host_yield(uintptr_t next_tp, struct arch_hart *hart, struct arch_ring *ring,
                          uint32_t h, uint32_t new_tail); /* arch/host/yield.c */

static struct arch_context *context_of(uintptr_t tp)
{
    return (struct arch_context *)tp - 1;
}

uintptr_t explore_tp(void)
{
    return hart[self].tp;
}

void explore_context_init(struct arch_context *ctx, uintptr_t sp, void (*entry)(void *), void *arg)
{
    ctx->entry = entry;
    ctx->arg = arg;
    ctx->sp = sp;
    if (watched)
        race_access((uintptr_t)ctx, 8, PLAIN_WRITE, (uintptr_t)__builtin_return_address(0));
}

/* The context that runs is left behind. Its caller's caller saves its registers. */
static struct arch_context *leaves(uintptr_t pc)
{
    struct arch_context *ctx = context_of(hart[self].tp);
    race_access((uintptr_t)ctx, 8, PLAIN_WRITE, pc);
    hart[self].tp = hart[self].arch->sched_tp;
    return ctx;
}

void arch_park(void *arg, struct arch_hart *to, void (*fn)(void *arg, struct arch_hart *hart))
{
    (void)to;
    struct arch_context *ctx = leaves((uintptr_t)__builtin_return_address(0));
    if (_setjmp(ctx->regs) == 0)
        course_to_base(arg, fn);
}

struct yield {
    uintptr_t next_tp;
    struct arch_ring *ring;
    uint32_t h, new_tail;
};

static void yield_at_base(void *arg, struct arch_hart *to)
{
    struct yield y = *(struct yield *)arg;
    host_yield(y.next_tp, to, y.ring, y.h, y.new_tail);
}

void arch_yield(uintptr_t next_tp, struct arch_hart *to, struct arch_ring *ring, uint32_t h,
                uint32_t new_tail)
{
    (void)to;
    static struct yield way[HARTS_MAX]; /* not on the stack: it is not ours then */
    way[self] = (struct yield){next_tp, ring, h, new_tail};
    struct arch_context *ctx = leaves((uintptr_t)__builtin_return_address(0));
    if (_setjmp(ctx->regs) == 0)
        course_to_base(&way[self], yield_at_base);
}

void arch_leave(void *arg, struct arch_hart *to, void (*fn)(void *arg, struct arch_hart *hart))
{
    (void)to;
    hart[self].tp = hart[self].arch->sched_tp;
    course_to_base(arg, fn);
}

static void begin_context(unsigned low, unsigned high)
{
    struct arch_context *ctx = (struct arch_context *)((uintptr_t)high << 32 | low);
    void (*entry)(void *) = ctx->entry;
    ctx->entry = NULL;
    entry(ctx->arg);
    arch_context_done();
}

void arch_resume(uintptr_t tp)
{
    struct arch_context *ctx = context_of(tp);
    race_access((uintptr_t)ctx, 8, PLAIN_READ, (uintptr_t)__builtin_return_address(0));
    hart[self].tp = tp;
    if (ctx->entry == NULL)
        _longjmp(ctx->regs, 1);
    ucontext_t first;
    getcontext(&first);
    first.uc_stack.ss_sp = (void *)(ctx->sp - STACK_SIZE_MIN / 2);
    first.uc_stack.ss_size = STACK_SIZE_MIN / 2;
    makecontext(&first, (void (*)(void))begin_context, 2, (unsigned)(uintptr_t)ctx,
                (unsigned)((uintptr_t)ctx >> 32));
    setcontext(&first);
}

void arch_halt(void)
{
    hart[self].masked = true;
    hart[self].state = HART_ENDED;
    for (;;)
        course_pause(true);
}

/* ---- interrupts, clock ---- */

void irq_send_ipi(unsigned to)
{
    uintptr_t pc = (uintptr_t)__builtin_return_address(0);
    if (!watched)
        return;
    course_point(pc);
    if (tracing)
        course_trace(pc, "interrupts hart %u", to);
    memory_send(to);
    hart[to].ipi = true;
}

void irq_software(void)
{
    hart[self].ipi = false;
    memory_receive();
}

enum irq_event irq_poll(unsigned no)
{
    (void)no;
    irq_software();
    return IRQ_IPI;
}

enum irq_event irq_external(unsigned no)
{
    (void)no;
    return IRQ_NONE;
}

uint64_t explore_ticks(void)
{
    return ticks += watched ? CLOCK_STEP : 0;
}

void explore_timer_set(uint64_t when)
{
    hart[self].deadline = when;
}

/* ---- memory (kernel/page.h, stack.h, vm.h; malloc, by names that `run` has changed) ---- */

void *page_alloc_run(size_t n)
{
    return arena_take(n * PAGE_SIZE);
}

void *page_alloc(void)
{
    return page_alloc_run(1);
}

void page_free_run(void *first, size_t n)
{
    (void)first, (void)n;
}

size_t page_count_free(void)
{
    return 0;
}

size_t page_count_total(void)
{
    return ARENA_BYTES / PAGE_SIZE;
}

bool stack_alloc(struct stack *s, size_t size)
{
    uintptr_t hi = arena_stack(STACK_SIZE_MIN);
    (void)size; /* no program here has large frames */
    *s = (struct stack){hi - STACK_SIZE_MIN, hi};
    return true;
}

bool stack_fill(const struct stack *s, size_t n)
{
    (void)s, (void)n;
    return true;
}

void stack_free(struct stack *s)
{
    *s = (struct stack){0, 0};
}

enum stack_fault stack_fault(uintptr_t addr, uintptr_t sp)
{
    (void)addr, (void)sp;
    return STACK_NOT_MINE;
}

bool stack_spill(uintptr_t addr)
{
    (void)addr;
    return true;
}

size_t stack_pages(void)
{
    return 0;
}

size_t stack_pages_pooled(void)
{
    return 0;
}

void stack_trim(void)
{
}

bool vm_page_there(uintptr_t va)
{
    (void)va;
    return true;
}

bool cache_make(struct p *p)
{
    (void)p;
    return true;
}

void cache_flush(struct cache *c)
{
    (void)c;
}

void *watched_malloc(size_t n);
void *watched_calloc(size_t n, size_t size);
void *watched_memalign(size_t align, size_t n);
void watched_free(void *at);

/* Before each object its size. */
#define HEAD 64

void *watched_malloc(size_t n)
{
    char *at = arena_take(HEAD + n);
    *(size_t *)(void *)at = n;
    return at + HEAD;
}

void *watched_calloc(size_t n, size_t size)
{
    return watched_malloc(n * size);
}

void *watched_memalign(size_t align, size_t n)
{
    (void)align; /* no more than the arena's 64 is asked for */
    return watched_malloc(n);
}

/* To be freed is to be written, all of it: who uses it still, unordered, races. */
void watched_free(void *at)
{
    if (at != NULL && watched)
        race_access((uintptr_t)at, *(size_t *)(void *)((char *)at - HEAD), PLAIN_WRITE,
                    (uintptr_t)__builtin_return_address(0));
}

/* ---- the console, the end: what a run that ends says first is why the course has failed ---- */

static char said[160];

static void say(const char *s, size_t n)
{
    if (said[0] == '\0')
        snprintf(said, sizeof(said), "%.*s", (int)strcspn(s, "\n"), n > 0 ? s : "");
}

void kprintf(const char *fmt, ...)
{
    char line[sizeof(said)];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    say(line, (size_t)n);
}

void console_write(enum console_stream to, const char *s, size_t n)
{
    (void)to;
    say(s, n);
}

void console_panic_mode(void)
{
}

size_t print_format(char *buf, size_t n, const char *fmt, va_list ap)
{
    return (size_t)vsnprintf(buf, n, fmt, ap);
}

void power_off(int status)
{
    explore_fail("the run ends with status %d: %s", status, said);
}

/* No faults come as traps, and nobody is traced. */
void arch_frame_print(const struct arch_frame *f)
{
    (void)f;
}

bool arch_frame_call(struct arch_frame *f, void (*fn)(void *), void *arg, uintptr_t lo,
                     uintptr_t hi)
{
    (void)f, (void)fn, (void)arg, (void)lo, (void)hi;
    return false;
}

void traceback_here(struct g *g, uintptr_t frame, bool fault)
{
    (void)g, (void)frame, (void)fault;
}

void traceback_frame(struct g *g, const struct arch_frame *f)
{
    (void)g, (void)f;
}

_Noreturn void crash_end(const struct g *told, const struct arch_frame *f, bool ours)
{
    (void)told, (void)f, (void)ours;
    power_off(2);
}

bool crash_shows(enum crash_level from)
{
    (void)from;
    return false;
}

const struct arch_frame *crash_fault_of(const struct g *g)
{
    (void)g;
    return NULL;
}

void schedtrace_tick(struct m *m)
{
    (void)m;
}

void cpu_profile_tick(struct m *m, const struct arch_frame *f)
{
    (void)m, (void)f;
}

void mutex_profile_event(uint32_t waits, int64_t waited)
{
    (void)waits, (void)waited;
}

void block_profile_park(park_commit *commit, void *arg, enum wait_reason reason)
{
    (void)commit, (void)arg, (void)reason; /* nobody's waits are counted */
    abort();
}

bool chaos_on;

void chaos_tick(struct m *m)
{
    (void)m;
}

void chaos_put(struct p *p, struct g *g)
{
    (void)p, (void)g;
}

bool chaos_passes_over(struct m *m, struct g *g)
{
    (void)m, (void)g;
    return false;
}

bool chaos_refuses(uint32_t n)
{
    (void)n;
    return false;
}

void trace_create(struct m *m, struct g *g, uintptr_t fn)
{
    (void)m, (void)g, (void)fn;
}
