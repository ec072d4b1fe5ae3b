/*
 * outfile: on the host it is a file.
 */
#include "kernel/outfile.h"
#include <fcntl.h>
#include <unistd.h>

static int fd;

bool outfile_open(const char *path)
{
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    return fd >= 0;
}

bool outfile_write(const void *data, size_t n)
{
    for (ssize_t done; n > 0; n -= (size_t)done, data = (const char *)data + done)
        if ((done = write(fd, data, n)) <= 0)
            return false;
    return true;
}

bool outfile_close(void)
{
    return close(fd) == 0;
}
