/*
 * The RISC-V 64 port: types and inline functions that arch/arch.h promises. Supervisor mode under
 * any SBI, RV64IMAFDC. Numbers of the privileged manual (version 1.12) are cited by name.
 */
#pragma once
#include "arch/riscv/offsets.h"

/* Callee-saved integer registers; the floating-point ones lie on the stack, see switch.S. */
struct arch_context {
    uint64_t ra, sp;
    uint64_t s[12];
};

/* Every register of an interrupted context. Of an interrupt's frame on the trap stack gp, s1 … s11
 * and tval are not stored (trap.S). */
struct arch_frame {
    uint64_t x[32]; /* x[0] holds the program counter, sepc */
    uint64_t status, cause, tval;
    uint64_t pad;
};

_Static_assert(sizeof(struct arch_context) == ARCH_CONTEXT_SIZE, "switch.S saves 14 registers");
_Static_assert(offsetof(struct arch_context, s) == ARCH_CONTEXT_S, "switch.S stores s0 here");
_Static_assert(sizeof(struct arch_frame) == ARCH_FRAME_SIZE, "trap.S makes room for one frame");
_Static_assert(offsetof(struct arch_frame, status) == ARCH_FRAME_STATUS, "trap.S: sstatus");

static inline void arch_context_init(struct arch_context *ctx, uintptr_t sp, void (*entry)(void *),
                                     void *arg)
{
    extern void riscv_context_entry(void); /* switch.S: calls s1(s2) */
    ctx->ra = (uintptr_t)riscv_context_entry;
    ctx->sp = sp;
    ctx->s[0] = 0; /* the chain of frames ends here */
    ctx->s[1] = (uintptr_t)entry;
    ctx->s[2] = (uintptr_t)arg;
}

static inline uintptr_t arch_frame_pc(const struct arch_frame *f)
{
    return f->x[0];
}

static inline uintptr_t arch_frame_fp(const struct arch_frame *f)
{
    return f->x[8];
}

static inline uintptr_t arch_frame_sp(const struct arch_frame *f)
{
    return f->x[2];
}

static inline uintptr_t arch_frame_tp(const struct arch_frame *f)
{
    return f->x[4];
}

static inline bool arch_in_switch(uintptr_t pc)
{
    extern char arch_switch_begin[], arch_switch_end[];
    return pc >= (uintptr_t)arch_switch_begin && pc < (uintptr_t)arch_switch_end;
}

static inline void arch_irq_enable(void)
{
    __asm__ volatile("csrsi sstatus, %0" ::"i"(SSTATUS_SIE) : "memory");
}

static inline void arch_irq_disable(void)
{
    __asm__ volatile("csrci sstatus, %0" ::"i"(SSTATUS_SIE) : "memory");
}

static inline uintptr_t arch_irq_save(void)
{
    uintptr_t was;
    __asm__ volatile("csrrci %0, sstatus, %1" : "=r"(was) : "i"(SSTATUS_SIE) : "memory");
    return was & SSTATUS_SIE;
}

static inline void arch_irq_restore(uintptr_t was)
{
    __asm__ volatile("csrs sstatus, %0" ::"r"(was) : "memory");
}

/* wfi resumes when an interrupt enabled in sie is pending, whatever sstatus.SIE says (3.3.3). */
static inline void arch_wait(void)
{
    __asm__ volatile("wfi" ::: "memory");
}

/* The slow step lets an emulator that runs harts in turns go to the next one, see relax.c. */
void riscv_relax_slow(void);
static inline void arch_relax(unsigned n)
{
    if (n < 64)
        __asm__ volatile(".insn i 0x0f, 0, x0, x0, 0x010" ::: "memory"); /* pause (Zihintpause) */
    else
        riscv_relax_slow();
}

/* Memory and device stores before, device stores after. */
static inline void arch_io_barrier(void)
{
    __asm__ volatile("fence ow, ow" ::: "memory");
}

static inline uint64_t arch_ticks(void)
{
    uint64_t t;
    __asm__ volatile("rdtime %0" : "=r"(t));
    return t;
}

/* The hart that runs this goroutine or scheduler; NULL in the first steps of boot. */
static inline struct arch_hart *riscv_this_hart(void)
{
    uintptr_t tp = (uintptr_t)__builtin_thread_pointer();
    return *(struct arch_hart **)(tp - ARCH_CONTEXT_SIZE - ARCH_G_HART);
}

extern bool riscv_has_sstc;
void riscv_sbi_set_timer(uint64_t ticks);
static inline void arch_timer_set(uint64_t ticks)
{
    if (riscv_has_sstc)
        __asm__ volatile("csrw %0, %1" ::"i"(CSR_STIMECMP), "r"(ticks) : "memory");
    else
        riscv_sbi_set_timer(ticks);
}

/* Sv39 page table entries (4.4). VM_READ … are kernel/vm.h's: 1, 2, 4 and VM_DEVICE 8. */
#define PTE_V 0x1
#define PTE_R 0x2
#define PTE_W 0x4
#define PTE_X 0x8
#define PTE_G 0x20
#define PTE_A 0x40
#define PTE_D 0x80

static inline arch_pte arch_pte_leaf(uint64_t pa, unsigned prot, int level)
{
    (void)level; /* a leaf says what it is by its R, W and X bits at any level */
    arch_pte e = (pa >> 12) << 10 | PTE_V | PTE_A | PTE_D | PTE_G;
    /* prot's three low bits are R, W, X in the entry's order, one place lower. */
    return e | (arch_pte)(prot & 7) << 1;
}

static inline arch_pte arch_pte_table(uint64_t pa)
{
    return (pa >> 12) << 10 | PTE_V;
}

static inline bool arch_pte_valid(arch_pte e)
{
    return e & PTE_V;
}

static inline bool arch_pte_is_leaf(arch_pte e, int level)
{
    (void)level;
    return e & (PTE_R | PTE_W | PTE_X);
}

static inline uint64_t arch_pte_pa(arch_pte e)
{
    return (e << 10) >> 20 << 12;
}

static inline void arch_tlb_fence(uintptr_t va)
{
    /* All addresses: the FU540 gets the one-address form wrong, and this runs once a new page. */
    (void)va;
    __asm__ volatile("sfence.vma" ::: "memory");
}
