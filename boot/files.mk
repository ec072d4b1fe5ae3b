SRCS += boot/boot.c
SRCS += boot/args.c
SRCS += boot/start.c

COLD += boot/boot.c boot/args.c boot/start.c
