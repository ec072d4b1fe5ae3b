/*
 * fp_test: registers belong to the goroutine: callee-saved ones, integer and floating-point, and the
 * rounding mode, over yields, sleeps, locks and moves between harts (traps 5, 16, 17).
 *
 * hold_all(pattern, fn, arg) fills every callee-saved register but the frame pointer with a value
 * of its own made from pattern, calls fn(arg), and returns 0 if all are still what they were;
 * hold_integers leaves floating point alone.
 */
#include <math.h>
#include <stdatomic.h>
#include "check.h"

uint64_t hold_all(uint64_t pattern, void (*fn)(void *), void *arg);
uint64_t hold_integers(uint64_t pattern, void (*fn)(void *), void *arg);

#if defined(__riscv)
__asm__(
    ".macro hold name, fp\n"
    ".globl \\name\n"
    "\\name:\n"
    "  addi sp, sp, -224\n  sd ra, 216(sp)\n  sd s0, 208(sp)\n  addi s0, sp, 224\n"
    "  sd a0, 0(sp)\n"
    "  .irp n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11\n"
    "  sd s\\n, 8*\\n(sp)\n  addi s\\n, a0, \\n\n  .endr\n"
    "  .if \\fp\n  .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11\n"
    "  fsd fs\\n, 96+8*\\n(sp)\n  addi t0, a0, 100+\\n\n  fmv.d.x fs\\n, t0\n  .endr\n  .endif\n"
    "  mv a0, a2\n  jalr a1\n  ld t0, 0(sp)\n  li a0, 0\n"
    "  .irp n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11\n"
    "  addi t1, t0, \\n\n  xor t1, t1, s\\n\n  or a0, a0, t1\n  ld s\\n, 8*\\n(sp)\n  .endr\n"
    "  .if \\fp\n  .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11\n"
    "  addi t1, t0, 100+\\n\n  fmv.x.d t2, fs\\n\n  xor t1, t1, t2\n  or a0, a0, t1\n"
    "  fld fs\\n, 96+8*\\n(sp)\n  .endr\n  .endif\n"
    "  ld ra, 216(sp)\n  ld s0, 208(sp)\n  addi sp, sp, 224\n  ret\n"
    ".endm\n"
    "  hold hold_all, 1\n  hold hold_integers, 0\n");

static uint64_t rounding(void)
{
    uint64_t mode;
    __asm__ volatile("frrm %0" : "=r"(mode));
    return mode;
}

static void set_rounding(uint64_t mode)
{
    __asm__ volatile("fsrm %0" ::"r"(mode));
}

enum { NEAREST = 0, DOWN = 2, UP = 3 };
#elif defined(__x86_64__)
/* No floating-point register is callee-saved. */
__asm__(".macro hold name\n"
        ".globl \\name\n"
        "\\name:\n"
        "  pushq %rbp\n  movq %rsp, %rbp\n"
        "  .irp r, rbx, r12, r13, r14, r15\n  pushq %\\r\n  .endr\n"
        "  pushq %rdi\n"
        "  leaq 11(%rdi), %rbx\n"
        "  .irp n, 12, 13, 14, 15\n  leaq \\n(%rdi), %r\\n\n  .endr\n"
        "  movq %rdx, %rdi\n  call *%rsi\n  popq %rcx\n"
        "  leaq -11(%rbx), %rax\n  xorq %rcx, %rax\n"
        "  .irp n, 12, 13, 14, 15\n"
        "  leaq -\\n(%r\\n), %rdx\n  xorq %rcx, %rdx\n  orq %rdx, %rax\n  .endr\n"
        "  .irp r, r15, r14, r13, r12, rbx, rbp\n  popq %\\r\n  .endr\n"
        "  ret\n"
        ".endm\n"
        "  hold hold_all\n  hold hold_integers\n");

static uint64_t rounding(void)
{
    uint32_t mxcsr;
    __asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
    return mxcsr >> 13 & 3;
}

static void set_rounding(uint64_t mode)
{
    uint32_t mxcsr = 0x1f80 | (uint32_t)mode << 13;
    __asm__ volatile("ldmxcsr %0" ::"m"(mxcsr));
}

enum { NEAREST = 0, DOWN = 1, UP = 2 };
#else
__asm__(
    ".macro hold name, fp\n"
    ".globl \\name\n"
    "\\name:\n"
    "  stp x29, x30, [sp, #-192]!\n  mov x29, sp\n  str x0, [sp, #16]\n"
    "  .irp n, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28\n"
    "  str x\\n, [sp, #24+8*(\\n-19)]\n  add x\\n, x0, #\\n\n  .endr\n"
    "  .if \\fp\n  .irp n, 8, 9, 10, 11, 12, 13, 14, 15\n"
    "  str d\\n, [sp, #104+8*(\\n-8)]\n  add x9, x0, #100+\\n\n  fmov d\\n, x9\n  .endr\n  .endif\n"
    "  mov x0, x2\n  blr x1\n  ldr x9, [sp, #16]\n  mov x0, #0\n"
    "  .irp n, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28\n"
    "  add x10, x9, #\\n\n  eor x10, x10, x\\n\n  orr x0, x0, x10\n  ldr x\\n, [sp, "
    "#24+8*(\\n-19)]\n"
    "  .endr\n"
    "  .if \\fp\n  .irp n, 8, 9, 10, 11, 12, 13, 14, 15\n"
    "  add x10, x9, #100+\\n\n  fmov x11, d\\n\n  eor x10, x10, x11\n  orr x0, x0, x10\n"
    "  ldr d\\n, [sp, #104+8*(\\n-8)]\n  .endr\n  .endif\n"
    "  ldp x29, x30, [sp], #192\n  ret\n"
    ".endm\n"
    "  hold hold_all, 1\n  hold hold_integers, 0\n");

static uint64_t rounding(void)
{
    uint64_t fpcr;
    __asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
    return fpcr >> 22 & 3;
}

static void set_rounding(uint64_t mode)
{
    __asm__ volatile("msr fpcr, %0" ::"r"(mode << 22));
}

enum { NEAREST = 0, UP = 1, DOWN = 2 };
#endif

static mutex shared;
static _Atomic uint64_t harts_seen;

/* Every way of leaving the hart; which by i. */
static void go_away(void *i)
{
    switch ((intptr_t)i % 8) {
    case 0: time_sleep(((intptr_t)i % 50) * MICROSECOND); break;
    case 1:
        mutex_lock(&shared);
        runtime_gosched();
        mutex_unlock(&shared);
        break;
    default: runtime_gosched();
    }
    atomic_fetch_or(&harts_seen, UINT64_C(1) << runtime_hart());
}

#define TIMES 60

static void with_floats(void *which)
{
    uint64_t me = (uint64_t)(intptr_t)which;
    for (intptr_t i = 0; i < TIMES; i++)
        CHECK_EQ(
            hold_all(0x3ff0000000000000 + me * 0x100000 + (uint64_t)i * 0x1000, go_away, (void *)i),
            0);
}

static void without_floats(void *which)
{
    uint64_t me = (uint64_t)(intptr_t)which;
    for (intptr_t i = 0; i < TIMES; i++)
        CHECK_EQ(hold_integers(0x123456789a000000 + me * 0x1000 + (uint64_t)i, go_away, (void *)i),
                 0);
}

static void with_or_without(void *which)
{
    if ((intptr_t)which % 3 == 0)
        without_floats(which);
    else
        with_floats(which);
}

static void trap_17_registers_belong_to_the_goroutine(void)
{
    in_parallel(300, with_or_without);
    int harts = __builtin_popcountll(atomic_load(&harts_seen));
    printf("%s: on %d harts\n", __func__, harts);
    CHECK(harts >= (runtime_numcpu() > 1 ? 2 : 1));
}

/* In small steps down the stack, of which a yield uses the lowest bytes: those that a page begins with,
 * too. */
static __attribute__((noinline)) long step_down(intptr_t left)
{
    volatile long here = left;
    CHECK_EQ(hold_all(0x4010000000000000 + (uint64_t)left * 0x1000, go_away, (void *)2), 0);
    return left == 0 ? 0 : step_down(left - 1) + here - left + 1;
}

static void go_down(void *unused)
{
    (void)unused;
    CHECK_EQ(step_down(600), 600);
}

static void registers_are_kept_on_pages_that_were_not_there_yet(void)
{
    in_parallel(20, go_down);
}

static void round_in_its_own_way(void *which)
{
    static const uint64_t modes[] = {NEAREST, UP, DOWN};
    static const double third[] = {1.0 / 3, 0x1.5555555555556p-2, 0x1.5555555555555p-2};
    int mode = (int)((intptr_t)which % 4);
    if (mode == 3) { /* does not touch it, and must find it as at the start */
        for (intptr_t i = 0; i < TIMES; i++) {
            go_away((void *)i);
            CHECK_EQ(rounding(), NEAREST);
        }
        return;
    }
    set_rounding(modes[mode]);
    for (intptr_t i = 0; i < TIMES; i++) {
        volatile double one = 1, three = 3;
        CHECK(one / three == third[mode]);
        CHECK_EQ(hold_all((uint64_t)i << 40, go_away, (void *)i), 0);
        CHECK_EQ(rounding(), modes[mode]);
        CHECK(one / three == third[mode]);
    }
}

static void trap_17_the_rounding_mode_belongs_to_the_goroutine(void)
{
    in_parallel(200, round_in_its_own_way);
    CHECK_EQ(rounding(), NEAREST);
}

static void check_new_mode(void *unused)
{
    (void)unused;
    CHECK_EQ(rounding(), NEAREST);
    volatile double x = 1, y = 3;
    CHECK(x / y == 1.0 / 3);
}

/* Neither the spawner's nor the last one's on this stack or hart. */
static void spawn_with_odd_mode(void *unused)
{
    (void)unused;
    set_rounding(UP);
    for (int i = 0; i < 20; i++)
        apart(check_new_mode, NULL);
    CHECK_EQ(rounding(), UP);
}

static void a_new_goroutine_rounds_to_nearest(void)
{
    in_parallel(8, spawn_with_odd_mode);
    in_parallel(50, check_new_mode);
}

/* Long sums in ordinary code, interrupted by timers and yields. */
static void add_up(void *which)
{
    double sum = 0, term = 1;
    for (int i = 0; i < 2000; i++) {
        sum += term * (1 + (double)(intptr_t)which);
        term = -term * 0.5;
        if (i % 20 == 0)
            runtime_gosched();
    }
    CHECK(fabs(sum / (1 + (double)(intptr_t)which) - 2.0 / 3) < 1e-12);
}

static void sums_come_out_right(void)
{
    in_parallel(200, add_up);
}

int main(void)
{
    RUN(trap_17_registers_belong_to_the_goroutine);
    RUN(registers_are_kept_on_pages_that_were_not_there_yet);
    RUN(trap_17_the_rounding_mode_belongs_to_the_goroutine);
    RUN(a_new_goroutine_rounds_to_nearest);
    RUN(sums_come_out_right);
    return 0;
}
