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

RECORDS = 400000  # a hart; none may be lost
SECONDS = 100


def traced(board, app, folder, records=f"{RECORDS},oldest"):
    """(what the program said, the path of its trace)."""
    path = os.path.join(folder, "raw")
    done = subprocess.run(["tools/pinion-run", f"APP={app}", f"BOARD={board}", "SMP=4", f"TIMEOUT={SECONDS}",
                           f"ARGS=pinion.trace={records}", f"TRACE={path}"],
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
            world.check_all(file.read(), folder)
        stats = subprocess.run(["tools/pinion-trace", path, "--stats"], cwd=TREE, capture_output=True,
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
    its_counts_are_the_schedulers(board, "pinion.blockprofile=1")
    a_trace_begun_later_knows_who_waits(board)
    where_nobody_takes_the_file_the_run_ends_as_it_would(board)
    too_large_a_trace_leaves_the_memory_to_the_program(board)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
