SRCS += arch/riscv/start.S
SRCS += arch/riscv/switch.S
SRCS += arch/riscv/trap.S
SRCS += arch/riscv/trap.c
SRCS += arch/riscv/frame.c
SRCS += arch/riscv/sbi.c
SRCS += arch/riscv/relax.c
