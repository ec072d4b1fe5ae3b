/* Assembly helpers of the host port. */
#pragma once
#include "arch/host/offsets.h"

#define FUNC(name)         \
    .balign 16;            \
    .globl name;           \
    .type name, @function; \
name:                      \
    .cfi_startproc
#define END(name) \
    .cfi_endproc; \
    .size name, .- name
