// with: kernel/format.c
/*
 * print: the kernel's printf against the host's, and what happens at the end of the buffer.
 */
#include <stdio.h>
#include <string.h>
#include "kernel/format.h"
#include "tests/unit/unit.h"

__attribute__((format(printf, 1, 2))) static int agrees(const char *fmt, ...)
{
    char ours[512], theirs[512];
    va_list ap;

    va_start(ap, fmt);
    size_t n = print_format(ours, sizeof ours, fmt, ap);
    va_end(ap);
    va_start(ap, fmt);
    int want = vsnprintf(theirs, sizeof theirs, fmt, ap);
    va_end(ap);
    if (n == (size_t)want && strcmp(ours, theirs) == 0)
        return 1;
    printf("format '%s': ours '%s' (%zu), theirs '%s' (%d)\n", fmt, ours, n, theirs, want);
    return 0;
}

__attribute__((format(printf, 3, 4))) static size_t cut(char *buf, size_t size, const char *fmt,
                                                        ...)
{
    va_list ap;
    va_start(ap, fmt);
    size_t n = print_format(buf, size, fmt, ap);
    va_end(ap);
    return n;
}

TEST(numbers_agree_with_libc)
{
    long edge[] = {0, 1, -1, 9, 10, 42, -2147483648L, 2147483647, 1L << 62, -__LONG_MAX__ - 1};
    for (unsigned i = 0; i < sizeof edge / sizeof *edge; i++) {
        CHECK(agrees("%ld %lu %lx %lX", edge[i], edge[i], edge[i], edge[i]));
        CHECK(agrees("%d %i %u %x", (int)edge[i], (int)edge[i], (int)edge[i], (int)edge[i]));
        CHECK(agrees("[%20ld] [%-20ld] [%020ld]", edge[i], edge[i], edge[i]));
        CHECK(agrees("[%3d] [%-3d] [%03d] [%*d]", (int)edge[i], (int)edge[i], (int)edge[i], 7,
                     (int)edge[i]));
    }
    CHECK(agrees("%lld %llu %llx %zu", 1LL << 40, ~0ULL, 77ULL, sizeof edge));
    CHECK(agrees("%016lx", 0xdeadbeefUL));
    CHECK(agrees("[%*d]", -6, 12));
}

TEST(strings_agree_with_libc)
{
    CHECK(agrees("plain"));
    CHECK(agrees("%s", ""));
    CHECK(agrees("[%s] [%8s] [%-8s] [%2s]", "hart", "hart", "hart", "hart"));
    CHECK(
        agrees("[%.3s] [%.0s] [%8.2s] [%-8.2s] [%.*s]", "hart", "hart", "hart", "hart", 1, "hart"));
    CHECK(agrees("%c%c [%4c] [%-4c] 100%%", 'o', 'k', 'x', 'y'));
    CHECK(agrees("%p", (void *)0x80200000));
}

TEST(odd_formats_print_as_they_stand)
{
    char buf[64];
    const char *volatile null = NULL; /* volatile: or the compiler sees it and objects */
    const char *unknown = "%q %d", *half = "100%";
    cut(buf, sizeof buf, "%s", null);
    CHECK(strcmp(buf, "(null)") == 0);
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"
    cut(buf, sizeof buf, unknown, 5);
    CHECK(strcmp(buf, "%q 5") == 0);
    CHECK(cut(buf, sizeof buf, half) == 4);
    CHECK(strcmp(buf, "100%") == 0);
}

TEST(a_cut_text_ends_with_zero_and_tells_its_length)
{
    char buf[9];
    for (size_t size = 1; size <= 8; size++) {
        memset(buf, '#', sizeof buf);
        CHECK(cut(buf, size, "%d-%s", 123, "abcdef") == 10);
        CHECK(strlen(buf) == size - 1);
        CHECK(strncmp(buf, "123-abcdef", size - 1) == 0);
        CHECK(buf[size] == '#');
    }
}

UNIT_MAIN
