#!/usr/bin/env python3
"""Programs that are traced on a board: what is converted is free of contradictions and opens elsewhere,
and counts what the scheduler counts.

    tests/traced_test.py BOARD
"""
import os
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
TREE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TREE, "tests", "trace"))
import world  # noqa: E402
import pinionlib  # noqa: E402

RECORDS = 400000  # a hart; none may be lost
SECONDS = 100
JOBS = 480      # of tests/target/traced.c


def traced(board, app, folder, records=f"{RECORDS},oldest", more=""):
    """(what the program said, the path of its trace)."""
    path = os.path.join(folder, "raw")
    done = subprocess.run(["tools/pinion-run", f"APP={app}", f"BOARD={board}", "SMP=4", f"TIMEOUT={SECONDS}",
                           f"ARGS=pinion.trace={records} {more}", f"TRACE={path}"],
                          cwd=TREE, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{app} ended with {done.returncode}: {done.stderr[-600:]}"
    return done.stdout, path


def pairs(text):
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def an_example_opens_everywhere(board, app):
    with tempfile.TemporaryDirectory() as folder:
        _, path = traced(board, app, folder)
        with open(path, "rb") as file:
            done = world.check_all(file.read(), folder)
        print(f"{app}: {len(done.seen.records)} records")


def its_counts_are_the_schedulers(board, *settings):
    with tempfile.TemporaryDirectory() as folder:
        said, path = traced(board, "tests/target/traced.c", folder,
                            " ".join((f"{RECORDS},oldest", *settings)))
        with open(path, "rb") as file:
            data = file.read()
        world.check_all(data, folder)
        what_the_program_says_comes_whole(data, folder)
        compare(said, path)


class Said(world.Watcher):
    """What the program says."""

    def __init__(self):
        self.logs, self.regions, self.tasks, self.open = [], [], {}, {}

    def log(self, at, hart, g, task, category, message):
        if category != "pinion":
            self.logs.append((g.id, task, category, message))

    def region(self, at, hart, g, task, name, begins):
        self.regions.append((g.id, task, name, begins))

    def task(self, at, hart, g, task, name, parent):
        if name is not None:
            self.tasks[task] = self.open[task] = (name, parent)
        else:
            del self.open[task]


def what_the_program_says_comes_whole(data, folder):
    """Strict: that regions nest is the model's to see."""
    said = Said()
    trace = world.reader.Trace(memoryview(data))
    world.Model(trace, world.Symbols(), [said], strict=True).run(world.Merge(trace))
    jobs = range(1, JOBS + 1)
    whole, = [task for task, (name, _) in said.tasks.items() if name == "all of it"]
    own = {task for task, begun in said.tasks.items() if begun == ("job", whole)}
    assert len(own) == JOBS and len(said.tasks) == JOBS + 1 and not said.open, said.open
    spoken = [log[2:] for log in said.logs]
    for n in jobs:
        words = ("abcdefghijklmnopqrstuvwxyz01234"[:n % 30],
                 f"job {n} " + "ABCDEFGHIJKLMNOPQRSTUVWXYZ56789"[:n % 31] + ".")
        assert spoken.count(words) == 1, (words, spoken.count(words))
    assert spoken.count(("section", "from within")) == JOBS // 5
    assert spoken.count(("x" * 100, "x" * 900)) == 1 and spoken.count(("", "")) == 1
    assert len(spoken) == JOBS + JOBS // 5 + 2, len(spoken)
    for begins in (True, False):
        assert sum(r[2:] == ("outer", begins) and r[1] in own for r in said.regions) == JOBS
        assert sum(r[1:] == (0, "inner", begins) for r in said.regions) == JOBS
    go_sees_them(data, folder, whole)


def go_sees_them(data, folder, whole):
    lines = world.go_events(world.Converted(data, folder).go.getvalue())
    if lines is None:
        print("no go here")
        return
    kinds = [line.split()[1] for line in lines]
    # What is said in a section has no place there.
    for kind, n in {"UserTaskCreate": JOBS + 1, "UserTaskEnd": JOBS + 1, "UserRegion": 4 * JOBS}.items():
        assert kinds.count(kind) == n, (kind, kinds.count(kind))
    assert sum("UserLog" in line and "message=job " in line for line in lines) == JOBS
    assert sum("UserTaskCreate" in line and f"pid={whole} " in line + " " for line in lines) == JOBS, lines[:0]


def what_is_said_stays_whole_in_chaos(board):
    """Which takes goroutines off wherever that is allowed."""
    for seed in (1, 2):
        with tempfile.TemporaryDirectory() as folder:
            _, path = traced(board, "tests/target/traced.c", folder, more=f"pinion.chaos={seed}")
            with open(path, "rb") as file:
                what_the_program_says_comes_whole(file.read(), folder)


def counts_by_serial(board):
    """The same over the console: as pinion-run takes it, and from the log of a plain serial line."""
    words = {"APP": "tests/target/traced_late.c", "BOARD": board, "SMP": "4",
             "ARGS": "pinion.trace=0 pinion.tracefile=serial"}
    status, settings = pinionlib.build(words)
    assert status == 0
    with tempfile.TemporaryDirectory() as folder:
        said, path = traced(board, "tests/target/traced.c", folder, more="pinion.tracefile=serial")
        compare(said, path)
        with open(path, "rb") as file:
            assert file.read(14) == b"%pinion-trace "
        the_elf_of_another_build_is_refused(path, board)
    log = bytearray()
    command = [word.replace("pinion.host=1", "") for word in pinionlib.qemu_command(settings, words)]
    pinionlib.Guest(command, log.extend, log.extend, None, SECONDS, TREE, subprocess.DEVNULL).run()
    with tempfile.NamedTemporaryFile() as file:
        file.write(log)
        file.flush()
        for number in ("1", "2"):
            done = subprocess.run(["tools/pinion-trace", file.name, "--strict", "--number", number, "--stats"],
                                  cwd=TREE, capture_output=True, text=True, check=False)
            assert done.returncode == 0 and int(pairs(done.stdout)["events"]) > 0, done.stderr


def the_elf_of_another_build_is_refused(path, board):
    """Its addresses would get wrong names."""
    right = f"build/{board}/tests/target/traced.elf"
    for elf, status in ((right, 0), (f"build/{board}/tests/target/traced_late.elf", 1)):
        done = subprocess.run(["tools/pinion-trace", path, "--elf", elf, "--text", "-"], cwd=TREE,
                              capture_output=True, text=True, check=False)
        assert done.returncode == status, (elf, done.returncode, done.stderr)
        assert ("not the program that was traced" in done.stderr) == (elf != right), done.stderr
        assert (" work (traced.c:" in done.stdout) == (elf == right), done.stdout[:2000]


def compare(said, path):
    stats = subprocess.run(["tools/pinion-trace", path, "--strict", "--stats"], cwd=TREE, capture_output=True,
                           text=True, check=True).stdout
    found, wanted = pairs(stats), pairs(said)
    assert found["lost"] == "0", found["lost"]
    print(wanted)
    for key, value in wanted.items():
        assert found[key] == value, f"{key}: {found[key]} in the trace, {value} counted"
    for key in ("steals", "preemptions"):
        assert int(wanted[key]) > 0, f"no {key} to compare"


def a_trace_begun_later_knows_who_waits(board):
    with tempfile.TemporaryDirectory() as folder:
        _, path = traced(board, "tests/target/traced_late.c", folder, "0")
        for name in (path, path + ".2"):
            with open(name, "rb") as file, tempfile.TemporaryDirectory() as place:
                world.check_all(file.read(), place)
        text = subprocess.run(["tools/pinion-trace", path, "--text", "-"], cwd=TREE, capture_output=True,
                              text=True, check=True).stdout
        for words in ("sync.Mutex.Lock", "chan receive"):
            assert text.count(words) >= 3, f"{words}: {text[:2000]}"


def run(board, app, args, *words):
    return subprocess.run(["tools/pinion-run", f"APP={app}", f"BOARD={board}", f"TIMEOUT={SECONDS}",
                           f"ARGS={args}", *words],
                          cwd=TREE, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)


def where_nobody_takes_the_file_the_run_ends_as_it_would(board):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "raw")
        settings = f"pinion.trace pinion.tracefile={path}"
        for app, status in (("examples/hello.c", 0), ("examples/deadlock.c", 2)):
            done = run(board, app, settings)
            assert done.returncode == status, f"{app}: {done.returncode}: {done.stderr[-800:]}"
            assert f"trace: {path} cannot be made" in done.stderr, done.stderr[-800:]
            assert not os.path.exists(path)


def too_large_a_trace_leaves_the_memory_to_the_program(board):
    """Some of its rings would fit, and leave little."""
    words = ("SMP=4", "MEM=96M")
    done = run(board, "examples/hello.c", "pinion.trace=1000000", *words)
    assert done.returncode == 0, done.stderr[-800:]
    assert "no memory for 1048576 records a hart; there will be none" in done.stderr, done.stderr[-800:]
    done = run(board, "tests/stress/parked.c", "10000 pinion.trace=1000000", *words)
    assert done.returncode == 0, done.stderr[-800:]


def main(board):
    an_example_opens_everywhere(board, "examples/sieve.c")
    an_example_opens_everywhere(board, "examples/workers.c")
    its_counts_are_the_schedulers(board)
    counts_by_serial(board)
    what_is_said_stays_whole_in_chaos(board)
    its_counts_are_the_schedulers(board, "pinion.blockprofile=1")
    a_trace_begun_later_knows_who_waits(board)
    where_nobody_takes_the_file_the_run_ends_as_it_would(board)
    too_large_a_trace_leaves_the_memory_to_the_program(board)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
