# aarch64, natively; or on another computer by way of Debian's cross compiler and QEMU's user mode.
CROSS_aarch64 ?= $(if $(filter aarch64,$(THIS_ISA)),,aarch64-linux-gnu-)
QEMU_aarch64  ?= qemu-aarch64 -L /usr/aarch64-linux-gnu
HOST_CFLAGS_aarch64 = -mno-outline-atomics -mbranch-protection=none
# A frame in every function, so that a fault in a leaf shows its caller; guard pages are of 2^12 bytes.
HOST_APP_aarch64 = -mno-omit-leaf-frame-pointer --param stack-clash-protection-guard-size=12
ifeq ($(THIS_ISA),aarch64)
NEEDS_aarch64 = $(CROSS_aarch64)gcc:gcc:CROSS_aarch64 /usr/include/stdio.h:libc6-dev:-
else
NEEDS_aarch64 = $(CROSS_aarch64)gcc:gcc-aarch64-linux-gnu:CROSS_aarch64 \
    /usr/aarch64-linux-gnu/include/stdio.h:libc6-dev-arm64-cross:- \
    $(firstword $(QEMU_aarch64)):qemu-user:QEMU_aarch64
endif
