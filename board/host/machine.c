/*
 * machine: the machine as the command line describes it, in place of a device tree.
 *
 *     ELF [pinion.smp=N] [pinion.mem=SIZE] WORDS…
 *
 * There are N harts and one bank of SIZE bytes, which page.c deals out by count. The rest of the
 * words are the boot arguments.
 */
#include "kernel/machine.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BOOTARGS_BYTES 4096

/* The value of a word key=value, or NULL. */
static const char *value_of(const char *word, const char *key)
{
    size_t n = strlen(key);
    return strncmp(word, key, n) == 0 && word[n] == '=' ? word + n + 1 : NULL;
}

/* Bytes: a number, with K, M or G behind it perhaps. */
static uint64_t size_of(const char *text)
{
    char *end;
    uint64_t n = strtoull(text, &end, 10);
    switch (*end) {
    case 'G':
    case 'g': n <<= 10; /* fallthrough */
    case 'M':
    case 'm': n <<= 10; /* fallthrough */
    case 'K':
    case 'k': return n << 10;
    default: return n;
    }
}

static void harts(struct machine *m, unsigned n)
{
    m->n_harts = n < MACHINE_MAX_HARTS ? n : MACHINE_MAX_HARTS;
    m->harts_beyond = n - m->n_harts;
    for (unsigned i = 0; i < m->n_harts; i++)
        m->hart[i] = (struct machine_hart){.id = i};
}

/* One more word of the boot arguments; what does not fit is left out, as args.c does with more. */
static void add_word(char *bootargs, const char *word)
{
    size_t used = strlen(bootargs);
    snprintf(bootargs + used, BOOTARGS_BYTES - used, "%s%s", used > 0 ? " " : "", word);
}

int machine_parse(struct machine *m, const void *fdt, size_t max_size, enum machine_arch arch,
                  char *err, size_t err_size)
{
    static char bootargs[BOOTARGS_BYTES];
    char *const *argv = fdt;
    const char *v;
    unsigned n = 1;
    (void)max_size, (void)arch;
    *m = (struct machine){.model = "Linux", .bootargs = bootargs, .n_banks = 1};
    m->bank[0] = (struct range){0, (uint64_t)512 << 20};
    for (int i = 1; argv[i] != NULL; i++) {
        if ((v = value_of(argv[i], "pinion.smp")) != NULL)
            n = (unsigned)strtoul(v, NULL, 10);
        else if ((v = value_of(argv[i], "pinion.mem")) != NULL)
            m->bank[0].size = size_of(v);
        else
            add_word(bootargs, argv[i]);
    }
    harts(m, n);
    if (n > 0 && m->bank[0].size > 0)
        return 0;
    snprintf(err, err_size, "pinion.smp and pinion.mem want numbers above 0");
    return -1;
}

void machine_parse_console(struct machine_console *c, const void *fdt, size_t max_size)
{
    (void)fdt, (void)max_size;
    *c = (struct machine_console){.kind = CONSOLE_NONE};
}
