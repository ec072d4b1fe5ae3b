#!/usr/bin/env python3
"""Looks at what the compiler makes of memory orders, which no run under QEMU on x86 can show.

    tests/orders_test.py

The vocabulary: each function do_NAME of tests/target/orders.c is one word of docs/memory-order.md, and
of its instructions those that access memory or order it must be the ones below, in this order. The
hand-offs: functions of an image hold the orders that they are there for.
"""
import os
import re
import subprocess
import sys

sys.dont_write_bytecode = True
TREE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TREE, "tools"))
import pinionlib  # noqa: E402

ISAS = {"riscv64": ("qemu-virt-riscv64", os.environ.get("CROSS_riscv64", "riscv64-unknown-elf-")),
        "arm64": ("qemu-virt-arm64", os.environ.get("CROSS_arm64", "aarch64-linux-gnu-"))}

# "fence" alone is `fence iorw,iorw`; of a swap that is a loop, the branches are left out.
WORDS = {
    "load_relaxed": ("lw", "ldr"),
    "store_relaxed": ("sw", "str"),
    "load_acquire": ("lw; fence r,rw", "ldar"),
    "c11_load_acquire": ("lw; fence", "ldar"),
    "store_release": ("fence rw,w; sw", "stlr"),
    "c11_store_release": ("fence iorw,ow; amoswap.w", "stlr"),
    "exchange_acquire": ("amoswap.w.aq", "ldaxr; stxr"),
    "exchange_release": ("fence iorw,ow; amoswap.w", "ldxr; stlxr"),
    "add_acq_rel": ("fence iorw,ow; amoadd.w.aq", "ldaxr; stlxr"),
    "add_seq_cst": ("fence iorw,ow; amoadd.w.aq", "ldaxr; stlxr"),
    "cas_acquire": ("lr.w.aq; sc.w.aq", "ldaxr; stxr"),
    "cas_acquire_weak": ("lr.w.aq; sc.w.aq", "ldaxr; stxr"),
    "cas_acquire_public": ("lr.w.aq; sc.w.aq", "ldaxr; stxr"),
    "cas_release": ("fence rw,w; lr.w; sc.w", "ldxr; stlxr"),
    "cas_release_public": ("fence; lr.w; sc.w", "ldxr; stlxr"),
    "cas_acq_rel": ("fence rw,w; lr.w.aq; sc.w.aq", "ldaxr; stlxr"),
    "fence_full": ("sw; fence rw,rw; sw", "str; dmb ish; str"),
    "c11_fence": ("sw; fence; sw", "str; dmb ish; str"),
    "spin_claim": ("amoor.w.aq", "ldaxr; stxr"),
    "spin_unlock": ("fence rw,w; sb", "stlrb"),
    "io_barrier": ("sw; fence ow,ow; sw", "str; dsb st; str"),
}
# Of a hand-off's function: these among its orders, one behind the other.
HAND_OFFS = {
    "inbox_put": ("fence rw,w; lr.d; sc.d", "ldxr; stlxr"),  # O4
    "inbox_take": ("amoswap.d.aq", "ldaxr; stxr"),  # O4
    "publish": ("fence rw,w; sw; lr.w; sc.w.rl", ""),  # O1, O2: arch_yield
    "arch_yield": ("", "stlr; ldxr; stlxr"),
    "irq_send_ipi": ("fence ow,ow", "dsb st"),  # O15
    "slice_notify": ("fence rw,rw", "dmb ish"),  # O19
    "sysmon_call": ("fence rw,rw", "dmb ish"),  # O22
    "world_stop": ("lr.w.aq; sc.w.aq", "ldaxr; stxr"),  # O20
    "section_take_back": ("lr.w.aq; sc.w.aq", "ldaxr; stxr"),  # O20
    "wired_ready": ("fence rw,w; sb", "stlrb"),  # O23
    "post_once": ("fence", "dmb ish"),  # O13
}
ORDER = re.compile(r"(fence|dmb|dsb|isb)\b")
ACCESS = re.compile(r"(l[bhwd]u?|s[bhwd]|(lr|sc|amo\w+)\.\S+|ld(a?x?r|ur)\w*|st(l?x?r|ur)\w*)$")


def functions(cross, path):
    """Name to instructions, without what only moves registers to and from the stack."""
    text = subprocess.run([cross + "objdump", "-d", "--no-show-raw-insn", path], check=True,
                          capture_output=True, text=True).stdout
    found, body = {}, []
    for line in text.splitlines():
        head = re.match(r"[0-9a-f]+ <(.+)>:", line)
        if head and not head.group(1).startswith(".L"):
            body = found.setdefault(head.group(1).split(".")[0], [])
        elif re.match(r"\s+[0-9a-f]+:\t", line):
            fields = line.split("\t")
            operands = fields[2].split("//")[0].strip() if len(fields) > 2 else ""
            if ORDER.match(fields[1]) and operands != "w,unknown":  # that is a pause
                body.append(f"{fields[1].strip()} {operands}".strip())
            elif ACCESS.match(fields[1].strip()) and not re.search(r"\bsp\b|\(s0\)", operands):
                body.append(fields[1].strip())
    return found


def words_wrong(found, column):
    for word, right in WORDS.items():
        got = "; ".join(found.get("do_" + word, ["no such function"]))
        if got != right[column]:
            yield f"{word} is `{got}`, not `{right[column]}`"


def holds(body, orders):
    """Are these among the instructions, one behind the other?"""
    rest = iter(body)
    return all(order in rest for order in orders.split("; "))


def hand_offs_wrong(found, column):
    for name, right in HAND_OFFS.items():
        if right[column] and not holds(found.get(name, []), right[column]):
            got = "; ".join(found.get(name, ["there is no such function"]))
            yield f"{name} is without `{right[column]}`: {got}"


def empty_acquires(found):
    """An sc that acquires, with an lr that does not, orders nothing (RISC-V, A extension)."""
    for name, body in found.items():
        loads = [i for i in body if i.startswith(("lr.", "sc."))]
        for load, store in zip(loads, loads[1:]):
            if load.startswith("lr.") and re.fullmatch(r"sc\.[wd]\.aq(rl)?", store) and ".aq" not in load:
                yield f"{name}: {load}; {store}: the acquire orders nothing"


def main():
    os.chdir(TREE)
    wrong = 0
    for column, (isa, (board, cross)) in enumerate(ISAS.items()):
        for mode in ("release", "debug"):
            words = {"APP": "tests/target/orders.c", "BOARD": board, "MODE": mode}
            status, settings = pinionlib.build(words)
            if status != 0:
                return 1
            folder = f"build/{isa}{'-debug' if mode == 'debug' else ''}"
            image = functions(cross, settings["elf"])
            complaints = [*words_wrong(functions(cross, f"{folder}/tests/target/orders.o"), column),
                          *hand_offs_wrong(image, column), *empty_acquires(image)]
            for complaint in complaints:
                print(f"{isa}, {mode}: {complaint}")
                wrong = 1
    return wrong


sys.exit(main())
