/*
 * race: plain accesses that nothing orders are races, whatever they read.
 *
 * Each hart has a clock that moves with each of its releases, and knows of each other hart's clock
 * how far it has acquired it (vector clocks; memory.c keeps them with its views). An access is stamped
 * with its hart's clock. Two of different harts that overlap, at least one a write and not both
 * atomic, race if the later one's hart does not know the earlier one's stamp. That depends on the
 * order of accesses much less than on the values they read: so a release that has become relaxed is
 * found in nearly every schedule.
 *
 * For eight bytes we remember the last access of each hart and kind, and which of the bytes it was. An
 * older one by the same hart to other bytes of the eight is forgotten; another course finds it.
 */
#include <string.h>
#include "tests/explore/engine.h"

#define CELLS 65536 /* power of two */
#define KINDS 4

struct stamp {
    uint32_t clock; /* 0: none */
    uint8_t bytes;
    uintptr_t pc;
};

struct cell {
    uintptr_t key;   /* address / 8 */
    uint32_t course; /* in which its stamps were made */
    struct stamp by[HARTS_MAX][KINDS];
};

static struct cell cells[CELLS] KEPT;
static uint32_t course KEPT;
static unsigned used KEPT;

void race_reset(void)
{
    if (used > CELLS / 2) {
        memset(cells, 0, sizeof(cells));
        used = 0;
    }
    course++;
}

static struct cell *cell_of(uintptr_t key)
{
    size_t i = (key * UINT64_C(0x9e3779b97f4a7c15)) >> 48;
    while (cells[i].key != key && cells[i].key != 0)
        i = (i + 1) % CELLS;
    struct cell *c = &cells[i];
    if (c->key == 0) {
        c->key = key;
        if (++used == CELLS)
            explore_fail("the explorer's table of accesses is full");
    }
    if (c->course != course) {
        memset(c->by, 0, sizeof(c->by));
        c->course = course;
    }
    return c;
}

static const char *const names[KINDS] = {"read", "write", "atomic read", "atomic write"};

static bool is_write(enum access kind)
{
    return kind == PLAIN_WRITE || kind == ATOMIC_WRITE;
}

static bool is_plain(enum access kind)
{
    return kind == PLAIN_READ || kind == PLAIN_WRITE;
}

static void hold_against(const struct cell *c, unsigned other, enum access kind, uint8_t bytes,
                         uintptr_t at, uintptr_t pc)
{
    for (enum access k = 0; k < KINDS; k++) {
        const struct stamp *s = &c->by[other][k];
        if ((s->bytes & bytes) != 0 && (is_write(k) || is_write(kind)) &&
            (is_plain(k) || is_plain(kind)) && s->clock > memory_clock(other))
            explore_fail("race: %s by hart %u at <%lx> and %s by hart %u at <%lx>, address %lx",
                         names[k], other, (unsigned long)s->pc, names[kind], self,
                         (unsigned long)pc, (unsigned long)at);
    }
}

static void one_cell(uintptr_t key, uint8_t bytes, enum access kind, uintptr_t at, uintptr_t pc)
{
    struct cell *c = cell_of(key);
    for (unsigned other = 0; other < n_harts; other++)
        if (other != self)
            hold_against(c, other, kind, bytes, at, pc);
    struct stamp *s = &c->by[self][kind];
    uint32_t now = memory_clock(self);
    s->bytes = s->clock == now ? s->bytes | bytes : bytes;
    s->clock = now;
    s->pc = pc;
}

void race_access(uintptr_t at, size_t n, enum access kind, uintptr_t pc)
{
    while (n > 0) {
        size_t from = at % 8, here = 8 - from < n ? 8 - from : n;
        one_cell(at / 8, (uint8_t)(((1u << here) - 1) << from), kind, at, pc);
        at += here;
        n -= here;
    }
}
