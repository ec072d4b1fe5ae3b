# QEMU's `virt` machine, 64-bit RISC-V, under OpenSBI.
ARCH      = riscv
LOAD_ADDR = 0x80200000
SMP       = 4
SMP_MAX   = 64
MEM       = 512M
KERNEL    = elf
# ACLINT and Sstc let the kernel interrupt harts and set timers without a firmware call.
QEMU_MACHINE = virt,aclint=on
QEMU_CPU     = rv64,sstc=true
QEMU_FLAGS   = -bios default -global virtio-mmio.force-legacy=false
