"""What people and files say to the tools may be anything: random words, lists and serial lines, always
the same ones, must end in one clear line or be taken, and never in a traceback.
"""
import contextlib
import importlib.machinery
import importlib.util
import io
import os
import random
import sys
import tempfile

sys.dont_write_bytecode = True
TREE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TREE, "tools"))
import pinionlib  # noqa: E402

BITS = ["", "0", "1", "-1", "nan", "inf", "1e999", "9" * 30, "65536", "0.5", ".", "/", "..", "'", '"', "\\",
        "$(x)", "`x`", "#", "%", ";", " ", "\n", "\t", "\u0661", "\udcff", "=", "@", "yes", "elf", "4"]


def load(path):
    """A tool without .py as a module."""
    loader = importlib.machinery.SourceFileLoader(os.path.basename(path).replace("-", "_"), path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


def odd(rng):
    return "".join(rng.choice(BITS) for _ in range(rng.randint(0, 3)))


class Nothing:
    """Stands in for a run of QEMU."""

    def __init__(self, command, *_, **__):
        assert command and all(isinstance(word, str) for word in command)

    def run(self):
        return 0, None


def outcome(function, *arguments):
    """(exit value or result, what was said); an exception that is not SystemExit goes through."""
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        try:
            result = function(*arguments)
        except SystemExit as end:
            result = end.code
    return result, said.getvalue()


def words_of_a_run(rng):
    run = load(os.path.join(TREE, "tools", "pinion-run"))
    pinionlib.build = lambda words: (0, {"qemu": "true", "elf": "a.elf"})
    pinionlib.Guest = Nothing
    taken = refused = 0
    for _ in range(4000):
        keys = sorted(pinionlib.RUN_WORDS) + ["BUILD", "APP", "@", "", "NONE"]
        words = [f"{rng.choice(keys)}{rng.choice(('=', '=', '=', ''))}{odd(rng)}"
                 for _ in range(rng.randint(0, 2))]
        status, said = outcome(run.main, words)
        if status == 0:
            taken += 1
        else:
            refused += 1
            assert status == 2 and said.startswith("pinion-run: "), (words, status, said)
    assert taken > 200 and refused > 200, (taken, refused)


def lists(rng):
    run = load(os.path.join(TREE, "tests", "run"))
    with open(os.path.join(TREE, "tests", "list"), encoding="utf-8") as file:
        lines = file.read().splitlines()[20:120]
    taken = refused = 0
    with tempfile.NamedTemporaryFile("wb") as scratch:
        for _ in range(1500):
            some = rng.sample(lines, rng.randint(0, 3)) if rng.random() < 0.2 else list(lines)
            for _ in range(rng.randint(0, 2)):
                key = rng.choice(sorted(run.KEYS) + ["nonsense"])
                some.insert(rng.randint(0, len(some)), f"{key} = {odd(rng)}")
            scratch.seek(0)
            scratch.truncate()
            scratch.write("\n".join(some).encode(errors="surrogateescape"))
            scratch.flush()
            result, _ = outcome(run.read_list, scratch.name)
            if isinstance(result, list):
                taken += 1
            else:
                refused += 1
                assert result.startswith("tests/list: ") and "\n" not in result.strip(), result
    assert taken > 100 and refused > 100, (taken, refused)


def decoded(pieces):
    decoder = pinionlib.Decoder()
    streams = {1: b"", 2: b""}
    for piece in pieces:
        for stream, data in decoder.feed(piece):
            streams[stream] += data
    return streams, decoder.status, decoder.heard


def serial_lines(rng):
    """However reads cut a line, the same comes of it."""
    parts = [b"\x0e", b"\x0f", b"\x10", b"\x10E", b"N", b"-", *[b"1234567"] * 5, b"\n", b"\n", b"x", b"pinion: "]
    for _ in range(4000):
        line = b"".join(rng.choice(parts) for _ in range(rng.randint(0, 30)))
        whole, at, pieces = decoded([line]), 0, []
        while at < len(line):
            n = rng.randint(1, 6)
            pieces.append(line[at:at + n])
            at += n
        assert decoded(pieces) == whole, (line, pieces)


def main():
    serial_lines(random.Random(2))
    lists(random.Random(3))
    words_of_a_run(random.Random(4))


main()
