#!/bin/sh
# tools/pinion-run, from another folder and with a program outside the tree: exit values and streams.
tree=$(cd "$(dirname "$0")/.." && pwd)
run=$tree/tools/pinion-run
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch" "$tree/build/riscv64/abs$scratch" "$tree/build/qemu-virt-riscv64/abs$scratch"' EXIT
cd "$scratch" || exit 1
failed=0

cat >app.c <<'END'
#include <pinion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    if (strcmp(what, "exit") == 0)
        exit(atoi(argv[2]));
    if (strcmp(what, "spin") == 0)
        for (;;)
            runtime_gosched();
    if (strcmp(what, "flood") == 0)
        for (;;)
            puts("again and again");
    if (strcmp(what, "panic") == 0)
        runtime_panic("on purpose");
    char line[32];
    if (strcmp(what, "lines") == 0)
        for (int i = 0; i < 2 && fgets(line, sizeof(line), stdin) != NULL; i++)
            printf("<%s>", line);
    fputs("to stderr\n", stderr);
    printf("bytes \016 \017 \020 end\n");
    return 0;
}
END

# expect VALUE PHRASE WORDS…: the exit value, and the phrase on stderr
expect() {
    value=$1 phrase=$2
    shift 2
    "$run" APP=app.c TIMEOUT=60 "$@" >out 2>err </dev/null
    got=$?
    if [ $got != "$value" ] || ! grep -qF -e "$phrase" err; then
        echo "$*: exit $got, wanted $value and: $phrase"
        tail -n 5 err
        failed=1
    fi
}

expect 0 'to stderr'
printf 'bytes \016 \017 \020 end\n' | cmp - out || failed=1
expect 0 '' ARGS='exit 0'
expect 7 '' ARGS='exit 7'
expect 255 '' ARGS='exit -1'
expect 2 'panic: on purpose' ARGS=panic
expect 124 'TIMEOUT' ARGS=spin TIMEOUT=2
expect 125 'cannot start' QEMU_riscv64=no-such-qemu
expect 125 'could not run the machine' QEMU_ARGS=-no-such-option
expect 2 'no such word' FOO=1
expect 2 'not of the form' foo

printf 'one\ntwo\n' | "$run" APP=app.c ARGS=lines TIMEOUT=20 >out 2>err
[ "$(head -n 3 out | tr '\n' '+')" = "<one+><two+>bytes $(printf '\016 \017 \020') end+" ] ||
    { echo "stdin did not come through:"; cat out; failed=1; }

"$run" APP=app.c ARGS=flood TIMEOUT=60 2>err | head -n 1 >out
[ "$(cat out)" = "again and again" ] || { echo "a closed stdout:"; cat err; failed=1; }

make -C "$tree" run APP="$scratch/app.c" ARGS='exit 3' >out 2>err </dev/null
[ $? = 2 ] && grep -q 'Error 3' err || { echo "make run: no Error 3"; failed=1; }

exit $failed
