#!/usr/bin/env python3
"""Memory that is full of something when a machine starts does it no harm (trap 27).

The image is started as a raw file, which says nothing of bss, and where bss is to be the emulator puts
bytes that are not zero: as after a warm start, the last run's winner of the lottery among them.
"""
import os
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
TREE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TREE, "tools"))
import pinionlib  # noqa: E402

BOARDS = {"qemu-virt-riscv64": os.environ.get("CROSS_riscv64", "riscv64-unknown-elf-"),
          "qemu-virt-arm64": os.environ.get("CROSS_arm64", "aarch64-linux-gnu-")}
DIRT = b"\xa5"


def check(board, cross, dirt):
    words = {"APP": "tests/target/boot_test.c", "BOARD": board, "KERNEL": "image", "SMP": "4"}
    status, settings = pinionlib.build(words)
    if status != 0:
        return "did not build"
    names = subprocess.run([cross + "nm", settings["elf"]], check=True, capture_output=True,
                           text=True).stdout
    at = {f[2]: int(f[0], 16) for f in map(str.split, names.splitlines()) if len(f) == 3}
    dirt.write(DIRT * (at["__bss_end"] - at["__bss_start"]))
    dirt.flush()
    run = {"ARGS": "4", "TIMEOUT": "60", "QEMU_ARGS": f"-device loader,file={dirt.name},"
           f"addr={at['__bss_start']:#x},force-raw=on"}
    done = subprocess.run(["tools/pinion-run", *(f"{k}={v}" for k, v in {**words, **run}.items())],
                          stdin=subprocess.DEVNULL, capture_output=True, check=False)
    said = done.stdout.decode("latin-1") + done.stderr.decode("latin-1")
    if done.returncode == 0 and "4 harts met" in said:
        return None
    return f"exit {done.returncode}\n{said[-1500:]}"


def main():
    os.chdir(TREE)
    wrong = 0
    for board, cross in BOARDS.items():
        with tempfile.NamedTemporaryFile() as dirt:
            complaint = check(board, cross, dirt)
        if complaint is not None:
            print(f"{board}: {complaint}")
            wrong = 1
    sys.exit(wrong)


main()
