/*
 * traceout: a file on the computer at the debugger's end (kernel/outfile.h), or, with the path "serial", lines
 * on the console, as profiles send them (line.h):
 *
 *     %pinion-trace AT WORD WORD … #CRC
 *     %pinion-trace end BYTES #CRC
 *
 * AT counts bytes, in decimal; words are eight bytes each, little-endian in the file, in hexadecimal. What
 * does not come undamaged is missed by the next line's AT, or by the end. Words without their leading zeros are
 * shorter than bytes in base 64 would be: a record has some 40 characters, and nothing is needed to encode
 * it. At 115200 baud that is some 280 records a second, while everybody stands still.
 */
#include "sched/traceout.h"
#include <stdint.h>
#include <string.h>
#include "kernel/crc.h"
#include "kernel/outfile.h"
#include "sched/line.h"

#define WORDS 32 /* a line */

static bool by_line;
static uint32_t crc;
static uint64_t at; /* bytes sent */
static size_t n_gathered;
static union {
    uint64_t word[WORDS];
    uint8_t byte[8 * WORDS];
} gathered;

static void send_line(bool end)
{
    char text[32 + 17 * WORDS + 16];
    struct line l = {text, sizeof(text), 0};
    line_add(&l, end ? "%%pinion-trace end %lu" : "%%pinion-trace %lu", (unsigned long)at);
    for (size_t i = 0; i * 8 < n_gathered; i++)
        line_add(&l, " %lx", (unsigned long)gathered.word[i]);
    line_send(&l);
    at += n_gathered;
    n_gathered = 0;
}

bool trace_out_open(const char *path)
{
    crc = 0;
    at = 0;
    by_line = strcmp(path, TRACE_BY_SERIAL) == 0;
    return by_line || outfile_open(path);
}

bool trace_out(const void *data, size_t n)
{
    crc = crc_more(crc, data, n);
    if (!by_line)
        return outfile_write(data, n);
    for (const uint8_t *s = data; n > 0; n--) {
        gathered.byte[n_gathered++] = *s++;
        if (n_gathered == sizeof(gathered))
            send_line(false);
    }
    return true;
}

bool trace_out_close(void)
{
    uint32_t sum = crc;
    bool ok = trace_out(&sum, sizeof(sum));
    if (!by_line)
        return outfile_close() && ok;
    if (n_gathered > 0)
        send_line(false);
    send_line(true);
    return true;
}
