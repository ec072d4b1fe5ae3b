# x86-64, natively.
CROSS_x86_64 ?=
HOST_CFLAGS_x86_64 = -fcf-protection=none
NEEDS_x86_64 = $(CROSS_x86_64)gcc:gcc:CROSS_x86_64 /usr/include/stdio.h:libc6-dev:-
