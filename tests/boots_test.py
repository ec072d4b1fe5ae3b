#!/usr/bin/env python3
"""Boots examples/hello.c many times on a crowded host, where the harts' first steps fall into every
order; each run must exit with 0.

    tests/boots_test.py BOARD SMP TIMES
"""
import concurrent.futures
import os
import subprocess
import sys

TREE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
AT_ONCE = 4 * (os.cpu_count() or 1)


def boot(words):
    run = subprocess.run([os.path.join(TREE, "tools", "pinion-run")] + words,
                         stdin=subprocess.DEVNULL, capture_output=True, timeout=300, check=False)
    return run.returncode, run.stderr.decode("latin-1")


def main():
    board, smp, times = sys.argv[1], sys.argv[2], int(sys.argv[3])
    words = [f"BOARD={board}", f"SMP={smp}", "TIMEOUT=250"]
    subprocess.run(["make", "-s", "-C", TREE, "image", f"BOARD={board}"], check=True,
                   stdout=subprocess.DEVNULL)
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        done = list(pool.map(boot, [words] * times))
    failed = [(code, err) for code, err in done if code != 0]
    for code, err in failed[:3]:
        print(f"exit {code}:\n{err[-2000:]}")
    sys.exit(f"{len(failed)} of {times} boots failed" if failed else 0)


main()
