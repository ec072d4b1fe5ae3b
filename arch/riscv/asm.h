/* Assembly helpers of the RISC-V port. */
#pragma once
#include "arch/riscv/offsets.h"

/* For debuggers: .debug_frame, which is in no segment. The default, .eh_frame, is not linked. */
/* clang-format off */
    .cfi_sections .debug_frame
/* clang-format on */

#define FUNC(name)         \
    .balign 4;             \
    .globl name;           \
    .type name, @function; \
name:                      \
    .cfi_startproc
#define END(name) \
    .cfi_endproc; \
    .size name, .- name
