"""What the tests of the converter share: converting in this process, and the other programs' readers."""
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
TREE = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [HERE, os.path.join(TREE, "tools")]
from tracelib import reader  # noqa: E402
from tracelib.chrome import Chrome  # noqa: E402
from tracelib.ctf import Ctf  # noqa: E402
from tracelib.gotrace import GoTrace  # noqa: E402
from tracelib.merge import Merge  # noqa: E402
from tracelib.model import Model  # noqa: E402
from tracelib.stats import Stats  # noqa: E402
from tracelib.symbols import Symbols  # noqa: E402
from tracelib.text import Text  # noqa: E402
from tracelib.watcher import HOOKS, Watcher  # noqa: E402

TOOL = os.path.join(TREE, "tools", "pinion-trace")


class Converted:
    """A file's bytes, in all formats."""

    def __init__(self, data, folder=None, strict=True):
        self.trace = reader.Trace(memoryview(data))
        self.text, self.json, self.go = io.StringIO(), io.StringIO(), io.BytesIO()
        self.stats, self.seen = Stats(), Seen()
        watchers = [Text(self.text), Chrome(self.json), GoTrace(self.go), self.stats, self.seen]
        self.ctf = os.path.join(folder, "ctf") if folder else None
        if folder:
            watchers.append(Ctf(self.ctf))
        self.model = Model(self.trace, Symbols(), watchers, strict)
        self.model.run(Merge(self.trace))

    def lines(self):
        return self.text.getvalue().splitlines()

    def events(self, ph=None):
        return [event for event in json.loads(self.json.getvalue())["traceEvents"]
                if ph is None or event["ph"] == ph]

    def numbers(self):
        return dict(line.split("=", 1) for line in self.stats.lines()
                    if not line.startswith("goroutine="))


class Seen(Watcher):
    """The records in the order of the merge, and every hook that was told with its arguments' words."""

    def __init__(self):
        self.records, self.times = [], []

    def event(self, at, ring, record, text, time):
        self.records.append(record)
        self.times.append(at)


class Strictest(Watcher):
    """Asserts what watcher.py promises to every output."""

    def __init__(self):
        self.at, self.state, self.runs, self.p_of = 0, {}, {}, {}

    def clock(self, at):
        assert at >= self.at, "time went back"
        self.at = at

    def become(self, at, g, before, after):
        self.clock(at)
        assert self.state.get(g.id) in before, f"g{g.id} is {self.state.get(g.id)}, not {before}"
        self.state[g.id] = after

    def appear(self, at, g):
        self.become(at, g, (None,), {1: "runnable", 3: "section", 4: "waiting"}[g.state])

    def create(self, at, hart, g, creator):
        self.become(at, g, (None,), "runnable")

    def start(self, at, hart, g):
        self.become(at, g, ("runnable",), "running")
        assert self.p_of.get(hart.number) == hart.p is not None, "started without a P"
        assert self.runs.get(hart.number) is None, "the hart runs another"
        self.runs[hart.number] = g.id

    def stop(self, at, hart, g, how):
        self.become(at, g, ("running",), {"end": "dead", "block": "waiting"}.get(how, "runnable"))
        assert self.runs.pop(hart.number) == g.id, "stopped where it did not run"

    def wake(self, at, hart, g, waker):
        self.become(at, g, ("waiting",), "runnable")

    def enter(self, at, hart, g, p):
        self.become(at, g, ("running",), "section")
        assert self.p_of.pop(hart.number) == p, "lent a P that it had not"

    def leave(self, at, hart, g, p):
        self.become(at, g, ("section",), "running" if p is not None else "runnable")
        if p is not None:
            self.p_of[hart.number] = p
        elif hart is not None:
            del self.runs[hart.number]

    def p_start(self, at, hart, p):
        self.clock(at)
        assert p not in self.p_of.values(), f"P{p} is with two"
        assert self.p_of.get(hart.number) is None, "the hart has two Ps"
        self.p_of[hart.number] = p

    def p_stop(self, at, hart, p):
        self.clock(at)
        assert self.p_of.pop(hart.number) == p
        assert self.state.get(self.runs.get(hart.number)) != "running", "no P, and runs"


def told(data):
    """Runs the model, not strict, under the eyes of Strictest; returns the model."""
    trace = reader.Trace(memoryview(data))
    model = Model(trace, Symbols(), [Strictest()])
    model.run(Merge(trace))
    return model


def unnested(events):
    """The first slices of a track that overlap without one being in the other; None if they nest."""
    tracks = {}
    for event in events:
        if event["ph"] == "X":
            start, length = round(event["ts"] * 1000), round(event["dur"] * 1000)
            tracks.setdefault((event["pid"], event["tid"]), []).append((start, start + length, event))
    for slices in tracks.values():
        slices.sort(key=lambda s: (s[0], -s[1]))
        open_ones = []
        for start, end, event in slices:
            while open_ones and open_ones[-1][1] <= start:
                open_ones.pop()
            if open_ones and end > open_ones[-1][1]:
                return open_ones[-1][2], event
            open_ones.append((start, end, event))
    return None


def go_events(data):
    """What `go tool trace -d` prints of a file: lines; None if there is no go here."""
    if shutil.which("go") is None:
        return None
    with tempfile.NamedTemporaryFile(suffix=".trace") as file:
        file.write(data)
        file.flush()
        done = subprocess.run(["go", "tool", "trace", "-d", file.name], text=True,
                              capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def go_pages(data, names):
    """What `go tool trace` serves under these names, texts; None if there is no go here."""
    if shutil.which("go") is None:
        return None
    with tempfile.NamedTemporaryFile(suffix=".trace") as file:
        file.write(data)
        file.flush()
        server = subprocess.Popen(["go", "tool", "trace", "-http=127.0.0.1:0", file.name], text=True,
                                  env={**os.environ, "BROWSER": "true"}, stderr=subprocess.PIPE,
                                  start_new_session=True)
        try:
            said = ""
            for line in server.stderr:
                said += line
                if "listening on" in line:
                    break
            assert "listening on" in said, said
            address = said.split()[-1]
            pages = []
            for name in names:
                with urllib.request.urlopen(f"{address}/{name}", timeout=120) as page:
                    pages.append(page.read().decode())
            return pages
        finally:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()
            server.stderr.close()


def ctf_events(folder):
    """What babeltrace2 prints, lines; it may say nothing on standard error. None if it is not here."""
    if shutil.which("babeltrace2") is None:
        return None
    done = subprocess.run(["babeltrace2", folder], text=True, capture_output=True, check=False)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return done.stdout.splitlines()


__all__ = ["Converted", "HOOKS", "TOOL", "ctf_events", "go_events", "told", "unnested"]


def check_all(data, folder, strict=True):
    """Converts; the slices nest, and go and babeltrace2 read it. Returns what was converted."""
    done = Converted(data, folder, strict)
    events = done.events()
    assert unnested(events) is None, unnested(events)
    lines = go_events(done.go.getvalue())
    if lines is None:
        print("no go here: its trace is not parsed")
    lines = ctf_events(done.ctf)
    if lines is None:
        print("no babeltrace2 here: the CTF is not parsed")
    else:
        assert len(lines) == len(done.seen.records), (len(lines), len(done.seen.records))
    return done
