# The host: Linux, its compiler and its C library; HOST_ISA is its instruction set, as `uname -m` says it.
ISA_host = $(filter x86_64 aarch64,$(HOST_ISA))
include arch/host/x86_64/isa.mk arch/host/aarch64/isa.mk

HOSTED_$(ISA_host) = yes
ISA_CFLAGS_$(ISA_host) = -fno-pie -DPINION_HOST=1 $(HOST_CFLAGS_$(ISA_host))
# A program's thread-local variables are its goroutine's; a frame larger than the guard page hits it.
ISA_APP_$(ISA_host) = -wrapper arch/host/thread-locals -fstack-clash-protection $(HOST_APP_$(ISA_host))
ISA_CPPFLAGS_$(ISA_host) = -isystem arch/host/libc
ISA_LINK_$(ISA_host) = -no-pie -nostartfiles -Wl,-z,now
ISA_LIBS_$(ISA_host) = -lm -lpthread $(SANITIZE_libs_$(SANITIZE))
# Another computer's program: QEMU runs it, and its image has a folder of its own.
HOST_FOREIGN = $(filter-out $(THIS_ISA),$(HOST_ISA))
HOST_RUN     = $(if $(HOST_FOREIGN),$(QEMU_$(ISA_host)))

# SANITIZE=…: for all of a program; and for the rooms alone. A null pointer is left to the hardware: it
# is a fault, and faults are panics that are promised. What the rooms do on the scheduler's stack
# never returns, so ThreadSanitizer must not count calls and returns there. It warns that it knows no
# fences; ours are for store buffering, and order no data.
SANITIZE_thread = -fsanitize=thread -Wno-tsan -DHOST_FIBERS -DHOST_TSAN
SANITIZE_address = -fsanitize=address -DHOST_FIBERS -DHOST_ASAN
SANITIZE_libs_coverage = -Wl,-u,__gcov_dump -lgcov
SANITIZE_undefined = -fsanitize=undefined -fno-sanitize=null -fno-sanitize-recover=undefined
SANITIZE_room_coverage = -DPINION_COVERAGE --coverage -fprofile-update=atomic
SANITIZE_room_thread = --param tsan-instrument-func-entry-exit=0
