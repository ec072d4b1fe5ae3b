/*
 * libc: the system calls below newlib: files that there are none of, and clocks. exit, write, read
 * and memory belong to sched/libc.c.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/times.h>
#include <unistd.h>
#include "kernel/clock.h"

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

static int fail(int error)
{
    errno = error;
    return -1;
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
