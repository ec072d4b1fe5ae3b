/*
 * The host port: the machine is a process of Linux, and this is what its parts are:
 *
 *     hart                      a thread (hart.c)
 *     interrupt                 SIGURG: from another thread, or from this thread's POSIX timer
 *     trap, trap stack          a signal handler on the alternate stack (trap.c)
 *     interrupt mask            a byte of the thread, `masked`; see below
 *     wait for interrupt        a futex on the thread's word of pending interrupts
 *     thread pointer            x86_64/port.h and aarch64/port.h tell
 *
 * The thread pointer is not the C library's: that one names the thread, and the library keeps there
 * what belongs to a thread. Ours names the goroutine, and moves with it from thread to thread, as tp
 * does on RISC-V. On x86-64 there is a second such register, gs; on aarch64 it is a word of the thread.
 * A program's _Thread_local variables are the goroutine's: in what the compiler made of them,
 * arch/host/thread-locals puts our thread pointer in the library's place.
 *
 * The mask. To mask by pthread_sigmask would be a system call for what is one instruction on
 * hardware. So signals stay open, and a handler that finds `masked` set leaves a bit in `pending`
 * and returns; whoever clears `masked` looks at `pending` afterwards and sends itself the signal
 * again. Between finding the thread's word and its use the goroutine must not come to another thread
 * (trap 24): on x86-64 that is one instruction, on aarch64 a function where nobody is taken off.
 *
 * errno is in struct arch_context: arch/host/libc/errno.h says how it gets there.
 *
 * An instruction set is a folder: port.h (what is different of this file), offsets.h, isa.mk, start.S,
 * switch.S, frame.c and tp.c.
 */
#pragma once
#include "arch/host/offsets.h"
#if defined(__x86_64__)
#include "arch/host/x86_64/port.h"
#else
#include "arch/host/aarch64/port.h"
#endif

#define __builtin_thread_pointer() host_thread_pointer()

void host_context_init(struct arch_context *ctx, uintptr_t sp, void (*entry)(void *), void *arg);
static inline void arch_context_init(struct arch_context *ctx, uintptr_t sp, void (*entry)(void *),
                                     void *arg)
{
    host_context_init(ctx, sp, entry, arg);
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

void host_take_pending(void);
static inline void arch_irq_enable(void)
{
    if (__builtin_expect(host_irq_open(), 0))
        host_take_pending();
}

static inline void arch_irq_restore(uintptr_t was)
{
    if (was == 0)
        arch_irq_enable();
}

void host_wait(void);
static inline void arch_wait(void)
{
    host_wait();
}

void host_relax_slow(unsigned n);
static inline void arch_relax(unsigned n)
{
    if (n < 64)
        host_pause();
    else
        host_relax_slow(n);
}

/* There are no devices. The doorbell is an atomic operation and a system call. */
static inline void arch_io_barrier(void)
{
    __asm__ volatile("" ::: "memory");
}

uint64_t host_ticks(void);
static inline uint64_t arch_ticks(void)
{
    return host_ticks();
}

void host_timer_set(uint64_t ticks);
static inline void arch_timer_set(uint64_t ticks)
{
    host_timer_set(ticks);
}

/* Takes back an interrupt that another hart has sent and that has not been taken. */
void host_ipi_acknowledge(void);

/* Linux maps the stacks' pages, and no thread remembers that one was missing. */
static inline void arch_tlb_fence(uintptr_t va)
{
    (void)va;
}

/* No page tables are made here: entries of them are all alike. */
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
