/*
 * ram: a machine's memory for the tests of page, vm and stack.
 *
 * Anonymous memory at low, fixed addresses, so that "physical = identity-mapped address" holds on
 * the host. Below 2 GiB, where AddressSanitizer leaves room.
 */
#pragma once
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "arch/arch.h"
#include "kernel/console.h"
#include "kernel/machine.h"
#include "kernel/page.h"

#define RAM_BASE ((uintptr_t)0x10000000)
#define MIB      ((uintptr_t)1 << 20)
#define KIB      ((uintptr_t)1 << 10)

_Atomic unsigned long unit_tlb_fences, unit_tlb_shootdowns;
static void (*unit_on_shootdown)(void);

void arch_tlb_shootdown(uintptr_t va, size_t n)
{
    (void)va, (void)n;
    atomic_fetch_add(&unit_tlb_shootdowns, 1);
    if (unit_on_shootdown)
        unit_on_shootdown();
}

void arch_mmu_enable(uintptr_t root)
{
    (void)root;
}

static char unit_said[256]; /* the last message */

void kprintf(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(unit_said, sizeof unit_said, fmt, ap);
    va_end(ap);
}

static int ram_rubbish = 0xa5; /* what memory holds when the machine starts */

/* [RAM_BASE, RAM_BASE + size) is memory, full of rubbish up to `dirty`. */
static inline void ram_map(size_t size, size_t dirty)
{
    void *p = mmap((void *)RAM_BASE, size, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    if (p != (void *)RAM_BASE) {
        perror("mmap");
        exit(1);
    }
    memset(p, ram_rubbish, dirty);
}

static inline void bank_add(struct machine *m, uint64_t base, uint64_t size)
{
    m->bank[m->n_banks++] = (struct range){base, size};
}

static inline void reserved_add(struct machine *m, uint64_t base, uint64_t size)
{
    m->reserved[m->n_reserved++] = (struct range){base, size};
}

/* Repeatable, not good: xorshift. */
static inline uint64_t rnd(uint64_t *seed, uint64_t below)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed % below;
}

/* Does fn(arg) end the machine? */
static inline bool dies(void (*fn)(void *), void *arg)
{
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        signal(SIGILL, SIG_DFL);
        if (!freopen("/dev/null", "w", stderr))
            _exit(0);
        fn(arg);
        _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}
