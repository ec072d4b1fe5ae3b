"""Chrome's trace event format, as JSON, for ui.perfetto.dev and chrome://tracing.

    process harts       a track a hart: what it runs; in a blocking section "… (section)"
    process goroutines  a track a goroutine: running, runnable, waiting (why), section; regions
                        around them. Logs, and the world's stops, are instants.
    flows               from the hart of the waker, where and when it woke, to the start of the woken
    counters            goroutines in the queues of each P and in the global one; running ones

Slices of a track nest: states follow each other without overlap, and a region that begins or ends
inside a state cuts it in two. Times are in microseconds with three digits, so no nanosecond is lost.
"""
import json

from tracelib import records as r
from tracelib.queues import GLOBAL_QUEUE
from tracelib.watcher import Watcher

HARTS, GOROUTINES = 1, 2


def micro(ns):
    return f"{ns // 1000}.{ns % 1000:03d}"


class _Track:
    """A goroutine's state since when, its open regions, and the flow that will end when it runs."""
    __slots__ = ("state", "since", "regions", "flow")

    def __init__(self, state, since):
        self.state, self.since, self.regions, self.flow = state, since, [], 0


class Chrome(Watcher):
    def __init__(self, file):
        self.file = file
        self.tracks = {}   # of goroutines
        self.harts = {}    # hart: (JSON name, since)
        self.names = {}    # goroutine: (its name, the same as JSON without quotes)
        self.flows = self.running = 0
        self.pending = {}  # counter: (time, value) not written yet
        self.write = file.write
        self.write('{"displayTimeUnit":"ns","traceEvents":[\n'
                   '{"ph":"M","pid":1,"name":"process_name","args":{"name":"harts"}},\n'
                   '{"ph":"M","pid":2,"name":"process_name","args":{"name":"goroutines"}}')

    # ---- pieces of JSON ----

    def _slice(self, pid, tid, name, since, at):
        self.write(f',\n{{"ph":"X","pid":{pid},"tid":{tid},"name":"{name}",'
                   f'"ts":{micro(since)},"dur":{micro(at - since)}}}')

    def _instant(self, pid, tid, name, at):
        self.write(f',\n{{"ph":"i","s":"t","pid":{pid},"tid":{tid},"name":{json.dumps(name)},'
                   f'"ts":{micro(at)}}}')

    def _flow(self, ph, hart, at, number):
        self.write(f',\n{{"ph":"{ph}","bp":"e","cat":"wake","name":"wake","id":{number},"pid":1,'
                   f'"tid":{hart},"ts":{micro(at)}}}')

    def _name(self, g):
        known = self.names.get(g.id)
        if known is None or known[0] is not g.name:
            known = self.names[g.id] = (g.name, json.dumps(f"g{g.id} {g.name}")[1:-1])
        return known[1]

    def _count(self, name, at, value):
        """Of several values at one time only the last is written."""
        last = self.pending.get(name)
        if last is not None and last[0] != at:
            self._write_count(name, *last)
        self.pending[name] = (at, value)

    def _write_count(self, name, at, value):
        self.write(f',\n{{"ph":"C","pid":1,"name":"{name}","ts":{micro(at)},'
                   f'"args":{{"n":{value}}}}}')

    # ---- tracks ----

    def _become(self, at, g, state):
        """The end of one state is the beginning of the next; None: of nothing."""
        track = self.tracks[g.id]
        if track.state is not None and at >= track.since:
            self._slice(GOROUTINES, g.id, track.state, track.since, at)
        track.state, track.since = state, at

    def _on(self, at, hart, name):
        """What the hart runs from now on; None: nothing."""
        before = self.harts.get(hart.number)
        if before is not None:
            self._slice(HARTS, hart.number, before[0], before[1], at)
        self.harts[hart.number] = (name, at) if name is not None else None

    def _run(self, at, by):
        self.running += by
        self._count("running goroutines", at, self.running)

    @staticmethod
    def _waiting(g):
        return json.dumps(f"waiting ({g.reason})" if g.reason else "waiting")[1:-1]

    def appear(self, at, g):
        # What was before the first event was so since the trace began.
        states = {r.RUNNABLE: "runnable", r.SECTION: "section"}
        self.tracks[g.id] = _Track(states.get(g.state) or self._waiting(g), 0)

    def create(self, at, hart, g, creator):
        self.tracks[g.id] = _Track("runnable", at)

    def start(self, at, hart, g):
        self._become(at, g, "running")
        self._on(at, hart, self._name(g))
        self._run(at, 1)
        track = self.tracks[g.id]
        if track.flow:
            self._flow("f", hart.number, at, track.flow)
            track.flow = 0

    def stop(self, at, hart, g, how):
        self._on(at, hart, None)
        self._run(at, -1)
        if how == "end":
            self._close(at, g)
        else:
            self._become(at, g, self._waiting(g) if how == "block" else "runnable")

    def wake(self, at, hart, g, waker):
        self._become(at, g, "runnable")
        if waker is not None:
            self.flows += 1
            self.tracks[g.id].flow = self.flows
            self._flow("s", hart.number, at, self.flows)

    def enter(self, at, hart, g, p):
        self._become(at, g, "section")
        self._on(at, hart, f"{self._name(g)} (section)")
        self._run(at, -1)

    def leave(self, at, hart, g, p):
        if p is None:
            self._become(at, g, "runnable")
            if hart is not None:
                self._on(at, hart, None)
        else:
            self._become(at, g, "running")
            self._on(at, hart, self._name(g))
            self._run(at, 1)

    # ---- what the program says, queues ----

    def region(self, at, hart, g, task, name, begins):
        track = self.tracks[g.id]
        self._become(at, g, track.state)
        if begins:
            track.regions.append((json.dumps(name or "region")[1:-1], at))
        elif track.regions:
            self._slice(GOROUTINES, g.id, *track.regions.pop(), at)

    def _close(self, at, g):
        """The end of its track, and its name."""
        self._become(at, g, None)
        track = self.tracks.pop(g.id)
        while track.regions:
            self._slice(GOROUTINES, g.id, *track.regions.pop(), at)
        self.write(f',\n{{"ph":"M","pid":2,"tid":{g.id},"name":"thread_name",'
                   f'"args":{{"name":"{self._name(g)}"}}}}')
        self.names.pop(g.id)

    def log(self, at, hart, g, task, category, message):
        pid, tid = (GOROUTINES, g.id) if g is not None else (HARTS, hart.number)
        self._instant(pid, tid, f"{category}: {message}" if category else message, at)

    def task(self, at, hart, g, task, name, parent):
        ph, name = ("b", json.dumps(name)) if name is not None else ("e", '""')
        self.write(f',\n{{"ph":"{ph}","cat":"task","id":{task},"pid":2,"tid":{g.id if g else 0},'
                   f'"name":{name},"ts":{micro(at)}}}')

    def world(self, at, hart, g, stops):
        self._instant(HARTS, hart.number, "the world stops" if stops else "the world goes on", at)

    def lengths(self, at, lengths, changed):
        for p in changed:
            name = "global queue" if p == GLOBAL_QUEUE else f"queue of P{p}"
            self._count(name, at, lengths[p])

    def finish(self, at):
        for g in self.world_now.gs.values():
            if g.id in self.tracks:
                self._close(at, g)
        for number, hart in sorted(self.world_now.harts.items()):
            self._on(at, hart, None)
            self.write(f',\n{{"ph":"M","pid":1,"tid":{number},"name":"thread_name",'
                       f'"args":{{"name":"hart {number}"}}}}')
        for name, last in self.pending.items():
            self._write_count(name, *last)
        self.write("\n]}\n")
