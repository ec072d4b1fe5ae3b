SRCS += kernel/console.c
SRCS += kernel/input.c
SRCS += kernel/uart_16550.c
SRCS += kernel/uart_pl011.c
SRCS += kernel/uart_sifive.c
SRCS += kernel/uart_firmware.c
SRCS += kernel/print.c
SRCS += kernel/format.c
SRCS += kernel/clock.c
SRCS += kernel/irq.c
SRCS += kernel/machine.c
SRCS += kernel/machine_console.c
SRCS += kernel/machine_hart.c
SRCS += kernel/machine_irq.c
SRCS += kernel/tree.c
SRCS += kernel/page.c
SRCS += kernel/size_class.c
SRCS += kernel/span.c
SRCS += kernel/central.c
SRCS += kernel/vm.c
SRCS += kernel/stack.c
SRCS += kernel/stack_slot.c
SRCS += kernel/stack_trim.c
SRCS += kernel/libc.c
SRCS += kernel/trap.c
SRCS += kernel/power.c
SRCS += kernel/outfile.c
SRCS += kernel/symbols.c
SRCS += kernel/crc.c

COLD += $(addprefix kernel/,uart_16550.c uart_pl011.c uart_sifive.c uart_firmware.c print.c format.c \
        machine.c machine_console.c machine_hart.c machine_irq.c tree.c size_class.c vm.c \
        power.c outfile.c console.c input.c stack_trim.c symbols.c libc.c crc.c)

# The rest is what Linux does on the host, or board/host in its name.
ifeq ($(ARCH),host)
SRCS := $(filter-out kernel/%,$(SRCS))
SRCS += kernel/print.c
SRCS += kernel/format.c
SRCS += kernel/clock.c
SRCS += kernel/trap.c
SRCS += kernel/symbols.c
SRCS += kernel/crc.c
endif

ifeq ($(ARCH),riscv)
SRCS += kernel/irq_riscv.c
SRCS += kernel/aclint.c
SRCS += kernel/plic.c
SRCS += kernel/imsic.c
endif

ifeq ($(ARCH),arm64)
SRCS += kernel/irq_arm64.c
SRCS += kernel/gicv2.c
SRCS += kernel/gicv3.c
endif

# Tests of this room on a board, which name its headers.
CFLAGS_tests/target/device_irq.c = -I.
CFLAGS_tests/target/trap_31_console_pieces.c = -I.
