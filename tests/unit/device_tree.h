/*
 * device_tree: trees made node by node, for the tests of machine_parse(): each holds only what its test
 * is about.
 *
 * A parse gets a copy in a block of exactly its size, so that the address sanitizer sees a read of one
 * byte too many.
 */
#pragma once
#include <libfdt.h>
#include <stdlib.h>
#include "kernel/machine.h"
#include "tests/unit/unit.h"

static char work[1 << 18] __attribute__((aligned(8)));
static void *tree; /* the copy that was parsed last */
static size_t tree_size;
static struct machine m;
static char err[200];

#define INTC(id) (1000u + (id)) /* phandle of a hart's own interrupt controller */
#define PLIC     500u
#define APLIC    501u
#define GIC      502u
#define OTHER    503u
#define CELLS(name, ...) \
    put_cells(name, (uint32_t[]){__VA_ARGS__}, sizeof((uint32_t[]){__VA_ARGS__}))

static inline void must(int error)
{
    if (error) {
        printf("FAIL %s: making the tree: %s\n", unit_name, fdt_strerror(error));
        exit(1);
    }
}

static inline void put_cells(const char *name, const uint32_t *cell, size_t bytes)
{
    fdt32_t *p;
    must(fdt_property_placeholder(work, name, (int)bytes, (void **)&p));
    for (size_t i = 0; i < bytes / 4; i++)
        p[i] = cpu_to_fdt32(cell[i]);
}

static inline void put_text(const char *name, const char *text)
{
    must(fdt_property_string(work, name, text));
}

static inline void put_bytes(const char *name, const void *bytes, size_t n)
{
    must(fdt_property(work, name, bytes, (int)n));
}

static inline void put_empty(const char *name)
{
    put_bytes(name, "", 0);
}

static inline void node(const char *name)
{
    must(fdt_begin_node(work, name));
}

static inline void end(void)
{
    must(fdt_end_node(work));
}

static inline void cells(uint32_t address, uint32_t size)
{
    CELLS("#address-cells", address);
    CELLS("#size-cells", size);
}

static inline void start_tree(void)
{
    must(fdt_create(work, sizeof work));
}

static inline void start_root(uint32_t address, uint32_t size)
{
    must(fdt_finish_reservemap(work));
    node("");
    cells(address, size);
}

static inline void start(void)
{
    start_tree();
    start_root(2, 2);
}

static inline void finish(void)
{
    end();
    must(fdt_finish(work));
    tree_size = fdt_totalsize(work);
    free(tree);
    tree = malloc(tree_size);
    memcpy(tree, work, tree_size);
}

static inline int parse(enum machine_arch arch)
{
    finish();
    memset(&m, 0xa5, sizeof m);
    return machine_parse(&m, tree, tree_size, arch, err, sizeof err);
}

#define PARSE(arch)               \
    do {                          \
        CHECK_EQ(parse(arch), 0); \
        CHECK_STR(err, "");       \
    } while (0)

#define REFUSE(arch, sentence)     \
    do {                           \
        CHECK_EQ(parse(arch), -1); \
        CHECK_STR(err, sentence);  \
    } while (0)

static inline void memory(void)
{
    node("memory@80000000");
    put_text("device_type", "memory");
    CELLS("reg", 0, 0x80000000, 0, 0x10000000);
    end();
}

static inline void cpus(void)
{
    node("cpus");
    cells(1, 0);
    CELLS("timebase-frequency", 10000000);
}

/* Begins the node of a hart. */
static inline void any_cpu(uint32_t id)
{
    char name[32];
    snprintf(name, sizeof name, "cpu@%x", id);
    node(name);
    put_text("device_type", "cpu");
    CELLS("reg", id);
}

static inline void cpu(uint32_t id, const char *isa, const char *mmu, const char *status)
{
    any_cpu(id);
    if (isa)
        put_text("riscv,isa", isa);
    if (mmu)
        put_text("mmu-type", mmu);
    if (status)
        put_text("status", status);
    node("interrupt-controller");
    put_text("compatible", "riscv,cpu-intc");
    CELLS("#interrupt-cells", 1);
    CELLS("phandle", INTC(id));
    end();
    end();
}

static inline void good_cpu(uint32_t id)
{
    cpu(id, "rv64imafdc_zicsr_zifencei_sstc", "riscv,sv39", "okay");
}

static inline void good_cpus(uint32_t from, uint32_t to)
{
    cpus();
    for (uint32_t id = from; id <= to; id++)
        good_cpu(id);
    end();
}

/* A RISC-V machine of harts 0 … n-1; what the test is about comes behind. */
static inline void riscv(uint32_t n)
{
    start();
    memory();
    good_cpus(0, n - 1);
}

static inline void soc(void)
{
    node("soc");
    cells(2, 2);
    put_empty("ranges");
}

static inline void device(const char *name, const char *compatible, uint32_t base, uint32_t size)
{
    node(name);
    put_text("compatible", compatible);
    CELLS("reg", 0, base, 0, size);
}

/* For each of n harts from first: its machine-mode and its supervisor's cause. */
static inline void wires(uint32_t first, uint32_t n, uint32_t machine_cause, uint32_t cause)
{
    uint32_t list[400], at = 0;
    for (uint32_t id = first; id < first + n; id++) {
        if (machine_cause) {
            list[at++] = INTC(id);
            list[at++] = machine_cause;
        }
        list[at++] = INTC(id);
        list[at++] = cause;
    }
    put_cells("interrupts-extended", list, at * 4);
}

static inline void plic(uint32_t n, uint32_t size)
{
    device("plic@c000000", "sifive,plic-1.0.0", 0xc000000, size);
    CELLS("riscv,ndev", 96);
    CELLS("phandle", PLIC);
    CELLS("#interrupt-cells", 1);
    wires(0, n, 11, 9);
    end();
}

/* Begins the node of one that sends messages to the node with that handle. */
static inline void aplic(uint32_t base, uint32_t to)
{
    char name[32];
    snprintf(name, sizeof name, "aplic@%x", base);
    device(name, "riscv,aplic", base, 0x8000);
    CELLS("msi-parent", to);
    CELLS("riscv,num-sources", 96);
}

static inline void uart(void)
{
    device("serial@10000000", "ns16550a", 0x10000000, 0x100);
    CELLS("interrupts", 10);
    CELLS("interrupt-parent", PLIC);
    end();
}

static inline void chosen(const char *stdout_path)
{
    node("chosen");
    put_text("stdout-path", stdout_path);
    end();
}

static inline void aliases(const char *name, const char *path)
{
    node("aliases");
    put_text(name, path);
    end();
}

/* Arm. */

static inline void arm_cpu(uint32_t id, const char *method)
{
    any_cpu(id);
    if (method)
        put_text("enable-method", method);
}

static inline void psci(const char *compatible, const char *method)
{
    node("psci");
    put_text("compatible", compatible);
    put_text("method", method);
    end();
}

static inline void arm(unsigned n)
{
    start();
    CELLS("interrupt-parent", GIC);
    memory();
    psci("arm,psci-1.0", "hvc");
    node("cpus");
    cells(1, 0);
    for (uint32_t id = 0; id < n; id++) {
        arm_cpu(id, "psci");
        end();
    }
    end();
}

static inline void gicv2(void)
{
    node("intc@8000000");
    put_text("compatible", "arm,cortex-a15-gic");
    CELLS("reg", 0, 0x8000000, 0, 0x10000, 0, 0x8010000, 0, 0x10000);
    CELLS("#interrupt-cells", 3);
    CELLS("phandle", GIC);
    end();
}

static inline void pl011(void)
{
    device("pl011@9000000", "arm,pl011", 0x9000000, 0x1000);
    CELLS("interrupts", 0, 1, 4);
    end();
}

/* A tree with some of everything, for the tests that break it. */

static inline void whole_riscv(void)
{
    start_tree();
    must(fdt_add_reservemap_entry(work, 0x80000000, 0x40000));
    start_root(2, 2);
    put_text("model", "a board");
    node("chosen");
    put_text("bootargs", "pinion.host=1");
    put_text("stdout-path", "serial0:115200n8");
    CELLS("linux,initrd-start", 0x88000000);
    CELLS("linux,initrd-end", 0x88100000);
    end();
    aliases("serial0", "/soc/serial@10000000");
    memory();
    node("reserved-memory");
    cells(2, 2);
    put_empty("ranges");
    node("mmode@80000000");
    CELLS("reg", 0, 0x80000000, 0, 0x80000);
    end();
    end();
    cpus();
    cpu(0, "rv64imac", NULL, "okay");
    good_cpu(1);
    good_cpu(2);
    end();
    soc();
    plic(3, 0x600000);
    uart();
    device("sswi@2f00000", "riscv,aclint-sswi", 0x2f00000, 0x4000);
    wires(0, 3, 0, 1);
    end();
    device("test@100000", "sifive,test1", 0x100000, 0x1000);
    end();
    aplic(0xd000000, 77);
    end();
    device("imsics@28000000", "riscv,imsics", 0x28000000, 0x3000);
    CELLS("riscv,num-ids", 255);
    CELLS("phandle", 77);
    wires(0, 3, 0, 9);
    end();
    end();
}

static inline void whole_arm(void)
{
    arm(2);
    node("cpu-map");
    end();
    gicv2();
    node("timer");
    put_text("compatible", "arm,armv8-timer");
    CELLS("interrupts", 1, 13, 4, 1, 14, 4, 1, 11, 4, 1, 10, 4);
    end();
    node("bus");
    cells(1, 1);
    CELLS("ranges", 0, 0, 0x9000000, 0x1000000);
    node("uart@0");
    put_text("compatible", "arm,pl011");
    CELLS("reg", 0, 0x1000);
    CELLS("interrupts-extended", GIC, 0, 1, 4);
    end();
    end();
    node("gic@a000000");
    put_text("compatible", "arm,gic-v3");
    CELLS("reg", 0, 0xa000000, 0, 0x10000, 0, 0xa0a0000, 0, 0xf60000);
    CELLS("#redistributor-regions", 1);
    CELLS("redistributor-stride", 0, 0x20000);
    end();
    chosen("/bus/uart@0:115200");
}

/* Has the machine this range among what is reserved? */
static inline bool reserved(uint64_t base, uint64_t size)
{
    for (unsigned i = 0; i < m.n_reserved; i++)
        if (m.reserved[i].base <= base && m.reserved[i].base + m.reserved[i].size >= base + size)
            return true;
    return false;
}
