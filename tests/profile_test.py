"""Profiles: what a program spends is what they say, on both boards, with one hart and with four.

What the files hold is read by a decoder of this test's own, and by `go tool pprof` where there is Go.
Lines in which a serial line has done damage are missed, and what else it says does no harm.
"""
import os
import shutil
import subprocess
import sys
import zlib

sys.dont_write_bytecode = True
TREE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path.insert(0, os.path.join(TREE, "tools"))
import pinionlib  # noqa: E402
import pinionprofile  # noqa: E402

BOARDS = ("qemu-virt-riscv64", "qemu-virt-arm64")
POINTS = 3  # how far off a share may be
wrong = []


def check(what, holds, *details):
    if not holds:
        wrong.append(f"{what}: {' '.join(map(str, details))}")


# ---- profile.proto, by the wire format alone

def fields(data):
    """[(field, number or bytes)]"""
    at, found = 0, []

    def varint():
        nonlocal at
        n = shift = 0
        while True:
            byte = data[at]
            at += 1
            n |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return n

    while at < len(data):
        key = varint()
        if key & 7 == 0:
            found.append((key >> 3, varint()))
        elif key & 7 == 2:
            size = varint()
            found.append((key >> 3, data[at:at + size]))
            at += size
        else:
            raise ValueError(f"wire type {key & 7}")
    check("profile.proto ends where its last field does", at == len(data), at, len(data))
    return found


def numbers(packed):
    return [n for _, n in fields(b"".join(
        b"\x08" + part for part in split_varints(packed)))]


def split_varints(data):
    parts, begin = [], 0
    for i, byte in enumerate(data):
        if byte < 128:
            parts.append(data[begin:i + 1])
            begin = i + 1
    return parts


class Decoded:
    """A profile.proto with the functions of its ELF."""

    def __init__(self, path, elf):
        self.path, self.elf = path, elf
        with open(path, "rb") as file:
            top = fields(file.read())
        strings = [v.decode() for f, v in top if f == 6]
        self.types = [tuple(strings[n] for _, n in fields(v)) for f, v in top if f == 1]
        self.mapping = {f: v for f, v in fields(next(v for f, v in top if f == 3))}
        places = {}
        for f, v in top:
            if f == 4:
                location = dict(fields(v))
                places[location[1]] = location[3]
        functions = elf.functions()
        self.samples = []  # (functions, innermost first; values)
        for f, v in top:
            if f == 2:
                sample = dict(fields(v))
                names = [max(fn for fn in functions if fn[0] <= places[n])[1]
                         for n in numbers(sample[1])]
                self.samples.append((names, numbers(sample[2])))

    def shares(self, value):
        """{function: percent of the total that is its own}"""
        total = sum(values[value] for _, values in self.samples)
        own = {}
        for names, values in self.samples:
            own[names[0]] = own.get(names[0], 0) + 100 * values[value] / total
        return own


# ---- runs

def run(program, board, smp, *settings, icount="1", raw=False):
    """Runs it; returns (exit value, Reader, path of the ELF). raw: as on a serial line without us."""
    status, made = pinionlib.build({"APP": f"tests/profile/{program}.c", "BOARD": board,
                                    "SMP": str(smp)})
    if status != 0:
        sys.exit("does not build")
    command = pinionlib.qemu_command(made, {"ICOUNT": icount, "ARGS": " ".join(settings)})
    said = bytearray()
    reader = pinionprofile.Reader()
    if raw:
        command = [word.replace("pinion.host=1", "") for word in command]
    guest = pinionlib.Guest(command, said.extend, said.extend, None, 120, TREE, subprocess.DEVNULL,
                            files=said.extend if raw else reader.feed)
    status, _ = guest.run()
    if raw:
        reader.feed(bytes(said))
    return status, reader, os.path.join(TREE, made["elf"])


def written(reader, elf, name):
    folder = os.path.join(TREE, "build", "profile", name)
    shutil.rmtree(folder, ignore_errors=True)
    said = []
    whole = pinionprofile.write_files(reader, elf, folder, said.append)
    return whole, folder, said


def profile_of(what, kind, *words, **settings):
    """The one profile of a run that ends well. words, settings: run's."""
    status, reader, path = run(*words, **settings)
    check(f"{what}: ends well", status == 0, status)
    whole, folder, said = written(reader, path, "test")
    check(f"{what}: is whole", whole and len(reader.profiles) == 1, said)
    return Decoded(os.path.join(folder, f"{kind}.pb"), pinionprofile.Elf(path))


def shares_by_go(profile):
    command = ["go", "tool", "pprof", "-top", profile.elf.path, profile.path]
    done = subprocess.run(command, capture_output=True, text=True,
                          env={**os.environ, "PPROF_TMPDIR": os.path.dirname(profile.path)})
    check("go tool pprof opens it", done.returncode == 0, done.stderr)
    rows = [line.split() for line in done.stdout.splitlines()]
    return {row[5]: float(row[1].rstrip("%")) for row in rows if len(row) >= 6 and "%" in row[1]}


def near(what, shares, wanted):
    for name, share in wanted.items():
        check(f"{what}: {name} has {share} %", abs(shares.get(name, 0) - share) <= POINTS, shares)


def seventy_twenty_ten_are_seen(board, smp, raw=False):
    # A round takes about a period: a sampler that kept step with it would see one of the three.
    turns = 50000 if board == "qemu-virt-riscv64" else 33333
    what = f"{board} smp={smp}{' raw' if raw else ''}"
    status, reader, path = run("thirds", board, smp, f"{turns}", str(3000 // smp), str(smp),
                               "pinion.cpuprofile=10000", raw=raw)
    check(f"{what}: ends well", status == (0 if not raw else pinionlib.EXIT_NO_RUN), status)
    whole, folder, said = written(reader, path, "test")
    check(f"{what}: is whole", whole and len(reader.profiles) == 1, said)
    elf = pinionprofile.Elf(path)
    profile = Decoded(os.path.join(folder, "cpu.pb"), elf)
    wanted = {"seventy": 70, "twenty": 20, "ten": 10}
    check(f"{what}: types", profile.types == [("samples", "count"), ("cpu", "nanoseconds")])
    near(what, profile.shares(1), wanted)
    samples = sum(values[0] for _, values in profile.samples)
    check(f"{what}: has samples", samples > 2500, samples)
    start, limit, offset = elf.code()
    check(f"{what}: mapping", (profile.mapping[2], profile.mapping[3], profile.mapping.get(4, 0))
          == (start, limit, offset))
    called = sum(values[0] for names, values in profile.samples if names[:2] == ["seventy", "work"])
    check(f"{what}: the caller of seventy is work", called > samples * 0.6, called, samples)
    if shutil.which("go"):
        near(f"{what}, by go", shares_by_go(profile), wanted)


def goroutines_are_counted_where_they_wait(board, smp):
    what = f"{board} smp={smp}: goroutines"
    status, reader, path = run("parked", board, smp, "pinion.goroutineprofile=0", icount="0")
    check(f"{what}: ends well", status == 0, status)
    whole, folder, said = written(reader, path, "test")
    check(f"{what}: is whole, and there are two", whole and len(reader.profiles) == 2, said)
    if wrong:
        return
    elf = pinionprofile.Elf(path)
    for name in ("goroutine.pb", "goroutine.2.pb"):
        profile = Decoded(os.path.join(folder, name), elf)
        at = {f: sum(v[0] for names, v in profile.samples if f in names)
              for f in ("wait_here", "waits_to_receive", "waits_to_lock", "spins", "start_main")}
        spinning = 1 if name == "goroutine.pb" else at["spins"]  # it may have ended by then, or not
        check(f"{what}: {name}", at == {"wait_here": 3, "waits_to_receive": 3, "waits_to_lock": 2,
                                        "spins": spinning, "start_main": 1}, at, profile.samples)


def objects_are_counted_where_they_are_made(board, smp):
    what = f"{board} smp={smp}: heap"
    profile = profile_of(what, "heap", "objects", board, smp, "pinion.heapprofile=8192", icount="0")
    # Bytes and objects made and not freed; 48 bytes are a class of their own, 100000 are 25 pages.
    made = {"keeps": (500000, 24e6, 500000, 24e6), "drops": (125000, 24e6, 0, 0),
            "passes_on": (400, 400 * 102400, 200, 200 * 102400)}
    for name, values in made.items():
        got = [sum(v[i] for names, v in profile.samples if names[0] == name) for i in range(4)]
        # Some 2900 samples each: 1.9 % is the standard deviation, and all seeds are constant.
        check(f"{what}: {name}", all(abs(g - v) <= 0.1 * v for g, v in zip(got, values)), got, values)


def waits_are_counted_where_the_lock_is_let_go(board, smp):
    what = f"{board} smp={smp}: mutex"
    profile = profile_of(what, "mutex", "waits", board, smp, "pinion.mutexprofile=1", icount="0")
    got = {name: [sum(v[i] for names, v in profile.samples if names[0] == name) for i in range(2)]
           for name in ("holds_long", "holds_shortly")}
    # Each time, each of three waits until the lock comes to it: 20 ms and more, or 1 ms and more.
    long, short = got["holds_long"], got["holds_shortly"]
    check(f"{what}: counts", long[0] >= 5 and short[0] >= 5, got)
    check(f"{what}: times", long[1] >= 5 * 20e6 and short[1] >= 5 * 1e6 and long[1] / long[0] >= 20e6, got)


def waits_are_counted_where_an_rwmutex_is_let_go(board, smp, icount):
    what = f"{board} smp={smp} icount={icount}: rwmutex"
    profile = profile_of(what, "mutex", "turns", board, smp, "pinion.mutexprofile=1", icount=icount)
    got = {}
    for names, values in profile.samples:
        count, delay = got.get(names[0], (0, 0))
        got[names[0]] = (count + values[0], delay + values[1])
    # Waits and ms at least. Of those who come unseen it is the second part of one, who waits for a reader.
    wanted = {"lets_all_in": (20, 5 * 80), "lets_the_next_in": (5, 5 * 45), "ends_reading": (5, 5 * 15),
              "ends_reading_alone": (5, 5 * 20), "ends_reading_seen": (1, 5)}
    for name, (waits, ms) in wanted.items():
        count, delay = got.get(name, (0, 0))
        check(f"{what}: {name} ends {waits} waits", count == waits, got)
        # Before it sleeps main looks whether all wait, each time for some 0.2 ms.
        check(f"{what}: {name}, time", ms * 1e6 <= delay and (icount == "0" or delay <= 1.02 * ms * 1e6), got)
    check(f"{what}: nobody else", set(got) == set(wanted), got)


def waits_are_counted_where_a_goroutine_waits(board, smp, rate):
    what = f"{board} smp={smp}: block, one in {rate} ns"
    profile = profile_of(what, "block", "blocked", board, smp, f"pinion.blockprofile={rate}")
    check(f"{what}: types", profile.types == [("contentions", "count"), ("delay", "nanoseconds")])
    got = {}
    for names, values in profile.samples:
        count, delay = got.get(names[0], (0, 0))
        got[names[0]] = (count + values[0], delay + values[1])
    # Waits and ns; those of 50 us take as long again as it takes to wake, so theirs is what it is at least.
    wanted = {"receives": 20e6, "selects": 5e6} | dict.fromkeys((
        "sends", "locks", "locks_to_write", "locks_to_read", "acquires", "waits_for_group",
        "waits_for_cond"), 2e6)
    for name, ns in wanted.items():
        count, delay = got.get(name, (0, 0))
        check(f"{what}: {name}", count == 5 and 0 <= delay - 5 * ns <= 0.02 * 5 * ns, count, delay)
    count, delay = got.pop("receives_soon", (0, 0))
    # Sampled, some 1000 of them: 2.7 % is the standard deviation, and all seeds are constant.
    off = 0 if rate == 1 else 400
    check(f"{what}: short waits", abs(count - 4000) <= off, count)
    check(f"{what}: short waits' time", 0.9 * 50e3 * 4000 <= delay <= 1.3 * 50e3 * 4000, delay)
    check(f"{what}: nobody else waits", set(got) == set(wanted), got)
    if shutil.which("go"):
        total = sum(v[1] for v in got.values()) + delay
        near(what + ", by go", shares_by_go(profile),
             {"receives": 100 * got["receives"][1] / total})


# ---- the lines

def with_crc(text):
    return b"%s #%08x\n" % (text, zlib.crc32(text))


def damaged_lines_are_missed_and_others_do_no_harm():
    lines = [with_crc(b"%pinion-profile cpu " + rest) for rest in (
        b"begin 1000", b"3 0 @ 10 20", b"4 0 @ 10 30", b"1 0 @ 10 20", b"end 3 0 5000")]
    good = pinionprofile.Reader()
    for byte in b"boot\r\n[17:03] ".join(line.replace(b"\n", b"\r\n") for line in lines) + b"x":
        good.feed(bytes([byte]))
    profile = good.profiles[0]
    check("what stands between", profile.samples == {(16, 32): (4, 4000), (16, 48): (4, 4000)},
          profile.samples)
    check("nothing is missing", profile.complaint() is None and good.damaged == 0, profile.complaint())
    for damage in (lines[2].replace(b"4", b"5", 1), lines[2][:-4] + b"\n", b""):
        reader = pinionprofile.Reader()
        reader.feed(b"".join(lines[:2] + [damage] + lines[3:]))
        check("damage is told", "of 3 stacks of the cpu profile 2" in
              (reader.profiles[0].complaint() or ""), damage, reader.profiles[0].complaint())
        check("damage is counted", reader.damaged == (1 if damage else 0), damage, reader.damaged)


def main():
    damaged_lines_are_missed_and_others_do_no_harm()
    for board in BOARDS:
        for smp in (1, 4):
            seventy_twenty_ten_are_seen(board, smp)
            goroutines_are_counted_where_they_wait(board, smp)
            objects_are_counted_where_they_are_made(board, smp)
            waits_are_counted_where_the_lock_is_let_go(board, smp)
            for icount in "01":
                waits_are_counted_where_an_rwmutex_is_let_go(board, smp, icount)
            for rate in (1, 200000):
                waits_are_counted_where_a_goroutine_waits(board, smp, rate)
    seventy_twenty_ten_are_seen(BOARDS[0], 1, raw=True)
    return "\n".join(wrong) or 0


if __name__ == "__main__":
    sys.exit(main())
