#!/bin/sh
# Machines that take more than the words of a run to describe: what QEMU_ARGS adds comes last and wins.
cd "$(dirname "$0")/.." || exit 1
out=$(mktemp) || exit 1
trap 'rm -f "$out"' EXIT
failed=0

# meet BOARD QEMU_ARGS PHRASE: four harts meet, and the phrase is among the boot messages
meet() {
    tools/pinion-run APP=tests/target/boot_test.c BOARD="$1" QEMU_ARGS="$2" ARGS=4 TIMEOUT=60 \
        >"$out" 2>&1 </dev/null
    status=$?
    if [ $status != 0 ] || ! grep -q '^4 harts met' "$out" || ! grep -q -e "$3" "$out"; then
        echo "$1 $2: exit $status, wanted 0 and: $3"
        tail -n 12 "$out"
        failed=1
    fi
}

# No Sstc: timers by SBI calls.
meet qemu-virt-riscv64 '-cpu rv64,sstc=false' 'clock 10000000 Hz$'
# Two sockets: two interrupt controllers and two banks of memory; clusters (trap 26).
meet qemu-virt-riscv64 "-smp 4,sockets=2 -object memory-backend-ram,id=low,size=256M \
    -object memory-backend-ram,id=high,size=256M -numa node,cpus=0-1,memdev=low \
    -numa node,cpus=2-3,memdev=high" '4 harts up'
meet qemu-virt-arm64 '-smp 4,sockets=2,clusters=2,cores=1' '4 harts up'
# Other cores.
meet qemu-virt-arm64 '-cpu cortex-a53' '4 harts up'
meet qemu-virt-arm64 '-cpu max' '4 harts up'
exit $failed
