#!/usr/bin/env python3
"""A session of GDB with tools/pinion-gdb.py on a board: tests/gdb/session.py says what it must show of
tests/gdb/scene.c, which must then go on to its right end. And `make gdb`, with a few words typed.

    tests/gdb_test.py BOARD
"""
import os
import re
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True
TREE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TREE, "tools"))
import pinionlib  # noqa: E402

SECONDS = 180  # then it hangs
SECONDS_TO_END = 30


def session(settings, words, debugger):
    """(what GDB and the program said, a complaint or None)."""
    said = []
    debugged = pinionlib.Debugged(settings, words, said.append, said.append, [debugger, "-nx", "--batch"])
    with debugged:
        command = [*debugged.command, "-ex", "source tests/gdb/session.py"]
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
    if "as it was" not in text:
        return text, "the program did not find its own values as they were"
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
    for text, complaint in (session(settings, words, debugger), made(words, debugger)):
        if complaint is not None:
            sys.exit(f"{text}\n{complaint}")


main()
