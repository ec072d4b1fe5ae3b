/*
 * errno.h: the host's C library's, but errno is the goroutine's.
 *
 * The library's functions write the errno of their thread. Nobody else uses that word: it is zero but
 * for the moment from a library function's failure to the next look at errno, to the next switch or
 * the next interrupt, whichever comes first, when its value moves into the goroutine's context
 * (arch/host/switch.S, trap.c). What a program stores stays there. So perror and %m, which read the
 * thread's, know nothing of errors that a program has looked at.
 */
#include_next <errno.h>
#ifndef PINION_HOST_ERRNO_H
#define PINION_HOST_ERRNO_H
int *host_errno(void);
#undef errno
#define errno (*host_errno())
#endif
