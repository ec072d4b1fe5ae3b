/* Assembly helpers of the AArch64 port. */
#pragma once
#include "arch/arm64/offsets.h"

/* clang-format off */
/* For debuggers: .debug_frame, which is in no segment. The default, .eh_frame, is not linked. */
    .cfi_sections .debug_frame

#define FUNC(name)          \
    .balign 4;              \
    .globl name;            \
    .type name, %function;  \
    name : .cfi_startproc
#define END(name)           \
    .cfi_endproc;           \
    .size name, .- name

/* The address of a symbol within 4 GiB of here, wherever the image runs. */
.macro address reg, symbol
    adrp \reg, \symbol
    add  \reg, \reg, #:lo12:\symbol
.endm

/*
 * Store (stp) or load (ldp) what lies in the struct arch_frame at \base: x2 … x29, and every vector
 * register. x0 and x1 are the user's: base may be one of them. x30 has sp for a neighbour.
 */
.macro x_pairs op, base
    \op x2, x3, [\base, #ARCH_FRAME_X + 16]
    \op x4, x5, [\base, #ARCH_FRAME_X + 32]
    \op x6, x7, [\base, #ARCH_FRAME_X + 48]
    \op x8, x9, [\base, #ARCH_FRAME_X + 64]
    \op x10, x11, [\base, #ARCH_FRAME_X + 80]
    \op x12, x13, [\base, #ARCH_FRAME_X + 96]
    \op x14, x15, [\base, #ARCH_FRAME_X + 112]
    \op x16, x17, [\base, #ARCH_FRAME_X + 128]
    \op x18, x19, [\base, #ARCH_FRAME_X + 144]
    \op x20, x21, [\base, #ARCH_FRAME_X + 160]
    \op x22, x23, [\base, #ARCH_FRAME_X + 176]
    \op x24, x25, [\base, #ARCH_FRAME_X + 192]
    \op x26, x27, [\base, #ARCH_FRAME_X + 208]
    \op x28, x29, [\base, #ARCH_FRAME_X + 224]
.endm
/*
 * From the frame at \base to where they belong: pc and pstate for an eret, FPCR, FPSR, x30; x1 is sp
 * then. x2 … x5 are lost.
 */
.macro load_state base
    ldp  x30, x1, [\base, #ARCH_FRAME_X + 8 * 30]
    ldp  x2, x3, [\base, #ARCH_FRAME_PC]
    ldp  x4, x5, [\base, #ARCH_FRAME_FPCR]
    msr  elr_el1, x2
    msr  spsr_el1, x3
    msr  fpcr, x4
    msr  fpsr, x5
.endm
.macro q_pairs op, base
    \op q0, q1, [\base, #ARCH_FRAME_Q + 0]
    \op q2, q3, [\base, #ARCH_FRAME_Q + 32]
    \op q4, q5, [\base, #ARCH_FRAME_Q + 64]
    \op q6, q7, [\base, #ARCH_FRAME_Q + 96]
    \op q8, q9, [\base, #ARCH_FRAME_Q + 128]
    \op q10, q11, [\base, #ARCH_FRAME_Q + 160]
    \op q12, q13, [\base, #ARCH_FRAME_Q + 192]
    \op q14, q15, [\base, #ARCH_FRAME_Q + 224]
    \op q16, q17, [\base, #ARCH_FRAME_Q + 256]
    \op q18, q19, [\base, #ARCH_FRAME_Q + 288]
    \op q20, q21, [\base, #ARCH_FRAME_Q + 320]
    \op q22, q23, [\base, #ARCH_FRAME_Q + 352]
    \op q24, q25, [\base, #ARCH_FRAME_Q + 384]
    \op q26, q27, [\base, #ARCH_FRAME_Q + 416]
    \op q28, q29, [\base, #ARCH_FRAME_Q + 448]
    \op q30, q31, [\base, #ARCH_FRAME_Q + 480]
.endm
