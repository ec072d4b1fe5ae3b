/*
 * mmio: registers of devices.
 *
 * A volatile access and nothing more: the compiler keeps it whole and in order with the other
 * ones. Against memory, and against another device, nothing is ordered but what a driver says
 * with a barrier; arch_io_barrier() is the one that most need.
 */
#pragma once
#include <stdint.h>

static inline uint8_t mmio_read8(uintptr_t reg)
{
    return *(volatile uint8_t *)reg;
}

static inline uint32_t mmio_read32(uintptr_t reg)
{
    return *(volatile uint32_t *)reg;
}

static inline uint64_t mmio_read64(uintptr_t reg)
{
    return *(volatile uint64_t *)reg;
}

static inline void mmio_write8(uintptr_t reg, uint8_t v)
{
    *(volatile uint8_t *)reg = v;
}

static inline void mmio_write32(uintptr_t reg, uint32_t v)
{
    *(volatile uint32_t *)reg = v;
}

static inline void mmio_write64(uintptr_t reg, uint64_t v)
{
    *(volatile uint64_t *)reg = v;
}
