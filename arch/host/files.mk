SRCS += arch/host/$(ISA)/start.S
SRCS += arch/host/$(ISA)/switch.S
SRCS += arch/host/$(ISA)/frame.c
SRCS += arch/host/$(ISA)/tp.c
SRCS += arch/host/hart.c
SRCS += arch/host/trap.c
SRCS += arch/host/walk.c
SRCS += arch/host/yield.c
SRCS += arch/host/fiber.c

# What runs in the middle of things is not to call into a sanitizer; yield.c does what sched/ does.
CFLAGS_arch/host/hart.c  = -fno-sanitize=all
CFLAGS_arch/host/trap.c  = -fno-sanitize=all
CFLAGS_arch/host/walk.c  = -fno-sanitize=all
CFLAGS_arch/host/fiber.c = -fno-sanitize=all
CFLAGS_arch/host/$(ISA)/frame.c = -fno-sanitize=all
CFLAGS_arch/host/$(ISA)/tp.c = -fno-sanitize=all
