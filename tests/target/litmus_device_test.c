/*
 * litmus_device_test: shapes of which one part is not an ordinary access: the interrupt of another
 * hart, and a page table.
 *
 * The second hart has its interrupts masked and its timer off meanwhile and takes what comes by
 * looking. What it takes may be the scheduler's own: it sends itself another before it lets
 * interrupts through again. Cells in which the scheduler has sent any do not count. In these shapes
 * each cell is begun when the one before is over for both, or an interrupt would be taken for another.
 */
#include "kernel/irq.h"
#include "kernel/page.h"
#include "kernel/vm.h"
#include "litmus.h"

#define A(hart) (c->saw[hart].a)
#define B(hart) (c->saw[hart].b)
#define LOST    (10 * SECOND) /* after which an interrupt does not come any more */

static unsigned receiver; /* the hart that the second of the two runs on */
/* Cells that the second has prepared, that the first has begun, that it is done with. */
static word ready, begun, over;

/* Takes an interrupt from another hart, as the scheduler does after a wait; was there one? */
static bool take_ipi(void)
{
#if defined(__riscv)
    uintptr_t pending;
    __asm__ volatile("csrr %0, sip" : "=r"(pending)::"memory");
    irq_software();
    return (pending & 2) != 0;
#else
    return irq_poll(receiver) == IRQ_IPI;
#endif
}

static uint64_t ipis_of_the_scheduler(void)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < sched.n_m; i++)
        n += *(volatile uint64_t *)&sched.m[i]->ipis_sent;
    return n;
}

static void mask(unsigned self)
{
    if (self != 1)
        return;
    receiver = (unsigned)runtime_hart(); /* and stays: preemption is off */
    /* relaxed, all: litmus_meet follows. */
    store_relaxed(&ready, 0);
    store_relaxed(&begun, 0);
    store_relaxed(&over, 0);
    arch_irq_disable();
    arch_timer_set(UINT64_MAX);
}

static void unmask(unsigned self)
{
    if (self != 1)
        return;
    irq_send_ipi(receiver);
    arch_timer_set(arch_ticks());
    arch_irq_enable();
}

static void wait_for(word *count, uint32_t n)
{
    /* order: acquire: what the other did in the cells before. */
    for (unsigned i = 0; load_acquire(count) < n; i++)
        arch_relax(i / 64);
}

/* The first waits for the second's preparations, then the second for the first's beginning, so that
 * from there on both are awake if ever the host lets them. */
static void begin_first(uint32_t cell)
{
    wait_for(&ready, cell + 1);
    store_release(&begun, cell + 1); /* order: for wait_for */
    for (uint32_t n = cell % 64; n > 0; n--)
        __asm__ volatile("");
}

static void begin_second(uint32_t cell)
{
    store_release(&ready, cell + 1); /* order: for wait_for */
    wait_for(&begun, cell + 1);
}

static uint32_t number(const struct cell *c)
{
    return (uint32_t)(c - lit.cell);
}

/* ---- who takes the interrupt sees what was stored before it was sent ---- */

static void send(struct cell *c)
{
    begin_first(number(c));
    store_relaxed(&c->x, 1); /* relaxed: the barrier in irq_send_ipi is what we look at */
    irq_send_ipi(receiver);
    store_release(&over, number(c) + 1); /* order: for wait_for */
}

static void receive(struct cell *c)
{
    wait_for(&over, number(c));
    while (take_ipi())
        continue;
    uint64_t before = ipis_of_the_scheduler();
    begin_second(number(c));
    uint32_t looks = number(c) % 64;
    while (!(A(1) = take_ipi()) && looks-- > 0)
        continue;
    B(1) = (uint8_t)load_relaxed(&c->x); /* relaxed: the barrier behind the acknowledgement */
    if (ipis_of_the_scheduler() != before)
        A(1) = 0;
}

static bool interrupt_before_data(const struct cell *c)
{
    return A(1) == 1 && B(1) == 0;
}

/* ---- an interrupt that is acknowledged unseen is seen by the look that follows, or comes again ---- */

static bool comes_yet(void)
{
    int64_t until = time_now() + LOST;
    while (time_now() < until)
        if (take_ipi())
            return true;
    return false;
}

static void acknowledge_and_look(struct cell *c)
{
    wait_for(&over, number(c));
    while (take_ipi())
        continue;
    begin_second(number(c));
    for (uint32_t n = number(c) / 64 * 64; n > 0; n--)
        __asm__ volatile("");
    take_ipi();
    A(1) = (uint8_t)load_relaxed(&c->x); /* relaxed: as in receive */
    wait_for(&over, number(c) + 1);
    B(1) = A(1) == 0 && comes_yet();
}

static bool lost(const struct cell *c)
{
    return A(1) == 0 && B(1) == 0;
}

/* ---- who finds a page in the table finds what was written to it, and no table half made ---- */

#define FAR_APART ((uintptr_t)2 << 20) /* a table of its own for each */

static uintptr_t address(const struct cell *c)
{
    return VM_STACKS + VM_STACKS_SIZE - (number(c) + 1) * FAR_APART;
}

/* Takes away what the last cells have left, tables too. */
static void unmap(unsigned self)
{
    static void *page[CELLS], *table[CELLS];
    if (self != 0)
        return;
    for (unsigned i = 0; i < CELLS; i++) {
        page[i] = vm_unmap_page(address(&lit.cell[i]));
        table[i] = vm_unmap_table(address(&lit.cell[i]), 1);
    }
    vm_flush_all();
    for (unsigned i = 0; i < CELLS && page[i] != NULL; i++) {
        page_free(page[i]);
        page_free(table[i]);
    }
}

static void map(struct cell *c)
{
    uint32_t *page = page_alloc();
    CHECK(page != NULL);
    page_zero(page);
    *page = 1;
    CHECK(vm_map_page(address(c), page, VM_READ) == VM_MAPPED);
}

static void look_up(struct cell *c)
{
    for (uint32_t looks = number(c) * 64 % 4096; A(1) == 0 && looks > 0; looks--) {
        volatile uint32_t *page = vm_lookup(address(c));
        A(1) = page != NULL;
        B(1) = page != NULL ? (uint8_t)*page : 0;
    }
}

static bool page_before_data(const struct cell *c)
{
    return A(1) == 1 && B(1) != 1;
}

static void an_interrupt_comes_after_what_was_stored_before_it(void)
{
    static const struct shape mp = {
        "MP+ipi", 2, false, true, {send, receive}, interrupt_before_data, mask, unmask};
    litmus(&mp);
}

static void an_interrupt_is_not_acknowledged_and_overlooked(void)
{
    static const struct shape sb = {"SB+ack", 2,    false, true, {send, acknowledge_and_look},
                                    lost,     mask, unmask};
    litmus(&sb);
}

static void a_page_in_the_table_is_filled(void)
{
    static const struct shape pte = {"MP+page",        2,     false, false, {map, look_up},
                                     page_before_data, unmap, NULL};
    litmus(&pte);
    unmap(0);
}

int main(void)
{
    RUN(an_interrupt_comes_after_what_was_stored_before_it);
    RUN(an_interrupt_is_not_acknowledged_and_overlooked);
    RUN(a_page_in_the_table_is_filled);
    return 0;
}
