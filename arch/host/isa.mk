# The host: Linux on x86-64, its compiler and its C library.
ISA_host = x86_64
CROSS_x86_64 ?=
HOSTED_x86_64 = yes
ISA_CFLAGS_x86_64 = -fno-pie -fcf-protection=none -DPINION_HOST=1
# A program's thread-local variables are its goroutine's; a frame larger than the guard page hits it.
ISA_APP_x86_64 = -wrapper arch/host/thread-locals -fstack-clash-protection
NEEDS_x86_64 = $(CROSS_x86_64)gcc:gcc:CROSS_x86_64 /usr/include/stdio.h:libc6-dev:-

ISA_CPPFLAGS_x86_64 = -isystem arch/host/libc
ISA_LINK_x86_64 = -no-pie -nostartfiles -Wl,-z,now
ISA_LIBS_x86_64 = -lm -lpthread $(SANITIZE_libs_$(SANITIZE))

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
