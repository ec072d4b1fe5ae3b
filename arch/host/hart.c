/*
 * hart: threads for harts, signals for interrupts, POSIX timers for comparators.
 *
 * A hart is a thread that never returns to where it began: it goes to its scheduler's stack and
 * stays among the runtime's stacks. Its identity is its thread's: host_self, which the library's
 * thread pointer leads to, and its own signals and timer, which Linux directs to threads.
 *
 * An interrupt from another hart is a bit in the thread's `pending`, then SIGURG to wake the thread up
 * to it. The bit is the interrupt, the signal merely makes it noticed: so a sender that finds the bit
 * set need not send, for whoever set it does, and the thread clears it before it looks for work
 * (traps 1 and 2). SIGURG, since nobody else uses it, debuggers let it pass, and it is ignored by who
 * does not know it.
 *
 * The timer is a comparator, like the hardware's: due as long as the clock is at or past the
 * deadline, whatever signals came. So a timer's signal that is merged with another (signals of one
 * number do not queue) is not lost: every handler looks at the clock. To set a timer and to take a
 * signal cost microseconds each; a timer for the next moment would interrupt its own handler's return,
 * for ever. So its signal comes no sooner than after SOONEST_NS: who is interrupted gets a step on.
 *
 * Waiting. arch_wait must end for an interrupt that came between the look for work and the wait,
 * with the mask on (trap 10). A handler that meets the mask sets a bit in `pending`, and the wait is a
 * futex on that word: the kernel compares it with zero under its own lock before it puts the thread
 * to sleep, and a signal that comes later interrupts the sleep. sigsuspend would need the signal
 * blocked before the look, which is a system call each way, for the same.
 */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <errno.h>
#include "arch/host/thread.h"

#define HARTS_MAX  64
#define LATER_NS   50000 /* until a signal that came at a bad moment is sent again */
#define SOONEST_NS 20000 /* from setting a timer to its signal, at least */
#define NAP_NS     50000 /* the slow step of a wait for another hart … */
#define YIELDS     256   /* … after so many that only give the processor away */
#define HZ         UINT64_C(1000000000)
#define TRAP_STACK (56 << 10)

int host_main(int argc, char **argv); /* start.S calls it */

extern char __tls_size[]; /* linker: an absolute symbol */

_Thread_local struct host_thread host_self = {.masked = 1, .deadline = UINT64_MAX};
static struct host_thread *_Atomic threads[HARTS_MAX]; /* by hwid */

/* ---- the first hart ---- */

static _Noreturn void refuse(const char *why)
{
    fprintf(stderr, "pinion: cannot run here: %s\n", why);
    exit(2);
}

/* Something for the thread pointer to name until there is a scheduler: all zero, as the other ports
 * have it. */
static void boot_context(void)
{
    size_t below = 1024, size = below + ARCH_TLS_OFFSET + (size_t)__tls_size + 128;
    char *block = calloc(1, size);
    if (block == NULL)
        refuse("no memory");
    uintptr_t tp = ((uintptr_t)block + below + 63) & ~(uintptr_t)63;
    host_tp_init(tp);
    host_set_tp(tp);
}

int host_main(int argc, char **argv)
{
    (void)argc;
    const char *lack = host_lacks();
    if (lack != NULL)
        refuse(lack);
    boot_context();
    boot_first(0, argv);
}

void arch_firmware_init(int method)
{
    (void)method;
}

/* ---- threads ---- */

static void enter_later(void *unused, struct arch_hart *hart)
{
    (void)unused;
    boot_later(hart);
}

static void scheduler_context(const struct arch_hart *hart)
{
    host_context_of(hart->sched_tp)->top = hart->sched_sp;
    host_tp_init(hart->sched_tp);
}

static void *thread_main(void *hart)
{
    struct arch_hart *h = hart;
    scheduler_context(h);
    host_set_tp(h->sched_tp);
    arch_leave(NULL, h, enter_later);
}

long arch_hart_start(struct arch_hart *h, int method, uint64_t release_addr)
{
    (void)method, (void)release_addr;
    pthread_t thread;
    int error = pthread_create(&thread, NULL, thread_main, h);
    if (error == 0)
        pthread_detach(thread);
    return -error;
}

/* Boot calls it twice on the first hart, on both its stacks. */
void arch_hart_init(struct arch_hart *hart)
{
    struct host_thread *t = &host_self;
    t->hart = hart;
    t->error_at = __errno_location(); /* not errno, which is the goroutine's */
    t->tid = (int)host_call(SYS_gettid, 0, 0, 0, 0);
    hart->port = (uintptr_t)t;
    scheduler_context(hart);
    stack_t stack = {.ss_sp = (void *)(hart->trap_sp - TRAP_STACK), .ss_size = TRAP_STACK};
    if (host_call(SYS_sigaltstack, (long)&stack, 0, 0, 0) != 0)
        refuse("no stack for signals");
    host_trap_init(t);
}

void arch_timer_init(bool has_sstc)
{
    (void)has_sstc;
    struct host_thread *t = &host_self;
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGURG};
    event._sigev_un._tid = t->tid;
    if (host_call(SYS_timer_create, CLOCK_MONOTONIC, (long)&event, (long)&t->timer, 0) != 0)
        refuse("no timer for a thread");
    /* order: release: the thread can be interrupted once it is seen here. */
    atomic_store_explicit(&threads[t->hart->hwid], t, memory_order_release);
}

void arch_halt(void)
{
    arch_irq_disable();
    for (;;)
        host_call(SYS_ppoll, 0, 0, 0, 0);
}

/* ---- interrupts ---- */

static void signal_thread(const struct host_thread *t)
{
    static int pid;
    if (pid == 0)
        pid = (int)host_call(SYS_getpid, 0, 0, 0, 0);
    host_call(SYS_tgkill, pid, t->tid, SIGURG, 0);
}

void arch_firmware_ipi(uint64_t hwid)
{
    /* order: acquire pairs with the release in arch_timer_init. */
    struct host_thread *t = atomic_load_explicit(&threads[hwid], memory_order_acquire);
    if (t == NULL)
        return;
    /* O82: release pairs with the acquire in host_ipi_acknowledge. */
    uint32_t was = atomic_fetch_or_explicit(&t->pending, HOST_PENDING_IPI, memory_order_release);
    if ((was & HOST_PENDING_IPI) == 0)
        signal_thread(t);
}

void host_ipi_acknowledge(void)
{
    /* O82: acquire pairs with the release in arch_firmware_ipi. */
    atomic_fetch_and_explicit(&host_self.pending, ~(uint32_t)HOST_PENDING_IPI,
                              memory_order_acquire);
}

/* The mask has been opened and something was held back: the handler takes it, by a signal to
 * ourselves. If this goroutine is on another thread by now, the signal finds nothing there. */
void host_take_pending(void)
{
    signal_thread(&host_self);
}

void host_wait(void)
{
    host_call(SYS_futex, (long)&host_self.pending, FUTEX_WAIT_PRIVATE, 0, 0);
}

void host_relax_slow(unsigned n)
{
    static const struct timespec nap = {.tv_nsec = NAP_NS};
    if (n < YIELDS)
        host_call(SYS_sched_yield, 0, 0, 0, 0);
    else
        host_call(SYS_nanosleep, (long)&nap, 0, 0, 0);
}

/* ---- time ---- */

uint64_t host_ticks(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * HZ + (uint64_t)now.tv_nsec;
}

uint64_t arch_ticks_hz(uint64_t from_tree)
{
    (void)from_tree;
    return HZ;
}

/* flags: TIMER_ABSTIME or 0. */
static void set_timer(const struct host_thread *t, int flags, uint64_t ns)
{
    struct itimerspec when = {0}; /* zero is "never" */
    if (ns != UINT64_MAX)
        when.it_value = (struct timespec){(time_t)(ns / HZ), (long)(ns % HZ) + (ns == 0)};
    host_call(SYS_timer_settime, t->timer, flags, (long)&when, 0);
}

void host_timer_set(uint64_t ticks)
{
    host_self.deadline = ticks;
    host_timer_restore(&host_self);
}

void host_later(struct host_thread *t)
{
    t->early = true;
    set_timer(t, 0, LATER_NS);
}

void host_timer_restore(struct host_thread *t)
{
    uint64_t soonest = host_ticks() + SOONEST_NS;
    t->early = false;
    set_timer(t, TIMER_ABSTIME, t->deadline > soonest ? t->deadline : soonest);
}
