/*
 * libc: the system calls below newlib: memory, and files that there are none of.
 *
 * malloc's heap is the window VM_HEAP: pages are mapped behind the break as it moves, so the heap
 * takes from memory what it uses and no more, and never runs into anything. newlib calls _sbrk
 * under its malloc lock, by way of sched/libc.c. exit, write and read belong to sched/libc.c.
 */
#include "kernel/heap.h"
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/times.h>
#include <unistd.h>
#include "kernel/clock.h"
#include "kernel/page.h"
#include "kernel/vm.h"

int _close(int fd);
int _fstat(int fd, struct stat *st);
int _isatty(int fd);
off_t _lseek(int fd, off_t off, int whence);
int _getpid(void);
int _kill(int pid, int sig);
int _open(const char *path, int flags, int mode);
int _link(const char *from, const char *to);
int _unlink(const char *path);
int _stat(const char *path, struct stat *st);
int _gettimeofday(struct timeval *tv, void *tz);
clock_t _times(struct tms *t);

static uintptr_t brk_now = VM_HEAP;  /* where the heap ends for malloc */
static uintptr_t brk_high = VM_HEAP; /* pages are mapped below here */

static int fail(int error)
{
    errno = error;
    return -1;
}

static bool map_up_to(uintptr_t to)
{
    for (; brk_high < to; brk_high += PAGE_SIZE) {
        void *page = page_alloc();
        if (page == NULL)
            return false;
        if (!vm_map_page(brk_high, page, VM_READ | VM_WRITE)) {
            page_free(page);
            return false;
        }
    }
    return true;
}

void *heap_sbrk(ptrdiff_t n)
{
    uintptr_t was = brk_now, to = was + (uintptr_t)n;
    if (n > 0 && (to < was || to > VM_HEAP + VM_HEAP_SIZE || !map_up_to(to))) {
        errno = ENOMEM;
        return (void *)-1;
    }
    brk_now = to;
    return (void *)was;
}

int _close(int fd)
{
    return fd >= 0 && fd <= 2 ? 0 : fail(EBADF);
}

int _fstat(int fd, struct stat *st)
{
    if (fd < 0 || fd > 2)
        return fail(EBADF);
    memset(st, 0, sizeof(*st));
    st->st_mode = S_IFCHR;
    return 0;
}

int _isatty(int fd)
{
    return fd >= 0 && fd <= 2 ? 1 : fail(EBADF);
}

off_t _lseek(int fd, off_t off, int whence)
{
    (void)off, (void)whence;
    return fail(fd >= 0 && fd <= 2 ? ESPIPE : EBADF);
}

int _getpid(void)
{
    return 1;
}

int _kill(int pid, int sig)
{
    (void)pid;
    if (sig != 0)
        _exit(128 + sig);
    return 0;
}

int _open(const char *path, int flags, int mode)
{
    (void)path, (void)flags, (void)mode;
    return fail(ENOENT);
}

int _link(const char *from, const char *to)
{
    (void)from, (void)to;
    return fail(EMLINK);
}

int _unlink(const char *path)
{
    (void)path;
    return fail(ENOENT);
}

int _stat(const char *path, struct stat *st)
{
    (void)path, (void)st;
    return fail(ENOENT);
}

/* Time since boot: there is no calendar. */
int _gettimeofday(struct timeval *tv, void *tz)
{
    (void)tz;
    int64_t ns = clock_ns();
    tv->tv_sec = ns / 1000000000;
    tv->tv_usec = ns % 1000000000 / 1000;
    return 0;
}

clock_t _times(struct tms *t)
{
    clock_t now = (clock_t)(clock_ns() / (1000000000 / CLOCKS_PER_SEC));
    *t = (struct tms){.tms_utime = now};
    return now;
}
