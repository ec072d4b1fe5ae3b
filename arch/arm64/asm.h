/* Assembly helpers of the AArch64 port. */
#pragma once
#include "arch/arm64/offsets.h"

/* clang-format off */
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
