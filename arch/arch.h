/*
 * arch: the contract that every instruction set fulfils.
 *
 * A port is a folder arch/NAME with port.h (included on the last line here: types and the inline
 * functions), start.S, switch.S, trap.S and a few C files. It knows nothing of goroutines beyond
 * the struct arch_context that it saves and restores. Atomics are C11's; no port supplies any.
 *
 * Words: a *hart* (core) is what runs instructions. Its struct arch_hart is what the port must
 * find at any instruction of it: the trap stack and the thread pointer of the hart's own
 * scheduler context. The *thread pointer* (tp, TPIDR_EL0) names the running goroutine and moves
 * with it from hart to hart.
 */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "arch/offsets.h"

struct arch_context; /* callee-saved registers of a context that does not run (port.h) */
struct arch_frame;   /* all registers of an interrupted context (port.h) */

/* First member of struct m. Assembly knows these offsets; port C asserts them. */
struct arch_hart {
    uintptr_t trap_sp;      /* top of this hart's trap stack */
    uintptr_t sched_sp;     /* top of this hart's scheduler stack */
    uintptr_t sched_tp;     /* thread pointer of this hart's scheduler context */
    uint64_t hwid;          /* mhartid or MPIDR affinity */
    uintptr_t root;         /* page table root, for the start of a secondary hart */
    uint64_t port;          /* the port's own use */
    uint64_t nap;           /* the port's, for arch_relax's naps */
    struct arch_hart *next; /* the port's, for the start of harts */
};
_Static_assert(offsetof(struct arch_hart, trap_sp) == ARCH_HART_TRAP_SP, "trap entry loads it");
_Static_assert(offsetof(struct arch_hart, sched_sp) == ARCH_HART_SCHED_SP, "switch.S loads it");
_Static_assert(offsetof(struct arch_hart, sched_tp) == ARCH_HART_SCHED_TP, "switch.S loads it");
_Static_assert(offsetof(struct arch_hart, hwid) == ARCH_HART_HWID, "start.S reads it");
_Static_assert(offsetof(struct arch_hart, root) == ARCH_HART_ROOT, "start.S reads it");
_Static_assert(offsetof(struct arch_hart, port) == ARCH_HART_PORT, "the port's assembly uses it");
_Static_assert(offsetof(struct arch_hart, next) == ARCH_HART_NEXT, "start.S reads it");

/*
 * Contexts (switch.S). A goroutine is known to the port by its thread pointer, tp. What the port
 * needs of it lies directly below tp; sched/gmp.h builds struct g so and asserts it:
 *
 *     tp - ARCH_CONTEXT_SIZE        struct arch_context   saved registers, those that are not on
 *                                                         its stack
 *     tp - ARCH_CONTEXT_SIZE - 8    struct arch_hart *    the hart that runs it, or ran it last
 *     tp - ARCH_CONTEXT_SIZE - 16   uint8_t status, preempt_off
 *     tp - ARCH_CONTEXT_SIZE - 12   uint8_t arch_flags
 *
 * arch_flags is the port's own; zero in a new goroutine. None of the functions touches the
 * interrupt mask, or a control register that need not change.
 */
struct arch_ring { /* head and tail of a P's run queue, see sched/runq.h */
    _Atomic uint32_t head;
    _Atomic uint32_t tail;
};
_Static_assert(offsetof(struct arch_ring, tail) == ARCH_RING_TAIL, "arch_yield stores tail");

/* Prepares ctx so that arch_resume enters entry(arg) on the stack that ends at sp, its top mapped; when
 * entry returns, arch_context_done is called there. */
static inline void arch_context_init(struct arch_context *ctx, uintptr_t sp, void (*entry)(void *),
                                     void *arg);
/*
 * Saves the caller's context, goes to the hart's scheduler stack and calls fn(arg, hart) there,
 * with the thread pointer of the scheduler. (fn comes last so that its arguments are in place.) fn must not return. The saved context is complete
 * when fn runs: from there on any hart may resume it.
 */
void arch_park(void *arg, struct arch_hart *hart, void (*fn)(void *arg, struct arch_hart *hart));
/*
 * The yield, in one piece. The caller has stored itself in the slot that new_tail - 1 names and
 * has read next, the oldest queued goroutine, from the slot that h names. Here its context is
 * saved; then ring->tail = new_tail with release (it may be stolen and run elsewhere from there
 * on: its stack and its memory are no longer ours); then the oldest is taken by a compare-and-swap
 * of ring->head from h to h + 1 (release); then next gets status RUNNING,
 * preempt_off 0 and its hart, and is resumed. If the swap fails, arch_yield_lost(hart) is called on
 * the scheduler stack as by arch_leave. A trap between publication and resumption finds tp naming a
 * goroutine that may run elsewhere: arch_in_switch(pc) tells, and nobody preempts there.
 */
void arch_yield(uintptr_t next_tp, struct arch_hart *hart, struct arch_ring *ring, uint32_t h,
                uint32_t new_tail);
static inline bool arch_in_switch(uintptr_t pc);
/* Goes to the hart's scheduler stack for good; nothing is saved. */
_Noreturn void arch_leave(void *arg, struct arch_hart *hart,
                          void (*fn)(void *arg, struct arch_hart *hart));
/* Leaves the present context behind unsaved and resumes the one whose thread pointer is tp. Its
 * status, preempt_off and hart have been set. Does not return; see sched_next. */
void arch_resume(uintptr_t tp);
/* Points the trap entry of this hart at *hart. Boot, each hart for itself. */
void arch_hart_init(struct arch_hart *hart);

/* Interrupt mask of this hart. */
static inline void arch_irq_enable(void);
static inline void arch_irq_disable(void);
static inline uintptr_t arch_irq_save(void); /* disables; returns what arch_irq_restore takes */
static inline void arch_irq_restore(uintptr_t was);
/* Sleeps until an interrupt is pending, even one that arch_irq_disable holds back. */
static inline void arch_wait(void);
/*
 * Step n of a wait for another hart. Early steps are a pause; later ones give the processor's
 * other users a turn (a host thread of an emulator among them).
 */
static inline void arch_relax(unsigned n);
/* Orders this hart's earlier stores, to memory and devices, before its later device stores. */
static inline void arch_io_barrier(void);

/* The system-wide counter, and this hart's timer. */
static inline uint64_t arch_ticks(void);
static inline void arch_timer_set(uint64_t ticks); /* UINT64_MAX: never */
uint64_t arch_ticks_hz(uint64_t from_tree);        /* Arm reads CNTFRQ_EL0 when the tree says 0 */
/* Chooses the timer and masks per hart: timer, IPI and external interrupts enabled, mask kept. The
 * controllers of this hart have been set up. */
void arch_timer_init(bool has_sstc);

/* Tells the port how firmware is called, an enum start_method; before all that follows. */
void arch_firmware_init(int method);
/* Harts. method is machine.h's enum start_method. 0, or the firmware's error (negative). */
long arch_hart_start(struct arch_hart *h, int method, uint64_t release_addr);
/* Interrupts a hart through firmware (RISC-V SBI). Arm has none: the GIC does it. */
void arch_firmware_ipi(uint64_t hwid);
/* Firmware's console: one byte out; -1 when nothing has come in. */
void arch_firmware_putc(int c);
int arch_firmware_getc(void);
/* Powers the machine off through firmware; returns if it can't. */
void arch_firmware_off(bool failed);
/* Stops this hart for good, interrupts masked. */
_Noreturn void arch_halt(void);
/* A call to the debugger or emulator that serves semihosting; its answer, or -1: nobody serves it. */
uintptr_t arch_semihost(uintptr_t call, const uintptr_t *args);

/* Page tables: 3 levels of 512 entries, level 0 holds 4 KiB leaves. prot is enum vm_prot. */
typedef uint64_t arch_pte;
static inline arch_pte arch_pte_leaf(uint64_t pa, unsigned prot, int level);
static inline arch_pte arch_pte_table(uint64_t pa);
static inline bool arch_pte_valid(arch_pte e);
static inline bool arch_pte_is_leaf(arch_pte e, int level);
static inline uint64_t arch_pte_pa(arch_pte e);
/* After an entry went from invalid to valid, on this hart; a spurious fault elsewhere is benign. */
static inline void arch_tlb_fence(uintptr_t va);
/* After entries went from valid to invalid: on all harts. */
void arch_tlb_shootdown(uintptr_t va, size_t n);
void arch_mmu_enable(uintptr_t root);

/* Walking frames: steps *pc, *fp from a function to its caller within [lo, hi). false: the end. */
bool arch_unwind(uintptr_t *pc, uintptr_t *fp, uintptr_t lo, uintptr_t hi);
/* The first step from a trap: the caller of the function that f stopped in. */
bool arch_frame_caller(const struct arch_frame *f, uintptr_t lo, uintptr_t hi, uintptr_t *pc,
                       uintptr_t *fp);
uintptr_t arch_context_pc(const struct arch_context *ctx);
uintptr_t arch_context_fp(const struct arch_context *ctx);
uintptr_t arch_context_sp(const struct arch_context *ctx);
/* Of a context that an interrupt took off its hart, all of it; NULL: it left by a call. */
const struct arch_frame *arch_context_frame(const struct arch_context *ctx);
static inline uintptr_t arch_frame_pc(const struct arch_frame *f);
static inline uintptr_t arch_frame_fp(const struct arch_frame *f);
static inline uintptr_t arch_frame_sp(const struct arch_frame *f);
static inline uintptr_t arch_frame_tp(const struct arch_frame *f);
/*
 * Makes the interrupted context call fn(arg) at once, as if its next instruction were that call, on
 * its stack [lo, hi), which is mapped from ARCH_FRAME_CALL bytes below the stack pointer up. false:
 * the stack pointer is not in there.
 */
#define ARCH_FRAME_CALL 32
bool arch_frame_call(struct arch_frame *f, void (*fn)(void *), void *arg, uintptr_t lo,
                     uintptr_t hi);
/* Prints every register that f holds, with kprintf: lines of `name 0x…`, the pc first. */
void arch_frame_print(const struct arch_frame *f);

/* From an interrupt's handler: calls fn(arg), which is none of the rooms' and may use all registers
 * that the C library's functions may. No floating point. */
void arch_trap_call(void (*fn)(void *arg), void *arg);

/*
 * What the kernel gives a port. All run on the hart's trap stack with interrupts masked and the
 * thread pointer of the hart's scheduler context.
 */
enum trap_fault {
    FAULT_ACCESS,  /* load, store or fetch that no mapping allows */
    FAULT_ILLEGAL, /* undefined instruction */
    FAULT_ALIGN,   /* misaligned access */
    FAULT_BREAKPOINT,
    FAULT_OTHER,
};
/*
 * Interrupts. Their frames need hold no more than arch_frame_pc, fp, sp, tp and arch_frame_caller ask
 * for. What they return says how it goes on. NULL: where it was interrupted. Else that was a goroutine,
 * and it leaves its hart: all its registers go to its stack, below its stack pointer, where
 * ARCH_FRAME_ROOM bytes are mapped, and its struct arch_context is set so that arch_resume and
 * arch_yield go on exactly there, on any hart. Then, the trap handler over, what was returned is
 * called on the hart's scheduler stack, with its thread pointer and interrupts enabled; its first
 * argument is the goroutine's thread pointer. Never where arch_in_switch is true.
 */
typedef void arch_leaver(void *tp, struct arch_hart *hart);
arch_leaver *trap_timer(struct arch_hart *, struct arch_frame *);
arch_leaver *trap_software(struct arch_hart *, struct arch_frame *);
arch_leaver *trap_external(struct arch_hart *, struct arch_frame *);
/* A synchronous trap. Returns when the frame may go on (a stack grew, a call was put in). */
void trap_fault(struct arch_hart *, struct arch_frame *, enum trap_fault, uintptr_t addr);
/* A trap within a trap handler: says what it can and stops the machine. */
_Noreturn void trap_nested(struct arch_hart *, struct arch_frame *);
/* printf for the kernel (kernel/console.h); any context. */
void kprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* A context's entry function has returned. On its own stack. */
_Noreturn void arch_context_done(void);
/* The end of an arch_yield whose goroutine was taken by another hart. On the scheduler stack. */
_Noreturn void arch_yield_lost(struct arch_hart *hart);
/* Boot of the first hart, and of a later one, on their scheduler stacks. */
_Noreturn void boot_first(uint64_t hwid, const void *fdt);
_Noreturn void boot_later(struct arch_hart *);

#if defined(PINION_EXPLORE)
#include "tests/explore/port.h"
#elif defined(PINION_HOST)
#include "arch/host/port.h"
#elif defined(__riscv)
#include "arch/riscv/port.h"
#elif defined(__aarch64__)
#include "arch/arm64/port.h"
#elif defined(PINION_UNIT_TEST)
#include "tests/unit/port.h"
#else
#error "no port of arch/arch.h for this instruction set"
#endif
