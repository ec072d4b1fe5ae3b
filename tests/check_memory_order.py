"""Holds docs/memory-order.md against the code, both ways:

  - each O has one section and one row of the table at the page's end, and numbers left out are named there;
  - each O that the code names is one of them;
  - the functions in a row are defined in the files that it says, and at each end at least one of them,
    or the essay at the head of its file, names the O;
  - a row's shapes are shapes of the litmus tests.

Prints what is wrong, a line each; exit 1 if anything is.
"""
import pathlib
import re
import sys

TREE = pathlib.Path(__file__).resolve().parent.parent
PAGE = "docs/memory-order.md"
ROOMS = ("arch", "boot", "kernel", "sched", "include")
NAMED = re.compile(r"(?<![A-Za-z0-9_])O(\d+)(?![A-Za-z0-9_])")
PLACE = re.compile(r"`(\w+)` \(([\w./]+)\)")


def numbers(text):
    return {int(n) for n in NAMED.findall(text)}


def essay(source):
    """The comment at the head of a file."""
    return source[:source.find("*/")] if source.startswith("/*") else ""


def definition(source, name, assembly):
    """A function with the comment above it; None: it is not defined here."""
    if assembly:
        start = re.search(rf"^(FUNC\({name}\)|{name}:)", source, re.M)
        end = start and re.compile(r"^(FUNC|END)\(", re.M).search(source, start.end())
    else:
        start = re.search(rf"^(?!#)\w[^\n;=]*?\b{name}\((?:[^;{{}}]*)\)[^;{{}}]*\n{{", source, re.M)
        end = start and re.compile(r"^}", re.M).search(source, start.end())
    if not start:
        return None
    above = source.rfind("\n}", 0, start.start()) + 1
    return source[above:end.start() if end else len(source)]


def names_it(number, place, sources):
    name, file = place
    source = sources[file]
    return number in numbers(definition(source, name, file.endswith(".S"))) | numbers(essay(source))


def end_wrong(number, places, sources):
    """Of one end of a hand-off."""
    if not places:
        yield f"O{number}: one end has no place in the code"
        return
    strange = [(name, file) for name, file in places
               if file not in sources or definition(sources[file], name, file.endswith(".S")) is None]
    for name, file in strange:
        yield f"O{number}: no function {name} in {file}"
    if not strange and not any(names_it(number, place, sources) for place in places):
        yield f"O{number}: not named in {', '.join(name for name, _ in places)}, nor in an essay there"


def row_wrong(number, cells, sources, shapes):
    for side in cells[:2]:
        yield from end_wrong(number, PLACE.findall(side), sources)
    for shape in cells[2].split(":")[0].split(", "):
        if shape != "none" and shape not in shapes:
            yield f"O{number}: no litmus shape is called {shape}"


def left_out(page):
    """What the page says of numbers that are not there."""
    found = set()
    for first, last in re.findall(r"O(\d+)(?: to O(\d+))?", page.partition("\nNot given out:")[2].partition("\n\n")[0]):
        found |= set(range(int(first), int(last or first) + 1))
    return found


def page_wrong(page, rows):
    sections = [int(n) for h in re.findall(r"^## .*", page, re.M) for n in NAMED.findall(h.split("(")[0])]
    for n in sorted(set(sections)):
        if sections.count(n) > 1:
            yield f"O{n} has {sections.count(n)} sections"
    for n in sorted(set(sections) ^ set(rows)):
        yield f"O{n} has no {'row in the table' if n in sections else 'section'}"
    gaps = set(range(1, max(rows))) - set(rows)
    for n in sorted(gaps ^ left_out(page)):
        yield f"O{n} is {'not there, and not among those left out' if n in gaps else 'said to be left out'}"


def code_wrong(sources, rows):
    for file, source in sorted(sources.items()):
        for i, line in enumerate(source.split("\n"), 1):
            for n in sorted(numbers(line) - set(rows)):
                yield f"{file}:{i}: names O{n}, which {PAGE} does not know"


def main():
    page = (TREE / PAGE).read_text(encoding="utf-8")
    sources = {str(p.relative_to(TREE)): p.read_text(encoding="utf-8")
               for room in ROOMS for p in (TREE / room).rglob("*") if p.suffix in (".c", ".h", ".S")}
    litmus = "".join(p.read_text(encoding="utf-8") for p in (TREE / "tests/target").glob("litmus_*.c"))
    shapes = set(re.findall(r'(?:\(|\{)\s*"([\w+ ]+)"', litmus))
    rows, wrong = {}, []
    for n, cells in re.findall(r"^\| O(\d+) \| (.*) \|$", page, re.M):
        if int(n) in rows:
            wrong.append(f"O{n} has two rows in the table")
        rows[int(n)] = cells.split(" | ")
    for n, cells in rows.items():
        wrong += row_wrong(n, cells, sources, shapes) if len(cells) == 3 else [f"O{n}: an odd row"]
    wrong += [*page_wrong(page, rows), *code_wrong(sources, rows)]
    print("\n".join(wrong), end="\n" if wrong else "")
    return bool(wrong)


sys.exit(main())
