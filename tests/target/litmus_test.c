/*
 * litmus_test: the memory orders of docs/memory-order.md, reduced to their shapes, with the macros and
 * the calls that the code uses. The table there says which O comes down to which shape.
 *
 * QEMU on an x86 host keeps x86's order, so of what the shapes forbid only store buffering can come
 * there: store_buffering_without_fences shows it. On a weak machine each of them can show. What the
 * macros are compiled to is tests/orders_test.py's.
 */
#include "kernel/spin.h"
#include "litmus.h"

#define BODY(name) static void name(struct cell *c)
#define A(hart)    (c->saw[hart].a)
#define B(hart)    (c->saw[hart].b)
#define SET(at, v) store_relaxed(&c->at, v) /* relaxed: what is ordered, and not what orders */
#define GET(at)    (uint8_t) load_relaxed(&c->at) /* relaxed: the same */

/* ---- message passing: who sees the flag sees the data ---- */

BODY(mp_send)
{
    SET(x, 1);
    store_release(&c->y, 1);
}
BODY(mp_receive)
{
    A(1) = (uint8_t)load_acquire(&c->y);
    B(1) = GET(x);
}
static bool flag_without_data(const struct cell *c)
{
    return A(1) == 1 && B(1) == 0;
}

BODY(mp_fence_send)
{
    SET(x, 1);
    fence_full();
    SET(y, 1);
}
BODY(mp_fence_receive)
{
    A(1) = GET(y);
    fence_full();
    B(1) = GET(x);
}

/* By swaps: an inbox is pushed to by a compare-and-swap with release and taken by an exchange. */
BODY(mp_push)
{
    uint32_t top = 0;
    SET(x, 1);
    cas_release(&c->y, &top, 1);
}
BODY(mp_take)
{
    A(1) = (uint8_t)atomic_exchange_explicit(&c->y, 0, memory_order_acquire);
    B(1) = GET(x);
}

/* The other way round, as with runnext. */
BODY(mp_put_next)
{
    SET(x, 1);
    atomic_exchange_explicit(&c->y, 1, memory_order_release);
}
BODY(mp_steal_next)
{
    uint32_t next = GET(y);
    A(1) = next != 0 && cas_acquire(&c->y, &next, 0);
    B(1) = GET(x);
}

/* A table in a table: the entry is filled by a swap that does both. */
BODY(mp_entry_fill)
{
    uint32_t seen = 0;
    SET(x, 1);
    cas_acq_rel(&c->y, &seen, 1);
}

/* ---- store buffering: of two who write and then look, one sees the other ---- */

BODY(sb_left)
{
    SET(x, 1);
    fence_full();
    A(0) = GET(y);
}
BODY(sb_right)
{
    SET(y, 1);
    fence_full();
    A(1) = GET(x);
}
BODY(sb_left_c11)
{
    SET(x, 1);
    atomic_thread_fence(memory_order_seq_cst);
    A(0) = GET(y);
}
BODY(sb_left_bare)
{
    SET(x, 1);
    A(0) = GET(y);
}
BODY(sb_right_bare)
{
    SET(y, 1);
    A(1) = GET(x);
}
static bool both_miss(const struct cell *c)
{
    return A(0) == 0 && A(1) == 0;
}

/* With a counter for one of the words: a searching hart that gives up. */
BODY(sb_count)
{
    atomic_fetch_add_explicit(&c->x, 1, memory_order_seq_cst);
    fence_full();
    A(0) = GET(y);
}

/* ---- load buffering: what was read before a release is not what came after the acquire ---- */

BODY(lb_read_slot)
{
    uint32_t head = 0;
    A(0) = GET(x);
    cas_release(&c->y, &head, 1);
}
BODY(lb_reuse_slot)
{
    A(1) = (uint8_t)load_acquire(&c->y);
    if (A(1) != 0)
        SET(x, 1);
}
static bool read_what_came_later(const struct cell *c)
{
    return A(0) == 1;
}
BODY(lb_left)
{
    A(0) = (uint8_t)load_acquire(&c->x);
    store_release(&c->y, 1);
}
BODY(lb_right)
{
    A(1) = (uint8_t)load_acquire(&c->y);
    store_release(&c->x, 1);
}
static bool both_from_the_future(const struct cell *c)
{
    return A(0) == 1 && A(1) == 1;
}

/* ---- handing on: what one has acquired and released another acquires ---- */

BODY(hand_on)
{
    A(1) = (uint8_t)load_acquire(&c->y);
    store_release(&c->z, 1);
}
BODY(hand_on_receive)
{
    A(2) = (uint8_t)load_acquire(&c->z);
    B(2) = GET(x);
}
static bool handed_on_without_data(const struct cell *c)
{
    return A(1) == 1 && A(2) == 1 && B(2) == 0;
}

BODY(write_x)
{
    SET(x, 1);
}
BODY(write_z)
{
    SET(z, 1);
}
BODY(see_and_tell)
{
    A(1) = (uint8_t)load_acquire(&c->x);
    store_release(&c->y, 1);
}
BODY(be_told)
{
    A(2) = (uint8_t)load_acquire(&c->y);
    B(2) = GET(x);
}

/* Two readers agree which of two stores came first: a store that one other hart sees all see. */
BODY(read_x_then_z)
{
    A(1) = (uint8_t)load_acquire(&c->x);
    B(1) = GET(z);
}
BODY(read_z_then_x)
{
    A(2) = (uint8_t)load_acquire(&c->z);
    B(2) = GET(x);
}
static bool readers_disagree(const struct cell *c)
{
    return A(1) == 1 && B(1) == 0 && A(2) == 1 && B(2) == 0;
}

/* ---- a chain of swaps: who acquires the last has what the first released ---- */

BODY(chain_first)
{
    uint32_t head = 0;
    SET(x, 1);
    cas_release(&c->y, &head, 1);
}
BODY(chain_second)
{
    uint32_t head = 1;
    A(1) = cas_release(&c->y, &head, 2);
}
BODY(chain_owner)
{
    A(2) = (uint8_t)load_acquire(&c->y);
    B(2) = GET(x);
}
static bool chain_without_data(const struct cell *c)
{
    return A(2) >= 1 && B(2) == 0;
}

/* The last of several who count down has what all of them did. */
BODY(drop_first)
{
    SET(x, 1);
    A(0) = (uint8_t)atomic_fetch_add_explicit(&c->y, 1, memory_order_acq_rel);
    B(0) = GET(z);
}
BODY(drop_second)
{
    SET(z, 1);
    A(1) = (uint8_t)atomic_fetch_add_explicit(&c->y, 1, memory_order_acq_rel);
    B(1) = GET(x);
}
static bool last_without_the_others(const struct cell *c)
{
    return (A(0) == 1 && B(0) == 0) || (A(1) == 1 && B(1) == 0);
}

/* ---- one word ---- */

BODY(read_twice)
{
    A(1) = GET(x);
    B(1) = GET(x);
}
static bool going_back(const struct cell *c)
{
    return A(1) == 1 && B(1) == 0;
}

/* A store behind the acquire is not overtaken by one before the release. */
BODY(s_first)
{
    SET(x, 2);
    store_release(&c->y, 1);
}
BODY(s_second)
{
    A(1) = (uint8_t)load_acquire(&c->y);
    SET(x, 1);
}
static bool overtaken(const struct cell *c)
{
    return A(1) == 1 && GET(x) == 2;
}

/* ---- the spinlock: a byte is stored, the word around it is swapped ---- */

static void count_locked(struct cell *c, unsigned hart)
{
    spin_lock(&c->lock);
    c->saw[hart].a = GET(x);
    SET(x, c->saw[hart].a + 1u);
    spin_unlock(&c->lock);
}
BODY(lock_first)
{
    count_locked(c, 0);
}
BODY(lock_second)
{
    count_locked(c, 1);
}
BODY(lock_third)
{
    count_locked(c, 2);
}
static bool lost_count(const struct cell *c)
{
    return GET(x) != 3;
}

/* Two harts, three, four. */
#define TWO(name, one, two, forbidden)                           \
    {                                                            \
        name, 2, false, false, {one, two}, forbidden, NULL, NULL \
    }
#define THREE(name, one, two, three, forbidden)                         \
    {                                                                   \
        name, 3, false, false, {one, two, three}, forbidden, NULL, NULL \
    }
#define FOUR(name, one, two, three, four, forbidden)                          \
    {                                                                         \
        name, 4, false, false, {one, two, three, four}, forbidden, NULL, NULL \
    }
static const struct shape shapes[] = {
    TWO("MP", mp_send, mp_receive, flag_without_data),
    TWO("MP+fences", mp_fence_send, mp_fence_receive, flag_without_data),
    TWO("MP+push", mp_push, mp_take, flag_without_data),
    TWO("MP+next", mp_put_next, mp_steal_next, flag_without_data),
    TWO("MP+entry", mp_entry_fill, mp_receive, flag_without_data),
    TWO("SB", sb_left, sb_right, both_miss),
    TWO("SB+c11", sb_left_c11, sb_right, both_miss),
    TWO("SB+count", sb_count, sb_right, both_miss),
    TWO("LB", lb_left, lb_right, both_from_the_future),
    TWO("LB+swap", lb_read_slot, lb_reuse_slot, read_what_came_later),
    THREE("ISA2", mp_send, hand_on, hand_on_receive, handed_on_without_data),
    THREE("WRC", write_x, see_and_tell, be_told, handed_on_without_data),
    FOUR("IRIW", write_x, read_x_then_z, read_z_then_x, write_z, readers_disagree),
    THREE("chain", chain_first, chain_second, chain_owner, chain_without_data),
    TWO("count down", drop_first, drop_second, last_without_the_others),
    TWO("CoRR", write_x, read_twice, going_back),
    TWO("S", s_first, s_second, overtaken),
    THREE("lock", lock_first, lock_second, lock_third, lost_count),
};

static void what_the_orders_forbid_never_comes(void)
{
    for (unsigned i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        litmus(&shapes[i]);
}

static void store_buffering_without_fences_shows(void)
{
    static const struct shape bare = {"SB, bare", 2,    true, false, {sb_left_bare, sb_right_bare},
                                      both_miss,  NULL, NULL};
    litmus(&bare);
}

int main(void)
{
    RUN(what_the_orders_forbid_never_comes);
    RUN(store_buffering_without_fences_shows);
    return 0;
}
