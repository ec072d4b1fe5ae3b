/*
 * early_string: memory and string functions, byte by byte, for code that may run before the MMU.
 *
 * With the MMU off, AArch64 treats all memory as Device memory, where an unaligned access and DC ZVA
 * fault. newlib's memcmp, memcpy, memset and strlen for AArch64 use both, rightly, for what they are
 * made for. So the device tree's readers (ours, and libfdt if the build gives it `-include` of this
 * file) use these instead. They are inline and slow; a tree has some ten thousand bytes.
 *
 * The empty asm keeps the compiler from seeing in such a loop the very function it stands for.
 */
#pragma once
#include <stddef.h>
#include <string.h>

static inline void early_step(void)
{
    __asm__ volatile("");
}

static inline void *early_memset(void *to, int value, size_t n)
{
    unsigned char *t = to;
    for (; n > 0; n--, early_step())
        *t++ = (unsigned char)value;
    return to;
}

static inline void *early_memcpy(void *restrict to, const void *restrict from, size_t n)
{
    unsigned char *t = to;
    const unsigned char *f = from;
    for (; n > 0; n--, early_step())
        *t++ = *f++;
    return to;
}

static inline void *early_memmove(void *to, const void *from, size_t n)
{
    unsigned char *t = to;
    const unsigned char *f = from;
    if (t <= f)
        return early_memcpy(to, from, n);
    for (; n > 0; n--, early_step())
        t[n - 1] = f[n - 1];
    return to;
}

static inline int early_memcmp(const void *a, const void *b, size_t n)
{
    const unsigned char *x = a, *y = b;
    for (; n > 0; n--, x++, y++, early_step())
        if (*x != *y)
            return *x < *y ? -1 : 1;
    return 0;
}

static inline void *early_memchr(const void *s, int c, size_t n)
{
    const unsigned char *p = s;
    for (; n > 0; n--, p++, early_step())
        if (*p == (unsigned char)c)
            return (void *)p;
    return NULL;
}

static inline size_t early_strnlen(const char *s, size_t max)
{
    size_t n = 0;
    for (; n < max && s[n]; early_step())
        n++;
    return n;
}

static inline size_t early_strlen(const char *s)
{
    return early_strnlen(s, (size_t)-1);
}

static inline int early_strcmp(const char *a, const char *b)
{
    for (; *a && *a == *b; a++, b++)
        early_step();
    return (unsigned char)*a - (unsigned char)*b;
}

static inline char *early_strchr(const char *s, int c)
{
    return early_memchr(s, c, early_strlen(s) + 1);
}

static inline char *early_strrchr(const char *s, int c)
{
    for (size_t n = early_strlen(s) + 1; n > 0; n--, early_step())
        if (s[n - 1] == (char)c)
            return (char *)s + n - 1;
    return NULL;
}

#define memset  early_memset
#define memcpy  early_memcpy
#define memmove early_memmove
#define memcmp  early_memcmp
#define memchr  early_memchr
#define strlen  early_strlen
#define strnlen early_strnlen
#define strcmp  early_strcmp
#define strchr  early_strchr
#define strrchr early_strrchr
