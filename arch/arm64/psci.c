/*
 * psci: harts on and the power off, by firmware (Arm DEN 0022) or without.
 *
 * PSCI is reached by HVC or SMC, as the tree says. A hart started so comes to arm64_start_later
 * with its struct arch_hart in x0. Two kinds of hart cannot be told anything, only released: those
 * of a spin table, and those that came out of reset with us when we were entered at EL3, whatever
 * the tree says of PSCI: it means firmware that is not there. Both wait in the pen of start.S.
 */
#include "arch/arch.h"

#define PSCI_CPU_ON     0xc4000003
#define PSCI_SYSTEM_OFF 0x84000008
/* PSCI's own numbers for what goes wrong on our side of it. */
#define PSCI_NOT_SUPPORTED      (-1)
#define PSCI_INVALID_PARAMETERS (-2)
#define PSCI_ALREADY_ON         (-4)

struct pen_entry {
    uint64_t hwid;
    _Atomic(struct arch_hart *) hart;
};

/* start.S. */
extern unsigned arm64_level;
extern struct pen_entry arm64_pen[ARM64_PEN_SIZE];
extern char arm64_start_later[], arm64_pen_entry[];

static int conduit;

unsigned arm64_entry_level(void)
{
    return arm64_level;
}

/* x0 to x17 are the callee's (SMC Calling Convention 1.0, 2.6). */
static long psci_call(uint64_t function, uint64_t arg1, uint64_t arg2, uint64_t arg3)
{
    register uint64_t x0 __asm__("x0") = function;
    register uint64_t x1 __asm__("x1") = arg1;
    register uint64_t x2 __asm__("x2") = arg2;
    register uint64_t x3 __asm__("x3") = arg3;

    if (conduit == ARCH_START_PSCI_HVC && arm64_level == 1)
        __asm__ volatile("hvc #0"
                         : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)::"x4", "x5", "x6", "x7", "x8",
                           "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16", "x17", "memory");
    else if (conduit == ARCH_START_PSCI_SMC && arm64_level <= 2)
        __asm__ volatile("smc #0"
                         : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)::"x4", "x5", "x6", "x7", "x8",
                           "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16", "x17", "memory");
    else
        return PSCI_NOT_SUPPORTED; /* HVC would reach our own empty EL2, SMC our own EL3 */
    return (int)x0;                /* results are 32 bits, sign included */
}

void arch_firmware_init(int method)
{
    conduit = method;
}

/* The boot hart alone calls this, before others can. */
static long pen_add(struct arch_hart *h)
{
    for (int i = 0; i < ARM64_PEN_SIZE; i++) {
        struct pen_entry *e = &arm64_pen[i];
        /* relaxed: we alone write the pen. */
        if (atomic_load_explicit(&e->hart, memory_order_relaxed) != NULL) {
            if (e->hwid == h->hwid)
                return PSCI_ALREADY_ON;
            continue;
        }
        e->hwid = h->hwid;
        /* O10: release pairs with the dmb in arm64_pen_entry: the id is there first. */
        atomic_store_explicit(&e->hart, h, memory_order_release);
        arm64_cache_clean(e, sizeof(*e));
        return 0;
    }
    return PSCI_INVALID_PARAMETERS;
}

long arch_hart_start(struct arch_hart *h, int method, uint64_t release_addr)
{
    long error;

    /* Read with the caches off. */
    arm64_cache_clean(h, sizeof(*h));
    if (arm64_level == 3) {
        error = pen_add(h);
    } else if (method == ARCH_START_SPIN_TABLE && release_addr != 0) {
        error = pen_add(h);
        if (error == 0) {
            *(volatile uint64_t *)release_addr = (uintptr_t)arm64_pen_entry;
            arm64_cache_clean((const void *)release_addr, 8);
        }
    } else {
        conduit = method;
        return psci_call(PSCI_CPU_ON, h->hwid, (uintptr_t)arm64_start_later, (uintptr_t)h);
    }
    __asm__ volatile("dsb sy\n\tsev" ::: "memory");
    return error;
}

/* Returns where there is no firmware. The reason for stopping has no place in PSCI. */
void arch_firmware_off(bool failed)
{
    (void)failed;
    psci_call(PSCI_SYSTEM_OFF, 0, 0, 0);
}

/* The GIC interrupts harts, and there is no console in PSCI. */
void arch_firmware_ipi(uint64_t hwid)
{
    (void)hwid;
}

void arch_firmware_putc(int c)
{
    (void)c;
}

int arch_firmware_getc(void)
{
    return -1;
}

void arch_halt(void)
{
    for (;;)
        __asm__ volatile("msr daifset, #0xf\n\tdsb sy\n\twfi" ::: "memory");
}

__attribute__((noinline, noclone)) uintptr_t arch_semihost(uintptr_t call, const uintptr_t *args)
{
    register uintptr_t x0 __asm__("x0") = call;
    register const uintptr_t *x1 __asm__("x1") = args;
    __asm__ volatile(".globl arm64_semihost_hlt\n"
                     "arm64_semihost_hlt: hlt #0xf000"
                     : "+r"(x0)
                     : "r"(x1)
                     : "memory");
    return x0;
}
