/*
 * line: see line.h.
 */
#include "sched/line.h"
#include <stdarg.h>
#include "kernel/crc.h"
#include "kernel/format.h"
#include "sched/section.h"

bool line_add(struct line *l, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    size_t room = l->size - l->n, n = print_format(l->text + l->n, room, fmt, ap);
    va_end(ap);
    l->n += n < room ? n : room - 1;
    return n < room;
}

void line_send(struct line *l)
{
    line_add(l, " #%08x\n", crc_more(0, l->text, l->n));
    section_write(CONSOLE_FILE, l->text, l->n);
}
