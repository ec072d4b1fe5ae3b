/*
 * symbols: the image's own table of function names, for tracebacks.
 *
 * The link is made twice; the second pass puts in what `nm` says of the first. In between
 * __symtab_start and __symtab_end lie, little-endian:
 *
 *     u32 count
 *     u32 offset[count]   of the functions from __text_start, ascending
 *     u32 name[count]     where their names start, from the first byte behind this array
 *     names, each ended by a zero byte
 */
#pragma once
#include <stdint.h>

/*
 * The function that pc lies in and how far in, or NULL: no table (the first pass, a program that was
 * linked by hand), a damaged one, or pc outside of the text. Any context; takes no lock, no memory.
 */
const char *symbol_find(uintptr_t pc, uintptr_t *offset);
