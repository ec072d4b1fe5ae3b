/*
 * outfile: Arm's semihosting calls, which RISC-V took over: SYS_OPEN, SYS_WRITE, SYS_CLOSE. Each takes
 * the address of a block of arguments.
 */
#include "kernel/outfile.h"
#include <stdint.h>
#include <string.h>
#include "arch/arch.h"

enum { SYS_OPEN = 1, SYS_CLOSE = 2, SYS_WRITE = 5 };
#define MODE_WB 5 /* fopen's "wb" */

static uintptr_t handle;

bool outfile_open(const char *path)
{
    uintptr_t args[] = {(uintptr_t)path, MODE_WB, strlen(path)};
    handle = arch_semihost(SYS_OPEN, args);
    return handle != UINTPTR_MAX;
}

bool outfile_write(const void *data, size_t n)
{
    uintptr_t args[] = {handle, (uintptr_t)data, n};
    return n == 0 || arch_semihost(SYS_WRITE, args) == 0; /* it says how much is left */
}

bool outfile_close(void)
{
    uintptr_t args[] = {handle};
    return arch_semihost(SYS_CLOSE, args) == 0;
}
