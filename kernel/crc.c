/*
 * crc: the reversed polynomial 0xedb88320, half a byte at a time: a table of 64 bytes, not of 1024. A byte
 * costs a dozen instructions; what is checked here goes over a line that is slower, or once.
 */
#include "kernel/crc.h"

uint32_t crc_more(uint32_t crc, const void *data, size_t n)
{
    static const uint32_t of[16] = {0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac,
                                    0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
                                    0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
                                    0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c};
    crc = ~crc;
    for (const uint8_t *s = data; n > 0; n--, s++) {
        crc ^= *s;
        crc = crc >> 4 ^ of[crc & 15];
        crc = crc >> 4 ^ of[crc & 15];
    }
    return ~crc;
}
