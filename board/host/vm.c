/*
 * vm: Linux's business. Stacks come from stack.c, wholly mapped as far as this process can tell.
 */
#include "kernel/vm.h"

void vm_init(const struct machine *m)
{
    (void)m;
}

void vm_enable(void)
{
}

uintptr_t vm_root(void)
{
    return 0;
}

void *vm_map_device(uint64_t pa, size_t size)
{
    (void)pa, (void)size;
    return NULL;
}

void *vm_lookup(uintptr_t va)
{
    (void)va;
    return NULL;
}

bool vm_page_there(uintptr_t va)
{
    (void)va;
    return true;
}
