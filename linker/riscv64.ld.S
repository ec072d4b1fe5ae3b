/*
 * RISC-V 64. Variables of up to 8 bytes lie together around the global pointer, which start.S
 * loads, so that one instruction reaches each of them.
 */
OUTPUT_ARCH(riscv)
#define SMALL_DATA *(.sdata .sdata.* .gnu.linkonce.s.*) *(.sbss .sbss.* .gnu.linkonce.sb.* .scommon)
#include "linker/sections.h"
__global_pointer$ = __small_data + 0x800;
