/*
 * tp: the thread pointer is a word of the thread.
 */
#include <linux/prctl.h>
#include <sys/syscall.h>
#include "arch/host/thread.h"

const char *host_lacks(void)
{
    long sve = host_call(SYS_prctl, PR_SVE_GET_VL, 0, 0, 0); /* negative: there is none */
    if (sve >= 0 && (sve & PR_SVE_VL_LEN_MASK) > HOST_SVE_MAX)
        return "this processor has longer vectors than a goroutine's stack has room for";
    return NULL;
}

void host_tp_init(uintptr_t tp)
{
    (void)tp;
}

void host_set_tp(uintptr_t tp)
{
    host_self.tp = tp;
}
