# AArch64: how to compile for it and run it. Debian's compiler is made for Linux programs; the
# options undo what that brings: position independence, library calls for atomics, Linux's macros.
ISA_arm64 = arm64
CROSS_arm64 ?= aarch64-linux-gnu-
QEMU_arm64  ?= qemu-system-aarch64
NEWLIB_TARGET_arm64 = aarch64-none-elf
ISA_CFLAGS_arm64    = -march=armv8-a -mcmodel=small -mno-outline-atomics -fno-pic -fno-pie \
                      -U__linux__ -U__linux -Ulinux -U__unix__ -U__unix -Uunix -U__gnu_linux__
# The rooms leave the vector registers alone, so that an interrupt need not save them (trap.S).
ISA_ROOM_arm64      = -mgeneral-regs-only
# Until the MMU is on, memory takes aligned accesses only.
ISA_EARLY_arm64     = -mstrict-align
# Programs keep a frame in every function, so that a fault in a leaf shows its caller.
ISA_APP_arm64       = -mno-omit-leaf-frame-pointer
ISA_LDFLAGS_arm64   = -no-pie
# PROGRAM-OR-FILE:DEBIAN-PACKAGE:VARIABLE, for tools/setup; a QEMU of one's own is one's own affair
NEEDS_arm64 = $(CROSS_arm64)gcc:gcc-aarch64-linux-gnu:CROSS_arm64 $(if $(filter qemu-system-aarch64,$(QEMU_arm64)),$(NEEDS_QEMU_arm64))
NEEDS_QEMU_arm64 = qemu-system-aarch64:qemu-system-arm:QEMU_arm64
