// link: -Wl,--wrap=page_init,--wrap=vm_init,--wrap=size_class_init,--wrap=central_init,--wrap=span_init
/*
 * memory_init_test: what boot spends on memory, and the first allocations of all, take no longer than
 * 5 ms of the machine's own time, however much memory there is. Meant for ICOUNT=1. The linker puts a
 * watch around each step of boot that could go through all pages.
 */
#include "check.h"
#include "kernel/central.h"
#include "kernel/clock.h"
#include "kernel/page.h"
#include "kernel/size_class.h"
#include "kernel/span.h"
#include "kernel/vm.h"

#define LIMIT (5 * MILLISECOND)

static int64_t spent, steps;

#define WATCHED(type, fn, parameters, arguments) \
    type __real_##fn parameters;                 \
    type __wrap_##fn parameters;                 \
    type __wrap_##fn parameters                  \
    {                                            \
        int64_t from = clock_ns();               \
        watch_##type(__real_##fn arguments);     \
        spent += clock_ns() - from;              \
        steps++;                                 \
        done_##type;                             \
    }
#define watch_void(call) call
#define done_void        return
#define watch_bool(call) bool good = call
#define done_bool        return good

WATCHED(void, page_init, (const struct machine *m, uintptr_t start, uintptr_t end), (m, start, end))
WATCHED(void, vm_init, (const struct machine *m), (m))
WATCHED(void, size_class_init, (void), ())
WATCHED(void, central_init, (void), ())
WATCHED(bool, span_init, (void), ())

/* The first of each kind: spans, descriptors and pages are made for it. */
static void allocate_first(void)
{
    int64_t from = clock_ns();
    for (size_t n = 16; n <= 1 << 20; n *= 16)
        CHECK(malloc(n) != NULL);
    spent += clock_ns() - from;
}

int main(void)
{
    int64_t boot = spent;
    CHECK_EQ(steps, 5);
    CHECK(spent > 0);
    allocate_first();
    printf("%lld MiB: %lld us at boot, %lld us for the first allocations\n",
           (long long)(page_count_total() >> 8), (long long)(boot / 1000),
           (long long)((spent - boot) / 1000));
    CHECK(spent <= LIMIT);
    return 0;
}
