/*
 * port: a stand-in for an instruction set, for host tests of files that include arch/arch.h.
 *
 * Page tables are entries of its own making: bit 0 valid, bit 1 table, bits 2 to 5 protection, the
 * address where it is. Nothing walks them but the code under test. Fences are counted here,
 * shootdowns in tests/unit/ram.h.
 */
#pragma once
#include <sched.h>

/* The C start-up files of the host define this name of our linker script too. */
#define __data_start unit_data_start

#define ARCH_CONTEXT_SIZE 16
#define ARCH_VM_HIGH      ((uintptr_t)0x4000000000)

/* The running goroutine's, which a test of the scheduler sets; a thread of the host has its own. */
extern _Thread_local uintptr_t unit_thread_pointer;
#define __builtin_thread_pointer() ((void *)unit_thread_pointer)

struct arch_context {
    uintptr_t pc, sp;
};
struct arch_frame {
    uintptr_t pc, fp, sp, tp;
};

extern _Atomic unsigned long unit_tlb_fences;
extern _Atomic unsigned long unit_tlb_shootdowns;

static inline void arch_context_init(struct arch_context *ctx, uintptr_t sp, void (*entry)(void *),
                                     void *arg)
{
    (void)arg;
    *ctx = (struct arch_context){(uintptr_t)entry, sp};
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

static inline bool arch_in_switch(uintptr_t pc)
{
    (void)pc;
    return false;
}

static inline void arch_irq_enable(void)
{
}

static inline void arch_irq_disable(void)
{
}

static inline uintptr_t arch_irq_save(void)
{
    return 0;
}

static inline void arch_irq_restore(uintptr_t was)
{
    (void)was;
}

static inline void arch_wait(void)
{
}

static inline void arch_relax(unsigned n)
{
    if (n > 10)
        sched_yield();
}

static inline void arch_io_barrier(void)
{
}

static inline uint64_t arch_ticks(void)
{
    return 0;
}

static inline void arch_timer_set(uint64_t ticks)
{
    (void)ticks;
}

#define UNIT_PTE_VALID 1
#define UNIT_PTE_TABLE 2

static inline arch_pte arch_pte_leaf(uint64_t pa, unsigned prot, int level)
{
    (void)level;
    return pa | prot << 2 | UNIT_PTE_VALID;
}

static inline arch_pte arch_pte_table(uint64_t pa)
{
    return pa | UNIT_PTE_TABLE | UNIT_PTE_VALID;
}

static inline bool arch_pte_valid(arch_pte e)
{
    return e & UNIT_PTE_VALID;
}

static inline bool arch_pte_is_leaf(arch_pte e, int level)
{
    (void)level;
    return !(e & UNIT_PTE_TABLE);
}

static inline uint64_t arch_pte_pa(arch_pte e)
{
    return e & ~(arch_pte)0xfff;
}

static inline void arch_tlb_fence(uintptr_t va)
{
    (void)va;
    /* relaxed: a statistic. */
    atomic_fetch_add_explicit(&unit_tlb_fences, 1, memory_order_relaxed);
}
