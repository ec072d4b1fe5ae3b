/*
 * Numbers that both C and assembly of the host port need. port.h asserts each offset against its
 * struct; arch/arch.h has those of struct arch_hart and of a goroutine. What hangs on the instruction
 * set is in the file that is included here.
 */
#pragma once
#include "arch/offsets.h"
#if defined(__x86_64__)
#include "arch/host/x86_64/offsets.h"
#elif defined(__aarch64__)
#include "arch/host/aarch64/offsets.h"
#else
#error "the host port knows x86-64 and aarch64"
#endif

/* struct host_thread, each thread's own: host_self. */
#define HOST_MASKED   0
#define HOST_PENDING  4
#define HOST_ERROR_AT 8
#define HOST_TP       16

/* Bits of host_thread.pending. */
#define HOST_PENDING_LOOK 1 /* a signal came that was not taken: is the timer due? */
#define HOST_PENDING_IPI  2

/* No page tables of ours; an address that no program has (kernel/vm.h lays windows out from here). */
#define ARCH_VM_HIGH 0xffffffc000000000

/* Which bindings a device tree would speak; there is none. */
#define ARCH_IS_RISCV 0
