/*
 * tp: the gs base, and what lies there.
 */
#include <sys/auxv.h>
#include "arch/host/thread.h"

#define HWCAP2_GS 2 /* AT_HWCAP2: programs may write the gs base */

extern char host_tls_span[]; /* linker: an absolute symbol, bytes from tp to the gs base */

const char *host_lacks(void)
{
    if ((getauxval(AT_HWCAP2) & HWCAP2_GS) == 0)
        return "it takes a processor and a Linux (5.9 or newer) that let programs write the gs "
               "base";
    if (getauxval(AT_MINSIGSTKSZ) > ARCH_FRAME_ROOM)
        return "this processor has more registers than a goroutine's stack has room for";
    return NULL;
}

static uintptr_t gs_of(uintptr_t tp)
{
    return tp + (uintptr_t)host_tls_span;
}

void host_tp_init(uintptr_t tp)
{
    uintptr_t *tail = (uintptr_t *)gs_of(tp);
    tail[0] = (uintptr_t)tail;
    tail[HOST_TAIL_TP / 8] = tp;
}

void host_set_tp(uintptr_t tp)
{
    __asm__ volatile("wrgsbase %0" ::"r"(gs_of(tp)) : "memory");
}
