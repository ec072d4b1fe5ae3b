/* Assembly helpers of the RISC-V port. */
#pragma once
#include "arch/riscv/offsets.h"

/* For debuggers: .debug_frame, which is in no segment. The default, .eh_frame, is not linked. */
    .cfi_sections .debug_frame

#define FUNC(name)         \
    .balign 4;             \
    .globl name;           \
    .type name, @function; \
name:                      \
    .cfi_startproc
#define END(name) \
    .cfi_endproc; \
    .size name, .- name
