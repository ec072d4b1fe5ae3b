/*
 * crc: CRC-32 as zlib has it, for what leaves the machine.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* Of n more bytes, behind those of which it is crc; 0: behind none. */
uint32_t crc_more(uint32_t crc, const void *data, size_t n);
