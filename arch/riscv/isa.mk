# RISC-V 64: how to compile for it and run it.
ISA_riscv = riscv64
CROSS_riscv64 ?= riscv64-unknown-elf-
QEMU_riscv64  ?= qemu-system-riscv64
NEWLIB_TARGET_riscv64 = riscv64-unknown-elf
ISA_CFLAGS_riscv64    = -march=rv64imafdc_zicsr_zifencei -mabi=lp64d -mcmodel=medany
# PROGRAM-OR-FILE:DEBIAN-PACKAGE:VARIABLE, for tools/setup; a QEMU of one's own is one's own affair
NEEDS_riscv64 = $(CROSS_riscv64)gcc:gcc-riscv64-unknown-elf:CROSS_riscv64 $(if $(filter qemu-system-riscv64,$(QEMU_riscv64)),$(NEEDS_QEMU_riscv64))
NEEDS_QEMU_riscv64 = qemu-system-riscv64:qemu-system-misc:QEMU_riscv64 \
                /usr/share/qemu/opensbi-riscv64-generic-fw_dynamic.bin:opensbi:-
