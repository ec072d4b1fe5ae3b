/*
 * size_class: which sizes small objects come in, and how many share a span.
 *
 * A request is rounded up to its class, and what does not fit at the end of a span is lost as well.
 * Both losses are kept small by one rule: above 128 bytes, a class is a *whole* divided by a small
 * number, so that the pieces fill it.
 *
 *     to 128       every multiple of 16: 8 classes; 32 to 256 objects a page
 *     128 to 4096  each doubling from `low` has the whole 16 low divided by 15, 14 … 8
 *     to 32768     each doubling has the whole 8 low divided by 7, 6, 5, 4
 *
 * rounded down to 16 bytes, or 64 above 1024. A span is its class's whole, or a page if that is
 * more: 4 KiB up to 512 bytes an object, 128 KiB for the largest. Powers of two are classes, as the
 * last of each doubling; so are all multiples of 16 up to 128.
 *
 * What is lost, at worst, of a span whose objects are all in use, rounding and end together: 15
 * bytes an object up to 128; 15.2 % up to 256; 12.5 % up to 4096; 20.3 % above (for 13057 bytes).
 * tests/unit/size_class_test.c adds it up for every size. Programs ask for powers of two and for
 * small structures, which lose least. Go has 67 classes and loses a little less above 4 KiB.
 *
 * Finer steps above 4096 would need spans of 256 KiB: pages in one piece, which a machine that has
 * run for a while may not have, and which come back only when the last object has gone.
 *
 * A batch is 8 KiB of objects, but 1 at least, and no more than 32 or a span's. A P keeps two of a
 * class, at most; so a visit to the central lists is worth 32 of the small objects, and no P keeps much
 * of the large.
 */
#include "kernel/size_class.h"
#include "kernel/page.h"

#define BATCH_BYTES 8192
#define BATCH_MAX   32

struct size_class size_class[CLASS_MAX];
unsigned n_size_classes;
uint8_t size_class_tiny[TINY_MAX / GRAIN + 1];
uint8_t size_class_above[SMALL_MAX / GRAIN_ABOVE + 1];

static uint32_t batch_of(uint32_t size, uint32_t objects)
{
    uint32_t n = BATCH_BYTES / size, most = objects < BATCH_MAX ? objects : BATCH_MAX;
    return n < 1 ? 1 : n > most ? most : n;
}

static void class_add(uint32_t size, uint32_t whole)
{
    uint8_t order = 0;
    while (PAGE_SIZE << order < whole)
        order++;
    uint32_t span = (uint32_t)PAGE_SIZE << order;
    size_class[++n_size_classes] = (struct size_class){
        .size = size,
        .span_mask = span - 1,
        .inverse = (uint32_t)((((uint64_t)1 << 32) + size - 1) / size),
        .objects = (uint16_t)(span / size),
        .order = order,
        .batch = (uint8_t)batch_of(size, span / size),
    };
}

/* The classes above low up to 2 low: a whole in parts - 1 … parts / 2 pieces. */
static void doubling_add(uint32_t low, uint32_t parts)
{
    uint32_t whole = low * parts;
    for (uint32_t n = parts - 1; n >= parts / 2; n--) {
        uint32_t size = whole / n;
        size -= size % (size <= TINY_MAX ? GRAIN : GRAIN_ABOVE);
        if (size > size_class[n_size_classes].size)
            class_add(size, whole);
    }
}

/* For each multiple of grain up to n * grain, the smallest class of at least as much. */
static void table_fill(uint8_t *table, uint32_t n, uint32_t grain)
{
    uint8_t class = 1;
    for (uint32_t i = 0; i <= n; i++) {
        while (size_class[class].size < i * grain)
            class ++;
        table[i] = class;
    }
}

void size_class_init(void)
{
    n_size_classes = 0;
    for (uint32_t size = GRAIN; size <= 128; size += GRAIN)
        class_add(size, PAGE_SIZE);
    for (uint32_t low = 128; low < SMALL_MAX; low *= 2)
        doubling_add(low, low < 4096 ? 16 : 8);
    table_fill(size_class_tiny, TINY_MAX / GRAIN, GRAIN);
    table_fill(size_class_above, SMALL_MAX / GRAIN_ABOVE, GRAIN_ABOVE);
}
