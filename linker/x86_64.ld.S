/*
 * Linker script of programs on the host, x86-64.
 */
#include "arch/host/offsets.h"
#include "linker/host.h"

/* The thread-local block, laid out as x86-64 wants it: it ends where gs points, aligned. Behind it
 * lie HOST_TAIL_SIZE bytes of the port's. */
host_tls_span = UP(TLS_BYTES, __tls_align);
__tls_size = host_tls_span + HOST_TAIL_SIZE;
