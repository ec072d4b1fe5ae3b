/*
 * port: the instruction set of the explorer (engine.h): harts are fibers of one thread of the host,
 * interrupts come where the engine looks, the clock is a number. What is here is what sched/ and
 * kernel/ inline; all of it is in course.c and machine.c.
 */
#pragma once
#include <setjmp.h>

#define ARCH_CONTEXT_SIZE 240
#define ARCH_FRAME_ROOM   4096
#define ARCH_TLS_OFFSET   0
#define ARCH_VM_HIGH      0xffffffc000000000
#define ARCH_IS_RISCV     0

struct arch_context {
    void (*entry)(void *); /* NULL once it has begun */
    void *arg;
    uintptr_t sp;
    uintptr_t pad;
    jmp_buf regs;
} __attribute__((aligned(16)));
_Static_assert(sizeof(struct arch_context) <= ARCH_CONTEXT_SIZE, "struct g is built around it");

struct arch_frame {
    uintptr_t pc, fp, sp, tp;
};

/* Of the hart that runs; a goroutine keeps it wherever it goes, so the compiler may keep it too. */
uintptr_t explore_tp(void) __attribute__((const));
#define __builtin_thread_pointer() ((void *)explore_tp())

void explore_context_init(struct arch_context *ctx, uintptr_t sp, void (*entry)(void *), void *arg);
static inline void arch_context_init(struct arch_context *ctx, uintptr_t sp, void (*entry)(void *),
                                     void *arg)
{
    explore_context_init(ctx, sp, entry, arg);
}

static inline uintptr_t arch_frame_pc(const struct arch_frame *f)
{
    return f->pc;
}

static inline uintptr_t arch_frame_fp(const struct arch_frame *f)
{
    return f->fp;
}

static inline uintptr_t arch_frame_sp(const struct arch_frame *f)
{
    return f->sp;
}

static inline uintptr_t arch_frame_tp(const struct arch_frame *f)
{
    return f->tp;
}

/* The switch is the engine's, where no interrupt comes. */
static inline bool arch_in_switch(uintptr_t pc)
{
    (void)pc;
    return false;
}

uintptr_t explore_mask(bool masked); /* what it was */
static inline void arch_irq_enable(void)
{
    explore_mask(false);
}

static inline void arch_irq_disable(void)
{
    explore_mask(true);
}

static inline uintptr_t arch_irq_save(void)
{
    return explore_mask(true);
}

static inline void arch_irq_restore(uintptr_t was)
{
    explore_mask(was != 0);
}

void explore_wait(void);
static inline void arch_wait(void)
{
    explore_wait();
}

void explore_relax(void);
static inline void arch_relax(unsigned n)
{
    (void)n;
    explore_relax();
}

/* The interrupt takes along what its sender has stored: machine.c. */
static inline void arch_io_barrier(void)
{
}

uint64_t explore_ticks(void);
static inline uint64_t arch_ticks(void)
{
    return explore_ticks();
}

void explore_timer_set(uint64_t ticks);
static inline void arch_timer_set(uint64_t ticks)
{
    explore_timer_set(ticks);
}

static inline void arch_tlb_fence(uintptr_t va)
{
    (void)va;
}

/* There are no page tables; kernel/vm.h wants the names. */
static inline arch_pte arch_pte_leaf(uint64_t pa, unsigned prot, int level)
{
    (void)prot, (void)level;
    return pa;
}

static inline arch_pte arch_pte_table(uint64_t pa)
{
    return pa;
}

static inline bool arch_pte_valid(arch_pte e)
{
    return e != 0;
}

static inline bool arch_pte_is_leaf(arch_pte e, int level)
{
    (void)e;
    return level == 0;
}

static inline uint64_t arch_pte_pa(arch_pte e)
{
    return e;
}
