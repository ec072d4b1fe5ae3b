/*
 * boot: from the first C line to main, in the order of boot_first and boot_scheduler below.
 *
 * One hart comes from firmware, any of them (trap 25). It reads the device tree, takes over
 * memory, turns paging on, makes what each hart needs, starts the others, and waits until they say
 * that they are up, or for HARTS_WAIT_NS: a hart that firmware promises and does not deliver is
 * reported and left out. No hart enters the scheduler before all that will are known and numbered,
 * so nobody has to allow for one that is half there (trap 13).
 *
 *     first hart                         another
 *     ----------                         -------
 *     its M, stacks: all stores
 *     firmware starts it       ──────▶   paging on, own stack, own trap entry, own interrupts
 *     sees up (acquire)        ◀──────   up = true (release)
 *     numbers all, queues main
 *     go = true (release)      ──────▶   sees go (acquire), enters the scheduler
 *
 * Before paging there are no atomics: on Arm they need the caches, and here there is one hart only.
 */
#include "arch/arch.h"
#include "boot/args.h"
#include "boot/start.h"
#include "kernel/central.h"
#include "kernel/clock.h"
#include "kernel/console.h"
#include "kernel/irq.h"
#include "kernel/machine.h"
#include "kernel/page.h"
#include "kernel/power.h"
#include "kernel/size_class.h"
#include "kernel/span.h"
#include "kernel/vm.h"
#include "sched/gmp.h"
#include "sched/sched.h"

#define HARTS_WAIT_NS 2000000000
#define TREE_MAX      ((size_t)2 << 20) /* bytes of a device tree we are willing to read */

extern char __image_start[], __image_end[];

static struct machine machine;
static _Atomic bool go_ahead;

_Static_assert(START_PSCI_HVC == 2 && START_PSCI_SMC == 3 && START_SPIN_TABLE == 4,
               "the ports know enum start_method by number");

static _Noreturn void boot_fail(const char *why)
{
    kprintf("pinion: cannot boot: %s\n", why);
    power_off(2);
}

/* ---- the first hart, on the boot stack ---- */

static unsigned find_boot_hart(uint64_t hwid)
{
    for (unsigned i = 0; i < machine.n_harts; i++)
        if (machine.hart[i].id == hwid)
            return i;
    boot_fail("the hart that firmware started us on is not among the device tree's");
}

static void read_tree(const void *fdt)
{
    static char why[160];
    struct machine_console early;
    machine_parse_console(&early, fdt, TREE_MAX);
    console_init(&early, (uintptr_t)early.reg.base);
    if (machine_parse(&machine, fdt, TREE_MAX, ARCH_IS_RISCV ? MACHINE_RISCV : MACHINE_ARM64, why,
                      sizeof(why)) < 0)
        boot_fail(why);
    console_init(&machine.console, (uintptr_t)machine.console.reg.base);
    if (args_host_link(machine.bootargs))
        console_host_link();
    arch_firmware_init(machine.hart[0].start);
}

static void take_memory(void)
{
    page_init(&machine, (uintptr_t)__image_start, (uintptr_t)__image_end);
    vm_init(&machine);
    vm_enable();
    page_reserve(PAGE_RESERVE);
    if (machine.console.reg.size != 0)
        console_remap((uintptr_t)vm_map_device(machine.console.reg.base, machine.console.reg.size));
    else
        console_remap(0);
    if (machine.exit_dev.size != 0)
        power_init(vm_map_device(machine.exit_dev.base, machine.exit_dev.size));
}

/* What malloc stands on. */
static void make_heap(void)
{
    size_class_init();
    central_init();
    if (!span_init())
        boot_fail("not enough memory for the heap's tables");
}

static void make_harts(void)
{
    uint64_t hwid[MACHINE_MAX_HARTS];
    for (unsigned i = 0; i < machine.n_harts; i++)
        hwid[i] = machine.hart[i].id;
    if (sched_init(machine.n_harts, hwid, vm_root()) < 0)
        boot_fail("not enough memory for the harts' own structures");
}

static void report(unsigned self)
{
    uint64_t ram = 0;
    for (unsigned i = 0; i < machine.n_banks; i++)
        ram += machine.bank[i].size;
    kprintf("pinion: %s: %u harts, this is %u (id 0x%lx), %lu MiB\n", machine.model,
            machine.n_harts, self, (unsigned long)machine.hart[self].id,
            (unsigned long)(ram >> 20));
    kprintf("pinion: interrupts %s, IPIs %s, clock %lu Hz%s\n", irq_chip_name(), irq_ipi_name(),
            (unsigned long)clock_hz(), machine.sstc ? ", Sstc" : "");
    if (machine.harts_beyond > 0)
        kprintf("pinion: %u more harts are left idle: at most %d are used\n", machine.harts_beyond,
                MACHINE_MAX_HARTS);
}

/* ---- every hart, on its scheduler stack ---- */

static void init_this_hart(struct m *m)
{
    arch_hart_init(&m->hart);
    irq_init_hart(m->hart_no);
    arch_timer_init(machine.sstc); /* after it: the port may wait for this timer from here on */
}

/* ---- the first hart, on its scheduler stack ---- */

static void start_others(struct m *self)
{
    for (unsigned i = 0; i < machine.n_harts; i++) {
        struct m *m = sched_hart(i);
        if (m == self)
            continue;
        long error =
            arch_hart_start(&m->hart, (int)machine.hart[i].start, machine.hart[i].release_addr);
        if (error != 0)
            kprintf("pinion: firmware does not start hart %u (id 0x%lx): error %ld\n", i,
                    (unsigned long)m->hart.hwid, error);
    }
}

static uint64_t harts_up(void)
{
    uint64_t up = 0;
    for (unsigned i = 0; i < machine.n_harts; i++)
        /* O10: acquire pairs with the release in boot_later: its set-up is done. */
        if (atomic_load_explicit(&sched_hart(i)->up, memory_order_acquire))
            up |= UINT64_C(1) << i;
    return up;
}

static uint64_t wait_for_harts(void)
{
    uint64_t all = machine.n_harts == 64 ? UINT64_MAX : (UINT64_C(1) << machine.n_harts) - 1, up;
    int64_t until = clock_ns() + HARTS_WAIT_NS;
    for (unsigned n = 0; (up = harts_up()) != all && clock_ns() < until; n++)
        arch_relax(n);
    for (unsigned i = 0; i < machine.n_harts; i++)
        if ((up >> i & 1) == 0)
            kprintf("pinion: hart %u (id 0x%lx) did not come up; going on without it\n", i,
                    (unsigned long)machine.hart[i].id);
    return up;
}

static void boot_scheduler(void *unused, struct arch_hart *hart)
{
    (void)unused;
    struct m *self = (struct m *)hart;
    struct args args;
    init_this_hart(self);
    /* relaxed: this hart reads it itself. */
    atomic_store_explicit(&self->up, true, memory_order_relaxed);
    start_others(self);
    uint64_t up = wait_for_harts();
    args_parse(&args, machine.bootargs);
    sched_settle(up, args.gomaxprocs);
    sched_trace_every(args.schedtrace, args.scheddetail);
    if (args.traceback != NULL && !sched_traceback(args.traceback))
        kprintf("pinion: pinion.traceback=%s: none, single, all or system is wanted\n",
                args.traceback);
    sched_chaos(args.chaos);
    sched_tracing(&args.trace);
    if (args.leakcheck)
        sched_leakcheck(args.leakcheck_exit);
    if (args.memstats)
        sched_memstats_at_exit();
    sched_main(self, start_main, start_prepare(&args));
    sched_console(machine.console.irq, args.monitor);
    kprintf("pinion: %u harts up after %ld us\n", sched.n_m, (long)(clock_ns() / 1000));
    /* O10: release pairs with the acquire in boot_later: everything above is visible. */
    atomic_store_explicit(&go_ahead, true, memory_order_release);
    sched_start(self);
}

void boot_first(uint64_t hwid, const void *fdt)
{
    read_tree(fdt);
    clock_init(arch_ticks_hz(machine.timebase_hz));
    unsigned self = find_boot_hart(hwid);
    take_memory();
    make_heap();
    make_harts();
    irq_init(&machine);
    report(self);
    struct arch_hart *hart = &sched_hart(self)->hart;
    arch_hart_init(hart);
    arch_leave(NULL, hart, boot_scheduler);
}

void boot_later(struct arch_hart *hart)
{
    struct m *m = (struct m *)hart;
    init_this_hart(m);
    /* O10: release pairs with the acquire in harts_up. */
    atomic_store_explicit(&m->up, true, memory_order_release);
    /* O10: acquire pairs with the release in boot_scheduler. */
    for (unsigned n = 0; !atomic_load_explicit(&go_ahead, memory_order_acquire); n++)
        arch_relax(n);
    if (m->id >= sched.n_m || sched.m[m->id] != m)
        arch_halt(); /* we came too late and were left out */
    sched_start(m);
}
