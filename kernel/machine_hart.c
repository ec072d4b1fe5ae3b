/*
 * machine_hart: which cpu nodes are harts that can run us, and what starts them.
 *
 * A cpu node is no promise. Boards have monitor cores without an MMU beside the ones that run
 * programs (hart 0 of the FU540, FU740, JH7110 and PolarFire: trap 25), ids have holes, and Arm
 * numbers its cores in any byte of MPIDR (0x000, 0x100 …: trap 26). So a hart is usable when
 *  - its status is absent or okay;
 *  - RISC-V: it has an MMU, told by mmu-type (a hart without the property has no S-mode), and the
 *    instructions that this image is made of: I M A F D C. Some vendors' trees call the monitor core
 *    okay and give it an mmu-type, and starting it kills the firmware, but it has no F;
 *  - it has an id, and no other hart has the same.
 * Logical numbers count the usable harts by ascending id, because trees list them upwards or
 * downwards (QEMU has done both) and numbers should not change with that.
 *
 * How a hart is started: on RISC-V by the SBI; on Arm by what enable-method says, for which psci
 * needs the psci node's method. An Arm hart without a way to be started is listed all the same, with
 * START_NONE: a tree with one cpu says nothing about starting it, we cannot tell here which hart is
 * the one that runs this, and entered at EL3 all of them may be ours already. Boot knows.
 *
 * Sstc counts only if every usable hart has it, those that MACHINE_MAX_HARTS leaves out included.
 */
#include <libfdt.h>
#include "kernel/early_string.h"
#include "kernel/machine_parts.h"

#define MPIDR_AFFINITY 0xff00ffffffull /* Aff3, Aff2, Aff1, Aff0: Arm ARM, MPIDR_EL1 */

#define PSCI_CPU_ON 0xc4000003u /* 64-bit CPU_ON since PSCI 0.2 */

/* What we saw under /cpus: for the complaint if none is usable. */
struct census {
    unsigned seen, disabled, no_id, no_mmu, other_isa;
};

/* RISC-V: the instruction set. */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static bool starts_with(const char *s, const char *word)
{
    for (; *word; s++, word++)
        if (lower(*s) != *word)
            return false;
    return true;
}

/* Letters as a set: bit 0 for a. */
static uint32_t letters(const char *s)
{
    uint32_t set = 0;
    for (; *s; s++)
        set |= 1u << (*s - 'a');
    return set;
}

/*
 * The single-letter extensions of "rv64imafdc_zicsr…", some with a version as in "i2p1". They end
 * where names of several letters begin: at '_', or at z, s or x (older trees write the privilege
 * modes there, "…dcsu").
 */
static uint32_t isa_letters(const char *isa)
{
    uint32_t set = 0;
    if (!starts_with(isa, "rv64"))
        return 0;
    for (const char *c = isa + 4; *c; c++) {
        char l = lower(*c);
        if (l == '_' || l == 'z' || l == 's' || l == 'x')
            break;
        if (l == 'g')
            set |= letters("imafd");
        else if (l >= 'a' && l <= 'z' && !(l == 'p' && is_digit(c[-1]) && is_digit(c[1])))
            set |= 1u << (l - 'a');
    }
    return set;
}

/* Does "rv64…_zicsr_sstc…" name this extension of several letters? */
static bool isa_names(const char *isa, const char *extension)
{
    size_t len = strlen(extension);
    for (const char *c = isa; *c; c++)
        if (*c == '_' && starts_with(c + 1, extension)) {
            char after = c[1 + len];
            if (after == '\0' || after == '_' || is_digit(after))
                return true;
        }
    return false;
}

/* Newer trees list extensions one by one, older ones have the string, some have both. */
static bool cpu_has(const void *fdt, int cpu, const char *extension)
{
    const char *isa = tree_string(fdt, cpu, "riscv,isa");
    if (fdt_getprop(fdt, cpu, "riscv,isa-extensions", NULL))
        return tree_list_has(fdt, cpu, "riscv,isa-extensions", extension);
    if (extension[1] == '\0')
        return isa && (isa_letters(isa) & letters(extension)) != 0;
    return isa && isa_names(isa, extension);
}

/* Can it execute this image? A tree that says nothing about it is believed to mean well. */
static bool cpu_runs_us(const void *fdt, int cpu)
{
    static const char needed[][2] = {"i", "m", "a", "f", "d", "c"};
    if (!fdt_getprop(fdt, cpu, "riscv,isa", NULL) &&
        !fdt_getprop(fdt, cpu, "riscv,isa-extensions", NULL))
        return true;
    for (unsigned i = 0; i < sizeof needed / sizeof needed[0]; i++)
        if (!cpu_has(fdt, cpu, needed[i]))
            return false;
    return true;
}

static bool cpu_has_mmu(const void *fdt, int cpu)
{
    const char *type = tree_string(fdt, cpu, "mmu-type");
    return type && strcmp(type, "riscv,none") != 0;
}

/* Controllers refer to a hart by the phandle of the interrupt controller inside its cpu node. */
static uint32_t cpu_intc(const void *fdt, int cpu)
{
    int node;
    fdt_for_each_subnode(
        node, fdt, cpu) if (tree_is(fdt, node, "riscv,cpu-intc")) return fdt_get_phandle(fdt, node);
    return 0;
}

/* Arm: starting. */

/*
 * Before 0.2 every firmware chose its own function numbers and told them in the tree. Such a one will
 * do if its CPU_ON has the number that became the standard's.
 */
static bool psci_speaks_ours(const void *fdt, int node)
{
    uint32_t cpu_on;
    if (tree_is(fdt, node, "arm,psci-1.0") || tree_is(fdt, node, "arm,psci-0.2"))
        return true;
    return tree_is(fdt, node, "arm,psci") && tree_cell(fdt, node, "cpu_on", &cpu_on) &&
           cpu_on == PSCI_CPU_ON;
}

static void parse_psci(struct parse *p)
{
    struct tree_walk w;
    for (tree_start(&w, p->fdt); tree_next(&w);) {
        const char *method = tree_string(p->fdt, tree_node(&w), "method");
        if (!method || !psci_speaks_ours(p->fdt, tree_node(&w)) || !tree_usable(&w))
            continue;
        p->m->psci_smc = strcmp(method, "smc") == 0;
        p->m->has_psci = p->m->psci_smc || strcmp(method, "hvc") == 0;
        if (p->m->has_psci)
            return;
    }
}

static enum start_method cpu_start(const struct parse *p, int cpus, int cpu, uint64_t *release)
{
    const char *method = tree_string(p->fdt, cpu, "enable-method");
    if (p->arch == MACHINE_RISCV)
        return START_SBI_HSM;
    if (!method)
        method = tree_string(p->fdt, cpus, "enable-method");
    if (!method)
        return START_NONE;
    if (strcmp(method, "psci") == 0 && p->m->has_psci)
        return p->m->psci_smc ? START_PSCI_SMC : START_PSCI_HVC;
    if (strcmp(method, "spin-table") == 0 &&
        tree_number(p->fdt, cpu, "cpu-release-addr", release) && *release != 0)
        return START_SPIN_TABLE;
    return START_NONE;
}

/* The table. */

/* Member by member: the compiler may not make a call to memcpy of it (early_string.h). */
static void hart_copy(struct machine_hart *to, const struct machine_hart *from)
{
    to->id = from->id;
    to->release_addr = from->release_addr;
    to->phandle_intc = from->phandle_intc;
    to->plic_context = from->plic_context;
    to->sswi_index = from->sswi_index;
    to->imsic = from->imsic;
    to->start = from->start;
}

static bool hart_known(const struct machine *m, uint64_t id)
{
    for (unsigned i = 0; i < m->n_harts; i++)
        if (m->hart[i].id == id)
            return true;
    return false;
}

/* Keeps the table sorted; when it is full, the highest id is what goes. */
static void hart_insert(struct machine *m, const struct machine_hart *h)
{
    unsigned i;
    if (m->n_harts == MACHINE_MAX_HARTS) {
        m->harts_beyond++;
        if (h->id > m->hart[MACHINE_MAX_HARTS - 1].id)
            return;
        m->n_harts--;
    }
    for (i = m->n_harts++; i > 0 && m->hart[i - 1].id > h->id; i--)
        hart_copy(&m->hart[i], &m->hart[i - 1]);
    hart_copy(&m->hart[i], h);
}

/* /cpus also holds cpu-map, idle-states and such. Names end at '@'. */
static bool is_cpu(const void *fdt, int node)
{
    if (fdt_getprop(fdt, node, "device_type", NULL))
        return tree_list_index(fdt, node, "device_type", "cpu") == 0;
    return starts_with(tree_name(fdt, node), "cpu@");
}

/* The id: the first one or two cells of reg, as many as /cpus says. */
static bool cpu_id(const struct parse *p, int cpus, int cpu, uint64_t *id)
{
    uint32_t cells;
    int len;
    const uint8_t *reg = fdt_getprop(p->fdt, cpu, "reg", &len);
    if (!tree_cell(p->fdt, cpus, "#address-cells", &cells))
        cells = reg && len >= 8 ? 2 : 1;
    if (!reg || cells < 1 || cells > 2 || len < (int)cells * 4)
        return false;
    *id = tree_be32(reg);
    if (cells == 2)
        *id = *id << 32 | tree_be32(reg + 4);
    if (p->arch == MACHINE_ARM64)
        *id &= MPIDR_AFFINITY;
    return true;
}

/* Counts the reason why this cpu is not ours, if there is one. */
static bool cpu_usable(const struct parse *p, int cpu, struct census *c)
{
    if (!tree_okay(p->fdt, cpu))
        c->disabled++;
    else if (p->arch == MACHINE_RISCV && !cpu_has_mmu(p->fdt, cpu))
        c->no_mmu++;
    else if (p->arch == MACHINE_RISCV && !cpu_runs_us(p->fdt, cpu))
        c->other_isa++;
    else
        return true;
    return false;
}

static void cpu_take(struct parse *p, int cpus, int cpu, struct census *c)
{
    struct machine_hart h = {.plic_context = 0xffff, .sswi_index = 0xffff};
    c->seen++;
    if (!cpu_usable(p, cpu, c))
        return;
    if (!cpu_id(p, cpus, cpu, &h.id) || hart_known(p->m, h.id)) {
        c->no_id++;
        return;
    }
    h.start = cpu_start(p, cpus, cpu, &h.release_addr);
    if (p->arch == MACHINE_RISCV) {
        h.phandle_intc = cpu_intc(p->fdt, cpu);
        p->m->sstc = p->m->sstc && cpu_has(p->fdt, cpu, "sstc");
    }
    hart_insert(p->m, &h);
}

static void say_count(struct sentence *why, const char *reason, unsigned n, const char **before)
{
    if (n == 0)
        return;
    say(why, *before, "", 0, 0);
    say(why, reason, "", n, 0);
    *before = ", ";
}

static int no_harts(struct parse *p, const struct census *c)
{
    const char *before = ": ";
    say(&p->why, "no usable cpu under /cpus (# seen", "", c->seen, 0);
    say_count(&p->why, "# without an MMU", c->no_mmu, &before);
    say_count(&p->why, "# without the extensions I M A F D C", c->other_isa, &before);
    say_count(&p->why, "# disabled", c->disabled, &before);
    say_count(&p->why, "# without an id of its own", c->no_id, &before);
    say(&p->why, ")", "", 0, 0);
    return -1;
}

/* RISC-V's clock has no register that tells its rate. It is the same for all harts. */
static int parse_timebase(struct parse *p, int cpus)
{
    uint64_t hz = 0;
    int cpu;
    if (!tree_number(p->fdt, cpus, "timebase-frequency", &hz))
        fdt_for_each_subnode(cpu, p->fdt,
                             cpus) if (tree_number(p->fdt, cpu, "timebase-frequency", &hz)) break;
    if (hz == 0 || hz > UINT32_MAX) {
        say(&p->why, "no usable timebase-frequency under /cpus", "", 0, 0);
        return -1;
    }
    p->m->timebase_hz = (uint32_t)hz;
    return 0;
}

int parse_harts(struct parse *p)
{
    struct census c = {0};
    int cpu, cpus = fdt_path_offset(p->fdt, "/cpus");
    if (cpus < 0) {
        say(&p->why, "no node /cpus", "", 0, 0);
        return -1;
    }
    if (p->arch == MACHINE_ARM64)
        parse_psci(p);
    p->m->sstc = p->arch == MACHINE_RISCV;
    fdt_for_each_subnode(cpu, p->fdt, cpus) if (is_cpu(p->fdt, cpu)) cpu_take(p, cpus, cpu, &c);
    if (p->m->n_harts == 0)
        return no_harts(p, &c);
    return p->arch == MACHINE_RISCV ? parse_timebase(p, cpus) : 0;
}
