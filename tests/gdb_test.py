#!/usr/bin/env python3
"""A session of GDB with tools/pinion-gdb.py on a board: tests/gdb/session.py says what it must show of
tests/gdb/scene.c, which must then go on to its right end. `make gdb`, with a few words typed. And save trace of a traced program.

    tests/gdb_test.py BOARD
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
TREE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TREE, "tools"))
import piniondebug  # noqa: E402
import pinionlib  # noqa: E402

SECONDS = 180  # then it hangs
SECONDS_TO_END = 30


def session(settings, words, debugger, *script):
    """(what GDB and the program said, a complaint or None)."""
    said = []
    debugged = piniondebug.Debugged(settings, words, said.append, said.append, [debugger, "-nx", "--batch"])
    with debugged:
        command = [*debugged.command, *(word for step in script for word in ("-ex", step))]
        try:
            done = subprocess.run(command, cwd=TREE, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, timeout=SECONDS, check=False)
            text, status = done.stdout, done.returncode
        except subprocess.TimeoutExpired as error:
            text, status = error.stdout or b"", None
        debugged.ended(SECONDS_TO_END if status == 0 else 0)
    text = text.decode(errors="replace") + b"".join(said).decode(errors="replace")
    if status is None:
        return text, f"GDB's session has not ended after {SECONDS} s"
    if status != 0:
        return text, f"GDB's session ended with {status}"
    if debugged.result is None or debugged.result[0] != 0:
        return text, f"the program did not exit with 0 afterwards: {debugged.result}"
    return text, None


def of_the_scene(settings, words, debugger):
    text, complaint = session(settings, words, debugger, "source tests/gdb/session.py")
    if complaint is None and "as it was" not in text:
        return text, "the program did not find its own values as they were"
    return text, complaint


def pairs(text):
    return dict(re.findall(r"^(\w+)=(\d+)\r?$", text, re.M))


def of_a_trace(board, debugger, records):
    """What save trace has saved is converted without a complaint, and what all was kept of counts what the
    program counts afterwards."""
    words = {"APP": "tests/target/traced.c", "BOARD": board, "SMP": "2", "ARGS": f"pinion.trace={records}"}
    status, settings = pinionlib.build(words)
    if status != 0:
        return "", "the traced program does not build"
    whole = records.endswith("oldest")
    with tempfile.TemporaryDirectory() as folder:
        text, complaint = session(settings, words, debugger, f'set $folder = "{folder}"',
                                  "source tests/gdb/trace_session.py")
        if complaint is not None:
            return text, complaint
        for name in ("middle", "end"):
            done = subprocess.run(["tools/pinion-trace", os.path.join(folder, name), "--stats", "--elf",
                                   settings["elf"], *(["--strict"] if whole else [])],
                                  cwd=TREE, capture_output=True, text=True, check=False)
            found = pairs(done.stdout)
            if done.returncode != 0 or int(found["events"]) == 0 or (found["lost"] == "0") != whole:
                return text, f"{name} of {records}: {done.returncode}, {done.stdout[:200]}{done.stderr}"
        counted = {key: value for key, value in pairs(text).items() if key in found}
        if len(counted) != 5 or (whole and any(found[key] != counted[key] for key in counted)):
            return text, f"the trace counts {found}, the program {counted}"
    return text, None


def made(words, debugger):
    """As session, of `make gdb`. That it ends says that QEMU has ended."""
    command = ["make", "gdb", *(f"{k}={v}" for k, v in words.items()), f"DEBUGGER={debugger}"]
    typed = "break main\ncontinue\ninfo goroutines\nkill\n"
    try:
        done = subprocess.run(command, cwd=TREE, input=typed, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=SECONDS, check=False, text=True,
                              errors="replace", env=pinionlib.own_environment())
    except subprocess.TimeoutExpired as error:
        return (error.stdout or b"").decode(errors="replace"), f"make gdb has not ended after {SECONDS} s"
    if done.returncode != 0:
        return done.stdout, f"make gdb ended with {done.returncode}"
    if not re.search(r'\* 1 +running \(hart \d\) +main at tests/gdb/scene.c\S* "main"', done.stdout):
        return done.stdout, "make gdb did not show main"
    return done.stdout, None


def main():
    debugger = os.environ.get("DEBUGGER", "gdb-multiarch")
    if shutil.which(debugger) is None:
        sys.exit(f"{debugger} is not there; `make deps` installs it (Debian's package gdb-multiarch)")
    words = {"APP": "tests/gdb/scene.c", "BOARD": sys.argv[1], "SMP": "2"}
    status, settings = pinionlib.build(words)
    if status != 0:
        sys.exit("the scene does not build")
    for text, complaint in (of_the_scene(settings, words, debugger), made(words, debugger),
                            of_a_trace(sys.argv[1], debugger, "100000,oldest"),
                            of_a_trace(sys.argv[1], debugger, "64")):
        if complaint is not None:
            sys.exit(f"{text}\n{complaint}")


main()
