/*
 * sbi: the calls to firmware that this port uses (RISC-V SBI specification 1.0).
 *
 * Needed: HSM to start harts; TIME unless the hart has Sstc; IPI unless the tree offers SSWI or an
 * IMSIC; RFENCE for shootdowns. SRST powers off; the legacy calls are the console of last resort
 * and the power switch of firmware without SRST. All are of version 0.2 or later but the legacy
 * ones, which every firmware still answers.
 */
#include "arch/arch.h"

#define EXT_LEGACY_PUTCHAR  1
#define EXT_LEGACY_GETCHAR  2
#define EXT_LEGACY_SHUTDOWN 8
#define EXT_TIME            0x54494d45
#define EXT_IPI             0x735049
#define EXT_RFENCE          0x52464e43
#define EXT_HSM             0x48534d
#define EXT_SRST            0x53525354

#define RFENCE_SFENCE_VMA   1
#define HSM_HART_START      0
#define SRST_RESET          0
#define SRST_TYPE_SHUTDOWN  0
#define SRST_REASON_FAILURE 1

bool riscv_has_sstc;

struct sbi_ret {
    long error, value;
};

static struct sbi_ret sbi_call(long ext, long fid, uintptr_t arg0, uintptr_t arg1, uintptr_t arg2,
                               uintptr_t arg3)
{
    register uintptr_t a0 __asm__("a0") = arg0;
    register uintptr_t a1 __asm__("a1") = arg1;
    register uintptr_t a2 __asm__("a2") = arg2;
    register uintptr_t a3 __asm__("a3") = arg3;
    register long a6 __asm__("a6") = fid;
    register long a7 __asm__("a7") = ext;
    __asm__ volatile("ecall" : "+r"(a0), "+r"(a1) : "r"(a2), "r"(a3), "r"(a6), "r"(a7) : "memory");
    return (struct sbi_ret){(long)a0, (long)a1};
}

/* There is one way into firmware, ecall. */
void arch_firmware_init(int method)
{
    (void)method;
}

void riscv_sbi_set_timer(uint64_t ticks)
{
    struct arch_hart *hart = riscv_this_hart();
    if (hart != NULL)
        hart->nap = ticks; /* nobody could ask the firmware for it */
    sbi_call(EXT_TIME, 0, ticks, 0, 0, 0);
}

void arch_firmware_ipi(uint64_t hwid)
{
    /* A mask of one hart whose base is the hart itself: no limit on its number. */
    sbi_call(EXT_IPI, 0, 1, hwid, 0, 0);
}

/* The harts that were started, the last one first; start.S looks here for its own. */
struct arch_hart *_Atomic riscv_started;

long arch_hart_start(struct arch_hart *h, int method, uint64_t release_addr)
{
    extern char riscv_start_later[];
    (void)method, (void)release_addr;
    /* relaxed: one hart starts all others. */
    h->next = atomic_load_explicit(&riscv_started, memory_order_relaxed);
    /* O10: release pairs with the fence in riscv_start_later: all of *h and what it leads to. */
    atomic_store_explicit(&riscv_started, h, memory_order_release);
    return sbi_call(EXT_HSM, HSM_HART_START, h->hwid, (uintptr_t)riscv_start_later, (uintptr_t)h, 0)
        .error;
}

void arch_firmware_putc(int c)
{
    sbi_call(EXT_LEGACY_PUTCHAR, 0, (uintptr_t)c, 0, 0, 0);
}

int arch_firmware_getc(void)
{
    return (int)sbi_call(EXT_LEGACY_GETCHAR, 0, 0, 0, 0, 0).error;
}

void arch_firmware_off(bool failed)
{
    sbi_call(EXT_SRST, SRST_RESET, SRST_TYPE_SHUTDOWN, failed ? SRST_REASON_FAILURE : 0, 0, 0);
    sbi_call(EXT_LEGACY_SHUTDOWN, 0, 0, 0, 0, 0);
}

void arch_halt(void)
{
    arch_irq_disable();
    for (;;)
        arch_wait();
}

void arch_tlb_shootdown(uintptr_t va, size_t n)
{
    __asm__ volatile("sfence.vma" ::: "memory");
    /* Base -1: every hart, the mask is not looked at. */
    sbi_call(EXT_RFENCE, RFENCE_SFENCE_VMA, 0, (uintptr_t)-1, va, n);
}

void arch_mmu_enable(uintptr_t root)
{
    __asm__ volatile("sfence.vma\n\tcsrw satp, %0\n\tsfence.vma" ::"r"(PTE_ROOT_SV39 | root >> 12)
                     : "memory");
}

void arch_timer_init(bool has_sstc)
{
    riscv_has_sstc = has_sstc;
    arch_timer_set(UINT64_MAX);
    __asm__ volatile("csrw sie, %0" ::"r"(SIE_SSIE | SIE_STIE | SIE_SEIE));
}

/* The three instructions are the request; none may be a short one, nor lie in another page. */
__attribute__((noinline, noclone)) uintptr_t arch_semihost(uintptr_t call, const uintptr_t *args)
{
    register uintptr_t a0 __asm__("a0") = call;
    register const uintptr_t *a1 __asm__("a1") = args;
    __asm__ volatile(".option push; .option norvc; .balign 16\n"
                     "slli x0, x0, 0x1f\n"
                     ".globl riscv_semihost_break\n"
                     "riscv_semihost_break: ebreak\n"
                     "srai x0, x0, 7\n"
                     ".option pop"
                     : "+r"(a0)
                     : "r"(a1)
                     : "memory");
    return a0;
}
