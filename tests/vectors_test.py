#!/usr/bin/env python3
"""On AArch64 an interrupt saves no vector register (arch/arm64/trap.S), so its handler may touch none:

  - the C of the rooms holds no instruction that names one, but where a program hands numbers over, and
  - what handlers reach by calls, other than through arch_trap_call, is the rooms' or holds none either:
    a function of the C library, which memset and memcpy are, may not be among it.

Calls through pointers cannot be followed; where handlers make some, INDIRECT says to what.
"""
import glob
import os
import re
import subprocess
import sys

sys.dont_write_bytecode = True
TREE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TREE, "tools"))
import pinionlib  # noqa: E402

BOARD = "qemu-virt-arm64"
OBJDUMP = os.environ.get("CROSS_arm64", "aarch64-linux-gnu-") + "objdump"
ROOT = "trap_external"
SAVES = "arch_trap_call"
ENDS = "fatal_stack"  # the run: nobody wants his registers back
HANDED_OVER = {"runtime_panic"}  # floating-point numbers among its arguments; no handler's
# Functions that call through a pointer, and the names of what they call.
INDIRECT = {
    "all_sent": ("idle",),
    "g_each": ("print_if_main", "print_unless_main"),
    "irq_external": ("take",),
    "irq_line": ("disable",),
    "irq_send_ipi": ("ring", "send_ipi"),
    "irq_send_now": ("ring",),
    "power_off": ("report",),
    "put_byte": ("room", "send"),
}
VECTOR = re.compile(r"(?<![\w.])[vqdshb]\d+(?:\.\w+)?(?:\[\d+\])?(?![\w.])")
BRANCH = re.compile(r"(?:bl?|b\.\w+|cbn?z|tbn?z)\s.*?\s?[0-9a-f]+ <([^>+]+)>")
# A jump through x16 or x17 is a call at a function's end; through others it is a switch's table.
POINTER = re.compile(r"blr\s|br\s+x1[67]\b")


def functions(path):
    """Name to instructions of a file, suffixes of the compiler's cut; of equal names, all."""
    text = subprocess.run([OBJDUMP, "-d", "--no-show-raw-insn", path], check=True,
                          capture_output=True, text=True).stdout
    found, body = {}, []
    for line in text.splitlines():
        head = re.match(r"[0-9a-f]+ <(.+)>:", line)
        if head:
            body = found.setdefault(head.group(1).split(".")[0], [])
        elif re.match(r"\s+[0-9a-f]+:\t", line):
            body.append(line.split("\t", 1)[1].split("//")[0].replace("\t", " "))
    return found


def vector_instruction(body):
    """The first that names one; where a branch goes, "d4 <f+0xd4>", is no register."""
    return next((i for i in body
                 if VECTOR.search(re.sub(r"[0-9a-f]+ <.*?>", "", i.partition(" ")[2]))), None)


def check_rooms(folder):
    wrong, looked_at = [], 0
    for room in ("arch", "board", "boot", "kernel", "sched"):
        for path in glob.glob(f"{folder}/{room}/**/*.o", recursive=True):
            if path.endswith(".S.o"):
                continue
            looked_at += 1
            for name, body in functions(path).items():
                if name not in HANDED_OVER and (found := vector_instruction(body)) is not None:
                    wrong.append(f"{os.path.relpath(path, folder)}: {name}: {found}")
    return wrong if looked_at > 20 else [f"{folder}: only {looked_at} objects of the rooms"]


def check_handlers(elf):
    """Walks from ROOT along the calls."""
    image = functions(elf)
    came_from, queue, wrong = {ROOT: None}, [ROOT], []
    while queue:
        name = queue.pop()
        body = image.get(name)
        if body is None:
            wrong.append(f"{elf}: no function {name}")
            continue
        if name in (SAVES, ENDS):
            continue
        way, at = [name], name
        while (at := came_from[at]) is not None:
            way.append(at)
        if (found := vector_instruction(body)) is not None:
            wrong.append(f"{' <- '.join(way)}: {found}")
        called = [m.group(1).split(".")[0] for i in body if (m := BRANCH.match(i))]
        if any(POINTER.match(i) for i in body):
            if name not in INDIRECT:
                wrong.append(f"{' <- '.join(way)}: calls through a pointer: what?")
            called += INDIRECT.get(name, ())
        for other in called:
            if other not in came_from:
                came_from[other] = name
                queue.append(other)
    for name in ("timers_interrupt", "take", SAVES, "stack_spill"):
        if name not in came_from:
            wrong.append(f"{elf}: the walk from {ROOT} has not met {name}")
    return wrong


def main():
    os.chdir(TREE)
    wrong = []
    for mode in ("release", "debug"):
        status, settings = pinionlib.build({"APP": "examples/hello.c", "BOARD": BOARD, "MODE": mode})
        if status != 0:
            return "did not build"
        wrong += check_rooms("build/arm64" + ("-debug" if mode == "debug" else ""))
        wrong += [f"{mode}: {w}" for w in check_handlers(settings["elf"])]
    return "\n".join(wrong) or 0


sys.exit(main())
