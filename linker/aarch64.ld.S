/*
 * Linker script of programs on the host, aarch64.
 */
#include "linker/host.h"

/* The thread-local block begins ARCH_TLS_OFFSET bytes above the thread pointer, aligned. */
__tls_size = TLS_BYTES;
