#!/usr/bin/env python3
"""Every driver of the kernel runs on some machine (trap 35: the rarely used fallback rots).

Boots tests/target/boot_test.c on machines of all kinds, notes which interrupt controllers, ways of IPIs,
consoles and timers the boot messages and the program name, and holds that against the names in the
sources: a driver that no machine here needs fails the test, and so does a machine that does not boot.
Firmware's console is for trees that name a device we have no driver for.
"""
import glob
import os
import re
import subprocess
import sys
import tempfile

TREE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
MACHINES = (
    "BOARD=qemu-virt-riscv64",
    "BOARD=qemu-virt-riscv64 MACHINE=aia=aplic-imsic",
    "BOARD=qemu-virt-riscv64 MACHINE=aclint=off QEMU_ARGS=-cpu|rv64,sstc=false",
    "BOARD=qemu-virt-riscv64 QEMU_ARGS=-dtb|{odd_tree}",
    "BOARD=hifive-unleashed",
    "BOARD=qemu-virt-arm64",
    "BOARD=qemu-virt-arm64 MACHINE=gic-version=3",
)
TIMERS = {"timer by Sstc", "timer by SBI"}


def run(words, *more):
    words = [w.replace("|", " ") for w in words.split()]
    return subprocess.run([f"{TREE}/tools/pinion-run", "APP=tests/target/boot_test.c", "TIMEOUT=60",
                           "SMP=4", *words, *more], cwd=TREE, stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=300, check=False)


def make_odd_tree(path):
    """The RISC-V machine's device tree, but that says the console is a device that we cannot drive."""
    run(MACHINES[0], f"QEMU_ARGS=-machine dumpdtb={path}")
    with open(path, "r+b") as file:
        tree = file.read()
        file.seek(0)
        file.write(re.sub(rb"/soc/(?:serial|uart)@10000000(?=\0)",
                          lambda m: b"/soc/test@100000".ljust(len(m[0]), b"\0"), tree))


def in_sources():
    names = set(TIMERS)
    for path in glob.glob(f"{TREE}/kernel/*.c"):
        with open(path, encoding="utf-8") as file:
            text = file.read()
        if re.search(r"(irq_chip|uart_driver) \w+ = ", text):
            names |= set(re.findall(r'^    \.name = "(\w+)"', text, re.M))
        doors = re.search(r"irq_doors_init\(const struct machine \*m\)\n\{.*?^\}", text, re.M | re.S)
        names |= set(re.findall(r'"(\w+)"', doors.group()) if doors else ())
    return names - {"none"}


def met(words):
    """The names that a machine's run has said; or a sentence."""
    done = run(words, "ARGS=4")
    said = done.stdout.decode("latin-1") + done.stderr.decode("latin-1")
    match = re.search(r"interrupts (\w+), IPIs (\w+), clock \d+ Hz(.*)", said)
    console = re.search(r"^4 harts met, console (\w+)\r?$", said, re.M)
    if done.returncode != 0 or match is None or console is None:
        return f"{words}: exit {done.returncode}\n{said[-1500:]}"
    names = {match[1], match[2], console[1]}
    if "riscv" in words or "hifive" in words:
        names.add("timer by Sstc" if "Sstc" in match[3] else "timer by SBI")
    return names


def main():
    wanted, seen, wrong = in_sources(), set(), []
    with tempfile.TemporaryDirectory() as folder:
        make_odd_tree(f"{folder}/tree")
        for machine in MACHINES:
            found = met(machine.format(odd_tree=f"{folder}/tree"))
            if isinstance(found, str):
                wrong.append(found)
            else:
                seen |= found
    wrong += [f"no machine here runs: {name}" for name in sorted(wanted - seen)]
    wrong += [f"not found in the sources: {name}" for name in sorted(seen - wanted)]
    print(", ".join(sorted(seen)))
    return "\n".join(wrong) or 0


sys.exit(main())
