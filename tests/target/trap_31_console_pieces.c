/*
 * Trap 31: pieces of different harts are never torn, and a handler that interrupts a writer on its
 * own hart does not wait for it. Goroutines write to stdout, others kprintf, and the UART's own
 * interrupt kprintfs in the middle of all that; tests/pieces_test.py takes the output apart.
 */
#include <pinion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "kernel/console.h"
#include "kernel/irq.h"
#include "kernel/mmio.h"

#define WRITERS    6 /* half to stdout, half to stderr */
#define PIECES     300
#define INTERRUPTS 200

static struct waitgroup done;
static bool is_16550;
static int interrupts; /* handlers run on one hart */

/* The UART's "ready to send" interrupt, let through or not. */
static void uart_ask(bool on)
{
    if (is_16550)
        mmio_write8(0x10000000 + 1, on ? 0x02 : 0);
    else
        mmio_write32(0x09000000 + 0x38, on ? 0x20 : 0);
}

static void handler(void *arg)
{
    (void)arg;
    uart_ask(false);
    if (interrupts < INTERRUPTS)
        kprintf("<i:%d in a handler>\n", interrupts++);
}

static void writer(void *arg)
{
    int who = (int)(uintptr_t)arg;
    for (int i = 0; i < PIECES; i++) {
        char text[160];
        int n = snprintf(text, sizeof text, "<%d:%d ", who, i);
        while (n < 30 + i % 97)
            text[n++] = (char)('a' + who);
        text[n++] = '>';
        text[n++] = '\n';
        text[n] = 0;
        if (who % 2 == 0) {
            if (write(1, text, (size_t)n) != n)
                exit(3);
        } else {
            kprintf("%s", text);
        }
        uart_ask(true);
        if (i % 8 == who)
            runtime_gosched();
    }
    waitgroup_done(&done);
}

int main(void)
{
    is_16550 = strcmp(console_name(), "16550") == 0;
    if (irq_enable(is_16550 ? 10 : 33, (unsigned)runtime_hart(), handler, NULL) != 0)
        return 4;
    waitgroup_add(&done, WRITERS);
    for (uintptr_t i = 0; i < WRITERS; i++)
        go(writer, (void *)i);
    waitgroup_wait(&done);
    uart_ask(false);
    return interrupts > 0 ? 0 : 5;
}
