// with: kernel/format.c -Wno-format-nonliteral -Wno-format-security
/*
 * format_fuzz: the kernel's printf. Of each input's first bytes one conversion is made, whatever of
 * those we have, and compared with the host's printf; the rest is taken for a whole format of its own,
 * which must only be survived (the compiler checks ours; a damaged one may come all the same).
 */
#include <stdarg.h>
#include "kernel/format.h"
#include "tests/fuzz/fuzz.h"

#define ROOM 400 /* widths and precisions stay below 200 */

static size_t ours(char *buf, size_t n, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    size_t length = print_format(buf, n, fmt, ap);
    va_end(ap);
    return length;
}

/* Both print it; n: how much room ours has. */
#define COMPARE(n, fmt, ...)                                                   \
    do {                                                                       \
        char want[ROOM], *got = malloc(n);                                     \
        size_t length = (size_t)snprintf(want, sizeof want, fmt, __VA_ARGS__); \
        HOLDS(ours(got, n, fmt, __VA_ARGS__) == length);                       \
        HOLDS(strlen(got) == (length < (n) ? length : (n)-1));                 \
        HOLDS(strncmp(got, want, strlen(got)) == 0);                           \
        free(got);                                                             \
    } while (0)

struct choice {
    uint8_t letter, size, flags, width, precision, room;
    int64_t value;
};

/* "%-08.3lx" and so on. C leaves open what 0 means before s and c, and a precision elsewhere. */
static void make_format(char *fmt, const struct choice *c, char letter)
{
    static const char *const sizes[] = {"", "l", "ll", "z"};
    bool number = !strchr("sc", letter);
    *fmt++ = '%';
    if (c->flags & 1)
        *fmt++ = '-';
    if (c->flags & 2 && number)
        *fmt++ = '0';
    if (c->flags & 4)
        fmt += sprintf(fmt, "%u", c->width % 200u);
    if (c->flags & 8 && letter == 's')
        fmt += sprintf(fmt, ".%u", c->precision % 200u);
    sprintf(fmt, "%s%c", number ? sizes[c->size % 4] : "", letter);
}

static void one_conversion(const struct choice *c, const char *text)
{
    static const char letters[] = "scdiuxX";
    char fmt[32], letter = letters[c->letter % (sizeof letters - 1)];
    size_t room = 1 + c->room;
    make_format(fmt, c, letter);
    if (letter == 's')
        COMPARE(room, fmt, text);
    else if (letter == 'c')
        COMPARE(room, fmt, 1 + (int)(c->value & 0x7e));
    else if (c->size % 4 == 0)
        COMPARE(room, fmt, (int)c->value);
    else
        COMPARE(room, fmt, (long)c->value);
}

/* Every argument is a text, so %s is no harm; `*` would be a width of a text's address. */
static void any_format(char *fmt)
{
    static const char text[] = "text";
    char *got = malloc(64);
    unsigned conversions = 0;
    for (char *c = fmt; *c; c++)
        if (*c == '*' || (*c == '%' && ++conversions > 8))
            *c = '.';
    ours(got, 64, fmt, text, text, text, text, text, text, text, text);
    HOLDS(memchr(got, '\0', 64) != NULL);
    free(got);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct choice c;
    if (size < sizeof c || size > sizeof c + 150)
        return 0;
    memcpy(&c, data, sizeof c);
    char *rest = text_copy(data + sizeof c, size - sizeof c);
    one_conversion(&c, rest);
    any_format(rest);
    free(rest);
    return 0;
}
