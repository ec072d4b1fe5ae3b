#!/bin/sh
# Words that are wrong: one clear line on stderr, exit 2, nothing built and nothing started.
cd "$(dirname "$0")/.." || exit 1
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
failed=0

# refuse PHRASE WORDS…: both make run and tools/pinion-run must refuse the words with the phrase
refuse() {
    phrase=$1
    shift
    for command in 'make run' tools/pinion-run; do
        $command "$@" BUILD="$scratch/build" >"$scratch/out" 2>"$scratch/err" </dev/null
        status=$?
        if [ $status != 2 ] || [ "$(wc -l <"$scratch/err")" != 1 ] || [ -s "$scratch/out" ] ||
            ! grep -qF -e "$phrase" "$scratch/err"; then
            echo "$command $*: exit $status, wanted 2 and one line with: $phrase"
            cat "$scratch/err"
            failed=1
        fi
        if find "$scratch" -name '*.o' | grep -q .; then
            echo "$command $*: built something"
            failed=1
        fi
    done
}

app=APP=$scratch/app.c
echo 'int main(void) { return 0; }' >"$scratch/app.c"
mkdir "$scratch/empty"

refuse 'no such board' "$app" BOARD=nonesuch
refuse 'no such board' "$app" BOARD=
refuse 'qemu-virt-arm64' "$app" BOARD='qemu virt'
refuse 'no such file' APP="$scratch/absent.c"
refuse 'no C file in' APP="$scratch/empty"
refuse 'not a C file' APP="$scratch/out"
refuse "won't do" APP="$scratch/two words.c"
for board in $(ls board); do
    refuse 'give a number of harts' "$app" BOARD="$board" SMP=0
    refuse 'takes 1 to' "$app" BOARD="$board" SMP=65
done
refuse 'takes 1 to 4 harts' "$app" BOARD=hifive-unleashed SMP=5
refuse 'give a number of harts' "$app" SMP=-1
refuse 'give a number of harts' "$app" SMP=four
refuse 'give a number of harts' "$app" SMP=
refuse 'give a number of harts' "$app" SMP='4;true'
refuse 'give a number of harts' "$app" SMP=99999999999999999999
refuse 'MEM=' "$app" MEM=lots
refuse 'MEM=' "$app" MEM=
refuse 'MEM=' "$app" MEM=0M
refuse 'ICOUNT=' "$app" ICOUNT=2
refuse 'MODE=' "$app" MODE=fast
refuse 'KERNEL=' "$app" KERNEL=zip
refuse 'docs/lessons.md has: 1 2 3 5 10 22 24 34' "$app" TRAP=4
refuse 'docs/lessons.md has' "$app" TRAP=0
refuse 'docs/lessons.md has' "$app" TRAP='1 2'
refuse 'docs/lessons.md has' "$app" TRAP=five

exit $failed
