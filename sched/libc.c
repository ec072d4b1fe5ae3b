/*
 * libc: newlib's view of goroutines.
 *
 * State. newlib keeps what a C library keeps per thread (strtok's place, asctime's buffer, errno)
 * in a struct _reent, some hundred bytes to two kilobytes, far too much for each of a million
 * goroutines. So a goroutine gets one when newlib first asks, and gives it back at its end. errno
 * alone is asked for all the time: until there is a struct _reent it lives in struct g, afterwards
 * in the struct, whose first member it is and which newlib writes directly. stdin, stdout and
 * stderr belong to all (newlib is configured so).
 *
 * Locks. newlib's locks park the goroutine, never the hart: a printf may wait for another that is
 * on its way through a slow UART. Each FILE has one, held for a whole call, so lines of different
 * goroutines are never torn. They are recursive and belong to the goroutine, which may come back
 * on another hart.
 *
 * Before main, and in the last steps of exit, there is one goroutine or none; then locks are free
 * and cost a swap.
 */
#define PINION_NO_LOCK_ORDER /* lockorder.c */
#include "sched/libc.h"
#include <assert.h>
#include <errno.h>
#include <malloc.h>
#include <pinion/go.h>
#include <pinion/runtime.h>
#include <pinion/sync.h>
#include <pinion/time.h>
#include <reent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/lock.h>
#include <sys/stat.h>
#include <unistd.h>
#include "kernel/console.h"
#include "kernel/page.h"
#include "sched/fatal.h"
#include "sched/leakcheck.h"
#include "sched/malloc.h"
#include "sched/memstats.h"
#include "sched/proc.h"
#include "sched/section.h"

int _read(int fd, char *buf, int n);
int _write(int fd, const char *buf, int n);

/* ---- state ---- */

/* For when there is no memory for a real one: shared, so its buffers may mix, but nobody dies. */
static struct _reent spare_reent; /* all zero will do: it has no buffers of its own yet */

struct _reent *__getreent(void)
{
    struct g *g = g_self();
    if (__builtin_expect(g->reent != NULL, 1))
        return g->reent;
    /* Not malloc, which a program may have of its own that asks for a struct _reent. */
    struct _reent *r = heap_malloc(sizeof(*r));
    if (r == NULL)
        return &spare_reent;
    _REENT_INIT_PTR(r);
    r->_errno = g->errno_value;
    g->reent = r;
    g->flags |= GF_ENDING;
    return r;
}

int *__errno(void)
{
    struct g *g = g_self();
    return g->reent != NULL ? &g->reent->_errno : &g->errno_value;
}

void libc_g_exit(struct g *g)
{
    struct _reent *r = g->reent;
    g->reent = NULL;
    _reclaim_reent(r);
    heap_free(r);
}

/* ---- locks ---- */

struct __lock {
    mutex mutex;
    uint32_t depth;
    struct g *_Atomic owner;
};

struct __lock __lock___sinit_recursive_mutex, __lock___sfp_recursive_mutex,
    __lock___atexit_recursive_mutex, __lock___at_quick_exit_mutex, __lock___env_recursive_mutex,
    __lock___tz_mutex, __lock___dd_hash_mutex, __lock___arc4random_mutex;

/* Some of newlib's locks are made while another is held, before there is any memory to spare; one
 * that cannot be had would be a race, so this is the one place that dies for lack of it. */
void __retarget_lock_init(_LOCK_T *lock)
{
    *lock = calloc(1, sizeof(struct __lock));
    if (*lock == NULL)
        fatal("runtime: out of memory for a lock of the C library");
}

void __retarget_lock_init_recursive(_LOCK_T *lock)
{
    __retarget_lock_init(lock);
}

void __retarget_lock_close(_LOCK_T lock)
{
    free(lock);
}

void __retarget_lock_close_recursive(_LOCK_T lock)
{
    free(lock);
}

static void own(_LOCK_T lock, struct g *g)
{
    lock->depth = 1;
    /* relaxed: only the owner finds itself there; others find someone else or nobody. */
    atomic_store_explicit(&lock->owner, g, memory_order_relaxed);
}

static bool own_again(_LOCK_T lock, struct g *g)
{
    /* relaxed: as in own. */
    if (atomic_load_explicit(&lock->owner, memory_order_relaxed) != g)
        return false;
    lock->depth++;
    return true;
}

void __retarget_lock_acquire_recursive(_LOCK_T lock)
{
    struct g *g = g_self();
    if (own_again(lock, g))
        return;
    mutex_lock(&lock->mutex);
    own(lock, g);
}

int __retarget_lock_try_acquire_recursive(_LOCK_T lock)
{
    struct g *g = g_self();
    if (own_again(lock, g))
        return 1;
    if (!mutex_try_lock(&lock->mutex))
        return 0;
    own(lock, g);
    return 1;
}

void __retarget_lock_release_recursive(_LOCK_T lock)
{
    if (--lock->depth > 0)
        return;
    /* relaxed: as in own. */
    atomic_store_explicit(&lock->owner, NULL, memory_order_relaxed);
    mutex_unlock(&lock->mutex);
}

void __retarget_lock_acquire(_LOCK_T lock)
{
    mutex_lock(&lock->mutex);
}

int __retarget_lock_try_acquire(_LOCK_T lock)
{
    return mutex_try_lock(&lock->mutex);
}

void __retarget_lock_release(_LOCK_T lock)
{
    mutex_unlock(&lock->mutex);
}

/* ---- text ---- */

/* There is no more room. What newlib would write past an empty buffer is copied, as far as it goes. */
static _READ_WRITE_RETURN_TYPE no_more(struct _reent *r, void *cookie, const char *text,
                                       _READ_WRITE_BUFSIZE_TYPE n)
{
    struct __sbuf *to = cookie;
    (void)r;
    if ((const unsigned char *)text != to->_base)
        memcpy(to->_base, text, (size_t)(n < to->_size ? n : to->_size));
    return -1;
}

/*
 * newlib compiles its printf twice, for streams and for memory, 12 KB each, and most programs have the first
 * already. So this is a stream whose buffer is the memory, and whose writes fail, which ends what does
 * not fit. It is nobody else's and has no lock.
 */
void libc_format(char *to, size_t n, const char *fmt, va_list ap)
{
    FILE f = {._flags = __SWR, ._flags2 = __SNLK, ._file = -1, ._write = no_more};
    f._bf._base = f._p = (unsigned char *)to;
    f._bf._size = f._w = (int)n - 1;
    f._cookie = &f._bf;
    bool fits = vfprintf(&f, fmt, ap) >= 0 && (f._flags & __SERR) == 0;
    *(fits ? (char *)f._p : to + n - 1) = '\0';
}

/* ---- memory: malloc.c, under the names that the library's own functions call ---- */

int posix_memalign(void **x, size_t align, size_t n)
{
    int was = errno, error = EINVAL;
    void *got = align % sizeof(void *) == 0 ? heap_aligned(align, n) : NULL;
    if (got != NULL)
        *x = got;
    else if (align % sizeof(void *) == 0)
        error = errno;
    errno = was;
    return got != NULL ? 0 : error;
}

void *_malloc_r(struct _reent *r, size_t n)
{
    (void)r;
    return heap_malloc(n);
}

void _free_r(struct _reent *r, void *x)
{
    (void)r;
    heap_free(x);
}

void *_calloc_r(struct _reent *r, size_t n, size_t size)
{
    (void)r;
    return heap_calloc(n, size);
}

void *_realloc_r(struct _reent *r, void *x, size_t n)
{
    (void)r;
    return heap_realloc(x, n);
}

void *_memalign_r(struct _reent *r, size_t align, size_t n)
{
    (void)r;
    return heap_aligned(align, n);
}

void *_valloc_r(struct _reent *r, size_t n)
{
    (void)r;
    return heap_aligned(PAGE_SIZE, n);
}

void *_pvalloc_r(struct _reent *r, size_t n)
{
    (void)r;
    return heap_aligned(PAGE_SIZE, (n + PAGE_SIZE - 1) & -PAGE_SIZE);
}

size_t _malloc_usable_size_r(struct _reent *r, void *x)
{
    (void)r;
    return heap_usable(x);
}

int _malloc_trim_r(struct _reent *r, size_t keep)
{
    (void)r, (void)keep;
    heap_trim();
    return 1;
}

/* There is nothing to set. */
int _mallopt_r(struct _reent *r, int which, int value)
{
    (void)r, (void)which, (void)value;
    return 0;
}

struct mallinfo _mallinfo_r(struct _reent *r)
{
    struct runtime_mem_stats s;
    (void)r;
    runtime_read_mem_stats(&s);
    return (struct mallinfo){
        .arena = s.heap_inuse, .uordblks = s.alloc, .fordblks = s.heap_inuse - s.alloc};
}

void _malloc_stats_r(struct _reent *r)
{
    (void)r;
    memstats_print();
}

/* ---- the system calls that wait or end ---- */

/* What ends the input on a line that has no end of file: Ctrl-D. */
#define END_OF_TRANSMISSION 4
static bool input_ended; /* stdin's lock */

/* Polls: a line that nobody types on costs a look every 10 ms, and only while somebody reads. */
int _read(int fd, char *buf, int n)
{
    if (fd != STDIN_FILENO) {
        errno = EBADF;
        return -1;
    }
    int got = 0, c;
    if (input_ended) {
        input_ended = false;
        return 0;
    }
    while (got == 0) {
        while (got < n && (c = console_getc()) >= 0) {
            if (c == END_OF_TRANSMISSION) {
                input_ended = got > 0; /* after what is there, the next read finds the end */
                return got;
            }
            buf[got++] = c == '\r' ? '\n' : (char)c;
            if (buf[got - 1] == '\n')
                return got;
        }
        if (got == 0 && n > 0)
            time_sleep(10 * MILLISECOND);
        else
            break;
    }
    return got;
}

int _write(int fd, const char *buf, int n)
{
    if (fd != STDOUT_FILENO && fd != STDERR_FILENO) {
        errno = EBADF;
        return -1;
    }
    section_write(fd == STDOUT_FILENO ? CONSOLE_OUT : CONSOLE_ERR, buf, (size_t)n);
    return n;
}

/* assert's, with a traceback. newlib's own needs its printf for integers, and newlib asserts too. */
void __assert_func(const char *file, int line, const char *func, const char *what)
{
    kprintf("assertion \"%s\" failed: file \"%s\", line %d%s%s\n", what, file, line,
            func != NULL ? ", function: " : "", func != NULL ? func : "");
    runtime_stack(false);
    abort();
}

void _exit(int status)
{
    memstats_at_exit();
    sched_exit(leakcheck_at_exit(status));
}
