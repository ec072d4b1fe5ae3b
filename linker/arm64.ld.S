/* AArch64. The image starts with a Linux Image header (start.S), which firmware looks for. */
OUTPUT_ARCH(aarch64)
#define SMALL_DATA
#include "linker/sections.h"
