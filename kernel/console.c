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
 * Order. A hart that has left text in late may have a piece to write before the holder, slow or
 * preempted, comes to late. What it said first is to come first, so whoever gets the line, for whatever,
 * writes what lies in late before anything else.
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
 */
#include "arch/arch.h"
#include "kernel/clock.h"
#include "kernel/console.h"
#include "kernel/machine.h"
#include "kernel/serial.h"
#include "kernel/spin.h"

#define HOST_OUT  0x0e
#define HOST_ERR  0x0f
#define HOST_FILE 'F' /* behind HOST_ESCAPE */

#define WAIT_DIVISOR  10       /* the longest wait, as a part of a second */
#define WAIT_TICKS_HZ 20000000 /* clock assumed until clock_init */

/* Written at boot by one hart, then only read. */
struct serial serial = {.driver = &uart_firmware};
static bool shared; /* other harts may be running: locks count */

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
    uint64_t begin = arch_ticks(), limit = serial.host_link ? UINT64_MAX : stuck ? 0 : wait_limit();
    for (;;) {
        uint64_t now = arch_ticks();
        unsigned n = serial.driver->room(&serial.port);
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
        serial.driver->send(&serial.port, c);
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
    if (serial.host_link) {
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

bool console_alone(void)
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
    bool lock = !console_alone();
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

/* Waits for the line. What its caller has posted before, on this hart or another, is on the wire then. */
static void line_take(void)
{
    spin_lock(&line);
    late_write();
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
    if (console_alone()) {
        put_text(to, s, n);
        return;
    }
    line_take();
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
    if (console_alone()) {
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
    if (console_alone()) {
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
    if (!console_alone())
        line_take();
}

void console_solo(bool on)
{
    /* relaxed: the other harts stand still, and only started or stopped by stronger means. */
    atomic_store_explicit(&panicking, on, memory_order_relaxed);
}

void console_let_go(void)
{
    if (!console_alone())
        line_release(NULL);
}

bool console_try_hold(void)
{
    if (console_alone())
        return true;
    bool taken = spin_try_lock(&line);
    if (taken)
        late_write();
    return taken;
}

static void all_sent(void)
{
    uint64_t begin = arch_ticks();
    while (!serial.driver->idle(&serial.port) && arch_ticks() - begin < wait_limit())
        arch_relax(0);
}

/* The holder goes on in the stream that it had, and with the room that it had seen. */
void console_barge(bool on)
{
    static enum console_stream was;
    if (on) {
        was = stream;
        put_text(CONSOLE_ERR, "\n", 1);
    } else {
        all_sent();
        if (serial.host_link && was != 0)
            put_text_host(was, "", 0);
    }
}

/* ---- The end */

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
    bool lock = !console_alone();
    if (lock)
        spin_lock(&line);
    late_write();
    room = 0;
    if (serial.host_link)
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
    serial.driver = driver_for(c->kind);
    serial.port = (struct uart_port){
        .regs = regs,
        .reg_shift = c->reg_shift,
        .io_width = c->reg_io_width,
    };
    serial.driver->start(&serial.port);
    stream = CONSOLE_ERR;
}

void console_remap(uintptr_t regs)
{
    serial.port.regs = regs;
    shared = true;
}

void console_host_link(void)
{
    serial.host_link = true;
}

const char *console_name(void)
{
    return serial.driver->name;
}
