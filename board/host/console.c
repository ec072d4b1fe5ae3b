/*
 * console: the process's standard output and error.
 *
 * The program's stdio is the C library's and writes by itself, one line at a time as on a board. Here
 * is what the kernel says, and what a panic says: each piece is one write, and a piece of up to 4 KiB
 * to a pipe or a terminal is not torn by Linux. Larger ones are not written by the kernel. So there is
 * no lock, and nothing to pass by in a panic.
 */
#include "kernel/console.h"
#include <poll.h>
#include <stdio.h>
#include <unistd.h>
#include "sched/sched.h"

void console_init(const struct machine_console *c, uintptr_t regs)
{
    (void)c, (void)regs;
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
}

void console_remap(uintptr_t regs)
{
    (void)regs;
}

/* Streams are apart as they are, and the exit value is the process's. */
void console_host_link(void)
{
}

void console_write(enum console_stream to, const char *s, size_t n)
{
    ssize_t done;
    for (; n > 0; s += done, n -= (size_t)done)
        if ((done = write(to == CONSOLE_OUT ? STDOUT_FILENO : STDERR_FILENO, s, n)) <= 0)
            return;
}

void console_post(const char *s, size_t n)
{
    console_write(CONSOLE_ERR, s, n);
}

bool console_try_post(const char *s, size_t n)
{
    console_write(CONSOLE_ERR, s, n);
    return true;
}

void console_panic_mode(void)
{
}

void console_hold(void)
{
}

void console_solo(bool on)
{
    (void)on;
}

void console_let_go(void)
{
}

int console_getc(void)
{
    struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
    unsigned char c;
    return poll(&in, 1, 0) == 1 && read(STDIN_FILENO, &c, 1) == 1 ? c : -1;
}

const char *console_name(void)
{
    return "stdio";
}

/* A process has its terminal's Ctrl-\, which ends it; a debugger sees more than a monitor. */
void sched_console(unsigned irq, bool monitor)
{
    (void)irq;
    if (monitor)
        kprintf("pinion: pinion.monitor: BOARD=host has none\n");
}
