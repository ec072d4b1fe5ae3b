# This computer: harts are threads of Linux on x86-64 or arm64. For sanitizers, coverage and debuggers.
ARCH      = host
SMP       = 4
SMP_MAX   = 64
MEM       = 512M
KERNEL    = elf
