# The host: Linux, its compiler and its C library; HOST_ISA is its instruction set, as `uname -m` says it.
ISA_host = $(HOST_ISA)
include arch/host/x86_64/isa.mk arch/host/aarch64/isa.mk

HOSTED_$(HOST_ISA) = yes
ISA_CFLAGS_$(HOST_ISA) = -fno-pie -DPINION_HOST=1 $(HOST_CFLAGS_$(HOST_ISA))
# A program's thread-local variables are its goroutine's; a frame larger than the guard page hits it.
ISA_APP_$(HOST_ISA) = -wrapper arch/host/thread-locals -fstack-clash-protection $(HOST_APP_$(HOST_ISA))
ISA_CPPFLAGS_$(HOST_ISA) = -isystem arch/host/libc
ISA_LINK_$(HOST_ISA) = -no-pie -nostartfiles -Wl,-z,now
ISA_LIBS_$(HOST_ISA) = -lm -lpthread $(SANITIZE_libs_$(SANITIZE))
# Another computer's program: QEMU runs it, and its image has a folder of its own.
HOST_FOREIGN = $(filter-out $(THIS_ISA),$(HOST_ISA))
HOST_RUN     = $(if $(HOST_FOREIGN),$(QEMU_$(HOST_ISA)))

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
