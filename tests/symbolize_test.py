#!/usr/bin/env python3
"""tools/pinion-symbolize finds the function and the line of each frame that a crash report shows.

On both boards with four harts: a panic three calls deep, and a null pointer's fault, in a goroutine. Also
what is to be said of a report that is cut off, of another image's ELF, of none, and of what is no report.
"""
import os
import re
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
TREE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TREE, "tools"))
import pinionlib  # noqa: E402

BOARDS = ("qemu-virt-riscv64", "qemu-virt-arm64")
SOURCE = "tests/target/crash_test.c"
WAYS = {"panic_nested": ("innermost", "middle", "worker", "panic_nested"),
        "fault_in_a_goroutine": ("look_at", "look_nowhere", "fault_in_a_goroutine")}


class Wrong(Exception):
    pass


def expect(what, is_so):
    if not is_so:
        raise Wrong(what)


def crash(board, way, more=""):
    """What a run says, and the image's path."""
    words = {"APP": SOURCE, "BOARD": board, "SMP": "4"}
    status, settings = pinionlib.build(words)
    expect("it builds", status == 0)
    words.update(ARGS=f"{way} {more}", TIMEOUT="60")
    done = subprocess.run(["tools/pinion-run", *(f"{k}={v}" for k, v in words.items())],
                          stdin=subprocess.DEVNULL, capture_output=True, check=False)
    expect(f"exit 2, not {done.returncode}", done.returncode == 2)
    return done.stderr, settings["elf"]


def symbolize(report, *words, file=None):
    """Exit value, text, complaint."""
    done = subprocess.run(["tools/pinion-symbolize", *words], stdin=file, capture_output=True,
                          **({} if file else {"input": report}), check=False)
    return done.returncode, done.stdout, done.stderr.decode()


def lines_of_source():
    """Name to line."""
    with open(SOURCE, encoding="utf-8") as f:
        return {m.group(1): n for n, line in enumerate(f, 1)
                for m in [re.search(r"here: (\w+) \*/", line)] if m}


def only_added(text):
    """Without the lines that were put in."""
    return re.sub(rb"^\t.*\n", b"", text, flags=re.M)


def frames_are_found(text, names):
    at = lines_of_source()
    traceback = text[text.index("goroutine "):text.index("crash report: image")]
    found = re.findall(r"^(?:created by )?(\w+)\+0x[0-9a-f]+ \((?:at )?0x[0-9a-f]+\).*\n\t(\w+) (\S+)$", traceback,
                       re.M)
    wanted = [(n, n, f"{SOURCE}:{at[n]}") for n in names]
    expect(f"{wanted}, not {found}", found == wanted)


def check_board(board):
    for way, names in WAYS.items():
        report, elf = crash(board, way)
        status, text, said = symbolize(report, elf)
        expect(f"{way}: exit 0 without a word, not {status}, {said}", status == 0 and said == "")
        expect("all other text as it was", only_added(text) == report)
        frames_are_found(text.decode(), names)
    # Of the fault: its registers, of which the pc is in look_at.
    at = lines_of_source()["look_at"]
    expect("the registers of the fault", re.search(
        rf"ended the run\n  pc +0x[0-9a-f]{{16}} .*\n\tpc look_at {SOURCE}:{at}\n".encode(), text))
    return report, elf


def events_are_in_order(text):
    """Each ring's, though harts were stopped while they wrote."""
    rings = re.findall(r"^M(\d): (trace|its interrupts), the last (\d+) of \d+\n((?:[ \t].*\n)*)", text, re.M)
    expect(f"two rings a hart, not {rings}", [r[:2] for r in rings] ==
           [(str(hart), which) for hart in range(4) for which in ("trace", "its interrupts")])
    for _, _, n, lines in rings:
        ages = [int(age) for age in re.findall(r"^  - *(\d+) ns [a-z-]+ ", lines, re.M)]
        texts = len(re.findall(r"^    ", lines, re.M))  # main's name, on a hart that has done little since
        expect(f"{n} events, not {len(ages)} and {texts} of text, the oldest first: {ages}",
               len(ages) + texts == int(n) and ages == sorted(ages, reverse=True))


def check_events(board):
    report, elf = crash(board, "panic_among_the_busy", "pinion.trace=64")
    status, text, said = symbolize(report, elf)
    expect(f"exit 0 without a word, not {status}, {said}", status == 0 and said == "")
    events_are_in_order(text.decode())
    report, elf = crash(board, "fault_in_a_goroutine", "pinion.trace=64")
    text = symbolize(report, elf)[1].decode()
    expect("a line of source below a creation", re.search(
        rf"^  - *\d+ ns create +g \d+, arg 0x[0-9a-f]{{16}}, .*\n\targ look_nowhere {SOURCE}:\d+$", text, re.M))


def check_what_is_wrong(report, elf, other):
    cut = report[:report.index(b"P0: ")]
    status, text, said = symbolize(cut, elf)
    expect("one that is cut off is told, and looked up", status == 0 and "cut off" in said
           and b"\tlook_at " in text and only_added(text) == cut)
    head = report[:report.index(b"crash report: image")]
    status, text, said = symbolize(head, elf)
    expect("one without its image's line too", status == 0 and "not certain" in said
           and b"\tlook_at " in text)
    middle = report[:report.index(b"look_nowhere+") + 16]
    status, text, said = symbolize(middle, elf)
    expect("one cut off in a line", status == 0 and b"\tlook_at " in text and only_added(text) == middle)
    status, text, said = symbolize(report, other)
    expect("another image is refused", status == 1 and "not the image that crashed" in said
           and text == report)
    status, text, said = symbolize(report, "no/such.elf")
    expect("no such ELF", status == 1 and "no/such.elf: No such file" in said and text == report)
    status, text, said = symbolize(report, SOURCE)
    expect("no ELF at all", status == 1 and "not a 64-bit" in said and text == report)
    status, text, said = symbolize(head)
    expect("none named and no line that says which", status == 1 and "name the ELF" in said
           and text == head)
    status, text, said = symbolize(report)
    expect("none named, and found", status == 0 and "found " in said and b"\tlook_at " in text)
    with tempfile.NamedTemporaryFile() as damaged, tempfile.NamedTemporaryFile() as kept:
        with open(elf, "rb") as f:
            damaged.write(f.read(5000))
        damaged.flush()
        status, text, said = symbolize(report, damaged.name)
        expect(f"a damaged ELF, not {said}", status == 1 and "damaged" in said and text == report)
        kept.write(report)
        kept.flush()
        expect("from a file as from a stream", symbolize(None, elf, kept.name, file=subprocess.DEVNULL)
               == symbolize(report, elf))


def main():
    os.chdir(TREE)
    wrong, done = 0, []
    for board in BOARDS:
        try:
            done.append(check_board(board))
            check_events(board)
        except Wrong as error:
            print(f"{board}: wanted: {error}")
            wrong = 1
    if len(done) == 2:
        try:
            check_what_is_wrong(*done[0], done[1][1])
        except Wrong as error:
            print(f"wanted: {error}")
            wrong = 1
    sys.exit(wrong)


main()
