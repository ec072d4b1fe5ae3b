SRCS += boot/boot.c
SRCS += boot/args.c
SRCS += boot/start.c
