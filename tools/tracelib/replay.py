"""replay.html: one page with everything in it, for a browser without a network.

The page's text is tools/replay.html; this puts uPlot and the data into it. Data are columns of
numbers, packed (zlib) and in base64, which the page unpacks into typed arrays:

    events   each record: time, type, hart, aux, aux2, g, arg
    moves    what an event did to goroutines and Ps: (event, who, where to). The page only carries these
             out; the rules are followed here alone (queues.py, model.py)
    slices   what a hart ran: from, to, g, in a section?, who woke it, why it stopped; by hart; the
             regions that it began in
    said     of the program's own events, what they say, by the event's place
    lengths  queues' lengths as they change: time, which, how long

The page draws what is in view, at most a few marks for each pixel, so 1,000,000 events stay quick.
"""
import base64
import json
import os
import zlib
from array import array

from tracelib import records as r
from tracelib.queues import MOVE_OUT
from tracelib.watcher import Watcher

TEMPLATE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "replay.html")
# Where to, beyond the places of the format: the page knows these numbers too.
OUT, RUNS, IN_SECTION, WAITS, DIES, P_WITH, P_FREE = range(MOVE_OUT, MOVE_OUT + 7)
U32 = 0xffffffff
NOBODY = U32  # woken by a timer or an interrupt, or new: see page


def _columns(codes):
    return [array(code) for code in codes]


class Replay(Watcher):
    def __init__(self, file, library):
        self.file, self.library = file, library
        self.events = _columns("dBBBHII")
        self.moves = _columns("IIBI")
        self.slices = _columns("ddIBIHBI")
        self.queue_lengths = _columns("diI")
        self.names, self.whys, self.wakers = {}, {}, {}
        self.regions, self.said = {"": 0}, {}
        self.running = {}  # hart: (since, g, in a section, its regions)
        self.steps = None

    def _add(self, columns, *values):
        for column, value in zip(columns, values):
            column.append(value)

    def event(self, at, ring, record, text, time):
        if self.steps is None:
            self.steps = self.world_now.queues.log = []
        self._drain()
        self._add(self.events, at, record[3], ring.hart & 255, record[4], record[5],
                  record[1] & U32, min(record[2], U32))

    def _drain(self):
        """The moves since the last event are its doing."""
        number = max(0, len(self.events[0]) - 1)
        for who, where, x in self.steps:
            self._add(self.moves, number, who & U32, where, x & U32)
        self.steps.clear()

    def _why(self, text):
        return self.whys.setdefault(text, len(self.whys))

    # ---- harts' slices ----

    def _runs(self, at, hart, g, section):
        regions = " > ".join(name for _, name in g.regions)
        self.running[hart.number] = (at, g, section, self.regions.setdefault(regions, len(self.regions)))
        self.steps.append((g.id, IN_SECTION if section else RUNS, hart.number))

    def _ran(self, at, hart, why):
        since, g, section, regions = self.running.pop(hart.number)
        self.names[g.id] = g.name
        self._add(self.slices, since, at, g.id & U32, section, self.wakers.get(g.id, NOBODY),
                  self._why(why), hart.number & 255, regions)

    def appear(self, at, g):
        self.names[g.id] = g.name
        where = {r.RUNNABLE: OUT, r.SECTION: IN_SECTION}.get(g.state, WAITS)
        self.steps.append((g.id, where, U32))

    def start(self, at, hart, g):
        self._runs(at, hart, g, 0)

    def stop(self, at, hart, g, how):
        self._ran(at, hart, {"sched": "yielded", "preempt": "was preempted", "end": "ended"}.get(
            how) or f"waits: {g.reason}")
        where = {"end": DIES, "block": WAITS}.get(how, OUT)
        self.steps.append((g.id, where, self._why(g.reason) if how == "block" else 0))

    def create(self, at, hart, g, creator):
        self.names[g.id] = g.name
        self.wakers[g.id] = creator.id & U32 if creator is not None else NOBODY

    def wake(self, at, hart, g, waker):
        self.wakers[g.id] = waker.id & U32 if waker is not None else NOBODY

    def enter(self, at, hart, g, p):
        self._ran(at, hart, "entered a blocking section")
        self._runs(at, hart, g, 1)

    def leave(self, at, hart, g, p):
        if hart is not None and hart.number in self.running:
            self._ran(at, hart, "left its blocking section")
        if p is not None:
            self._runs(at, hart, g, 0)

    def lose(self, at, hart, g, p):
        self.steps.append((p, P_FREE, 0))

    def p_start(self, at, hart, p):
        self.steps.append((p, P_WITH, hart.number))

    def p_stop(self, at, hart, p):
        self.steps.append((p, P_FREE, 0))

    def lengths(self, at, lengths, changed):
        for p in changed:
            self._add(self.queue_lengths, at, p, lengths[p])

    # ---- what the program says ----

    def _say(self, text, task):
        self.said[len(self.events[0]) - 1] = text + (f", of task {task}" if task else "")

    def log(self, at, hart, g, task, category, message):
        self._say(f"log {category}: {message}", task)

    def region(self, at, hart, g, task, name, begins):
        self._say(f"region {name} {'begins' if begins else 'ends'}", task)

    def task(self, at, hart, g, task, name, parent):
        self._say(f"task {task} {f'{name} begins' if name is not None else 'ends'}", parent)

    # ---- the page ----

    @staticmethod
    def _packed(columns):
        return [[column.typecode, base64.b64encode(zlib.compress(column.tobytes(), 1)).decode()]
                for column in columns]

    def finish(self, at):
        if self.steps is not None:
            self._drain()
        for number in list(self.running):
            self._ran(at, self.world_now.hart(number), "goes on")
        trace = self.world_now.trace
        facts = {"harts": max([trace.harts, *(n + 1 for n in self.world_now.harts)]),
                 "end": at, "lost": trace.lost, "names": {g & U32: n for g, n in self.names.items()},
                 "whys": list(self.whys), "types": r.NAMES, "regions": list(self.regions), "said": self.said}
        data = {name: self._packed(getattr(self, name))
                for name in ("events", "moves", "slices", "queue_lengths")}
        with open(TEMPLATE, encoding="utf-8") as file:
            page = file.read()
        script, style = self.library
        # In the order in which the page has them. "</" would end the script element that holds the text.
        for mark, text in (("/*STYLE*/", style), ("/*LIBRARY*/", script),
                           ("FACTS_HERE", json.dumps(facts).replace("</", "<\\/")),
                           ("DATA_HERE", json.dumps(data))):
            before, _, after = page.partition(mark)
            self.file.write(before)
            self.file.write(text)
            page = after
        self.file.write(page)
