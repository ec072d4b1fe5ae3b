/*
 * hooks: the runtime that gcc -fsanitize=thread asks for, ours. Each access of the rooms' and the
 * scenarios' memory calls one of these first, or for atomic ones instead, with its C11 order.
 *
 * Outside a course (setup, check, a boot's first steps) they do what they are asked for, unwatched.
 */
#include <string.h>
#include "tests/explore/engine.h"

#define HERE ((uintptr_t)__builtin_return_address(0))

static void plain(void *at, size_t n, bool write, uintptr_t pc)
{
    if (!watched)
        return;
    race_access((uintptr_t)at, n, write ? PLAIN_WRITE : PLAIN_READ, pc);
    memory_plain((uintptr_t)at, n, write);
}

#define PLAIN(n)                              \
    void __tsan_read##n(void *at);            \
    void __tsan_write##n(void *at);           \
    void __tsan_unaligned_read##n(void *at);  \
    void __tsan_unaligned_write##n(void *at); \
    void __tsan_read##n(void *at)             \
    {                                         \
        plain(at, n, false, HERE);            \
    }                                         \
    void __tsan_write##n(void *at)            \
    {                                         \
        plain(at, n, true, HERE);             \
    }                                         \
    void __tsan_unaligned_read##n(void *at)   \
    {                                         \
        plain(at, n, false, HERE);            \
    }                                         \
    void __tsan_unaligned_write##n(void *at)  \
    {                                         \
        plain(at, n, true, HERE);             \
    }
PLAIN(1)
PLAIN(2)
PLAIN(4)
PLAIN(8)
PLAIN(16)

void __tsan_init(void);
void __tsan_func_entry(void *pc);
void __tsan_func_exit(void);
void __tsan_read_range(void *at, size_t n);
void __tsan_write_range(void *at, size_t n);
void __tsan_atomic_signal_fence(int order);
void __tsan_atomic_thread_fence(int order);

void __tsan_init(void)
{
}

void __tsan_func_entry(void *pc)
{
    (void)pc;
}

void __tsan_func_exit(void)
{
}

void __tsan_read_range(void *at, size_t n)
{
    plain(at, n, false, HERE);
}

void __tsan_write_range(void *at, size_t n)
{
    plain(at, n, true, HERE);
}

/* For the compiler and for interrupts, which come here at points only. */
void __tsan_atomic_signal_fence(int order)
{
    (void)order;
}

void __tsan_atomic_thread_fence(int order)
{
    if (watched)
        memory_fence(order, HERE);
}

/* ---- atomics ---- */

static uint64_t change_to(uint64_t old, uint64_t operand)
{
    (void)old;
    return operand;
}

static uint64_t change_add(uint64_t old, uint64_t operand)
{
    return old + operand;
}

static uint64_t change_sub(uint64_t old, uint64_t operand)
{
    return old - operand;
}

static uint64_t change_and(uint64_t old, uint64_t operand)
{
    return old & operand;
}

static uint64_t change_or(uint64_t old, uint64_t operand)
{
    return old | operand;
}

static uint64_t change_xor(uint64_t old, uint64_t operand)
{
    return old ^ operand;
}

#define CHANGE(bits, name, fn)                                                                    \
    uint##bits##_t __tsan_atomic##bits##_##name(uint##bits##_t *at, uint##bits##_t v, int order); \
    uint##bits##_t __tsan_atomic##bits##_##name(uint##bits##_t *at, uint##bits##_t v, int order)  \
    {                                                                                             \
        if (watched)                                                                              \
            return (uint##bits##_t)memory_change(at, bits / 8, fn, v, order, HERE);               \
        uint##bits##_t old = *at;                                                                 \
        *at = (uint##bits##_t)fn(old, v);                                                         \
        return old;                                                                               \
    }

#define SWAP(bits, how)                                                                            \
    int __tsan_atomic##bits##_compare_exchange_##how(uint##bits##_t *at, uint##bits##_t *expected, \
                                                     uint##bits##_t v, int order, int failure);    \
    int __tsan_atomic##bits##_compare_exchange_##how(uint##bits##_t *at, uint##bits##_t *expected, \
                                                     uint##bits##_t v, int order, int failure)     \
    {                                                                                              \
        uint64_t seen = *expected;                                                                 \
        bool swapped;                                                                              \
        if (watched) {                                                                             \
            swapped = memory_cas(at, bits / 8, &seen, v, order, failure, HERE);                    \
        } else {                                                                                   \
            swapped = *at == seen;                                                                 \
            seen = *at;                                                                            \
            if (swapped)                                                                           \
                *at = v;                                                                           \
        }                                                                                          \
        if (!swapped)                                                                              \
            *expected = (uint##bits##_t)seen;                                                      \
        return swapped;                                                                            \
    }

#define ATOMICS(bits)                                                                  \
    uint##bits##_t __tsan_atomic##bits##_load(uint##bits##_t *at, int order);          \
    void __tsan_atomic##bits##_store(uint##bits##_t *at, uint##bits##_t v, int order); \
    uint##bits##_t __tsan_atomic##bits##_load(uint##bits##_t *at, int order)           \
    {                                                                                  \
        return watched ? (uint##bits##_t)memory_load(at, bits / 8, order, HERE) : *at; \
    }                                                                                  \
    void __tsan_atomic##bits##_store(uint##bits##_t *at, uint##bits##_t v, int order)  \
    {                                                                                  \
        if (watched)                                                                   \
            memory_store(at, bits / 8, v, order, HERE);                                \
        else                                                                           \
            *at = v;                                                                   \
    }                                                                                  \
    CHANGE(bits, exchange, change_to)                                                  \
    CHANGE(bits, fetch_add, change_add)                                                \
    CHANGE(bits, fetch_sub, change_sub)                                                \
    CHANGE(bits, fetch_and, change_and)                                                \
    CHANGE(bits, fetch_or, change_or)                                                  \
    CHANGE(bits, fetch_xor, change_xor)                                                \
    SWAP(bits, strong)                                                                 \
    SWAP(bits, weak)

ATOMICS(8)
ATOMICS(16)
ATOMICS(32)
ATOMICS(64)

/* ---- what the compiler, or the source, leaves to the C library: names that `run` has changed ---- */

void *watched_memcpy(void *to, const void *from, size_t n);
void *watched_memmove(void *to, const void *from, size_t n);
void *watched_memset(void *to, int byte, size_t n);

void *watched_memcpy(void *to, const void *from, size_t n)
{
    plain((void *)(uintptr_t)from, n, false, HERE);
    plain(to, n, true, HERE);
    return memcpy(to, from, n);
}

void *watched_memmove(void *to, const void *from, size_t n)
{
    plain((void *)(uintptr_t)from, n, false, HERE);
    plain(to, n, true, HERE);
    return memmove(to, from, n);
}

void *watched_memset(void *to, int byte, size_t n)
{
    plain(to, n, true, HERE);
    return memset(to, byte, n);
}
