# SiFive HiFive Unleashed (FU540); `make run` uses QEMU's model of it, `sifive_u`.
ARCH      = riscv
LOAD_ADDR = 0x80200000
# Harts 1 to 4; hart 0 is the monitor core, without supervisor mode, and QEMU counts it too.
SMP       = 4
SMP_MAX   = 4
QEMU_SMP  = $(shell expr $(SMP) + 1)
MEM       = 512M
KERNEL    = elf
QEMU_MACHINE = sifive_u
QEMU_CPU     =
QEMU_FLAGS   = -bios default
# What GDB attaches to: QEMU shows the monitor core as process 1 and the others as process 2.
GDB_PROCESS  = 2
