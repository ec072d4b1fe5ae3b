/*
 * machine: what the device tree says of the machine we run on, in one plain structure.
 *
 * machine_parse() reads the flattened tree once, early on the boot hart, before there is a page
 * table or a heap; it allocates nothing and touches no hardware, so the unit tests run it on the
 * host with good, odd and malformed trees. Everything later (boot/, the drivers) reads the
 * structure and never the tree.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MACHINE_MAX_HARTS    64 /* logical numbers 0 … 63: a set of harts is one uint64_t */
#define MACHINE_MAX_BANKS    16 /* memory banks */
#define MACHINE_MAX_RESERVED 64 /* reserved ranges */
#define MACHINE_MAX_REDISTS  8  /* GICv3 redistributor regions */

struct range {
    uint64_t base; /* physical address */
    uint64_t size; /* bytes; 0: absent */
};

/*
 * START_NONE (Arm): the tree offers no way to start this hart. It is of use if it is the boot hart,
 * or if all harts came out of reset together; boot leaves out the others.
 */
enum start_method { START_NONE, START_SBI_HSM, START_PSCI_HVC, START_PSCI_SMC, START_SPIN_TABLE };

struct machine_hart {
    uint64_t id;           /* mhartid, or MPIDR affinity as in the cpu node's reg */
    uint64_t release_addr; /* START_SPIN_TABLE: cpu-release-addr */
    uint32_t phandle_intc; /* RISC-V: phandle of its interrupt-controller node; 0: none */
    uint16_t plic_context; /* PLIC: its S-mode context; 0xffff: none */
    uint16_t sswi_index;   /* ACLINT SSWI: index of its register; 0xffff: none */
    uint64_t imsic;        /* IMSIC: physical address of its S-mode interrupt file; 0: none */
    enum start_method start;
};

enum console_kind { CONSOLE_NONE, CONSOLE_SBI, CONSOLE_16550, CONSOLE_PL011, CONSOLE_SIFIVE };

struct machine_console {
    enum console_kind kind;
    struct range reg;
    uint8_t reg_shift;    /* 16550: register n lies at base + (n << reg_shift) */
    uint8_t reg_io_width; /* 16550: access width in bytes, 1 or 4 */
    uint32_t irq;         /* interrupt number at its controller, GIC: INTID; 0: none */
};

enum irqchip_kind { IRQCHIP_NONE, IRQCHIP_PLIC, IRQCHIP_IMSIC, IRQCHIP_GICV2, IRQCHIP_GICV3 };

struct machine_irqchip {
    enum irqchip_kind kind;
    struct range dist; /* PLIC registers; GIC distributor; IMSIC: its S-mode APLIC, if any */
    struct range
        cpu; /* GICv2 cpu interface; IMSIC: the S-mode interrupt files, from hart index 0 */
    struct range redist[MACHINE_MAX_REDISTS];
    unsigned n_redist;
    uint64_t redist_stride;    /* GICv3: 0: the architecture's */
    uint32_t n_sources;        /* PLIC: riscv,ndev; IMSIC: riscv,num-ids */
    uint32_t imsic_guest_bits; /* IMSIC: riscv,guest-index-bits */
};

/* The best way to interrupt another hart that the tree offers. */
enum ipi_kind { IPI_NONE, IPI_SBI, IPI_SSWI, IPI_IMSIC, IPI_GIC };

struct machine {
    const void *fdt; /* the tree itself, totalsize bytes of it */
    size_t fdt_size;
    const char *model;    /* "" when the tree has none; points into the tree */
    const char *bootargs; /* "" when the tree has none; points into the tree */

    unsigned n_harts; /* usable harts: status okay, an MMU (RISC-V) and a way to start them */
    struct machine_hart hart[MACHINE_MAX_HARTS];
    unsigned harts_beyond; /* usable harts that had no room above; boot says so */

    unsigned n_banks;
    struct range bank[MACHINE_MAX_BANKS];
    unsigned n_reserved; /* /memreserve/, /reserved-memory and the tree itself */
    struct range reserved[MACHINE_MAX_RESERVED];

    struct machine_console console;
    struct machine_irqchip irqchip;
    enum ipi_kind ipi;
    struct range sswi; /* ACLINT SSWI registers */

    uint32_t timebase_hz;  /* RISC-V: /cpus timebase-frequency; 0 on Arm: CNTFRQ_EL0 tells */
    bool sstc;             /* every usable hart has the Sstc extension */
    uint32_t timer_irq;    /* Arm: INTID of the virtual timer (27 by convention); 0: none */
    struct range exit_dev; /* sifive,test0 / sifive,test1: machine exit with a status */
    bool has_psci;         /* Arm: a psci node; method in psci_smc */
    bool psci_smc;
};

enum machine_arch { MACHINE_RISCV, MACHINE_ARM64 };

/*
 * Fills *m from the tree at fdt. Returns 0, or -1 with a sentence for people in err (what is wrong
 * and where: "no usable cpu under /cpus"). max_size: bytes that may be read at fdt before its
 * header has been believed. Called once, before any lock exists.
 */
int machine_parse(struct machine *m, const void *fdt, size_t max_size, enum machine_arch arch,
                  char *err, size_t err_size);

/*
 * Finds the console only, as far as even a broken tree can tell it, for machine_parse's complaint.
 * Leaves kind CONSOLE_NONE when it can't.
 */
void machine_parse_console(struct machine_console *c, const void *fdt, size_t max_size);
