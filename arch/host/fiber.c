/*
 * fiber: what the sanitizers are told of switches.
 *
 * They watch threads, and keep for each the ends of its stack (AddressSanitizer), a clock and a stack
 * of calls (ThreadSanitizer). A goroutine is to them a *fiber*: something with all that of its own
 * that threads take turns to run. The scheduler's context is the fiber that its thread is born with.
 *
 * ThreadSanitizer takes a switch for an edge of order: what the context that leaves has done comes
 * before what the one that comes does. That is true, of one hart. A goroutine's own history it
 * carries along from hart to hart by itself, so a missing release when a goroutine moves shows only in
 * what the scheduler does with the goroutine, not in what the goroutine does.
 *
 * AddressSanitizer poisons parts of frames and heals them when functions return. On the scheduler's
 * stack none returns, and of a dead goroutine's those do not that were on top of runtime_goexit: so
 * whoever comes to the first, or leaves the second, heals all of it.
 *
 * These functions run between two instrumented pieces of code and are themselves not instrumented.
 * The calls into the sanitizers are code that is not ours (trap.c): no interrupt comes in between.
 */
#include "arch/host/thread.h"
#if defined(HOST_ASAN)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#elif defined(HOST_TSAN)
#include <sanitizer/tsan_interface.h>
#endif

/* switch.S calls these. */
void host_fiber_switch(uintptr_t tp);
void host_fiber_end(uintptr_t tp);

#if defined(HOST_ASAN)

#define SCHED_STACK ((size_t)56 << 10) /* as much of a scheduler's stack as may have been used */

const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    /* Goroutines' stacks are nobody's roots: what hangs on them alone would count as lost. And who
     * asks for too much memory is told so, as always. */
    return "detect_leaks=0:detect_stack_use_after_return=0:allocator_may_return_null=1";
}

void host_fiber_switch(uintptr_t tp)
{
    const struct arch_context *to = host_context_of(tp);
    const struct arch_hart *hart = host_self.hart;
    const char *low = (const char *)to->top - SCHED_STACK;
    if (hart != NULL && tp == hart->sched_tp)
        __asan_unpoison_memory_region(low, SCHED_STACK);
    __sanitizer_start_switch_fiber(NULL, low, SCHED_STACK);
    __sanitizer_finish_switch_fiber(NULL, NULL, NULL);
}

void host_fiber_end(uintptr_t tp)
{
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    const struct arch_context *from = host_context_of((uintptr_t)host_thread_pointer());
    if (from->top > here)
        __asan_unpoison_memory_region((void *)here, from->top - here);
    host_fiber_switch(tp);
}

#elif defined(HOST_TSAN)

#define OUTERMOST \
    512 /* bytes of stack that the end of a goroutine takes after its function has returned */

const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    /* Exit value 66 at the first report: not every run ends by exit, which would tell. */
    return "halt_on_error=1:allocator_may_return_null=1";
}

void host_fiber_switch(uintptr_t tp)
{
    struct arch_context *to = host_context_of(tp);
    if (to->fiber == NULL)
        to->fiber = __tsan_create_fiber(0);
    __tsan_switch_to_fiber(to->fiber, 0);
}

/*
 * A fiber costs a millisecond and is kept with its descriptor for the next goroutine there: whoever
 * got the descriptor from a list comes after its last owner anyway. Not if the goroutine has ended
 * in the middle of something, for then calls without returns are left in the fiber.
 */
void host_fiber_end(uintptr_t tp)
{
    struct arch_context *from = host_context_of((uintptr_t)host_thread_pointer());
    bool returned = from->top - (uintptr_t)__builtin_frame_address(0) < OUTERMOST;
    host_fiber_switch(tp);
    if (returned || from->fiber == NULL || from == host_context_of(tp))
        return;
    __tsan_destroy_fiber(from->fiber);
    from->fiber = NULL;
}

#endif
