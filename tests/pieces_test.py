#!/usr/bin/env python3
"""Runs tests/target/trap_31_console_pieces.c on a board and checks that every piece came whole, once
and in its writer's order.

    tests/pieces_test.py BOARD [WORD=VALUE …]
"""
import os
import re
import subprocess
import sys

TREE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
WRITERS, PIECES = 6, 300
PIECE = re.compile(r"<(\d):(\d+) ([a-z]+)>$")
HANDLER = re.compile(r"<i:(\d+) in a handler>$")


def expect(who, number):
    head = f"<{who}:{number} "
    return head + chr(ord("a") + who) * (30 + number % 97 - len(head)) + ">"


def check(name, lines, writers, handler):
    """Every line is a writer's next piece, or the handler's next if it may be here."""
    following = dict.fromkeys(writers, 0)
    interrupts = 0
    for line in lines:
        piece, irq = PIECE.match(line), HANDLER.match(line)
        if piece and int(piece[1]) in following:
            who = int(piece[1])
            if line != expect(who, following[who]):
                sys.exit(f"{name}: not the piece {following[who]} of writer {who}: {line!r}")
            following[who] += 1
        elif irq and handler and int(irq[1]) == interrupts:
            interrupts += 1
        elif "bytes lost" in line:
            sys.exit(f"{name}: {line}")
        elif "<" in line or ">" in line:
            sys.exit(f"{name}: torn, or out of order: {line!r}")
    for who, n in following.items():
        if n != PIECES:
            sys.exit(f"{name}: {n} pieces of writer {who}, not {PIECES}")
    return interrupts


def main():
    words = [f"BOARD={sys.argv[1]}", "APP=tests/target/trap_31_console_pieces.c"] + sys.argv[2:]
    run = subprocess.run([os.path.join(TREE, "tools", "pinion-run")] + words,
                         stdin=subprocess.DEVNULL, capture_output=True, timeout=300, check=False)
    out, err = (s.decode("latin-1").splitlines() for s in (run.stdout, run.stderr))
    if run.returncode != 0:
        sys.exit("\n".join(err[-20:]) + f"\nexit {run.returncode}")
    if check("stdout", out, range(0, WRITERS, 2), False) != 0:
        sys.exit("stdout: a handler's line")
    ours = next(i for i, line in enumerate(err) if line.startswith("pinion:"))  # after the firmware
    interrupts = check("stderr", err[ours:], range(1, WRITERS, 2), True)
    if interrupts == 0:
        sys.exit("no handler ran: nothing was tested")
    print(f"{WRITERS * PIECES} pieces and {interrupts} of handlers, all whole")


main()
