/*
 * console: one serial line for all harts.
 *
 * What must never happen (trap 31): lines of two harts mixed, two harts waiting for each other
 * over the line, a panic that waits for ever: for a lock, or for a UART that is never ready.
 *
 * The lock. `line` is held for a whole piece, so that pieces do not mix. A piece may be long:
 * 16 KiB at 115200 baud are 1.4 s, far too long to mask interrupts, so console_write leaves them
 * as they are. Then an interrupt handler may find its own hart holding the line, and waiting for
 * it would be for ever. Three ways out, two rejected:
 *   - remember who holds the line and print into the middle of his piece: torn;
 *   - wait a while, then print anyway: slow, and torn;
 *   - what we do: who does not get the line at once leaves his text in `late`, a ring, and goes.
 *     The holder writes it after his own piece. console_post does so, and kprintf uses it.
 * So a handler never waits for the line, and what it says is not torn. A kernel line is short (22 ms
 * for 256 bytes at 115200 baud), so post masks interrupts while it writes and can be called by a
 * goroutine that might otherwise be preempted with the line held. If others flood the line
 * meanwhile, it may write a ring full for them, then it lets interrupts in before the next. The
 * callers of console_write keep preemption off themselves.
 *
 * The hand-off has the one race that all such schemes have, and the usual cure:
 *
 *     hart A posts                            hart B ends its piece
 *     1  puts text into late                  1  unlocks the line
 *     2  full fence                           2  full fence
 *     3  tries the line: free? writes late    3  looks at late: not empty? tries the line again
 *
 * With both fences at least one of them sees what the other did (it is the store buffering of
 * trap 3). If both see it, the line's lock decides. If neither gets the line, a third hart
 * has it and goes through B's steps later.
 *
 * If late is full: who has interrupts on lets them in, pauses and tries again for as long as it
 * takes; the holder is at work. Who has them masked may be a handler on top of the holder, and
 * waiting would keep him from ever making room: the text is dropped, its bytes are counted, and the
 * next writer of late reports them. The last LATE_RESERVE bytes are kept for such.
 *
 * A panic stops the other harts first and calls console_panic_mode; from then on locks are passed
 * by. Whoever was stopped in the middle of a piece left half a line: a newline is put first.
 *
 * The wait for the UART is bounded: WAIT_DIVISOR-th of a second a byte. When that passes, the line
 * counts as stuck: bytes are dropped after one look until a look finds it ready. So a board
 * with flow control and no cable gets through its panic and powers off. On the host link there is
 * no bound: a program has said that it reads, and however long a busy host or a pager keeps it from
 * that, nothing is lost. It has a time limit of its own.
 *
 * Before console_remap() there is one hart and, on Arm, no working atomics: no lock is taken.
 *
 * The host link. On it three bytes are special; a session begins in stderr:
 *     SO 0x0e   what follows is stdout
 *     SI 0x0f   what follows is stderr
 *     DLE 0x10  the next byte is data, xored with 0x40 (for the data bytes 0x0e, 0x0f and 0x10);
 *               or it is 'F': what follows is files, as with SO;
 *               or it is 'E', and decimal digits and a newline follow: the exit record
 * Bytes are otherwise sent as they are: no CR is added. A pair is sent with interrupts masked, so
 * that a hart stopped by a panic never leaves half of one: the panic's first byte would be
 * swallowed by it.
 *
 * Input. The UART's interrupt takes bytes in as they come, whether or not somebody reads, since one of
 * them, Ctrl-\ (0x1c), is not data: it asks for a dump (sched/quit.c). The others wait in a ring. If
 * that is full the interrupt is turned off until there is room, so that the UART holds its sender back
 * if it can; a Ctrl-\ behind so many unread bytes is not seen before. There are two rings: what the
 * program reads, and what is typed at the monitor if there is one (sched/monitor.c). A UART without an
 * interrupt is polled by who reads; so is one that goes on interrupting with nothing to say, which would
 * take a hart away for ever.
 *
 * On a serial line 0x1c is never data, as on a terminal. The host link, over which files are piped,
 * tells the two apart: there DLE says that the next byte, xored with 0x40, is data, as on the way out;
 * the host sends 0x1c and 0x10 so. A 0x1c by itself is Ctrl-\, and may come in between the two.
 */
#include "arch/arch.h"
#include "kernel/clock.h"
#include "kernel/console.h"
#include "kernel/machine.h"
#include "kernel/spin.h"
#include "kernel/uart.h"

#define HOST_OUT    0x0e
#define HOST_ERR    0x0f
#define HOST_ESCAPE 0x10
#define HOST_XOR    0x40
#define HOST_FILE   'F' /* behind HOST_ESCAPE */

/* For size: input is a byte now and then. */
#define COLD __attribute__((cold))

#define QUIT        0x1c /* Ctrl-\ */
#define INPUT_BYTES 256u
#define EMPTY_MAX   1000u /* interrupts one after another with nothing to receive */

#define WAIT_DIVISOR  10       /* the longest wait, as a part of a second */
#define WAIT_TICKS_HZ 20000000 /* clock assumed until clock_init */

/* Written at boot by one hart, then only read. */
static const struct uart_driver *driver = &uart_firmware;
static struct uart_port port;
static bool shared;    /* other harts may be running: locks count */
static bool host_link; /* frame the streams */

/* Protected by line (or by being alone). */
static struct spin line;
static unsigned room;              /* bytes the UART takes without another look */
static bool stuck;                 /* it was not ready for WAIT_DIVISOR-th of a second */
static enum console_stream stream; /* what the host believes; 0: unknown, say it again */

/* Protected by late_lock, held with interrupts masked and for a copy only. Bytes are taken out by
 * the holder of the line alone. */
#define LATE_BYTES   4096
#define LATE_RESERVE 1024
static struct spin late_lock;
static char late_text[LATE_BYTES];
static uint32_t late_head;         /* where reading goes on */
static _Atomic uint32_t late_used; /* bytes there; read without the lock too */

static _Atomic uint32_t late_lost; /* bytes dropped since the last report */
static _Atomic uint32_t panicking; /* one hart is left: pass all locks by */

/* Protected by input_lock, held with interrupts masked and for a few bytes only. */
static struct spin input_lock;
static struct input {
    uint8_t byte[INPUT_BYTES];
    uint32_t at, n; /* the oldest, and how many */
} input, typed;
static struct input *hears = &input; /* where bytes go that come in; written at boot */
static bool escaped;                 /* the host's DLE has come, and its byte not yet */
static bool listening;               /* there is an interrupt … */
static bool deaf;                    /* … which is off: no room */
static uint32_t empty;               /* so many came for nothing, the last ones */

/* ---- Bytes */

static uint64_t wait_limit(void)
{
    uint64_t hz = clock_hz();
    return (hz ? hz : WAIT_TICKS_HZ) / WAIT_DIVISOR;
}

/* The look comes after the clock: however long we were held up in between, a UART that is ready
 * is never given up. */
static unsigned wait_room(void)
{
    uint64_t begin = arch_ticks(), limit = host_link ? UINT64_MAX : stuck ? 0 : wait_limit();
    for (;;) {
        uint64_t now = arch_ticks();
        unsigned n = driver->room(&port);
        if (n || now - begin >= limit) {
            stuck = n == 0;
            return n;
        }
        arch_relax(0); /* nobody will end this wait but the UART: pause, no more */
    }
}

static void put_byte(uint8_t c)
{
    if (!room)
        room = wait_room();
    if (room) {
        driver->send(&port, c);
        room--;
    }
}

static void put_escaped(uint8_t c)
{
    uintptr_t irq = arch_irq_save();
    put_byte(HOST_ESCAPE);
    put_byte(c);
    arch_irq_restore(irq);
}

static void put_text_host(enum console_stream to, const char *s, size_t n)
{
    if (stream != to) {
        if (to == CONSOLE_FILE)
            put_escaped(HOST_FILE);
        else
            put_byte(to == CONSOLE_OUT ? HOST_OUT : HOST_ERR);
        stream = to;
    }
    for (; n; n--, s++) {
        if (*s >= HOST_OUT && *s <= HOST_ESCAPE)
            put_escaped((uint8_t)*s ^ HOST_XOR);
        else
            put_byte((uint8_t)*s);
    }
}

/* Line held, or alone. */
static void put_text(enum console_stream to, const char *s, size_t n)
{
    room = 0; /* firmware may have used the line since */
    if (host_link) {
        put_text_host(to, s, n);
        return;
    }
    for (; n; n--, s++) {
        if (*s == '\n')
            put_byte('\r');
        put_byte((uint8_t)*s);
    }
}

/* Writes v so that its last digit lies before end; returns the first. */
static char *decimal(char *end, unsigned v)
{
    do
        *--end = (char)('0' + v % 10);
    while (v /= 10);
    return end;
}

/* ---- The line */

static bool alone(void)
{
    /* relaxed: true only on the one hart that set it; the others are stopped. */
    return !shared || atomic_load_explicit(&panicking, memory_order_relaxed);
}

/* All of it, or nothing if late would hold more than limit bytes then. Interrupts masked. */
static bool late_put(const char *s, size_t n, uint32_t limit)
{
    spin_lock(&late_lock);
    /* relaxed: written under late_lock only. */
    uint32_t used = atomic_load_explicit(&late_used, memory_order_relaxed);
    bool fits = used + n <= limit;
    if (fits) {
        for (size_t i = 0; i < n; i++)
            late_text[(late_head + used + i) % LATE_BYTES] = s[i];
        /* relaxed: as data it is protected by the lock; for the hint see line_release. */
        atomic_store_explicit(&late_used, used + (uint32_t)n, memory_order_relaxed);
    }
    spin_unlock(&late_lock);
    return fits;
}

/* Takes exactly n bytes out, n ≤ late_used. Line held, or alone. */
static void late_take(char *buf, uint32_t n)
{
    bool lock = !alone();
    uintptr_t irq = arch_irq_save();
    if (lock)
        spin_lock(&late_lock);
    for (uint32_t i = 0; i < n; i++)
        buf[i] = late_text[(late_head + i) % LATE_BYTES];
    late_head += n;
    /* relaxed: written under late_lock only. */
    atomic_fetch_sub_explicit(&late_used, n, memory_order_relaxed);
    if (lock)
        spin_unlock(&late_lock);
    arch_irq_restore(irq);
}

static void report_lost(uint32_t bytes)
{
    char text[16];
    char *digits = decimal(text + sizeof text, bytes);

    put_text(CONSOLE_ERR, "\n[console: ", 11);
    put_text(CONSOLE_ERR, digits, (size_t)(text + sizeof text - digits));
    put_text(CONSOLE_ERR, " bytes lost]\n", 13);
}

/*
 * Line held, or alone. Writes what is there now and no more: a hart that posts without end must
 * not keep us, and now ends with a whole piece, while a later end might be anywhere in one.
 */
static void late_write(void)
{
    char text[128];
    /* relaxed: only who holds the line takes bytes out, so what is there stays until late_take,
     * which has the lock, and the count can only have grown. */
    uint32_t todo = atomic_load_explicit(&late_used, memory_order_relaxed);
    while (todo) {
        uint32_t n = todo < sizeof text ? todo : (uint32_t)sizeof text;
        late_take(text, n);
        put_text(CONSOLE_ERR, text, n);
        todo -= n;
    }
    /* relaxed: a count for people. */
    uint32_t lost = atomic_exchange_explicit(&late_lost, 0, memory_order_relaxed);
    if (lost)
        report_lost(lost);
}

/*
 * Gives the line up; the end of hart B in the essay. irq: what arch_irq_restore takes, to let
 * interrupts in between two rounds, when we hold nothing; NULL: the caller has not masked them.
 */
static void line_release(const uintptr_t *irq)
{
    for (;;) {
        late_write();
        spin_unlock(&line);
        /* O13: B's step 2, pairs with the fence in post_once. */
        atomic_thread_fence(memory_order_seq_cst);
        /* relaxed: the fence orders it; a wrong "empty" means that A's try comes after our unlock. */
        if (!atomic_load_explicit(&late_used, memory_order_relaxed))
            return;
        if (irq) {
            arch_irq_restore(*irq);
            arch_irq_save();
        }
        if (!spin_try_lock(&line))
            return;
    }
}

void console_write(enum console_stream to, const char *s, size_t n)
{
    if (alone()) {
        put_text(to, s, n);
        return;
    }
    spin_lock(&line);
    put_text(to, s, n);
    line_release(NULL);
}

/* Interrupts masked. false: the line is taken, and late has `limit` bytes or would have more. */
static bool post_once(const char *s, size_t n, uint32_t limit, const uintptr_t *irq)
{
    if (spin_try_lock(&line)) {
        late_write(); /* first what came first */
        put_text(CONSOLE_ERR, s, n);
        line_release(irq);
        return true;
    }
    if (!late_put(s, n, limit))
        return false;
    /* O13: A's step 2, pairs with the fence in line_release. */
    atomic_thread_fence(memory_order_seq_cst);
    if (spin_try_lock(&line))
        line_release(irq);
    return true;
}

void console_post(const char *s, size_t n)
{
    if (alone()) {
        put_text(CONSOLE_ERR, s, n);
        return;
    }
    uintptr_t irq = arch_irq_save();
    bool masked = arch_irq_save() == irq; /* the second one returns what "masked" looks like */
    uint32_t limit = masked ? LATE_BYTES : LATE_BYTES - LATE_RESERVE;

    for (unsigned i = 0; !post_once(s, n, limit, &irq); i++) {
        if (masked) {
            /* relaxed: a count for people. */
            atomic_fetch_add_explicit(&late_lost, (uint32_t)n, memory_order_relaxed);
            break;
        }
        arch_irq_restore(irq);
        arch_relax(i);
        arch_irq_save();
    }
    arch_irq_restore(irq);
}

void console_panic_mode(void)
{
    /* relaxed: there is nobody to order it for. */
    if (!shared || atomic_exchange_explicit(&panicking, true, memory_order_relaxed))
        return;
    stream = 0;
    if (!spin_try_lock(&line)) /* its holder was stopped, or is what panics: end his line */
        put_text(CONSOLE_ERR, "\n", 1);
    late_write();
}

bool console_try_post(const char *s, size_t n)
{
    if (alone()) {
        put_text(CONSOLE_ERR, s, n);
        return true;
    }
    uintptr_t irq = arch_irq_save();
    bool posted = post_once(s, n, LATE_BYTES - LATE_RESERVE, &irq);
    arch_irq_restore(irq);
    return posted;
}

void console_hold(void)
{
    if (!alone())
        spin_lock(&line);
}

void console_solo(bool on)
{
    /* relaxed: the other harts stand still, and only started or stopped by stronger means. */
    atomic_store_explicit(&panicking, on, memory_order_relaxed);
}

void console_let_go(void)
{
    if (!alone())
        line_release(NULL);
}

COLD bool console_try_hold(void)
{
    return alone() || spin_try_lock(&line);
}

COLD static void all_sent(void)
{
    uint64_t begin = arch_ticks();
    while (!driver->idle(&port) && arch_ticks() - begin < wait_limit())
        arch_relax(0);
}

/* The holder goes on in the stream that it had, and with the room that it had seen. */
COLD void console_barge(bool on)
{
    static enum console_stream was;
    if (on) {
        was = stream;
        put_text(CONSOLE_ERR, "\n", 1);
    } else {
        all_sent();
        if (host_link && was != 0)
            put_text_host(was, "", 0);
    }
}

/* ---- Input. Those that say "locked" want input_lock, or to be alone. */

COLD static void put_locked(struct input *in, int c)
{
    in->byte[(in->at + in->n++) % INPUT_BYTES] = (uint8_t)c;
}

COLD static unsigned hear_locked(void)
{
    unsigned new = 0;
    int c;
    while (hears->n < INPUT_BYTES && (c = driver->receive(&port)) >= 0) {
        empty = 0;
        if (c == QUIT) {
            new |= CONSOLE_QUIT;
        } else if (host_link && c == HOST_ESCAPE && !escaped) {
            escaped = true;
        } else {
            put_locked(hears, escaped ? c ^ HOST_XOR : c);
            escaped = false;
            new |= CONSOLE_BYTES;
        }
    }
    bool full = hears->n == INPUT_BYTES;
    if (listening && full != deaf) {
        deaf = full;
        driver->listen(&port, !full);
    }
    return new;
}

COLD static __attribute__((noinline)) uintptr_t input_begin(void)
{
    uintptr_t irq = arch_irq_save();
    if (!alone())
        spin_lock(&input_lock);
    return irq;
}

COLD static __attribute__((noinline)) void input_end(uintptr_t irq)
{
    if (!alone())
        spin_unlock(&input_lock);
    arch_irq_restore(irq);
}

COLD static int input_get(struct input *in)
{
    uintptr_t irq = input_begin();
    /* What the interrupt's handler takes in is told to whom it concerns: nothing is to be had before it. */
    unsigned new = !listening || deaf ? hear_locked() : 0;
    int c = -1;
    if (in->n > 0) {
        c = in->byte[in->at++ % INPUT_BYTES];
        in->n--;
    }
    input_end(irq);
    if (new &CONSOLE_QUIT)
        sched_console_quit();
    return c;
}

int console_getc(void)
{
    return input_get(&input);
}

int console_key(void)
{
    return input_get(&typed);
}

COLD bool console_feed(int c)
{
    uintptr_t irq = input_begin();
    bool fits = input.n < INPUT_BYTES;
    if (fits)
        put_locked(&input, c);
    input_end(irq);
    return fits;
}

COLD unsigned console_hear(void)
{
    static const char told[] =
        "pinion: the console interrupts for nothing: it is looked at when somebody reads\n";
    uintptr_t irq = input_begin();
    empty++;
    unsigned new = hear_locked();
    bool broken = listening && empty >= EMPTY_MAX;
    if (broken) {
        listening = false;
        driver->listen(&port, false);
    }
    input_end(irq);
    if (broken)
        console_post(told, sizeof(told) - 1);
    return new;
}

void console_to_monitor(void)
{
    hears = &typed;
}

COLD bool console_listen(void)
{
    if (driver->listen == NULL)
        return false;
    uintptr_t irq = input_begin();
    listening = true;
    empty = 0;
    driver->listen(&port, true);
    input_end(irq);
    return true;
}

static void put_exit_record(int status)
{
    char text[16];
    unsigned v = status < 0 ? -(unsigned)status : (unsigned)status;
    char *at = text + sizeof text;

    *--at = '\n';
    at = decimal(at, v);
    if (status < 0)
        *--at = '-';
    put_escaped('E');
    while (at < text + sizeof text)
        put_byte((uint8_t)*at++);
}

void console_exit_record(int status)
{
    bool lock = !alone();
    if (lock)
        spin_lock(&line);
    late_write();
    room = 0;
    if (host_link)
        put_exit_record(status);
    all_sent();
    if (lock)
        line_release(NULL);
}

/* ---- Boot */

static const struct uart_driver *driver_for(enum console_kind kind)
{
    switch (kind) {
    case CONSOLE_16550: return &uart_16550;
    case CONSOLE_PL011: return &uart_pl011;
    case CONSOLE_SIFIVE: return &uart_sifive;
    case CONSOLE_NONE:
    case CONSOLE_SBI: break;
    }
    return &uart_firmware;
}

void console_init(const struct machine_console *c, uintptr_t regs)
{
    driver = driver_for(c->kind);
    port = (struct uart_port){
        .regs = regs,
        .reg_shift = c->reg_shift,
        .io_width = c->reg_io_width,
    };
    driver->start(&port);
    stream = CONSOLE_ERR;
}

void console_remap(uintptr_t regs)
{
    port.regs = regs;
    shared = true;
}

void console_host_link(void)
{
    host_link = true;
}

const char *console_name(void)
{
    return driver->name;
}
