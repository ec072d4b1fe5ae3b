#!/usr/bin/env python3
"""What pinion.scheddetail=1 prints has Go's form, and of a machine at rest all of it agrees.

Runs tests/target/detail_test.c on both boards with four harts: a goroutine for each reason and three
more, and then a crowd beyond what is shown. Each line must have Go's fields in Go's order; the whole
pages that were written at rest must say what the program has made. While goroutines come and go,
pages must still be whole.
"""
import os
import re
import subprocess
import sys

TREE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BOARDS = ("qemu-virt-riscv64", "qemu-virt-arm64")
SHOWN = 256
PARKED = 6  # goroutines of detail_test.c beside main and the crowd

SUM = re.compile(r"SCHED \d+ms: gomaxprocs=4 idleprocs=(?P<idle>\d) threads=4 spinningthreads=\d "
                 r"needspinning=0 idlethreads=\d runqueue=(?P<global>\d+) gcwaiting=(true|false) "
                 r"nmidlelocked=(?P<wired>\d) stopwait=\d sysmonwait=(true|false)")
P = re.compile(r"  P(?P<id>\d): status=(?P<status>[0-4]) schedtick=\d+ syscalltick=\d+ m=(?P<m>\d|nil) "
               r"runqsize=(?P<queue>\d+) gfreecnt=\d+ timerslen=(?P<timers>\d+)")
M = re.compile(r"  M(?P<id>\d): p=(?P<p>\d|nil) curg=(?P<g>\d+|nil) mallocing=0 throwing=0 preemptoff= "
               r"locks=\d+ dying=0 spinning=(true|false) blocked=(?P<asleep>true|false) "
               r"lockedg=(?P<wired>\d+|nil)")
G = re.compile(r"  G(?P<id>\d+): status=(?P<status>\d)\((?P<reason>[\w. ]*)\) m=(?P<m>\d|nil) "
               r"lockedm=(?P<wired>\d|nil)")
MORE = re.compile(r"  \.\.\. (?P<n>\d+) more goroutines")


class Wrong(Exception):
    pass


def expect(what, is_so):
    if not is_so:
        raise Wrong(what)


def parse(lines):
    """One page: its sum, Ps, Ms, Gs, and how many are left out."""
    rows, kinds = [], ""
    for line in lines:
        for kind, form in (("S", SUM), ("P", P), ("M", M), ("G", G), ("m", MORE)):
            found = form.fullmatch(line)
            if found:
                rows.append(found)
                kinds += kind
                break
        else:
            raise Wrong(f"not a line of Go's: {line}")
    expect(f"S, Ps, Ms, Gs in this order, not {kinds}", re.fullmatch("SP{4}M{4}G*m?", kinds))
    part = {k: [r for r, kind in zip(rows, kinds) if kind == k] for k in "SPMGm"}
    for k in "PM":
        expect("numbers in order", [r["id"] for r in part[k]] == list("0123"))
    expect("each G once", len({r["id"] for r in part["G"]}) == len(part["G"]))
    expect("no more Gs than are to be shown", len(part["G"]) <= SHOWN)
    return part


def pages(lines):
    """Those that begin and end among the lines; a page ends where the next begins."""
    starts = [i for i, line in enumerate(lines) if line.startswith("SCHED ")]
    return [parse(lines[a:b]) for a, b in zip(starts, starts[1:])]


def at_rest(page, crowd):
    """What the program has made is there, and nothing else is going on."""
    total = page["S"][0]
    left = int(page["m"][0]["n"]) if page["m"] else 0
    expect("the goroutines that there are", len(page["G"]) + left == 1 + PARKED + crowd)
    expect("all that fit", len(page["G"]) == min(SHOWN, 1 + PARKED + crowd))
    own = [(m["wired"], m["id"]) for m in page["M"] if m["wired"] != "nil"]
    expect("one hart is one goroutine's", total["wired"] == "1" and len(own) == 1)
    idle = [p for p in page["P"] if p["status"] == "0"]
    lent = [(p["status"], p["m"]) for p in page["P"] if p not in idle]
    expect("Ps idle, or lent by that hart", lent in ([], [("2", own[0][1])]))
    expect("as many as are said to be", int(total["idle"]) == len(idle))
    expect("queues empty", [total["global"]] + [p["queue"] for p in page["P"]] == ["0"] * 5)
    expect("no P has an M", all(p["m"] == "nil" for p in idle))
    expect("main's timer and the sleeper's", sum(int(p["timers"]) for p in page["P"]) == 2)
    # But for the one that writes, which its own interrupts have woken.
    expect("the other harts asleep, not " + "".join(m.group() for m in page["M"]),
           all(m["asleep"] == "true" and m["p"] == "nil" for m in page["M"][1:]))
    expect("no hart runs a goroutine", all(m["g"] == "nil" for m in page["M"]))
    expect("nobody runs", all(g["status"] == "4" and g["m"] == "nil" for g in page["G"]))
    seen = [(g["id"], g["wired"]) for g in page["G"] if g["wired"] != "nil"]
    expect("which that goroutine says too", seen == own or crowd > SHOWN)
    if crowd <= SHOWN:
        reasons = sorted(g["reason"] for g in page["G"])
        expect("reasons in Go's words", reasons == sorted(
            ["sleep"] * 2 + ["chan send", "sync.WaitGroup.Wait"] + ["sync.Mutex.Lock"] * 2
            + ["chan receive"] * (1 + crowd)))


def run(board, rest, crowd, work):
    """The pages of the rest, and of the work."""
    words = ["APP=tests/target/detail_test.c", f"BOARD={board}", "SMP=4", "TIMEOUT=100",
             f"ARGS=pinion.schedtrace=20 pinion.scheddetail=1 {rest} {crowd} {work}"]
    done = subprocess.run(["tools/pinion-run", *words], stdin=subprocess.DEVNULL, capture_output=True,
                          check=False)
    lines = done.stderr.decode("latin-1").splitlines()
    expect(f"exit 0, not {done.returncode}", done.returncode == 0)
    first, last, end = (lines.index(w) for w in ("at rest", "over", "worked"))
    return pages(lines[first:last]), pages(lines[last:end])


def check(board, crowd, work):
    """main parks once between its two lines. So of two pages in which no P is running, the first was
    written at rest. A slow host may have no such two: then it rests longer."""
    for rest in (300, 1500, 8000):
        resting, working = run(board, rest, crowd, work)
        still = [a for a, b in zip(resting, resting[1:])
                 if all(p["status"] != "1" for p in a["P"] + b["P"])]
        if still:
            break
    expect("a page at rest", still)
    expect("a page at work", working or work == 0)
    for page in still:
        at_rest(page, crowd)


def main():
    os.chdir(TREE)
    wrong = 0
    for board in BOARDS:
        for crowd, work in ((3, 50000), (1000, 0)):
            try:
                check(board, crowd, work)
            except Wrong as error:
                print(f"{board}, {crowd} in the crowd: wanted: {error}")
                wrong = 1
    sys.exit(wrong)


main()
