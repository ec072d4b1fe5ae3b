/*
 * format: see format.h. One pass over the format; each conversion is parsed into a struct spec,
 * then printed. Output beyond the buffer is counted and dropped in one place, put().
 */
#include "kernel/format.h"
#include <stdbool.h>
#include <stdint.h>

struct out {
    char *buf;
    size_t size; /* of buf */
    size_t n;    /* bytes of the text so far, stored or not */
};

struct spec {
    bool left;     /* '-' */
    bool zero;     /* '0' */
    bool is_long;  /* l, ll or z: 64 bits */
    int width;     /* least number of characters */
    int precision; /* most characters of a string; -1: all */
};

static void put(struct out *o, char c)
{
    if (o->n + 1 < o->size)
        o->buf[o->n] = c;
    o->n++;
}

static void put_repeated(struct out *o, char c, int times)
{
    while (times-- > 0)
        put(o, c);
}

/* Pads s to the width. prefix ("-", "0x") goes before zeros but after spaces. */
static void put_padded(struct out *o, const struct spec *sp, const char *prefix, const char *s,
                       int len)
{
    int fill = sp->width - len;
    for (const char *p = prefix; *p; p++)
        fill--;

    if (!sp->left && !sp->zero)
        put_repeated(o, ' ', fill);
    while (*prefix)
        put(o, *prefix++);
    if (!sp->left && sp->zero)
        put_repeated(o, '0', fill);
    for (int i = 0; i < len; i++)
        put(o, s[i]);
    if (sp->left)
        put_repeated(o, ' ', fill);
}

static void put_number(struct out *o, const struct spec *sp, const char *prefix, uint64_t v,
                       unsigned base, const char *digits)
{
    char text[20]; /* 2^64 - 1 has twenty decimal digits */
    int at = sizeof text;
    do {
        text[--at] = digits[v % base];
        v /= base;
    } while (v);
    put_padded(o, sp, prefix, text + at, (int)sizeof text - at);
}

static void put_signed(struct out *o, const struct spec *sp, int64_t v)
{
    bool negative = v < 0;
    uint64_t size = negative ? -(uint64_t)v : (uint64_t)v;
    put_number(o, sp, negative ? "-" : "", size, 10, "0123456789");
}

static void put_string(struct out *o, struct spec *sp, const char *s)
{
    int len = 0;
    if (!s)
        s = "(null)";
    while ((sp->precision < 0 || len < sp->precision) && s[len])
        len++;
    sp->zero = false;
    put_padded(o, sp, "", s, len);
}

/* A decimal number, or * for an argument. Returns what follows it. */
static const char *read_int(const char *f, int *v, va_list *ap)
{
    *v = 0;
    if (*f == '*') {
        *v = va_arg(*ap, int);
        return f + 1;
    }
    while (*f >= '0' && *f <= '9' && *v < 100000)
        *v = *v * 10 + (*f++ - '0');
    return f;
}

/* Everything between '%' and the conversion's letter. Returns the letter's place. */
static const char *read_spec(const char *f, struct spec *sp, va_list *ap)
{
    *sp = (struct spec){.precision = -1};
    for (; *f == '0' || *f == '-'; f++) {
        sp->zero |= *f == '0';
        sp->left |= *f == '-';
    }
    f = read_int(f, &sp->width, ap);
    if (sp->width < 0) {
        sp->left = true;
        sp->width = -sp->width;
    }
    if (*f == '.')
        f = read_int(f + 1, &sp->precision, ap);
    for (; *f == 'l' || *f == 'z'; f++)
        sp->is_long = true;
    return f;
}

static int64_t take_signed(const struct spec *sp, va_list *ap)
{
    return sp->is_long ? va_arg(*ap, long) : va_arg(*ap, int);
}

static uint64_t take_unsigned(const struct spec *sp, va_list *ap)
{
    return sp->is_long ? va_arg(*ap, unsigned long) : va_arg(*ap, unsigned);
}

_Static_assert(sizeof(long) == 8 && sizeof(long long) == 8 && sizeof(size_t) == 8,
               "l, ll and z are one size here");

/* One conversion whose letter is at f. false: no such letter. */
static bool convert(struct out *o, struct spec *sp, char letter, va_list *ap)
{
    switch (letter) {
    case 's': put_string(o, sp, va_arg(*ap, const char *)); return true;
    case 'c': put_padded(o, sp, "", &(char){(char)va_arg(*ap, int)}, 1); return true;
    case 'd':
    case 'i': put_signed(o, sp, take_signed(sp, ap)); return true;
    case 'u': put_number(o, sp, "", take_unsigned(sp, ap), 10, "0123456789"); return true;
    case 'x': put_number(o, sp, "", take_unsigned(sp, ap), 16, "0123456789abcdef"); return true;
    case 'X': put_number(o, sp, "", take_unsigned(sp, ap), 16, "0123456789ABCDEF"); return true;
    case 'p':
        put_number(o, sp, "0x", (uintptr_t)va_arg(*ap, void *), 16, "0123456789abcdef");
        return true;
    case '%': put(o, '%'); return true;
    default: return false;
    }
}

size_t print_format(char *buf, size_t n, const char *fmt, va_list args)
{
    struct out o = {buf, n, 0};
    va_list ap;

    va_copy(ap, args); /* an array type on some machines: only a copy's address is a va_list * */
    while (*fmt) {
        struct spec sp;
        const char *percent = fmt;
        if (*fmt != '%') {
            put(&o, *fmt++);
            continue;
        }
        fmt = read_spec(fmt + 1, &sp, &ap);
        if (*fmt && convert(&o, &sp, *fmt, &ap)) {
            fmt++;
            continue;
        }
        while (percent < fmt)
            put(&o, *percent++);
    }
    va_end(ap);
    buf[o.n < n ? o.n : n - 1] = '\0';
    return o.n;
}
