/*
 * location: the locations that atomic accesses use, from course to course of a scenario.
 *
 * A location is the aligned bytes of its first access. A byte of a word that is accessed as a word
 * too (spin.h) is part of that location: its store appends the newest word with that byte changed. What
 * one hart alone has ever used in this scenario has no number in views and is no reason to let others
 * run: that makes a program's courses ten times shorter. A plain write begins a location anew.
 */
#include <string.h>
#include "tests/explore/location.h"

#define LOCS   2048
#define KEYS   8192 /* power of two */
#define FILTER 65536

unsigned n_shared KEPT;
uint32_t memory_course KEPT;
bool locs_grown KEPT;

static struct loc locs[LOCS] KEPT;
static unsigned n_locs KEPT;
static uint16_t keys[KEYS] KEPT; /* hash of an address: a location's place in locs, + 1 */
static bool near[FILTER] KEPT;   /* hash of an address / 8: a location may be there */

static unsigned place(uintptr_t at)
{
    unsigned i = (unsigned)((at * UINT64_C(0x9e3779b97f4a7c15)) >> 51) % KEYS;
    while (keys[i] != 0 && locs[keys[i] - 1].at != at)
        i = (i + 1) % KEYS;
    return i;
}

struct loc *loc_at(uintptr_t at)
{
    unsigned i = place(at);
    return keys[i] != 0 ? &locs[keys[i] - 1] : NULL;
}

static struct loc *loc_new(uintptr_t at, unsigned size)
{
    if (n_locs == LOCS)
        explore_fail("the explorer has no room for more locations");
    struct loc *l = &locs[n_locs];
    keys[place(at)] = (uint16_t)(++n_locs);
    near[at / 8 % FILTER] = true;
    *l = (struct loc){.at = at, .size = (uint8_t)size, .no = -1};
    return l;
}

uint64_t loc_value(const struct loc *l)
{
    uint64_t value = 0;
    memcpy(&value, (const void *)l->at, l->size);
    return value;
}

void loc_begin(struct loc *l)
{
    bool first = l->course != memory_course;
    l->course = memory_course;
    l->anew = false;
    l->newest = l->floor = first ? 0 : l->newest + 1;
    l->row[l->newest % MESSAGES] = (struct message){loc_value(l), NULL};
}

static bool used_by_several(const struct loc *l)
{
    return (l->harts & (l->harts - 1)) != 0;
}

/* Two harts have used it: from the next memory_course on it has a number, and it is a reason to choose. */
static void note_use(struct loc *l)
{
    l->harts |= (uint8_t)(1u << self);
    locs_grown |= l->no < 0 && used_by_several(l);
}

struct loc *loc_find(uintptr_t at, unsigned size)
{
    struct loc *l = loc_at(at);
    if (l == NULL && size < 4 && (l = loc_at(at & ~(uintptr_t)3)) != NULL && l->size != 4)
        l = NULL;
    if (l == NULL)
        l = loc_new(at, size);
    if (at + size > l->at + l->size)
        explore_fail("address %lx is accessed as %u bytes and as %u", (unsigned long)at, l->size,
                     size);
    if (l->course != memory_course || l->anew)
        loc_begin(l);
    if (open_)
        note_use(l);
    return l;
}

uint64_t loc_part(const struct loc *l, uint64_t value, uintptr_t at, unsigned size)
{
    value >>= 8 * (at - l->at);
    return size == 8 ? value : value & ((UINT64_C(1) << 8 * size) - 1);
}

struct message *loc_newest(struct loc *l)
{
    return &l->row[l->newest % MESSAGES];
}

bool loc_near(uintptr_t at)
{
    return near[at / 8 % FILTER];
}

bool memory_settle(void)
{
    bool was = locs_grown;
    locs_grown = false;
    for (unsigned i = 0; i < n_locs && was; i++) {
        locs[i].n_future = locs[i].n_stored;
        locs[i].changed_by = locs[i].changers;
        if (locs[i].no < 0 && used_by_several(&locs[i]) && n_shared < SHARED)
            locs[i].no = (int16_t)n_shared++;
    }
    return was;
}

void memory_forget(void)
{
    n_locs = n_shared = 0;
    memset(keys, 0, sizeof(keys));
    memset(near, 0, sizeof(near));
}
