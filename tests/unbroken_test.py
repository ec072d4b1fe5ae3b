#!/usr/bin/env python3
"""Looks into images: malloc is ours alone, and what must not be broken off cannot be.

    tests/unbroken_test.py

No image holds any of newlib's malloc, whatever of <malloc.h> the program calls. The part of the image
in which no goroutine is preempted (.text.unbroken, see sched/cache.c) calls nothing and uses no stack:
M4 and M5 there.
"""
import os
import re
import subprocess
import sys

sys.dont_write_bytecode = True
TREE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TREE, "tools"))
import pinionlib  # noqa: E402

BOARDS = {"qemu-virt-riscv64": os.environ.get("CROSS_riscv64", "riscv64-unknown-elf-"),
          "qemu-virt-arm64": os.environ.get("CROSS_arm64", "aarch64-linux-gnu-")}
APPS = ("examples/hello.c", "tests/target/malloc_test.c")
NEWLIBS = {"__malloc_av_", "__malloc_lock", "_sbrk", "_sbrk_r"}
OURS = {"heap_malloc", "heap_free"}
CALL = re.compile(r"\t(jal|jalr|call|bl|blr)\s")
STACK = re.compile(r"\bsp\b")


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=TREE).stdout


def check(cross, elf):
    """What is wrong with the image, as sentences."""
    address, names = {}, set()
    for line in output(cross + "nm", elf).splitlines():
        fields = line.split()
        names.add(fields[-1])
        if len(fields) == 3:
            address[fields[2]] = int(fields[0], 16)
    for name in sorted(NEWLIBS & names):
        yield f"{name} is newlib's malloc's"
    start, end = address["__text_unbroken_start"], address["__text_unbroken_end"]
    for name in sorted(OURS):
        if not start <= address[name] < end:
            yield f"{name} can be broken off"
    code = output(cross + "objdump", "-d", "--no-show-raw-insn", f"--start-address={start:#x}",
                  f"--stop-address={end:#x}", elf)
    for line in code.splitlines():
        if re.match(r"\s*[0-9a-f]+:\t", line) and (CALL.search(line) or STACK.search(line)):
            yield f"a call, or the stack, where nothing may be: {line.strip()}"


def main():
    wrong = 0
    for board, cross in BOARDS.items():
        for app in APPS:
            status, settings = pinionlib.build({"APP": app, "BOARD": board})
            complaints = ["did not build"] if status else check(cross, settings["elf"])
            for complaint in complaints:
                print(f"{app} for {board}: {complaint}")
                wrong = 1
    sys.exit(wrong)


main()
