/*
 * The AArch64 port: types and inline functions that arch/arch.h promises. Armv8.0-A, EL1.
 * Numbers such as D1.7 are sections of the Arm Architecture Reference Manual, DDI 0487.
 *
 * Who keeps what in which register:
 *
 *   TPIDR_EL0   the thread pointer: the running goroutine. GCC reads it for _Thread_local, whose
 *               block starts 16 bytes above; struct g lies below.
 *   TPIDR_EL1   this hart's struct arch_hart. Constant: nothing saves or restores it.
 *   SP_EL0      the stack of whatever runs: a goroutine, the scheduler, boot (PSTATE.SP = 0, the
 *               mode called EL1t).
 *   SP_EL1      this hart's trap stack. The processor itself turns to it when it takes an
 *               exception (D1.7), so the handler need not trust the interrupted sp for one store.
 */
#pragma once
#include "arch/arm64/offsets.h"

/* Callee-saved registers (AAPCS64, 6.1). At sp lie the low halves of v8 … v15: ARM64_D_SIZE bytes. */
struct arch_context {
    uint64_t x[12]; /* x19 … x30; x[10] is the frame pointer, x[11] the return address */
    uint64_t sp;
    uint64_t pad; /* the size is a multiple of 16, and so is every thread pointer */
};

struct arm64_vector {
    uint64_t low, high;
};

/* Every register of an interrupted context. Of an interrupt's frame on the trap stack x20 … x27, far,
 * fpcr, fpsr and q are not stored (trap.S). */
struct arch_frame {
    uint64_t x[31];
    uint64_t sp;     /* SP_EL0; in a nested trap the trap stack's */
    uint64_t pc;     /* ELR_EL1 */
    uint64_t pstate; /* SPSR_EL1 */
    uint64_t tp;     /* TPIDR_EL0 */
    uint64_t esr;    /* why and where; 0 in interrupts */
    uint64_t far;
    uint64_t fpcr, fpsr;
    uint64_t pad;
    struct arm64_vector q[32];
};

_Static_assert(sizeof(struct arch_context) == ARCH_CONTEXT_SIZE, "switch.S saves below tp");
_Static_assert(offsetof(struct arch_context, x) == ARCH_CONTEXT_X, "switch.S stores x19 here");
_Static_assert(offsetof(struct arch_context, sp) == ARCH_CONTEXT_SP, "switch.S stores sp here");
_Static_assert(sizeof(struct arch_frame) == ARCH_FRAME_SIZE, "trap.S makes room for one frame");
_Static_assert(offsetof(struct arch_frame, x) == ARCH_FRAME_X, "trap.S stores x0 here");
_Static_assert(offsetof(struct arch_frame, sp) == ARCH_FRAME_SP, "trap.S stores sp after x30");
_Static_assert(offsetof(struct arch_frame, pc) == ARCH_FRAME_PC, "trap.S stores ELR_EL1");
_Static_assert(offsetof(struct arch_frame, pstate) == ARCH_FRAME_PSTATE, "trap.S: SPSR_EL1");
_Static_assert(offsetof(struct arch_frame, tp) == ARCH_FRAME_TP, "trap.S stores TPIDR_EL0");
_Static_assert(offsetof(struct arch_frame, esr) == ARCH_FRAME_ESR, "trap.S stores ESR_EL1");
_Static_assert(offsetof(struct arch_frame, far) == ARCH_FRAME_FAR, "trap.S stores FAR_EL1");
_Static_assert(offsetof(struct arch_frame, fpcr) == ARCH_FRAME_FPCR, "trap.S: FPCR, FPSR");
_Static_assert(offsetof(struct arch_frame, q) == ARCH_FRAME_Q, "trap.S stores q0 here");
_Static_assert(ARCH_FRAME_SIZE % 16 == 0 && ARCH_FRAME_Q % 16 == 0, "sp and q want 16");

/* arch_hart_start's methods; boot asserts that they are machine.h's enum start_method. */
#define ARCH_START_PSCI_HVC   2
#define ARCH_START_PSCI_SMC   3
#define ARCH_START_SPIN_TABLE 4

/*
 * The exception level the image was entered at, 1 to 3. At 3 there is no firmware, and we stay in
 * Secure state (start.S): a GICv3 driver has to put its interrupts in Secure group 1.
 */
unsigned arm64_entry_level(void);
/* Writes the data cache lines of [at, at + n) to memory, for a reader with its caches off. */
void arm64_cache_clean(const void *at, size_t n);

static inline void arch_context_init(struct arch_context *ctx, uintptr_t sp, void (*entry)(void *),
                                     void *arg)
{
    extern void arm64_context_entry(void); /* switch.S: calls x19(x20) */
    ctx->x[0] = (uintptr_t)entry;
    ctx->x[1] = (uintptr_t)arg;
    ctx->x[10] = 0; /* the chain of frames ends here */
    ctx->x[11] = (uintptr_t)arm64_context_entry;
    ctx->sp = sp - ARM64_D_SIZE;
}

static inline uintptr_t arch_frame_pc(const struct arch_frame *f)
{
    return f->pc;
}

static inline uintptr_t arch_frame_fp(const struct arch_frame *f)
{
    return f->x[29];
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
    extern char arch_switch_begin[], arch_switch_end[];
    return pc >= (uintptr_t)arch_switch_begin && pc < (uintptr_t)arch_switch_end;
}

/*
 * Only I, the IRQ mask, is used. A (SError) stays clear after arch_hart_init, so that a failing
 * bus is reported where it fails; F stays set, since nothing here is a FIQ.
 */
static inline void arch_irq_enable(void)
{
    /* isb: what is pending is taken here, even if the mask is closed again at once. */
    __asm__ volatile("msr daifclr, #2\n\tisb" ::: "memory");
}

static inline void arch_irq_disable(void)
{
    __asm__ volatile("msr daifset, #2" ::: "memory");
}

static inline uintptr_t arch_irq_save(void)
{
    uintptr_t was;
    __asm__ volatile("mrs %0, daif\n\tmsr daifset, #2" : "=r"(was)::"memory");
    return was;
}

static inline void arch_irq_restore(uintptr_t was)
{
    __asm__ volatile("msr daif, %0" ::"r"(was) : "memory");
}

/*
 * wfi ends when an interrupt is pending, whatever PSTATE.I says (D1.16.2). The barrier lets our
 * stores reach the others before the core may lose its clock.
 */
static inline void arch_wait(void)
{
    __asm__ volatile("dsb sy\n\twfi" ::: "memory");
}

/* The slow step sleeps for some microseconds, see timer.c. */
void arm64_relax_slow(void);
static inline void arch_relax(unsigned n)
{
    if (n < 64)
        __asm__ volatile("yield" ::: "memory");
    else
        arm64_relax_slow();
}

/*
 * DSB, not DMB: with GICv3 the "device store" is a system register write, ICC_SGI1R_EL1, which no
 * DMB orders (and which wants an isb after it: the driver's business).
 */
static inline void arch_io_barrier(void)
{
    __asm__ volatile("dsb st" ::: "memory");
}

/*
 * The processor may read the counter ahead of time, before a load that comes earlier in the
 * program (D11.2.1). Then a hart that waits for another's flag and reads the clock could get a
 * time before the one that the other read before it set the flag: time going back (trap 29). The
 * isb holds the read until the branch that ended the wait is decided. On the other side nothing
 * is needed in practice: no core lets a store be seen before the instructions in front of it are
 * done, and mostly what is stored depends on the time that was read.
 */
static inline uint64_t arch_ticks(void)
{
    uint64_t t;
    __asm__ volatile("isb\n\tmrs %0, cntvct_el0" : "=r"(t)::"memory");
    return t;
}

/*
 * The virtual timer compares for "at or after" in 64 bits, so a past time fires at once. The isb
 * makes the change count from here on: a handler that re-arms and then ends its interrupt must not
 * find the old one still asserted.
 */
static inline void arch_timer_set(uint64_t ticks)
{
    if (ticks == UINT64_MAX)
        __asm__ volatile("msr cntv_ctl_el0, xzr\n\tisb" ::: "memory");
    else
        __asm__ volatile("msr cntv_cval_el0, %0\n\tmsr cntv_ctl_el0, %1\n\tisb" ::"r"(ticks),
                         "r"((uint64_t)1)
                         : "memory");
}

/*
 * Page table entries (D8.3). Our level 2 is the manual's level 1, 1 GiB an entry. prot is
 * kernel/vm.h's: VM_READ 1, VM_WRITE 2, VM_EXEC 4, VM_DEVICE 8. What is mapped is readable.
 */
#define PTE_ADDRESS 0x0000fffffffff000

static inline arch_pte arch_pte_leaf(uint64_t pa, unsigned prot, int level)
{
    arch_pte e = (pa & PTE_ADDRESS) | PTE_VALID | PTE_ACCESSED | PTE_UXN;
    if (level == 0)
        e |= PTE_TABLE;
    if (prot & 8)
        e |= MAIR_DEVICE << PTE_ATTR_SHIFT;
    else
        e |= MAIR_NORMAL << PTE_ATTR_SHIFT | PTE_INNER;
    if (!(prot & 2))
        e |= PTE_READ_ONLY;
    if ((prot & 12) != 4) /* a fetch from a device may do anything */
        e |= PTE_PXN;
    return e;
}

static inline arch_pte arch_pte_table(uint64_t pa)
{
    return (pa & PTE_ADDRESS) | PTE_TABLE | PTE_VALID;
}

static inline bool arch_pte_valid(arch_pte e)
{
    return e & PTE_VALID;
}

static inline bool arch_pte_is_leaf(arch_pte e, int level)
{
    return level == 0 || !(e & PTE_TABLE);
}

static inline uint64_t arch_pte_pa(arch_pte e)
{
    return e & PTE_ADDRESS;
}

/*
 * An invalid entry is never cached (D8.13), so nothing has to be invalidated. dsb: the table walk
 * sees the store; isb: and so does the walk for an instruction that was fetched already.
 */
static inline void arch_tlb_fence(uintptr_t va)
{
    (void)va;
    __asm__ volatile("dsb ishst\n\tisb" ::: "memory");
}
