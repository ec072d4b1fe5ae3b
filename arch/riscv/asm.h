/* Assembly helpers of the RISC-V port. */
#pragma once
#include "arch/riscv/offsets.h"

#define FUNC(name)         \
    .balign 4;             \
    .globl name;           \
    .type name, @function; \
name:                      \
    .cfi_startproc
#define END(name) \
    .cfi_endproc; \
    .size name, .- name
