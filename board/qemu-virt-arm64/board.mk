# QEMU's `virt` machine, 64-bit Arm, without firmware: QEMU itself answers PSCI.
ARCH      = arm64
LOAD_ADDR = 0x40200000
SMP       = 4
SMP_MAX   = 64
MEM       = 512M
# A Linux Image, not the ELF file: only for the former does QEMU pass the device tree in x0.
KERNEL    = image
# GICv2 serves eight cores at most. MACHINE=gic-version=3 chooses v3 for fewer.
QEMU_MACHINE = virt,gic-version=$(if $(filter 1 2 3 4 5 6 7 8,$(SMP)),2,3)
QEMU_CPU     = cortex-a72
QEMU_FLAGS   = -nic none -global virtio-mmio.force-legacy=false
