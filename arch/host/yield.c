/*
 * yield: the second half of arch_yield, on the scheduler's stack; in C, for ThreadSanitizer sees what
 * C does. The goroutine that yields has been saved and its stack is not touched any more.
 */
#include "arch/arch.h"

_Noreturn void host_yield(uintptr_t next_tp, struct arch_hart *hart, struct arch_ring *ring,
                          uint32_t h, uint32_t new_tail);

static uint8_t *below(uintptr_t tp, size_t at)
{
    return (uint8_t *)(tp - ARCH_CONTEXT_SIZE - at);
}

void host_yield(uintptr_t next_tp, struct arch_hart *hart, struct arch_ring *ring, uint32_t h,
                uint32_t new_tail)
{
    /* O1: the context, and the slot filled before, are visible to whoever takes this goroutine:
     * pairs with the acquire of tail in runq_steal. */
    atomic_store_explicit(&ring->tail, new_tail, memory_order_release);
    /* O2: release: who sees the new head sees our read of the slot done, and the new tail. relaxed:
     * what is in our own ring was acquired when it was put there; on failure nothing is ours. */
    if (!atomic_compare_exchange_strong_explicit(&ring->head, &h, h + 1, memory_order_release,
                                                 memory_order_relaxed))
        arch_yield_lost(hart);
    *below(next_tp, ARCH_G_WORD) = ARCH_G_RUNNING;
    *below(next_tp, ARCH_G_WORD - 1) = 0; /* preempt_off */
    *(struct arch_hart **)below(next_tp, ARCH_G_HART) = hart;
    arch_resume(next_tp);
    __builtin_unreachable();
}
