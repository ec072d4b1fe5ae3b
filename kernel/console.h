/*
 * console: the serial line, polled; safe from any context.
 *
 * Streams that share the one line: the program's stdout, its stderr, boot messages (which count as
 * stderr), and files. When the boot arguments hold `pinion.host=1` each change of stream is framed
 * (see console.c), so that tools/pinion-run can take them apart; otherwise plain text goes out,
 * with CR before LF.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct machine_console;

/* FILE: lines of text that make files at the other end, such as profiles. */
enum console_stream { CONSOLE_OUT = 1, CONSOLE_ERR = 2, CONSOLE_FILE = 3 };

/*
 * Chooses the driver and maps nothing: regs must be reachable at virtual address `regs`. Until
 * console_remap() the console takes no lock, since atomics may not work yet (trap 30): the boot
 * hart alone may print. Before console_init() output goes to the firmware's console.
 */
void console_init(const struct machine_console *c, uintptr_t regs);
/* After paging is on: the registers are now reachable at regs. From here on any hart may print;
 * the boot hart calls this before it starts another, even when the registers have not moved. */
void console_remap(uintptr_t regs);
/* Frames streams and the exit record for a host program at the other end. Boot hart, alone. */
void console_host_link(void);

/*
 * Writes n bytes as one piece: pieces of different harts never mix. Spins on the UART with the
 * console lock held, any number of bytes, interrupts as they were. The caller has preemption off,
 * or is on a scheduler stack; never a trap handler. s must be readable: a fault while the lock is
 * held must end in a panic.
 */
void console_write(enum console_stream, const char *s, size_t n);
/*
 * Writes n bytes, at most 512, to stderr as one piece if the line is free, else leaves them with
 * the hart that holds it, which writes them when its own piece is done. Any context at all: a
 * trap handler, a goroutine with preemption on. What kprintf uses.
 */
void console_post(const char *s, size_t n);
/* As console_post, never waiting: false: there is no room, and nothing has happened. */
bool console_try_post(const char *s, size_t n);
/* From now on take no lock: the other harts are stopped. Also what had been posted is written. */
void console_panic_mode(void);
/*
 * For somebody who stops the other harts for a while and wants to print meanwhile: console_hold
 * before they are stopped, so that none of them stands still with the line; console_solo(true)
 * while they stand: no lock is taken; then in reverse, console_let_go last. Preemption off.
 */
void console_hold(void);
void console_solo(bool on);
void console_let_go(void);
/* As console_hold, never waiting: false: somebody has the line. */
bool console_try_hold(void);
/* After console_solo(true), for who has not got the line: what is printed until console_barge(false) goes
 * into the middle of its holder's piece, on lines of its own. */
void console_barge(bool on);

/*
 * Input (input.c): the program's, or what is typed at the monitor, which somebody at the console takes
 * or passes on. A byte, or -1: there is none. Never waits. Any context but a handler.
 */
int console_getc(void);
int console_key(void);
/* c becomes the program's next input; false: there is no room until the program reads. */
bool console_feed(int c);
/* From now on what comes in is the monitor's. Boot. */
void console_to_monitor(void);
/* From now on the UART's interrupt is on, whose handler calls console_hear; false: it has none. */
bool console_listen(void);
/* Takes in what has come; a set of what is new. The handler of the UART's interrupt. */
enum { CONSOLE_BYTES = 1, CONSOLE_QUIT = 2 };
unsigned console_hear(void);
/* What the scheduler gives the console: Ctrl-\ has come. A goroutine that reads, preemption on. */
void sched_console_quit(void);
/* Waits until all is on the wire and, on a host link, sends the exit record. */
void console_exit_record(int status);
/* "16550", "pl011", "sifive" or "firmware". */
const char *console_name(void);

/*
 * printf for the kernel: %s %c %d %u %x %p %lx %lu %ld %% , widths, 0 and - (all: format.h).
 * Stream ERR, no allocation, no libc; any context. One call is one piece, ≤ 256 bytes.
 */
void kprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
