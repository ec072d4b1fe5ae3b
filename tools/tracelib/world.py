"""Goroutines, harts and Ps as they are at one moment, and the single steps from one to the next.

A step tells the watchers and is complete: whatever must be before it is brought about first (a
goroutine that starts elsewhere is stopped there, a P that another hart has is let go). What had to
be brought about is a complaint, unless something is known to be missing: see model.py.
"""
from tracelib import records as r
from tracelib.queues import Queues
from tracelib.watcher import hooks

MOST_COMPLAINTS = 20
GUESS_NS = 5_000  # Ps carry no numbers: within so much, who had one before whom is not certain


class Impossible(Exception):
    """Strict mode: an event that cannot be."""


class Goroutine:
    """What is known of one at the moment."""
    __slots__ = ("id", "name", "named", "pc", "made_at", "state", "reason", "hart", "number",
                 "loose", "lent", "regions")

    def __init__(self, number, pc, name):
        self.id, self.pc, self.name, self.named = number, pc, name, False
        self.made_at = 0        # where go() was called: a return address, or 0
        self.state, self.reason = r.UNKNOWN, ""
        self.hart = None        # runs there, or is in a section there
        self.number = None      # of its last event
        self.loose = True       # events of it may be missing before the next one
        self.lent = None        # in a section: the P that is still to be had back
        self.regions = []       # open ones: (task, name)


class Hart:
    """An M: what it runs, and with which P."""
    __slots__ = ("number", "p", "g")

    def __init__(self, number):
        self.number, self.p, self.g = number, None, None


class World:
    """The steps; Model turns events into them."""

    def __init__(self, trace, symbols, watchers, strict=False):
        self.trace, self.symbols, self.strict = trace, symbols, strict
        self.whole = trace.lost == 0 and not trace.complaints
        self.harts, self.gs, self.dead, self.tasks = {}, {}, set(), set()
        self.holder = {}  # P: Hart
        self.moved = {}   # P: when it changed hands last
        self.lent = {}    # P: the goroutine in whose section it is
        self.queues = Queues()
        self.complaints, self.n_complaints = [], 0
        self.at = self.index = 0
        self.record = self.ring = None
        self.tell = hooks(watchers)
        for watcher in watchers:
            watcher.world_now = self

    def complain(self, text):
        where = f"event {self.index}"
        if self.record is not None:
            kind = r.NAMES.get(self.record[3], self.record[3])
            where += f" ({kind} of hart {self.ring.hart} at {self.at} ns)"
        self.n_complaints += 1
        if len(self.complaints) < MOST_COMPLAINTS:
            self.complaints.append(f"{where}: {text}")
        if self.strict:
            raise Impossible(f"{where}: {text}")

    def hart(self, number):
        if number not in self.harts:
            self.harts[number] = Hart(number)
        return self.harts[number]

    def _goroutine(self, record):
        """The one that a numbered event is about; None if it cannot be taken in."""
        number, kind = record[1], record[3]
        seq = 0 if kind == r.G_CREATE else record[6]
        g = self.gs.get(number)
        if number == 0:
            self.complain("an event of goroutine 0, which is none")
            return None
        if number in self.dead or (g is not None and kind == r.G_CREATE):
            self.complain(f"goroutine {number} is {'dead' if g is None else 'there already'}")
            return None
        if g is None:
            g = self.gs[number] = self._new(number, record)
        elif seq != g.number + 1:
            g.loose = True
        g.number = seq
        return g

    def _new(self, number, record):
        pc = record[2] if record[3] in (r.G_CREATE, r.G_STATUS) else 0
        return Goroutine(number, pc, self.symbols.function(pc) if pc else f"goroutine {number}")

    # ---- what must be before an event can ----

    def _appear(self, g, state):
        g.state = state
        for tell in self.tell["appear"]:
            tell(self.at, g)

    def _runnable(self, g):
        if g.state == r.UNKNOWN:
            self._appear(g, r.RUNNABLE)
        elif g.state == r.RUNNING:
            self._stop(g.hart, g, "preempt", r.RUNNABLE)
        elif g.state == r.SECTION:
            self._leave_queued(g)
        elif g.state == r.WAITING:
            self._wake(None, g, None)

    def _running(self, hart, g):
        if hart.g is g and g.state == r.RUNNING:
            return
        if not g.loose:
            self.complain(f"goroutine {g.id} is {r.STATES[g.state]}, not running there")
        self._runnable(g)
        self._start(hart, g, hart.p if hart.p is not None else self._free_p(hart))

    def _free_p(self, hart):
        """A P for a hart of which none is known: its own, if it is free."""
        p = hart.number
        while p in self.holder or p in self.lent:
            p += 1
        return p

    def _take_p(self, hart, p):
        if hart.p == p:
            return
        if hart.p is not None:
            self._seize(hart, f"hart {hart.number} has P{hart.p}, and P{p} without letting it go")
        other = self.holder.get(p)
        if other is not None:
            self._seize(other, f"P{p} is with hart {other.number} still")
        if p in self.lent:
            self._lose(p)
        hart.p, self.holder[p], self.moved[p] = p, hart, self.at
        for tell in self.tell["p_start"]:
            tell(self.at, hart, p)

    def _seize(self, hart, text):
        """A hart's P is elsewhere, it seems. If it moved a moment ago, the order was a guess."""
        if self.whole and self.at - self.moved[hart.p] > GUESS_NS:
            self.complain(text)
        elif hart.g is not None:
            hart.g.loose = True
        self._drop_p(hart)

    def _drop_p(self, hart):
        if hart.g is not None and hart.g.state == r.RUNNING:
            self._stop(hart, hart.g, "preempt", r.RUNNABLE)
        p, hart.p = hart.p, None
        del self.holder[p]
        self.moved[p] = self.at
        for tell in self.tell["p_stop"]:
            tell(self.at, hart, p)

    def _start(self, hart, g, p):
        if hart.g is not None and hart.g is not g:
            if not g.loose and not hart.g.loose and self.whole:
                self.complain(f"goroutine {hart.g.id} is {r.STATES[hart.g.state]} there")
            self._runnable(hart.g)
        self._take_p(hart, p)
        self.queues.remove(g.id)
        g.state, g.hart, hart.g = r.RUNNING, hart, g
        for tell in self.tell["start"]:
            tell(self.at, hart, g)

    def _stop(self, hart, g, how, state):
        g.state, g.hart, hart.g = state, None, None
        for tell in self.tell["stop"]:
            tell(self.at, hart, g, how)

    def _wake(self, hart, g, waker):
        g.state = r.RUNNABLE
        for tell in self.tell["wake"]:
            tell(self.at, hart, g, waker)

    def _lose(self, p):
        g = self.lent.pop(p)
        g.lent = None
        for tell in self.tell["lose"]:
            tell(self.at, g.hart, g, p)

    def _leave_queued(self, g):
        if g.lent is not None:
            self._lose(g.lent)
        hart, g.state, g.hart = g.hart, r.RUNNABLE, None
        if hart is not None:
            hart.g = None
        for tell in self.tell["leave"]:
            tell(self.at, hart, g, None)
