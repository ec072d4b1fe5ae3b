/*
 * fault_test: faults that are a goroutine's panic, and those that nobody hears of: a stack that grows.
 */
#include "deferred.h"

/* ---- panics ---- */

static uintptr_t bad; /* where the next fault is to happen */

static void load(void *unused)
{
    (void)unused;
    runtime_defer(recover, NULL);
    (void)*(volatile int *)bad;
    note((void *)'!');
}

static void store(void *unused)
{
    (void)unused;
    runtime_defer(recover, NULL);
    *(volatile char *)bad = 1;
    note((void *)'!');
}

static void call(void *unused)
{
    (void)unused;
    runtime_defer(recover, NULL);
    ((void (*)(void))bad)();
    note((void *)'!');
}

static void illegal(void *unused)
{
    (void)unused;
    runtime_defer(recover, NULL);
#if defined(__riscv)
    __asm__ volatile(".4byte 0xffffffff");
#elif defined(__x86_64__)
    __asm__ volatile("ud2");
#else
    __asm__ volatile(".inst 0x00000000");
#endif
    note((void *)'!');
}

static void breakpoint(void *unused)
{
    (void)unused;
    runtime_defer(recover, NULL);
#if defined(__riscv)
    __asm__ volatile("ebreak");
#elif defined(__x86_64__)
    __asm__ volatile("int3");
#else
    __asm__ volatile("brk #0");
#endif
    note((void *)'!');
}

static const int constant = 42;
static uint32_t code_in_data[4];

static void expect_fault(void (*fn)(void *), uintptr_t addr, const char *text)
{
    char tail[32];
    bad = addr;
    run_and_expect(fn, "R");
    if (strncmp(message, text, strlen(text)) != 0)
        printf("message: %s\n", message);
    CHECK(strncmp(message, text, strlen(text)) == 0);
    snprintf(tail, sizeof tail, " addr=0x%lx]", (unsigned long)addr);
    if (fn == load || fn == store || fn == call) {
        if (strstr(message, tail) == NULL)
            printf("message: %s; wanted%s\n", message, tail);
        CHECK(strstr(message, tail) != NULL);
    }
    CHECK(strstr(message, "[pc=0x") != NULL);
}

static void expect_bad_address(void (*fn)(void *), uintptr_t addr)
{
    expect_fault(fn, addr, "runtime error: invalid memory address or nil pointer dereference");
}

static void null_is_no_address(void)
{
    expect_bad_address(load, 0);
    expect_bad_address(load, 8);
    expect_bad_address(load, 4088);
    expect_bad_address(store, 0);
    expect_bad_address(store, 4095);
    expect_bad_address(call, 0);
}

static inline void wild_addresses_fault(void)
{
    expect_bad_address(load, UINT64_C(0x3f00000000));
    expect_bad_address(store, UINT64_C(0x3f00000000));
#if defined(PINION_HOST) /* where an address that is none at all is not told, or not all of it */
    expect_bad_address(load, UINT64_C(0x123456781234));
#else
    expect_bad_address(load, UINT64_C(0x1234567812345678));
#endif
    expect_bad_address(store, (uintptr_t)-8);
}

static inline void text_and_constants_are_read_only(void)
{
    expect_bad_address(store, (uintptr_t)&null_is_no_address);
    const volatile int *c = &constant;
    expect_bad_address(store, (uintptr_t)c);
    CHECK_EQ(*c, 42);
}

static void data_and_stacks_and_heap_are_not_executable(void)
{
    uint32_t on_stack[4] = {0};
    uint32_t *on_heap = calloc(4, 4);
#if defined(__riscv)
    uint32_t ret = 0x00008067;
#elif defined(__x86_64__)
    uint32_t ret = 0xc3;
#else
    uint32_t ret = 0xd65f03c0;
#endif
    on_stack[0] = on_heap[0] = code_in_data[0] = ret;
    expect_bad_address(call, (uintptr_t)code_in_data);
    expect_bad_address(call, (uintptr_t)on_stack);
    expect_bad_address(call, (uintptr_t)on_heap);
    free(on_heap);
}

static void what_is_no_instruction_faults(void)
{
    expect_fault(illegal, 0, "runtime error: illegal instruction");
    expect_fault(breakpoint, 0, "runtime error: breakpoint");
}

/* In a lock of newlib and with a page of stack only: as often as it likes. */
static void fault_and_recover(void *unused)
{
    (void)unused;
    runtime_defer(recover_blindly, NULL);
    (void)*(volatile int *)bad;
}

static void a_thousand_faults_leave_nothing_behind(void)
{
    bad = 16;
    for (int i = 0; i < 1000; i++) {
        log_n = 0;
        apart(fault_and_recover, NULL);
        CHECK(log_text[0] == 'R' && log_n == 1);
    }
    CHECK_SOON(runtime_numgoroutine() == 1);
}

static double volatile third = 1.0 / 3;

static void fault_with_floats(void *unused)
{
    (void)unused;
    runtime_defer(recover, NULL);
    volatile double x = third * 3;
    (void)*(volatile int *)bad;
    CHECK(x == 1);
}

static void a_fault_amid_floating_point_is_recovered(void)
{
    expect_bad_address(fault_with_floats, 24);
}

/* ---- stacks that grow ---- */

static __attribute__((noinline)) int down(int levels)
{
    volatile char pad[200];
    pad[levels % 200] = (char)levels;
    return levels == 0 ? 0 : 1 + down(levels - 1) + pad[levels % 200] - (char)levels;
}

static void go_down(void *levels)
{
    CHECK_EQ(down((int)(intptr_t)levels), (intptr_t)levels);
}

static void a_stack_grows_page_by_page(void)
{
    for (intptr_t levels = 1; levels <= 200; levels += 9)
        apart(go_down, (void *)levels);
    in_parallel(200, go_down);
}

/* memcpy, vsnprintf and the kernel's own functions are the first to touch the pages below. */
static char big_source[40000];

static __attribute__((noinline)) void copy_deep(void)
{
    char copy[40000];
    memcpy(copy, big_source, sizeof copy);
    CHECK(memcmp(copy, big_source, sizeof copy) == 0);
}

static __attribute__((noinline)) void print_deep(void)
{
    char text[30000];
    int n = snprintf(text, sizeof text, "%20000d %s %f", 7, "seven", 7.0);
    CHECK_EQ(n, 20000 + 1 + 5 + 1 + 8);
    CHECK(strcmp(text + 20000, " seven 7.000000") == 0);
}

static __attribute__((noinline)) void fill_upwards(void)
{
    volatile char far_down[45000];
    for (size_t i = 0; i < sizeof far_down; i++)
        far_down[i] = (char)i;
    for (size_t i = 0; i < sizeof far_down; i++)
        CHECK(far_down[i] == (char)i);
}

static void use_big_frames(void *which)
{
    switch ((intptr_t)which % 3) {
    case 0: copy_deep(); break;
    case 1: print_deep(); break;
    case 2: fill_upwards(); break;
    }
}

static void frames_of_many_pages_work_inside_the_library_too(void)
{
    for (size_t i = 0; i < sizeof big_source; i++)
        big_source[i] = (char)(i * 7);
    in_parallel(30, use_big_frames);
}

static void fresh_pages_body(void *unused)
{
    (void)unused;
    volatile char pages[32768];
    __asm__ volatile("" ::"r"(pages) : "memory"); /* as if it had been written */
    unsigned sum = 0;
    for (size_t i = 0; i < sizeof pages; i += 64)
        sum += (unsigned char)pages[i];
    (void)sum; /* what a page holds is nobody's promise; that it can be read is */
}

static void untouched_stack_can_be_read(void)
{
    apart(fresh_pages_body, NULL);
}

int main(void)
{
    RUN(null_is_no_address);
    /* The sanitizers look up what they know of an address and fault there, or have memory there. */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    RUN(wild_addresses_fault);
    RUN(text_and_constants_are_read_only);
#endif
    RUN(data_and_stacks_and_heap_are_not_executable);
    RUN(what_is_no_instruction_faults);
    RUN(a_thousand_faults_leave_nothing_behind);
    RUN(a_fault_amid_floating_point_is_recovered);
    RUN(a_stack_grows_page_by_page);
    RUN(frames_of_many_pages_work_inside_the_library_too);
    RUN(untouched_stack_can_be_read);
    return 0;
}
