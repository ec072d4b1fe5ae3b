// with: kernel/machine.c kernel/machine_hart.c kernel/machine_irq.c kernel/machine_console.c kernel/tree.c libfdt
/*
 * machine_test: machine_parse() on trees that are good, odd, or not trees at all.
 *
 * The trees are made here, node by node, and hold only what the test is about. Each parse gets a copy
 * in a block of exactly its size, so that the address sanitizer sees a read of one byte too many.
 */
#include <libfdt.h>
#include <stdlib.h>
#include "kernel/machine.h"
#include "tests/unit/unit.h"

/* Making trees. */

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

static void must(int error)
{
    if (error) {
        printf("FAIL %s: making the tree: %s\n", unit_name, fdt_strerror(error));
        exit(1);
    }
}

static void put_cells(const char *name, const uint32_t *cell, size_t bytes)
{
    fdt32_t *p;
    must(fdt_property_placeholder(work, name, (int)bytes, (void **)&p));
    for (size_t i = 0; i < bytes / 4; i++)
        p[i] = cpu_to_fdt32(cell[i]);
}

static void put_text(const char *name, const char *text)
{
    must(fdt_property_string(work, name, text));
}

static void put_bytes(const char *name, const void *bytes, size_t n)
{
    must(fdt_property(work, name, bytes, (int)n));
}

static void put_empty(const char *name)
{
    put_bytes(name, "", 0);
}

static void node(const char *name)
{
    must(fdt_begin_node(work, name));
}

static void end(void)
{
    must(fdt_end_node(work));
}

static void cells(uint32_t address, uint32_t size)
{
    CELLS("#address-cells", address);
    CELLS("#size-cells", size);
}

static void start_tree(void)
{
    must(fdt_create(work, sizeof work));
}

static void start_root(uint32_t address, uint32_t size)
{
    must(fdt_finish_reservemap(work));
    node("");
    cells(address, size);
}

static void start(void)
{
    start_tree();
    start_root(2, 2);
}

static void finish(void)
{
    end();
    must(fdt_finish(work));
    tree_size = fdt_totalsize(work);
    free(tree);
    tree = malloc(tree_size);
    memcpy(tree, work, tree_size);
}

static int parse(enum machine_arch arch)
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

static void memory(void)
{
    node("memory@80000000");
    put_text("device_type", "memory");
    CELLS("reg", 0, 0x80000000, 0, 0x10000000);
    end();
}

static void cpus(void)
{
    node("cpus");
    cells(1, 0);
    CELLS("timebase-frequency", 10000000);
}

static void cpu(uint32_t id, const char *isa, const char *mmu, const char *status)
{
    char name[32];
    snprintf(name, sizeof name, "cpu@%x", id);
    node(name);
    put_text("device_type", "cpu");
    CELLS("reg", id);
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

static void good_cpu(uint32_t id)
{
    cpu(id, "rv64imafdc_zicsr_zifencei_sstc", "riscv,sv39", "okay");
}

static void good_cpus(uint32_t from, uint32_t to)
{
    cpus();
    for (uint32_t id = from; id <= to; id++)
        good_cpu(id);
    end();
}

/* A RISC-V machine of harts 0 … n-1; what the test is about comes behind. */
static void riscv(uint32_t n)
{
    start();
    memory();
    good_cpus(0, n - 1);
}

static void soc(void)
{
    node("soc");
    cells(2, 2);
    put_empty("ranges");
}

static void device(const char *name, const char *compatible, uint32_t base, uint32_t size)
{
    node(name);
    put_text("compatible", compatible);
    CELLS("reg", 0, base, 0, size);
}

/* For each of n harts from first: its machine-mode and its supervisor's cause. */
static void wires(uint32_t first, uint32_t n, uint32_t machine_cause, uint32_t cause)
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

static void plic(uint32_t n, uint32_t size)
{
    device("plic@c000000", "sifive,plic-1.0.0", 0xc000000, size);
    CELLS("riscv,ndev", 96);
    CELLS("phandle", PLIC);
    CELLS("#interrupt-cells", 1);
    wires(0, n, 11, 9);
    end();
}

static void uart(void)
{
    device("serial@10000000", "ns16550a", 0x10000000, 0x100);
    CELLS("interrupts", 10);
    CELLS("interrupt-parent", PLIC);
    end();
}

static void chosen(const char *stdout_path)
{
    node("chosen");
    put_text("stdout-path", stdout_path);
    end();
}

static void aliases(const char *name, const char *path)
{
    node("aliases");
    put_text(name, path);
    end();
}

/* Arm. */

static void arm_cpu(uint32_t id, const char *method)
{
    char name[32];
    snprintf(name, sizeof name, "cpu@%x", id);
    node(name);
    put_text("device_type", "cpu");
    CELLS("reg", id);
    if (method)
        put_text("enable-method", method);
}

static void psci(const char *compatible, const char *method)
{
    node("psci");
    put_text("compatible", compatible);
    put_text("method", method);
    end();
}

static void arm(unsigned n)
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

static void gicv2(void)
{
    node("intc@8000000");
    put_text("compatible", "arm,cortex-a15-gic");
    CELLS("reg", 0, 0x8000000, 0, 0x10000, 0, 0x8010000, 0, 0x10000);
    CELLS("#interrupt-cells", 3);
    CELLS("phandle", GIC);
    end();
}

static void pl011(void)
{
    device("pl011@9000000", "arm,pl011", 0x9000000, 0x1000);
    CELLS("interrupts", 0, 1, 4);
    end();
}

/* A tree with some of everything, for the tests that break it. */

static void whole_riscv(void)
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
    device("aplic@d000000", "riscv,aplic", 0xd000000, 0x8000);
    CELLS("msi-parent", 77);
    CELLS("riscv,num-sources", 96);
    end();
    device("imsics@28000000", "riscv,imsics", 0x28000000, 0x3000);
    CELLS("riscv,num-ids", 255);
    CELLS("phandle", 77);
    wires(0, 3, 0, 9);
    end();
    end();
}

static void whole_arm(void)
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

/* Harts. */

TEST(hart_zero_without_mmu_is_not_ours)
{
    start();
    memory();
    cpus();
    cpu(0, "rv64imac", NULL, "okay");
    for (uint32_t id = 1; id <= 4; id++)
        good_cpu(id);
    end();
    PARSE(MACHINE_RISCV);
    CHECK_EQ(m.n_harts, 4);
    CHECK_EQ(m.hart[0].id, 1);
    CHECK_EQ(m.hart[3].id, 4);
    CHECK_EQ(m.hart[0].start, START_SBI_HSM);
    CHECK_EQ(m.hart[0].phandle_intc, INTC(1));
    CHECK_EQ(m.timebase_hz, 10000000);
    CHECK(m.sstc);
}

TEST(hart_with_mmu_type_none_is_not_ours)
{
    start();
    memory();
    cpus();
    cpu(0, "rv64imafdc", "riscv,none", "okay");
    good_cpu(1);
    end();
    PARSE(MACHINE_RISCV);
    CHECK_EQ(m.n_harts, 1);
    CHECK_EQ(m.hart[0].id, 1);
}

/* Some vendors' trees for the JH7110 say that its monitor core is okay and has an MMU. */
TEST(hart_without_floating_point_is_not_ours)
{
    start();
    memory();
    cpus();
    cpu(0, "rv64imacu", "riscv,sv39", "okay");
    cpu(1, "rv64gc", "riscv,sv39", "okay");
    cpu(2, "rv64imafdcsu", "riscv,sv39", "okay");
    cpu(3, "rv64i2p1m2p0a2p1f2p2d2p2c2p0_zicsr2p0", "riscv,sv39", "okay");
    cpu(4, "RV64IMAFDC", "riscv,sv39", NULL);
    cpu(5, "rv32imafdc", "riscv,sv32", NULL);
    cpu(6, "rv64imac_zfd_xc", "riscv,sv39", NULL);
    cpu(7, NULL, "riscv,sv39", NULL);
    end();
    PARSE(MACHINE_RISCV);
    CHECK_EQ(m.n_harts, 5);
    for (unsigned i = 0; i < 4; i++)
        CHECK_EQ(m.hart[i].id, i + 1);
    CHECK_EQ(m.hart[4].id, 7);
    CHECK(!m.sstc);
}

TEST(disabled_hart_is_not_ours)
{
    start();
    memory();
    cpus();
    cpu(0, "rv64gc", "riscv,sv39", "disabled");
    cpu(1, "rv64gc", "riscv,sv39", "fail");
    cpu(2, "rv64gc", "riscv,sv39", "ok");
    cpu(3, "rv64gc", "riscv,sv39", NULL);
    end();
    PARSE(MACHINE_RISCV);
    CHECK_EQ(m.n_harts, 2);
    CHECK_EQ(m.hart[0].id, 2);
}

TEST(hart_ids_may_have_holes)
{
    static const uint32_t ids[] = {3, 4, 17, 0x1000, 0xfffffff0};
    start();
    memory();
    cpus();
    for (unsigned i = 0; i < 5; i++)
        good_cpu(ids[i]);
    end();
    PARSE(MACHINE_RISCV);
    CHECK_EQ(m.n_harts, 5);
    for (unsigned i = 0; i < 5; i++)
        CHECK_EQ(m.hart[i].id, ids[i]);
}

TEST(logical_numbers_go_by_id_not_by_the_order_of_the_tree)
{
    start();
    memory();
    cpus();
    good_cpu(3);
    good_cpu(1);
    good_cpu(2);
    good_cpu(0);
    end();
    PARSE(MACHINE_RISCV);
    for (unsigned i = 0; i < 4; i++) {
        CHECK_EQ(m.hart[i].id, i);
        CHECK_EQ(m.hart[i].phandle_intc, INTC(i));
    }
}

TEST(two_harts_of_one_id_are_one)
{
    start();
    memory();
    cpus();
    good_cpu(1);
    node("cpu@01");
    put_text("device_type", "cpu");
    put_text("mmu-type", "riscv,sv39");
    CELLS("reg", 1);
    end();
    end();
    PARSE(MACHINE_RISCV);
    CHECK_EQ(m.n_harts, 1);
}

TEST(sixty_four_harts_fit)
{
    riscv(64);
    PARSE(MACHINE_RISCV);
    CHECK_EQ(m.n_harts, 64);
    CHECK_EQ(m.harts_beyond, 0);
    CHECK_EQ(m.hart[63].id, 63);
}

TEST(of_a_hundred_harts_those_that_do_not_fit_are_counted)
{
    for (unsigned downwards = 0; downwards < 2; downwards++) {
        start();
        memory();
        cpus();
        for (uint32_t id = 0; id < 100; id++)
            good_cpu(downwards ? 99 - id : id);
        end();
        PARSE(MACHINE_RISCV);
        CHECK_EQ(m.n_harts, 64);
        CHECK_EQ(m.harts_beyond, 36);
        for (unsigned i = 0; i < 64; i++)
            CHECK_EQ(m.hart[i].id, i);
    }
}

TEST(sstc_counts_only_if_every_hart_has_it)
{
    start();
    memory();
    cpus();
    good_cpu(0);
    cpu(1, "rv64imafdc_zicsr_sstcx_ssvinval", "riscv,sv39", "okay");
    good_cpu(2);
    end();
    PARSE(MACHINE_RISCV);
    CHECK_EQ(m.n_harts, 3);
    CHECK(!m.sstc);
}

TEST(extensions_may_be_a_list)
{
    static const char with[] = "i\0m\0a\0f\0d\0c\0zicsr\0sstc", without[] = "i\0m\0a\0c";
    start();
    memory();
    cpus();
    for (uint32_t id = 0; id < 2; id++) {
        node(id ? "cpu@1" : "cpu@0");
        put_text("device_type", "cpu");
        put_text("mmu-type", "riscv,sv48");
        CELLS("reg", id);
        put_text("riscv,isa-base", "rv64i");
        if (id)
            put_bytes("riscv,isa-extensions", with, sizeof with);
        else
            put_bytes("riscv,isa-extensions", without, sizeof without);
        end();
    }
    end();
    PARSE(MACHINE_RISCV);
    CHECK_EQ(m.n_harts, 1);
    CHECK_EQ(m.hart[0].id, 1);
    CHECK(m.sstc);
}

TEST(time_base_may_be_in_a_cpu_node_and_of_two_cells)
{
    start();
    memory();
    node("cpus");
    cells(2, 0);
    node("cpu@1");
    put_text("device_type", "cpu");
    put_text("mmu-type", "riscv,sv48");
    CELLS("reg", 0, 1);
    CELLS("timebase-frequency", 0, 24000000);
    end();
    end();
    PARSE(MACHINE_RISCV);
    CHECK_EQ(m.timebase_hz, 24000000);
    CHECK_EQ(m.hart[0].id, 1);
}

TEST(mpidr_in_aff1)
{
    start();
    memory();
    psci("arm,psci-1.0", "smc");
    node("cpus");
    cells(1, 0);
    for (uint32_t id = 0; id < 4; id++) {
        arm_cpu(id << 8, "psci");
        end();
    }
    end();
    PARSE(MACHINE_ARM64);
    CHECK_EQ(m.n_harts, 4);
    CHECK_EQ(m.hart[1].id, 0x100);
    CHECK_EQ(m.hart[3].id, 0x300);
    CHECK_EQ(m.hart[3].start, START_PSCI_SMC);
    CHECK(m.has_psci && m.psci_smc);
    CHECK(!m.sstc);
    CHECK_EQ(m.timebase_hz, 0);
}

TEST(mpidr_of_two_cells)
{
    start();
    memory();
    node("cpus");
    cells(2, 0);
    node("cpu@100000001");
    put_text("device_type", "cpu");
    CELLS("reg", 1, 0x80000001); /* bit 31 of MPIDR is not affinity */
    end();
    end();
    PARSE(MACHINE_ARM64);
    CHECK_EQ(m.hart[0].id, 0x100000001);
    CHECK_EQ(m.hart[0].start, START_NONE);
}

TEST(psci_by_hvc)
{
    arm(4);
    PARSE(MACHINE_ARM64);
    CHECK_EQ(m.n_harts, 4);
    CHECK(m.has_psci && !m.psci_smc);
    CHECK_EQ(m.hart[2].start, START_PSCI_HVC);
}

TEST(psci_of_the_first_version_needs_the_number_we_call)
{
    for (uint32_t number = 0xc4000003; number >= 0xc4000002; number--) {
        start();
        memory();
        node("psci");
        put_text("compatible", "arm,psci");
        put_text("method", "smc");
        CELLS("cpu_on", number);
        end();
        node("cpus");
        cells(1, 0);
        arm_cpu(0, "psci");
        end();
        end();
        PARSE(MACHINE_ARM64);
        CHECK_EQ(m.has_psci, number == 0xc4000003);
        CHECK_EQ(m.hart[0].start, number == 0xc4000003 ? START_PSCI_SMC : START_NONE);
    }
}

TEST(spin_table_has_an_address_for_each_hart)
{
    start();
    memory();
    node("cpus");
    cells(1, 0);
    for (uint32_t id = 0; id < 4; id++) {
        arm_cpu(id, "spin-table");
        CELLS("cpu-release-addr", 0, 0xd8 + id * 8);
        end();
    }
    end();
    PARSE(MACHINE_ARM64);
    CHECK_EQ(m.hart[3].start, START_SPIN_TABLE);
    CHECK_EQ(m.hart[3].release_addr, 0xf0);
    CHECK(!m.has_psci);
}

/* QEMU leaves the property out when there is one cpu. */
TEST(a_single_cpu_needs_no_enable_method)
{
    start();
    memory();
    psci("arm,psci-0.2", "hvc");
    node("cpus");
    cells(1, 0);
    arm_cpu(0, NULL);
    end();
    end();
    PARSE(MACHINE_ARM64);
    CHECK_EQ(m.n_harts, 1);
    CHECK_EQ(m.hart[0].start, START_NONE);
}

TEST(no_usable_cpu_says_why)
{
    start();
    memory();
    cpus();
    cpu(0, "rv64imac", NULL, NULL);
    for (uint32_t id = 1; id < 5; id++)
        cpu(id, "rv64gc", "riscv,sv39", "disabled");
    cpu(5, "rv64imac", "riscv,sv39", NULL);
    node("cpu-map");
    end();
    end();
    REFUSE(MACHINE_RISCV, "no usable cpu under /cpus (6 seen: 1 without an MMU, 1 without the "
                          "extensions I M A F D C, 4 disabled)");
    start();
    memory();
    cpus();
    end();
    REFUSE(MACHINE_RISCV, "no usable cpu under /cpus (0 seen)");
    start();
    memory();
    REFUSE(MACHINE_ARM64, "no node /cpus");
}

TEST(riscv_without_time_base_is_refused)
{
    start();
    memory();
    node("cpus");
    cells(1, 0);
    good_cpu(0);
    end();
    REFUSE(MACHINE_RISCV, "no usable timebase-frequency under /cpus");
}

/* Memory. */

static void bank(const char *name, uint64_t base, uint64_t size, const char *status)
{
    node(name);
    put_text("device_type", "memory");
    CELLS("reg", (uint32_t)(base >> 32), (uint32_t)base, (uint32_t)(size >> 32), (uint32_t)size);
    if (status)
        put_text("status", status);
    end();
}

TEST(banks_are_sorted_merged_and_never_empty)
{
    start();
    good_cpus(0, 0);
    bank("memory@c0000000", 0xc0000000, 0x10000000, "okay");
    bank("memory@80000000", 0x80000000, 0x10000000, NULL);
    bank("memory@90000000", 0x90000000, 0x08000000, NULL); /* touches the one before */
    bank("memory@8f000000", 0x8f000000, 0x00100000, NULL); /* lies inside it */
    bank("memory@bf000000", 0xbf000000, 0x01000000, NULL); /* touches the one after */
    bank("memory@1000000000", 0x1000000000, 0x100000000, NULL);
    bank("memory@40000000", 0x40000000, 0, NULL);
    bank("secram@e000000", 0xe000000, 0x1000000, "disabled");
    PARSE(MACHINE_RISCV);
    CHECK_EQ(m.n_banks, 3);
    CHECK_EQ(m.bank[0].base, 0x80000000);
    CHECK_EQ(m.bank[0].size, 0x18000000);
    CHECK_EQ(m.bank[1].base, 0xbf000000);
    CHECK_EQ(m.bank[1].size, 0x11000000);
    CHECK_EQ(m.bank[2].base, 0x1000000000);
    CHECK_EQ(m.bank[2].size, 0x100000000);
}

TEST(a_bank_between_two_joins_them)
{
    start();
    good_cpus(0, 0);
    bank("memory@80000000", 0x80000000, 0x1000, NULL);
    bank("memory@80003000", 0x80003000, 0x1000, NULL);
    bank("memory@80006000", 0x80006000, 0x1000, NULL);
    bank("memory@80000800", 0x80000800, 0x2900, NULL);
    PARSE(MACHINE_RISCV);
    CHECK_EQ(m.n_banks, 2);
    CHECK_EQ(m.bank[0].base, 0x80000000);
    CHECK_EQ(m.bank[0].size, 0x4000);
    CHECK_EQ(m.bank[1].base, 0x80006000);
}

TEST(one_memory_node_may_hold_several_banks)
{
    start();
    good_cpus(0, 0);
    node("memory");
    put_text("device_type", "memory");
    CELLS("reg", 0, 0x80000000, 0, 0x1000, 1, 0, 0, 0x2000);
    end();
    PARSE(MACHINE_RISCV);
    CHECK_EQ(m.n_banks, 2);
    CHECK_EQ(m.bank[1].base, 0x100000000);
    CHECK_EQ(m.bank[1].size, 0x2000);
}

TEST(root_cells_of_one_and_one_or_two_and_one)
{
    for (uint32_t n = 1; n <= 2; n++) {
        start_tree();
        start_root(n, 1);
        good_cpus(0, 0);
        node("memory@40000000");
        put_text("device_type", "memory");
        if (n == 1)
            CELLS("reg", 0x40000000, 0x8000000, 0x60000000, 0x1000);
        else
            CELLS("reg", 4, 0x40000000, 0x8000000);
        end();
        PARSE(MACHINE_RISCV);
        CHECK_EQ(m.n_banks, n == 1 ? 2 : 1);
        CHECK_EQ(m.bank[0].base, n == 1 ? 0x40000000 : 0x440000000);
        CHECK_EQ(m.bank[0].size, 0x8000000);
    }
}

TEST(no_memory_is_refused)
{
    start();
    good_cpus(0, 0);
    REFUSE(MACHINE_RISCV, "no memory node with a size");
    start();
    good_cpus(0, 0);
    bank("memory@0", 0, 0, NULL);
    REFUSE(MACHINE_RISCV, "no memory node with a size");
}

TEST(memory_that_makes_no_sense_is_refused_by_name)
{
    start();
    good_cpus(0, 0);
    node("memory@1");
    put_text("device_type", "memory");
    CELLS("reg", 0, 0x80000000, 1);
    end();
    REFUSE(MACHINE_RISCV, "the reg of memory node memory@1 is not a list of ranges");
    start();
    good_cpus(0, 0);
    bank("memory@2", UINT64_MAX - 0xfff, 0x2000, NULL);
    REFUSE(MACHINE_RISCV, "range 0 of memory node memory@2 has no place among the addresses");
}

TEST(too_many_banks_are_refused)
{
    char name[32];
    for (unsigned n = MACHINE_MAX_BANKS; n <= MACHINE_MAX_BANKS + 1; n++) {
        start();
        good_cpus(0, 0);
        for (unsigned i = 0; i < n; i++) {
            snprintf(name, sizeof name, "memory@%x", i * 0x2000);
            bank(name, i * 0x2000, 0x1000, NULL);
        }
        if (n == MACHINE_MAX_BANKS)
            PARSE(MACHINE_RISCV);
        else
            REFUSE(MACHINE_RISCV, "more than 16 separate banks of memory, at node memory@20000");
    }
}

/* Reserved. */

static bool reserved(uint64_t base, uint64_t size)
{
    for (unsigned i = 0; i < m.n_reserved; i++)
        if (m.reserved[i].base <= base && m.reserved[i].base + m.reserved[i].size >= base + size)
            return true;
    return false;
}

TEST(everything_that_is_not_ours_is_reserved)
{
    start_tree();
    must(fdt_add_reservemap_entry(work, 0x81000000, 0x1000));
    must(fdt_add_reservemap_entry(work, 0x81001000, 0x1000));
    start_root(2, 2);
    memory();
    good_cpus(0, 0);
    node("chosen");
    CELLS("linux,initrd-start", 0, 0x82000000);
    CELLS("linux,initrd-end", 0, 0x82000100);
    end();
    node("reserved-memory");
    cells(2, 1);
    put_empty("ranges");
    node("firmware@80000000");
    CELLS("reg", 0, 0x80000000, 0x80000);
    put_empty("no-map");
    end();
    node("two@83000000");
    CELLS("reg", 0, 0x83000000, 0x1000, 0, 0x84000000, 0x1000);
    end();
    node("off@85000000");
    CELLS("reg", 0, 0x85000000, 0x1000);
    put_text("status", "disabled");
    end();
    node("pool");
    CELLS("size", 0x1000);
    end();
    end();
    PARSE(MACHINE_RISCV);
    CHECK(reserved(0x81000000, 0x2000));
    CHECK(reserved(0x82000000, 0x100));
    CHECK(reserved(0x80000000, 0x80000));
    CHECK(reserved(0x83000000, 0x1000));
    CHECK(reserved(0x84000000, 0x1000));
    CHECK(!reserved(0x85000000, 1));
    CHECK(reserved((uintptr_t)tree, tree_size));
    CHECK_EQ(m.n_reserved, 6);
    CHECK_EQ(m.fdt_size, tree_size);
}

TEST(reserved_memory_without_ranges_counts_as_it_is)
{
    start();
    memory();
    good_cpus(0, 0);
    node("reserved-memory");
    cells(2, 2);
    node("firmware@80000000");
    CELLS("reg", 0, 0x80000000, 0, 0x80000);
    end();
    end();
    PARSE(MACHINE_RISCV);
    CHECK(reserved(0x80000000, 0x80000));
}

TEST(a_reserved_range_is_never_lost_silently)
{
    start();
    memory();
    good_cpus(0, 0);
    node("reserved-memory");
    cells(2, 2);
    put_empty("ranges");
    node("firmware@80000000");
    CELLS("reg", 0, 0x80000000, 0x80000);
    end();
    end();
    REFUSE(MACHINE_RISCV, "the reg of reserved-memory/firmware@80000000 is not a list of ranges");

    start_tree();
    for (unsigned i = 0; i < MACHINE_MAX_RESERVED; i++)
        must(fdt_add_reservemap_entry(work, 0x80000000 + i * 0x2000, 0x1000));
    start_root(2, 2);
    memory();
    good_cpus(0, 0);
    REFUSE(MACHINE_RISCV, "more than 64 separate ranges of reserved memory");
}

TEST(a_reservation_beyond_all_addresses_ends_with_them)
{
    start_tree();
    must(fdt_add_reservemap_entry(work, UINT64_MAX - 0xffff, UINT64_MAX));
    start_root(2, 2);
    memory();
    good_cpus(0, 0);
    PARSE(MACHINE_RISCV);
    CHECK(reserved(UINT64_MAX - 0xffff, 0xffff));
}

/* Interrupts on RISC-V. */

TEST(plic_contexts_pass_over_machine_mode)
{
    start();
    memory();
    cpus();
    cpu(0, "rv64imac", NULL, NULL);
    good_cpu(1);
    good_cpu(2);
    end();
    soc();
    device("plic@c000000", "riscv,plic0", 0xc000000, 0x4000000);
    CELLS("riscv,ndev", 53);
    CELLS("interrupts-extended", INTC(0), 11, INTC(1), 11, INTC(1), 9, INTC(2), 0xffffffff, INTC(2),
          9);
    end();
    end();
    PARSE(MACHINE_RISCV);
    CHECK_EQ(m.irqchip.kind, IRQCHIP_PLIC);
    CHECK_EQ(m.irqchip.dist.base, 0xc000000);
    CHECK_EQ(m.irqchip.dist.size, 0x4000000);
    CHECK_EQ(m.irqchip.n_sources, 53);
    CHECK_EQ(m.hart[0].plic_context, 2);
    CHECK_EQ(m.hart[1].plic_context, 4);
    CHECK_EQ(m.ipi, IPI_SBI);
}

TEST(a_plic_context_outside_its_registers_does_not_exist)
{
    riscv(2);
    soc();
    plic(2, 0x202000); /* contexts 0 and 1 only */
    end();
    PARSE(MACHINE_RISCV);
    CHECK_EQ(m.hart[0].plic_context, 1);
    CHECK_EQ(m.hart[1].plic_context, 0xffff);
}

/* Machines of several sockets have one each, and the tree may list them in any order. */
TEST(of_several_plics_the_first_harts_is_taken)
{
    riscv(4);
    soc();
    device("plic@d000000", "sifive,plic-1.0.0", 0xd000000, 0x600000);
    CELLS("riscv,ndev", 53);
    wires(2, 2, 11, 9);
    end();
    plic(2, 0x600000);
    end();
    PARSE(MACHINE_RISCV);
    CHECK_EQ(m.irqchip.dist.base, 0xc000000);
    CHECK_EQ(m.hart[1].plic_context, 3);
    CHECK_EQ(m.hart[2].plic_context, 0xffff);
}

TEST(no_interrupt_controller_is_no_error)
{
    riscv(1);
    PARSE(MACHINE_RISCV);
    CHECK_EQ(m.irqchip.kind, IRQCHIP_NONE);
    CHECK_EQ(m.irqchip.dist.size, 0);
    CHECK_EQ(m.hart[0].plic_context, 0xffff);
    CHECK_EQ(m.hart[0].sswi_index, 0xffff);
    CHECK_EQ(m.hart[0].imsic, 0);
}

TEST(sswi_is_the_way_for_ipis_if_all_harts_have_it)
{
    for (uint32_t n = 1; n <= 2; n++) {
        riscv(2);
        soc();
        device("sswi@2f00000", "riscv,aclint-sswi", 0x2f00000, 0x4000);
        wires(0, n, 0, 1);
        end();
        end();
        PARSE(MACHINE_RISCV);
        CHECK_EQ(m.ipi, n == 2 ? IPI_SSWI : IPI_SBI);
        CHECK_EQ(m.hart[1].sswi_index, n == 2 ? 1 : 0xffff);
        CHECK_EQ(m.sswi.base, n == 2 ? 0x2f00000 : 0);
    }
}

TEST(sswi_indexes_go_by_its_own_order)
{
    riscv(3);
    soc();
    device("sswi@2f00000", "riscv,aclint-sswi", 0x2f00000, 0x4000);
    CELLS("interrupts-extended", INTC(2), 1, INTC(77), 1, INTC(0), 1, INTC(1), 1);
    end();
    end();
    PARSE(MACHINE_RISCV);
    CHECK_EQ(m.hart[0].sswi_index, 2);
    CHECK_EQ(m.hart[1].sswi_index, 3);
    CHECK_EQ(m.hart[2].sswi_index, 0);
}

TEST(an_sswi_index_outside_its_registers_does_not_exist)
{
    riscv(2);
    soc();
    device("sswi@2f00000", "riscv,aclint-sswi", 0x2f00000, 4);
    wires(0, 2, 0, 1);
    end();
    end();
    PARSE(MACHINE_RISCV);
    CHECK_EQ(m.ipi, IPI_SBI);
}

static void imsics(uint32_t base, uint32_t size, uint32_t n, uint32_t cause)
{
    char name[32];
    snprintf(name, sizeof name, "imsics@%x", base);
    device(name, "riscv,imsics", base, size);
    CELLS("riscv,num-ids", 255);
    CELLS("phandle", base >> 24);
    wires(0, n, 0, cause);
}

TEST(imsic_of_the_supervisor_is_chosen_before_plic_and_sswi)
{
    riscv(3);
    soc();
    plic(3, 0x600000);
    device("sswi@2f00000", "riscv,aclint-sswi", 0x2f00000, 0x4000);
    wires(0, 3, 0, 1);
    end();
    imsics(0x24000000, 0x3000, 3, 11);
    end();
    imsics(0x28000000, 0x3000, 3, 9);
    end();
    device("aplic@c000000", "riscv,aplic", 0xc000000, 0x8000);
    CELLS("msi-parent", 0x24);
    CELLS("riscv,num-sources", 96);
    end();
    device("aplic@d000000", "riscv,aplic", 0xd000000, 0x8000);
    CELLS("msi-parent", 0x28);
    CELLS("riscv,num-sources", 96);
    CELLS("phandle", APLIC);
    CELLS("#interrupt-cells", 2);
    end();
    device("serial@10000000", "ns16550a", 0x10000000, 0x100);
    CELLS("interrupts", 10, 4);
    CELLS("interrupt-parent", APLIC);
    end();
    end();
    PARSE(MACHINE_RISCV);
    CHECK_EQ(m.irqchip.kind, IRQCHIP_IMSIC);
    CHECK_EQ(m.ipi, IPI_IMSIC);
    CHECK_EQ(m.irqchip.n_sources, 255);
    CHECK_EQ(m.irqchip.cpu.base, 0x28000000);
    CHECK_EQ(m.irqchip.dist.base, 0xd000000);
    for (unsigned i = 0; i < 3; i++)
        CHECK_EQ(m.hart[i].imsic, 0x28000000 + i * 0x1000);
    CHECK_EQ(m.console.irq, 10);
}

TEST(imsic_files_leave_room_for_guests)
{
    riscv(3);
    soc();
    imsics(0x28000000, 0xc000, 3, 9);
    CELLS("riscv,guest-index-bits", 2);
    end();
    end();
    PARSE(MACHINE_RISCV);
    CHECK_EQ(m.irqchip.imsic_guest_bits, 2);
    CHECK_EQ(m.hart[2].imsic, 0x28008000);
    CHECK_EQ(m.irqchip.dist.size, 0);
}

TEST(imsic_groups_follow_each_other)
{
    riscv(4);
    soc();
    node("imsics@28000000");
    put_text("compatible", "riscv,imsics");
    CELLS("reg", 0, 0x28000000, 0, 0x4000, 0, 0x29000000, 0, 0x4000);
    CELLS("riscv,num-ids", 63);
    CELLS("riscv,guest-index-bits", 1);
    CELLS("riscv,group-index-bits", 1);
    CELLS("riscv,hart-index-bits", 1);
    wires(0, 4, 0, 9);
    end();
    end();
    PARSE(MACHINE_RISCV);
    CHECK_EQ(m.hart[0].imsic, 0x28000000);
    CHECK_EQ(m.hart[1].imsic, 0x28002000);
    CHECK_EQ(m.hart[2].imsic, 0x29000000);
    CHECK_EQ(m.hart[3].imsic, 0x29002000);
}

TEST(an_imsic_group_ends_with_its_hart_bits)
{
    riscv(2);
    soc();
    node("imsics@28000000");
    put_text("compatible", "riscv,imsics");
    CELLS("reg", 0, 0x28000000, 0, 0x8000, 0, 0x29000000, 0, 0x8000);
    CELLS("riscv,num-ids", 63);
    CELLS("riscv,hart-index-bits", 0);
    wires(0, 2, 0, 9);
    end();
    end();
    PARSE(MACHINE_RISCV);
    CHECK_EQ(m.hart[1].imsic, 0x29000000);
}

TEST(imsics_that_do_not_reach_every_hart_are_not_used)
{
    riscv(3);
    soc();
    imsics(0x28000000, 0x2000, 3, 9);
    end();
    plic(3, 0x600000);
    end();
    PARSE(MACHINE_RISCV);
    CHECK_EQ(m.irqchip.kind, IRQCHIP_PLIC);
    CHECK_EQ(m.irqchip.n_sources, 96);
    CHECK_EQ(m.hart[0].imsic, 0);
    CHECK_EQ(m.irqchip.cpu.size, 0);
}

/* Interrupts on Arm. */

TEST(gicv2_and_its_timer)
{
    arm(1);
    gicv2();
    pl011();
    node("timer");
    put_text("compatible", "arm,armv8-timer");
    CELLS("interrupts", 1, 13, 4, 1, 14, 4, 1, 11, 4, 1, 10, 4);
    end();
    PARSE(MACHINE_ARM64);
    CHECK_EQ(m.irqchip.kind, IRQCHIP_GICV2);
    CHECK_EQ(m.irqchip.dist.base, 0x8000000);
    CHECK_EQ(m.irqchip.cpu.base, 0x8010000);
    CHECK_EQ(m.ipi, IPI_GIC);
    CHECK_EQ(m.timer_irq, 27);
    CHECK_EQ(m.console.irq, 33);
}

TEST(gicv3_with_two_redistributor_regions)
{
    arm(1);
    node("intc@8000000");
    put_text("compatible", "arm,gic-v3");
    CELLS("reg", 0, 0x8000000, 0, 0x10000, 0, 0x80a0000, 0, 0xf60000, 0x40, 0, 0, 0x4000000);
    CELLS("#redistributor-regions", 2);
    CELLS("redistributor-stride", 0, 0x40000);
    CELLS("#interrupt-cells", 3);
    CELLS("phandle", GIC);
    end();
    PARSE(MACHINE_ARM64);
    CHECK_EQ(m.irqchip.kind, IRQCHIP_GICV3);
    CHECK_EQ(m.irqchip.n_redist, 2);
    CHECK_EQ(m.irqchip.redist[0].base, 0x80a0000);
    CHECK_EQ(m.irqchip.redist[1].base, 0x4000000000);
    CHECK_EQ(m.irqchip.redist_stride, 0x40000);
    CHECK_EQ(m.timer_irq, 0);
}

TEST(gicv3_that_lacks_a_region_is_not_used)
{
    arm(1);
    node("intc@8000000");
    put_text("compatible", "arm,gic-v3");
    CELLS("reg", 0, 0x8000000, 0, 0x10000);
    end();
    PARSE(MACHINE_ARM64);
    CHECK_EQ(m.irqchip.kind, IRQCHIP_NONE);
    CHECK_EQ(m.irqchip.dist.size, 0);
    CHECK_EQ(m.ipi, IPI_NONE);
}

TEST(timer_interrupts_may_have_names)
{
    static const char names[] = "phys\0virt";
    arm(1);
    gicv2();
    node("timer");
    put_text("compatible", "arm,armv8-timer");
    put_bytes("interrupt-names", names, sizeof names);
    CELLS("interrupts-extended", GIC, 1, 14, 4, GIC, 1, 11, 4);
    end();
    PARSE(MACHINE_ARM64);
    CHECK_EQ(m.timer_irq, 27);
}

/* The Raspberry Pi 3: its local controller counts otherwise. */
TEST(a_number_at_another_controller_is_not_ours)
{
    arm(1);
    gicv2();
    node("local@40000000");
    CELLS("#interrupt-cells", 3);
    CELLS("phandle", OTHER);
    end();
    node("timer");
    put_text("compatible", "arm,armv7-timer");
    CELLS("interrupt-parent", OTHER);
    CELLS("interrupts", 1, 0, 4, 1, 1, 4, 1, 3, 4, 1, 2, 4);
    end();
    PARSE(MACHINE_ARM64);
    CHECK_EQ(m.irqchip.kind, IRQCHIP_GICV2);
    CHECK_EQ(m.timer_irq, 0);
}

/* Console. */

TEST(stdout_path_by_alias_with_settings)
{
    riscv(1);
    aliases("serial1", "/soc/serial@10010000");
    chosen("serial1:115200n8");
    soc();
    plic(1, 0x600000);
    uart();
    device("serial@10010000", "sifive,uart0", 0x10010000, 0x1000);
    CELLS("interrupts-extended", PLIC, 4);
    end();
    end();
    PARSE(MACHINE_RISCV);
    CHECK_EQ(m.console.kind, CONSOLE_SIFIVE);
    CHECK_EQ(m.console.reg.base, 0x10010000);
    CHECK_EQ(m.console.reg.size, 0x1000);
    CHECK_EQ(m.console.irq, 4);
}

static void console_by(const char *stdout_path)
{
    riscv(1);
    aliases("serial0", "/soc/serial@20000000");
    if (stdout_path)
        chosen(stdout_path);
    soc();
    plic(1, 0x600000);
    uart();
    device("serial@20000000", "snps,dw-apb-uart", 0x20000000, 0x100);
    CELLS("reg-shift", 2);
    CELLS("reg-io-width", 4);
    end();
    device("cadence@30000000", "cdns,uart", 0x30000000, 0x100);
    end();
    end();
    PARSE(MACHINE_RISCV);
}

TEST(stdout_path_by_full_path)
{
    console_by("/soc/serial@10000000:115200");
    CHECK_EQ(m.console.kind, CONSOLE_16550);
    CHECK_EQ(m.console.reg.base, 0x10000000);
    CHECK_EQ(m.console.reg_shift, 0);
    CHECK_EQ(m.console.reg_io_width, 1);
    CHECK_EQ(m.console.irq, 10);
}

TEST(registers_may_be_spread_out)
{
    console_by("serial0");
    CHECK_EQ(m.console.kind, CONSOLE_16550);
    CHECK_EQ(m.console.reg.base, 0x20000000);
    CHECK_EQ(m.console.reg_shift, 2);
    CHECK_EQ(m.console.reg_io_width, 4);
    CHECK_EQ(m.console.irq, 0);
}

TEST(odd_stdout_paths_fall_back_to_serial0)
{
    static const char *const odd[] = {NULL,
                                      "",
                                      ":",
                                      "/",
                                      "//",
                                      "serial9",
                                      "serial0x",
                                      "/soc/serial@99",
                                      "/soc/serial@99:1",
                                      "soc",
                                      "a-name-longer-than-any-alias-could-reasonably-be:115200",
                                      " serial0"};
    for (unsigned i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        console_by(odd[i]);
        /* "/" and "//" are the root, which is no UART we drive. */
        bool root = odd[i] && odd[i][0] == '/' && odd[i][1] != 's';
        CHECK_EQ(m.console.kind, root ? CONSOLE_SBI : CONSOLE_16550);
        CHECK_EQ(m.console.reg.base, root ? 0 : 0x20000000);
    }
}

TEST(stdout_on_a_device_we_cannot_drive_is_left_to_firmware)
{
    console_by("/soc/cadence@30000000");
    CHECK_EQ(m.console.kind, CONSOLE_SBI);
    CHECK_EQ(m.console.reg.size, 0);
    CHECK_EQ(m.console.irq, 0);
}

TEST(an_alias_that_names_itself_does_not_keep_us)
{
    arm(1);
    aliases("serial0", "serial0");
    chosen("serial0");
    pl011();
    PARSE(MACHINE_ARM64);
    CHECK_EQ(m.console.kind, CONSOLE_PL011);
}

TEST(stdout_on_a_disabled_uart_leads_nowhere)
{
    arm(1);
    chosen("/pl011@9040000");
    device("pl011@9040000", "arm,pl011", 0x9040000, 0x1000);
    put_text("status", "disabled");
    end();
    gicv2();
    pl011();
    PARSE(MACHINE_ARM64);
    CHECK_EQ(m.console.reg.base, 0x9000000);
}

TEST(without_stdout_path_the_first_usable_uart_serves)
{
    arm(1);
    device("pl011@9040000", "arm,pl011", 0x9040000, 0x1000);
    put_text("status", "disabled");
    end();
    gicv2();
    pl011();
    PARSE(MACHINE_ARM64);
    CHECK_EQ(m.console.kind, CONSOLE_PL011);
    CHECK_EQ(m.console.reg.base, 0x9000000);
}

TEST(no_uart_at_all)
{
    arm(1);
    PARSE(MACHINE_ARM64);
    CHECK_EQ(m.console.kind, CONSOLE_NONE);
    riscv(1);
    PARSE(MACHINE_RISCV);
    CHECK_EQ(m.console.kind, CONSOLE_SBI);
}

TEST(a_pxa_uart_has_words_for_registers)
{
    riscv(1);
    device("serial@d4017000", "intel,xscale-uart", 0xd4017000, 0x100);
    end();
    PARSE(MACHINE_RISCV);
    CHECK_EQ(m.console.kind, CONSOLE_16550);
    CHECK_EQ(m.console.reg_shift, 2);
    CHECK_EQ(m.console.reg_io_width, 4);
}

TEST(registers_may_begin_at_an_offset)
{
    riscv(1);
    device("serial@10000000", "ns16550a", 0x10000000, 0x100);
    CELLS("reg-offset", 0x40);
    end();
    PARSE(MACHINE_RISCV);
    CHECK_EQ(m.console.reg.base, 0x10000040);
    CHECK_EQ(m.console.reg.size, 0xc0);
}

TEST(a_uart_we_cannot_address_is_not_taken)
{
    static const char *const names[] = {"reg-shift", "reg-io-width", "reg-offset"};
    for (unsigned i = 0; i < 3; i++) {
        riscv(1);
        device("serial@10000000", "ns16550a", 0x10000000, 0x100);
        CELLS(names[i], 0x100);
        end();
        PARSE(MACHINE_RISCV);
        CHECK_EQ(m.console.kind, CONSOLE_SBI);
    }
}

/* Buses. */

TEST(addresses_are_translated_by_every_bus_above)
{
    riscv(1);
    node("outer");
    cells(1, 1);
    CELLS("ranges", 0x0, 0, 0x10000000, 0x1000, 0x40000000, 4, 0x80000000, 0x10000000);
    node("inner");
    cells(2, 1);
    CELLS("ranges", 7, 0, 0x41000000, 0x10000);
    node("serial@700000200");
    put_text("compatible", "ns16550a");
    CELLS("reg", 7, 0x200, 0x100);
    end();
    end();
    end();
    PARSE(MACHINE_RISCV);
    CHECK_EQ(m.console.kind, CONSOLE_16550);
    CHECK_EQ(m.console.reg.base, 0x481000200);
    CHECK_EQ(m.console.reg.size, 0x100);
}

TEST(what_a_bus_does_not_pass_on_is_out_of_reach)
{
    for (unsigned i = 0; i < 5; i++) {
        riscv(1);
        node("bus");
        cells(1, 1);
        if (i == 1) /* too short a window */
            CELLS("ranges", 0, 0, 0x10000000, 0x80);
        if (i == 2) /* another window */
            CELLS("ranges", 0x1000, 0, 0x10000000, 0x1000);
        if (i >= 3) /* across the last address, and beyond it */
            CELLS("ranges", 0, 0xffffffff, 0xffffffc0, 0x1000);
        node("serial@0");
        put_text("compatible", "ns16550a");
        CELLS("reg", i == 4 ? 0x80 : 0, 0x100);
        end();
        end();
        PARSE(MACHINE_RISCV);
        CHECK_EQ(m.console.kind, CONSOLE_SBI);
    }
}

TEST(a_device_on_a_disabled_bus_is_not_there)
{
    riscv(1);
    soc();
    put_text("status", "disabled");
    uart();
    end();
    PARSE(MACHINE_RISCV);
    CHECK_EQ(m.console.kind, CONSOLE_SBI);
}

/* Odds and ends. */

TEST(model_bootargs_and_exit_device)
{
    whole_riscv();
    PARSE(MACHINE_RISCV);
    CHECK_STR(m.model, "a board");
    CHECK_STR(m.bootargs, "pinion.host=1");
    CHECK_EQ(m.exit_dev.base, 0x100000);
    CHECK(reserved(0x88000000, 0x100000));
}

TEST(text_that_does_not_end_is_no_text)
{
    riscv(1);
    node("chosen");
    put_bytes("bootargs", "abc", 3);
    put_bytes("stdout-path", "/soc", 4);
    end();
    node("serial@10000000");
    put_bytes("compatible", "ns16550a", 8);
    CELLS("reg", 0, 0x10000000, 0, 0x100);
    end();
    PARSE(MACHINE_RISCV);
    CHECK_STR(m.bootargs, "");
    CHECK_STR(m.model, "");
    CHECK_EQ(m.console.kind, CONSOLE_SBI);
    CHECK_EQ(m.exit_dev.size, 0);
}

/* What is not a tree. */

static int parse_raw(const void *fdt, size_t size)
{
    return machine_parse(&m, fdt, size, MACHINE_RISCV, err, sizeof err);
}

TEST(what_is_no_tree_is_refused)
{
    static uint64_t zeros[16];
    CHECK_EQ(parse_raw(NULL, 4096), -1);
    CHECK_STR(err, "there is no device tree: its address is 0");
    CHECK_EQ(parse_raw((char *)zeros + 4, 64), -1);
    CHECK_STR(err, "the device tree's address is not a multiple of 8");
    CHECK_EQ(parse_raw(zeros, sizeof zeros), -1);
    CHECK_STR(err, "there is no device tree where one should be: magic number 0, not 3490578157");
    CHECK_STR(m.model, "");
}

TEST(truncated_tree_is_refused_at_every_length)
{
    whole_riscv();
    finish();
    for (size_t n = 0; n < tree_size; n++) {
        char *cut = malloc(n ? n : 1), want[200];
        struct machine_console c;
        memcpy(cut, tree, n);
        CHECK_EQ(parse_raw(cut, n), -1);
        snprintf(want, sizeof want,
                 n < 40
                     ? "the device tree is cut off: only %zu bytes readable, its header has 40"
                     : "the device tree is cut off: header says %2$zu bytes, only %1$zu readable",
                 n, tree_size);
        CHECK_STR(err, want);
        machine_parse_console(&c, cut, n);
        CHECK_EQ(c.kind, CONSOLE_NONE);
        free(cut);
    }
}

/* Cut off, but the header claims otherwise: nodes and strings end in the middle. */
TEST(shortened_tree_is_refused_at_every_length)
{
    whole_riscv();
    finish();
    for (size_t n = 40; n < tree_size; n++) {
        char *cut = malloc(n);
        struct machine_console c;
        memcpy(cut, tree, n);
        fdt_set_totalsize(cut, (uint32_t)n);
        CHECK_EQ(parse_raw(cut, n), -1);
        CHECK(err[0] != '\0');
        machine_parse_console(&c, cut, n);
        free(cut);
    }
}

static bool sorted_and_apart(const struct range *r, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (r[i].size == 0 || r[i].size > UINT64_MAX - r[i].base ||
            (i > 0 && r[i - 1].base + r[i - 1].size >= r[i].base))
            return false;
    return true;
}

static bool inside_tree(const char *text)
{
    return *text == '\0' || (text > (char *)tree && text + strlen(text) < (char *)tree + tree_size);
}

/* What holds of every machine that was not refused, however strange its tree. */
static bool sound(void)
{
    for (unsigned i = 1; i < m.n_harts; i++)
        if (m.hart[i - 1].id >= m.hart[i].id)
            return false;
    return m.n_harts >= 1 && m.n_harts <= MACHINE_MAX_HARTS && m.n_banks >= 1 &&
           m.n_banks <= MACHINE_MAX_BANKS && sorted_and_apart(m.bank, m.n_banks) &&
           m.n_reserved <= MACHINE_MAX_RESERVED && sorted_and_apart(m.reserved, m.n_reserved) &&
           m.irqchip.n_redist <= MACHINE_MAX_REDISTS && inside_tree(m.model) &&
           inside_tree(m.bootargs);
}

static void survive(enum machine_arch arch, size_t at)
{
    struct machine_console c;
    int r = machine_parse(&m, tree, tree_size, arch, err, sizeof err);
    machine_parse_console(&c, tree, tree_size);
    if (r == 0 ? !sound() : err[0] == '\0') {
        printf("FAIL %s: byte %zu, result %d, \"%s\"\n", unit_name, at, r, err);
        CHECK(!"sound");
    }
}

static void break_every_byte(enum machine_arch arch)
{
    static const uint8_t values[] = {0x00, 0x01, 0x03, 0x7f, 0x80, 0xff};
    uint8_t *byte = tree;
    for (size_t i = 0; i < tree_size; i++) {
        uint8_t was = byte[i];
        for (unsigned v = 0; v < sizeof values; v++) {
            byte[i] = values[v];
            survive(arch, i);
        }
        byte[i] = was ^ 0x20;
        survive(arch, i);
        byte[i] = was;
    }
}

TEST(every_byte_may_be_wrong_riscv)
{
    whole_riscv();
    PARSE(MACHINE_RISCV);
    CHECK(sound());
    CHECK_EQ(m.irqchip.kind, IRQCHIP_IMSIC);
    break_every_byte(MACHINE_RISCV);
}

TEST(every_byte_may_be_wrong_arm)
{
    whole_arm();
    PARSE(MACHINE_ARM64);
    CHECK(sound());
    CHECK_EQ(m.console.reg.base, 0x9000000);
    CHECK_EQ(m.console.irq, 33);
    break_every_byte(MACHINE_ARM64);
}

/* Several bytes, words and tags at once; the seed is fixed, so a failure comes again. */
TEST(many_bytes_may_be_wrong)
{
    uint64_t seed = 2026;
    whole_riscv();
    finish();
    uint8_t *byte = tree, *good = malloc(tree_size);
    memcpy(good, byte, tree_size);
    for (unsigned round = 0; round < 20000; round++) {
        memcpy(byte, good, tree_size);
        for (unsigned n = 0; n < 1 + round % 6; n++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            size_t at = 40 + (seed >> 33) % (tree_size - 44) / 4 * 4;
            byte[at + 3] = (uint8_t)(seed >> 56) % 12; /* tags, small lengths, small cells */
            if (seed >> 20 & 1)
                byte[at] = byte[at + 1] = byte[at + 2] = 0;
        }
        survive(MACHINE_RISCV, round);
    }
    free(good);
}

TEST(nodes_nested_without_end_are_refused)
{
    for (unsigned depth = 60; depth <= 70; depth += 10) {
        riscv(1);
        for (unsigned i = 0; i < depth; i++)
            node("n");
        uart();
        for (unsigned i = 0; i < depth; i++)
            end();
        CHECK_EQ(parse(MACHINE_RISCV), depth == 60 ? 0 : -1);
        CHECK(depth == 60 || strstr(err, "the device tree is broken at byte ") == err);
    }
}

TEST(a_complaint_fits_whatever_room_it_is_given)
{
    start();
    good_cpus(0, 0);
    finish();
    for (size_t room = 0; room < 40; room++) {
        char *text = malloc(room ? room : 1);
        CHECK_EQ(machine_parse(&m, tree, tree_size, MACHINE_RISCV, text, room), -1);
        if (room > 0)
            CHECK_EQ(strlen(text), room - 1 < 26 ? room - 1 : 26);
        free(text);
    }
}

TEST(the_console_is_found_in_a_tree_without_harts)
{
    struct machine_console c;
    start();
    chosen("/soc/serial@10000000");
    soc();
    uart();
    end();
    finish();
    CHECK_EQ(parse_raw(tree, tree_size), -1);
    machine_parse_console(&c, tree, tree_size);
    CHECK_EQ(c.kind, CONSOLE_16550);
    CHECK_EQ(c.reg.base, 0x10000000);
    CHECK_EQ(c.irq, 0);
}

UNIT_MAIN
