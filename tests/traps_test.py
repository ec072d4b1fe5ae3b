#!/usr/bin/env python3
"""docs/traps.md cannot rot: it has its 37 rows, and each names something that is there.

What a row's last column says in `backquotes` is one of

    unit/NAME             tests/unit/NAME.c
    target/NAME, stress/NAME, bench/NAME    a program in tests/, run by an entry of tests/list (bench: none)
    models/NAME: A, B     tests/models/NAME.pml, and its mutants A and B
    NAME.py, NAME.sh      a command of tests/list
    trap_NN_WORDS         an entry of tests/list or a function of a test; WORDS may end in …
    TRAP=NN               a switch in the sources, with its lesson in docs/lessons.md

Every row has one at least, and names no other row's trap_NN_. Each switch has its row, its lesson, an entry
of tests/list that builds with it, and every trap_NN_ of the tests its row.
"""
import configparser
import glob
import os
import re
import sys

TREE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ROWS = 37


def text_of(path):
    with open(os.path.join(TREE, path), encoding="utf-8") as file:
        return file.read()


def all_text(*patterns):
    return "\n".join(text_of(path) for pattern in patterns
                     for path in sorted(glob.glob(os.path.join(TREE, pattern))))


LIST = configparser.ConfigParser(interpolation=None)
LIST.read_string(text_of("tests/list"))
APPS = {LIST[name].get("app") for name in LIST.sections()}
COMMANDS = " ".join(LIST[name].get("command", "") for name in LIST.sections())
SWITCHED = {LIST[name].get("trap") for name in LIST.sections()} - {None}
TESTS = all_text("tests/target/*.c", "tests/unit/*.c", "tests/stress/*.c")
NAMES = set(re.findall(r"^(?:TEST\(|static void )(trap_\d\w+)\b", TESTS, re.M)) | set(LIST.sections())
SWITCHES = set(re.findall(r"^#.*PINION_TRAP == (\d+)", all_text("kernel/*.c", "sched/*.c"), re.M))
LESSONS = set(re.findall(r"^## (\d+):", text_of("docs/lessons.md"), re.M))


def numbers(name):
    """trap_01_02_words: 1 and 2."""
    return {int(n) for n in re.match(r"trap((?:_\d\d)+)_", name).group(1)[1:].split("_")}


def model(name):
    path, _, mutants = name.partition(": ")
    if not os.path.exists(os.path.join(TREE, f"tests/{path}.pml")):
        return "no such model"
    there = re.findall(r"^// mutant: (\w+)", text_of(f"tests/{path}.pml"), re.M)
    missing = [m for m in mutants.split(", ") if m and m not in there]
    return f"no such mutant: {missing[0]}" if missing else None


def complaint(row, name):
    """What is wrong with one name of a row, or None."""
    if name.startswith("models/"):
        return model(name)
    if match := re.fullmatch(r"TRAP=(\d+)", name):
        return None if match[1] in SWITCHES and int(match[1]) == row else "no such switch, or not here"
    if re.match(r"trap_\d", name):
        stem = name.rstrip("…")
        same = [n for n in NAMES if n == stem or (name != stem and n.startswith(stem))]
        return None if same and all(row in numbers(n) for n in same) else "no such test of this trap"
    if re.fullmatch(r"\w+\.(py|sh)", name):
        return None if re.search(rf"tests/{name}\b", COMMANDS) else "no command of tests/list"
    if match := re.fullmatch(r"(unit|target|stress|bench)/\w+", name):
        if not os.path.exists(os.path.join(TREE, f"tests/{name}.c")):
            return "no such test"
        if match[1] in ("target", "stress") and f"tests/{name}.c" not in APPS:
            return "run by no entry of tests/list"
        return None
    return "of no known kind"


def main():
    rows = [line.split("|") for line in text_of("docs/traps.md").splitlines()
            if re.match(r"\| \d", line)]
    wrong, shown = [], set()
    if [int(r[1].split()[0]) for r in rows] != list(range(1, ROWS + 1)):
        wrong.append(f"docs/traps.md does not have rows 1 to {ROWS}, in this order")
    for cells in rows:
        row, names = int(cells[1].split()[0]), re.findall(r"`([^`]+)`", cells[-2])
        wrong += [f"row {row}: {n}: {why}" for n in names if (why := complaint(row, n)) is not None]
        if not names or len(cells) != 6:
            wrong.append(f"row {row}: names nothing that shows it, or has not four columns")
        shown |= {n.rstrip("…") for n in names}
        if ("✎" in cells[1]) != (f"TRAP={row}" in names):
            wrong.append(f"row {row}: ✎ and TRAP={row} go together")
    for name in sorted(n for n in NAMES if re.match(r"trap_\d", n)):
        if not any(name.startswith(s) for s in shown if s.startswith("trap_")):
            wrong.append(f"{name} is in no row")
    for what, others in (("a lesson", LESSONS), ("an entry of tests/list", SWITCHED)):
        if others != SWITCHES:
            wrong.append(f"{what} for each switch and none else: {sorted(others ^ SWITCHES)}")
    return "\n".join(wrong) or 0


sys.exit(main())
