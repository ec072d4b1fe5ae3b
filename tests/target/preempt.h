/*
 * preempt: what the tests of preemption share: slices that last as long as a test wants, counted
 * waits that end on a slow host too, and assembly that holds values in every register there is.
 */
#pragma once
#include <stdatomic.h>
#include "check.h"
#include "sched/gmp.h"
#include "sched/preempt.h"

/* The slices that the calling goroutine has used up, modulo 65536. */
static inline uint16_t slices_used(void)
{
    return *(volatile uint16_t *)&g_self()->slices;
}

static inline int on_this_p(void)
{
    return (int)g_self()->m->p->id;
}

/*
 * Fills every register but sp, tp and gp (sp and x18 on Arm) with values made from pattern, the
 * flags, the floating-point control and status registers too; counts n down; returns 0 if all are
 * what they were.
 */
uint64_t hold_everything(uint64_t pattern, uint64_t n);
/* The same without touching floating point. */
uint64_t hold_integers_only(uint64_t pattern, uint64_t n);
/* Lowers the stack pointer by `bytes` and waits there, without a store, until *slices is not `was`. */
void wait_below(uintptr_t bytes, const volatile uint16_t *slices, uint16_t was);
/* Load exclusive of *word, waits until *slices changes, store exclusive. True if that succeeded. */
bool exclusive_pair_across(uint32_t *word, const volatile uint16_t *slices);

#if defined(__riscv)
/* t6 counts, t5 is pattern; fcsr: rounding mode 1 to 4 and all flags by pattern. */
__asm__(
    ".macro hold_regs name, fp\n"
    "  .globl \\name\n"
    "\\name:\n"
    "  addi sp, sp, -224\n  sd ra, 0(sp)\n"
    "  .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11\n  sd s\\n, 8+8*\\n(sp)\n"
    "  .if \\fp\n  fsd fs\\n, 104+8*\\n(sp)\n  .endif\n  .endr\n"
    "  sd a0, 200(sp)\n  mv t6, a1\n  mv t5, a0\n"
    "  .if \\fp\n  frcsr t0\n  sd t0, 208(sp)\n  andi t0, t5, 0x7f\n  fscsr t0\n"
    "  .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, "
    "23, 24, 25, 26, 27, 28, 29, 30, 31\n"
    "  addi t0, t5, 100+\\n\n  fmv.d.x f\\n, t0\n  .endr\n  .endif\n"
    "  .irp n, 1, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, "
    "26, 27, 28, 29\n"
    "  addi x\\n, t5, \\n\n  .endr\n"
    "1:  addi t6, t6, -1\n  bnez t6, 1b\n"
    "  .irp n, 1, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, "
    "26, 27, 28, 29\n"
    "  addi x\\n, x\\n, -\\n\n  xor x\\n, x\\n, t5\n  or t6, t6, x\\n\n  .endr\n"
    "  ld t0, 200(sp)\n  xor t0, t0, t5\n  or t6, t6, t0\n"
    "  .if \\fp\n"
    "  .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, "
    "23, 24, 25, 26, 27, 28, 29, 30, 31\n"
    "  fmv.x.d t0, f\\n\n  addi t0, t0, -(100+\\n)\n  xor t0, t0, t5\n  or t6, t6, t0\n  .endr\n"
    "  frcsr t0\n  andi t1, t5, 0x7f\n  xor t0, t0, t1\n  or t6, t6, t0\n"
    "  ld t0, 208(sp)\n  fscsr t0\n  .endif\n"
    "  mv a0, t6\n  ld ra, 0(sp)\n"
    "  .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11\n  ld s\\n, 8+8*\\n(sp)\n"
    "  .if \\fp\n  fld fs\\n, 104+8*\\n(sp)\n  .endif\n  .endr\n"
    "  addi sp, sp, 224\n  ret\n"
    ".endm\n"
    "  hold_regs hold_everything, 1\n  hold_regs hold_integers_only, 0\n"
    "  .globl wait_below\n"
    "wait_below:\n  sub sp, sp, a0\n1:  lhu t0, 0(a1)\n  beq t0, a2, 1b\n  add sp, sp, a0\n  ret\n"
    "  .globl exclusive_pair_across\n"
    "exclusive_pair_across:\n  lr.w t1, (a0)\n  lhu a2, 0(a1)\n1:  lhu t0, 0(a1)\n  beq t0, a2, "
    "1b\n"
    "  sc.w t0, t1, (a0)\n  seqz a0, t0\n  ret\n");
#elif defined(__x86_64__)
/* rcx counts, (rsp) is pattern; the loop leaves the flags alone: they are bits of the pattern, as are
 * rounding mode and flags of mxcsr. No exclusives here. */
__asm__(
    ".macro hold_regs name, fp\n"
    "  .globl \\name\n"
    "\\name:\n"
    "  .irp r, rbp, rbx, r12, r13, r14, r15\n  pushq %\\r\n  .endr\n"
    "  subq $24, %rsp\n  movq %rdi, (%rsp)\n  movq %rsi, %rcx\n"
    "  .if \\fp\n"
    "  stmxcsr 8(%rsp)\n  movl %edi, %eax\n  andl $0x603f, %eax\n  orl $0x1f80, %eax\n"
    "  movl %eax, 12(%rsp)\n  ldmxcsr 12(%rsp)\n"
    "  .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n"
    "  leaq 100+\\n(%rdi), %rax\n  movq %rax, %xmm\\n\n  punpcklqdq %xmm\\n, %xmm\\n\n"
    "  .endr\n  .endif\n"
    "  movl %edi, %eax\n  andl $0x8d5, %eax\n  orl $0x202, %eax\n  pushq %rax\n  popfq\n"
    "  leaq 1(%rdi), %rax\n  leaq 2(%rdi), %rdx\n  leaq 3(%rdi), %rbx\n  leaq 4(%rdi), %rbp\n"
    "  leaq 5(%rdi), %rsi\n"
    "  .irp n, 8, 9, 10, 11, 12, 13, 14, 15\n  leaq \\n(%rdi), %r\\n\n  .endr\n"
    "1:  leaq -1(%rcx), %rcx\n  jrcxz 2f\n  jmp 1b\n"
    "2:  pushfq\n  popq %rcx\n  xorl (%rsp), %ecx\n  andl $0x8d5, %ecx\n"
    "  subq $1, %rax\n  subq $2, %rdx\n  subq $3, %rbx\n  subq $4, %rbp\n  subq $5, %rsi\n"
    "  .irp n, 8, 9, 10, 11, 12, 13, 14, 15\n  subq $\\n, %r\\n\n  .endr\n"
    "  .irp r, rax, rdx, rbx, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15\n"
    "  xorq (%rsp), %\\r\n  orq %\\r, %rcx\n  .endr\n"
    "  .if \\fp\n"
    "  .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n"
    "  movq %xmm\\n, %rax\n  subq $100+\\n, %rax\n  xorq (%rsp), %rax\n  orq %rax, %rcx\n"
    "  punpckhqdq %xmm\\n, %xmm\\n\n"
    "  movq %xmm\\n, %rax\n  subq $100+\\n, %rax\n  xorq (%rsp), %rax\n  orq %rax, %rcx\n  .endr\n"
    "  stmxcsr 12(%rsp)\n  movl 12(%rsp), %eax\n  xorl (%rsp), %eax\n  andl $0x603f, %eax\n"
    "  orq %rax, %rcx\n  ldmxcsr 8(%rsp)\n  .endif\n"
    "  movq %rcx, %rax\n  addq $24, %rsp\n"
    "  .irp r, r15, r14, r13, r12, rbx, rbp\n  popq %\\r\n  .endr\n"
    "  ret\n"
    ".endm\n"
    "  hold_regs hold_everything, 1\n  hold_regs hold_integers_only, 0\n"
    "  .globl wait_below\n"
    "wait_below:\n  subq %rdi, %rsp\n1:  cmpw %dx, (%rsi)\n  je 1b\n  addq %rdi, %rsp\n  ret\n");
#else
/* x1 counts, x0 is pattern; the loop leaves the flags alone: NZCV is the pattern's upper nibble. */
__asm__(
    ".macro hold_regs name, fp\n"
    "  .globl \\name\n"
    "\\name:\n"
    "  sub sp, sp, #192\n  stp x29, x30, [sp]\n"
    "  .irp n, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28\n  str x\\n, [sp, #16+8*(\\n-19)]\n  .endr\n"
    "  .if \\fp\n  .irp n, 8, 9, 10, 11, 12, 13, 14, 15\n  str d\\n, [sp, #96+8*(\\n-8)]\n  .endr\n"
    "  mrs x2, fpcr\n  str x2, [sp, #160]\n"
    "  and x2, x0, #0xc00000\n  msr fpcr, x2\n  and x2, x0, #0x1f\n  msr fpsr, x2\n"
    "  .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, "
    "23, 24, 25, 26, 27, 28, 29, 30, 31\n"
    "  add x2, x0, #100+\\n\n  stp x2, x2, [sp, #176]\n  ldr q\\n, [sp, #176]\n  .endr\n  .endif\n"
    "  str x0, [sp, #168]\n"
    "  and x2, x0, #0xf0000000\n  msr nzcv, x2\n"
    "  .irp n, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 19, 20, 21, 22, 23, 24, 25, "
    "26, 27, 28, 29, 30\n"
    "  add x\\n, x0, #\\n\n  .endr\n"
    "1:  sub x1, x1, #1\n  cbnz x1, 1b\n"
    "  .irp n, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 19, 20, 21, 22, 23, 24, 25, "
    "26, 27, 28, 29, 30\n"
    "  sub x\\n, x\\n, #\\n\n  eor x\\n, x\\n, x0\n  orr x1, x1, x\\n\n  .endr\n"
    "  mrs x2, nzcv\n  and x3, x0, #0xf0000000\n  eor x2, x2, x3\n  orr x1, x1, x2\n"
    "  ldr x2, [sp, #168]\n  eor x2, x2, x0\n  orr x1, x1, x2\n"
    "  .if \\fp\n"
    "  .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, "
    "23, 24, 25, 26, 27, 28, 29, 30, 31\n"
    "  str q\\n, [sp, #176]\n  ldp x2, x3, [sp, #176]\n"
    "  sub x2, x2, #100+\\n\n  eor x2, x2, x0\n  orr x1, x1, x2\n"
    "  sub x3, x3, #100+\\n\n  eor x3, x3, x0\n  orr x1, x1, x3\n  .endr\n"
    "  mrs x2, fpcr\n  and x3, x0, #0xc00000\n  eor x2, x2, x3\n  orr x1, x1, x2\n"
    "  mrs x2, fpsr\n  and x3, x0, #0x1f\n  eor x2, x2, x3\n  orr x1, x1, x2\n"
    "  ldr x2, [sp, #160]\n  msr fpcr, x2\n"
    "  .irp n, 8, 9, 10, 11, 12, 13, 14, 15\n  ldr d\\n, [sp, #96+8*(\\n-8)]\n  .endr\n  .endif\n"
    "  .irp n, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28\n  ldr x\\n, [sp, #16+8*(\\n-19)]\n  .endr\n"
    "  ldp x29, x30, [sp]\n  add sp, sp, #192\n  mov x0, x1\n  ret\n"
    ".endm\n"
    "  hold_regs hold_everything, 1\n  hold_regs hold_integers_only, 0\n"
    "  .globl wait_below\n"
    "wait_below:\n  sub sp, sp, x0\n1:  ldrh w3, [x1]\n  cmp w3, w2\n  b.eq 1b\n  add sp, sp, x0\n"
    "  ret\n"
    "  .globl exclusive_pair_across\n"
    "exclusive_pair_across:\n  ldxr w4, [x0]\n  ldrh w2, [x1]\n1:  ldrh w3, [x1]\n  cmp w3, w2\n  "
    "b.eq 1b\n"
    "  stxr w3, w4, [x0]\n  cmp w3, #0\n  cset w0, eq\n  ret\n");
#endif
