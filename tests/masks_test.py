#!/usr/bin/env python3
"""Looks into images for what no run under QEMU shows, or shows by luck:

  trap 14   From where a trap's return begins to put registers back to the sret or eret at its end,
            nothing lets interrupts in: only that last instruction brings the mask back. The same where
            a preempted goroutine goes on.
  trap 18   On RISC-V each of these ways back has a store-conditional, which ends any reservation; on Arm
            the eret does.
  trap 30   On Arm no hart executes an exclusive or an atomic instruction, or calls a function that is
            not listed here, before its MMU and caches are on.
"""
import os
import re
import subprocess
import sys

sys.dont_write_bytecode = True
TREE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TREE, "tools"))
import pinionlib  # noqa: E402

SIE = 2  # of sstatus
# Functions, and how many ways out of a trap each has.
RISCV_RETURNS = {"riscv_trap_entry": 2, "riscv_frame_resume": 1}
ARM_RETURNS = {"trap_irq": 1, "trap_sync": 1, "arm64_frame_resume": 1}
# Where harts come from, and what they run until the MMU is on.
ARM_ENTRIES = ("first", "arm64_start_later", "arm64_pen_entry")
ARM_EARLY = {*ARM_ENTRIES, "arm64_to_el1", "hart_setup", "arm64_boot_map", "arm64_mmu_on"}
ATOMIC = re.compile(r"ldx|ldax|stx|stlx|cas|swp|(ld|st)(add|clr|eor|set|[su]max|[su]min)")
CALL = re.compile(r"(jal|jalr|call|bl|blr) ")


class Image:
    """An image's functions and their instructions."""

    def __init__(self, cross, elf):
        self.spans, self.code = [], {}
        for line in self.tool(cross + "nm", "-S", elf):
            fields = line.split()
            if len(fields) == 4 and fields[2] in "Tt":
                self.spans.append((int(fields[0], 16), int(fields[1], 16), fields[3]))
        for line in self.tool(cross + "objdump", "-d", "--no-show-raw-insn", elf):
            match = re.match(r"\s*([0-9a-f]+):\t(.*)", line)
            if match:
                text = match.group(2).split("//")[0].split(" # ")[0]
                self.code[int(match.group(1), 16)] = re.sub(r"\s+", " ", text).strip()

    @staticmethod
    def tool(*command):
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()

    def body(self, name):
        start, size = next((start, size) for start, size, n in self.spans if n == name)
        return [self.code[a] for a in range(start, start + size) if a in self.code]

    def at(self, address):
        return next((n for start, size, n in self.spans if start <= address < start + size), None)


def returns(body, last):
    """The stretches of code to each `last`: from behind a call, or a branch out of the way, or the start."""
    begin = 0
    for i, text in enumerate(body):
        if CALL.match(text):
            begin = i + 1
        elif text == last:
            yield body[begin:i]
            begin = i + 1


def riscv_lets_in(stretch):
    """The first instruction that sets sstatus.SIE. What is written whole is what the trap has saved, and
    in that the processor had cleared it; what is set by a register is a constant loaded just before."""
    masks = [i for i, t in enumerate(stretch) if t == f"csrc sstatus,{SIE}"]
    constant = None
    for text in stretch[masks[0] + 1 if masks else 0:]:
        match = re.match(r"(li|csrsi?|csrwi) (\w+),(-?\w+)$", text)
        if match is None:
            continue
        value = int(match[3], 0) if re.match(r"-?\d", match[3]) else None
        if match[1] == "li":
            constant = value
        elif match[2] == "sstatus":
            value = constant if value is None else value
            if value is None or value & SIE:
                return text
    return None


def arm_lets_in(stretch):
    return next((t for t in stretch if re.match(r"msr (daifclr|daif),", t, re.I)), None)


def check_returns(image, wanted, last, lets_in):
    for name, many in wanted.items():
        found = list(returns(image.body(name), last))
        if len(found) != many:
            yield f"trap 14: {name} has {len(found)} {last}, not {many}"
        for stretch in found:
            if (text := lets_in(stretch)) is not None:
                yield f"trap 14: {name} lets interrupts in before its {last}: {text}"


def check_early(image):
    way = list(ARM_ENTRIES)
    for name in way:
        for text in image.body(name):
            if ATOMIC.match(text):
                yield f"trap 30: {name}, with the MMU off: {text}"
            target = re.match(r"(?:bl?|b\.\w+|cbn?z \w+,|tbn?z \w+, #\d+,) ?([0-9a-f]+) <", text)
            other = image.at(int(target.group(1), 16)) if target else name
            if other not in way:
                way.append(other)
                if other not in ARM_EARLY:
                    yield f"trap 30: {name} goes to {other} with the MMU off"
            if other == "arm64_mmu_on" and name != other:
                break  # from here on it is on
    for name in sorted(ARM_EARLY - set(way)):
        yield f"trap 30: nobody comes to {name}"


def check_reservations(image):
    for name in RISCV_RETURNS:
        for stretch in returns(image.body(name), "sret"):
            if not any(text.startswith("sc.") for text in stretch):
                yield f"trap 18: {name} keeps a reservation to its sret"


def look_riscv(image):
    yield from check_returns(image, RISCV_RETURNS, "sret", riscv_lets_in)
    yield from check_reservations(image)


def look_arm(image):
    yield from check_returns(image, ARM_RETURNS, "eret", arm_lets_in)
    yield from check_early(image)


def check(board, cross, look):
    status, settings = pinionlib.build({"APP": "examples/hello.c", "BOARD": board})
    if status != 0:
        return [f"{board}: did not build"]
    return [f"{board}: {wrong}" for wrong in look(Image(cross, settings["elf"]))]


def main():
    os.chdir(TREE)
    wrong = check("qemu-virt-riscv64", os.environ.get("CROSS_riscv64", "riscv64-unknown-elf-"),
                  look_riscv)
    wrong += check("qemu-virt-arm64", os.environ.get("CROSS_arm64", "aarch64-linux-gnu-"), look_arm)
    return "\n".join(wrong) or 0


sys.exit(main())
