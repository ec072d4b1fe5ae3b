"""Follows every goroutine, hart and P through the events, and tells the watchers what happened.

                   G_CREATE                G_START                  G_END
        (nothing) ---------> runnable -------------------> running ------> dead
                             ^  ^  ^ <---- G_SCHED, G_PREEMPT |  | ^
                             |  |                             |  | | SECTION_EXIT 0, 1
          SECTION_EXIT 2     |  | G_UNBLOCK         G_BLOCK   |  v |
          section -----------+  +-------- waiting <-----------+  section    (SECTION_ENTER)

An event that its goroutine's state does not allow is a complaint with its position (in strict mode
Impossible), and the model does what must have happened in between: it wakes, starts or stops first.
The same repair is made silently where something is known to be missing: the goroutine's first event,
or a number that does not follow the one before. So watchers see a world without contradictions.

A hart's P is known from the events that name it. A P in use elsewhere, or an event of a hart that
says another P than before, is a complaint only if no record was lost.
"""
from tracelib import records as r
from tracelib.world import World


class Model(World):
    """run() takes the merged events in; complaints and n_complaints say what could not be."""

    def __init__(self, trace, symbols, watchers, strict=False):
        super().__init__(trace, symbols, watchers, strict)
        self.handlers = {number: getattr(self, "_" + name.lower())
                         for number, name in r.NAMES.items() if hasattr(self, "_" + name.lower())}

    # ---- the loop ----

    def run(self, merge):
        begin, clock, handlers = self.trace.begin, self.trace.clock, self.handlers
        on_event, changed, starred = self.tell["event"], self.queues.changed, r.STARRED
        for tell in self.tell["gomaxprocs"]:
            tell(0, None, self.trace.gomaxprocs)
        for time, ring, record, text in merge:
            at = self.at = (time - begin) * 1_000_000_000 // clock if time > begin else 0
            self.ring, self.record = ring, record
            hart = self.hart(ring.hart)
            for tell in on_event:
                tell(at, ring, record, text, time)
            kind = record[3]
            if kind in handlers:
                g = self._goroutine(record) if kind in starred else None
                if g is not None or kind not in starred:
                    handlers[kind](hart, g, record, text)
                    if g is not None:
                        g.loose = False
            elif kind not in r.NAMES:
                self.complain(f"a record of type {kind}, which does not exist")
            if changed:
                for tell in self.tell["lengths"]:
                    tell(at, self.queues.lengths, changed)
                changed.clear()
            self.index += 1
        if merge.forced:
            self.complain(f"{merge.forced} events of goroutines whose numbers cannot be in order")
        for tell in self.tell["finish"]:
            tell(self.at)

    # ---- numbered events ----

    def _g_status(self, hart, g, record, text):
        state = record[4]
        if g.state != r.UNKNOWN:
            self.complain(f"goroutine {g.id} has been seen before its G_STATUS")
            return
        if state not in (r.RUNNABLE, r.RUNNING, r.SECTION, r.WAITING):
            self.complain(f"goroutine {g.id} has status {state}")
            state = r.RUNNABLE
        g.reason = self.trace.reason(record[5]) if state == r.WAITING else ""
        # One that runs does so where it says so, unless that hart runs another.
        if state == r.RUNNING and hart.g is None:
            self._appear(g, r.RUNNABLE)
            self._start(hart, g, hart.p if hart.p is not None else self._free_p(hart))
        else:
            self._appear(g, r.RUNNABLE if state == r.RUNNING else state)

    def _g_create(self, hart, g, record, text):
        creator = hart.g if hart.g is not None and hart.g.state == r.RUNNING else None
        g.state, g.made_at = r.RUNNABLE, self.trace.base + record[6] if record[6] else 0
        self.queues.put(g.id, record[4], record[5])
        for tell in self.tell["create"]:
            tell(self.at, hart, g, creator)

    def _g_start(self, hart, g, record, text):
        if g.state != r.RUNNABLE:
            if not g.loose:
                self.complain(f"goroutine {g.id} starts, but is {r.STATES[g.state]}")
            self._runnable(g)
        self._start(hart, g, record[5])

    def _g_sched(self, hart, g, record, text):
        self._running(hart, g)
        self._stop(hart, g, "sched", r.RUNNABLE)
        self.queues.put(g.id, record[4], record[5])

    def _g_preempt(self, hart, g, record, text):
        self._running(hart, g)
        self._stop(hart, g, "preempt", r.RUNNABLE)
        if record[4] != r.PREEMPT_WORK:
            self.queues.put(g.id, r.GLOBAL, 0)

    def _g_block(self, hart, g, record, text):
        self._running(hart, g)
        g.reason = self.trace.reason(record[4])
        self._stop(hart, g, "block", r.WAITING)

    def _g_unblock(self, hart, g, record, text):
        if g.state == r.UNKNOWN:
            self._appear(g, r.WAITING)
        elif g.state != r.WAITING:
            if not g.loose:
                self.complain(f"goroutine {g.id} is woken, but is {r.STATES[g.state]}")
            self._runnable(g)
        if g.state == r.WAITING:
            waker = hart.g if hart.g is not None and hart.g.id == record[2] else None
            self._wake(hart, g, waker)
        self.queues.put(g.id, record[4], hart.number if record[4] == r.WIRED else record[5])

    def _g_end(self, hart, g, record, text):
        self._running(hart, g)
        self._stop(hart, g, "end", r.DEAD)
        del self.gs[g.id]
        self.dead.add(g.id)

    def _section_enter(self, hart, g, record, text):
        self._running(hart, g)
        self._take_p(hart, record[5])
        if g.state != r.RUNNING:  # it had another P: the model had to take it off
            self._start(hart, g, record[5])
        p, hart.p, g.state = hart.p, None, r.SECTION
        del self.holder[p]
        g.lent, self.lent[p] = p, g
        for tell in self.tell["enter"]:
            tell(self.at, hart, g, p)

    def _section_exit(self, hart, g, record, text):
        how, p = record[4], record[5]
        if g.state == r.UNKNOWN:
            self._appear(g, r.SECTION)
        elif g.state != r.SECTION or g.hart not in (hart, None):
            if not g.loose:
                self.complain(f"goroutine {g.id} is {r.STATES[g.state]}, in no section there")
            self._runnable(g)
        if how == r.EXIT_WITH_ITS_P and g.lent == p:
            del self.lent[p]
            g.lent, g.state, hart.p, self.holder[p] = None, r.RUNNING, p, hart
            self.moved[p] = self.at
            for tell in self.tell["leave"]:
                tell(self.at, hart, g, p)
            return
        if g.state == r.SECTION:
            self._leave_queued(g)
        if how == r.EXIT_QUEUED:
            self.queues.put(g.id, r.GLOBAL, p)
        else:
            self._start(hart, g, p)

    # ---- Ps and queues ----

    def _p_start(self, hart, _g, record, text):
        self._take_p(hart, record[5])

    def _p_stop(self, hart, _g, record, text):
        p = record[5]
        if p in self.lent:
            self._lose(p)
        elif hart.p == p:
            if hart.g is not None and hart.g.state == r.RUNNING and self.whole:
                self.complain(f"hart {hart.number} lets P{p} go and runs goroutine {hart.g.id}")
            self._drop_p(hart)

    def _retake(self, hart, _g, record, text):
        if record[5] in self.lent:
            self._lose(record[5])

    def _gomaxprocs(self, hart, _g, record, text):
        for tell in self.tell["gomaxprocs"]:
            tell(self.at, hart, record[2])

    def _steal(self, hart, _g, record, text):
        self.queues.steal(record[1], record[2], record[5],
                          hart.p if hart.p is not None else hart.number)

    def _global_get(self, hart, _g, record, text):
        self.queues.fetch(record[2], record[5])

    def _spill(self, hart, _g, record, text):
        self.queues.spill(record[2], record[5])

    def _g_behind(self, hart, _g, record, text):
        self.queues.put(record[1], r.GLOBAL, record[5])

    # ---- what the program says ----

    def _speaker(self, hart, record):
        """The goroutine that an event without a number is of, running; None for none."""
        g = self.gs.get(record[1])
        if record[1] == 0 or record[1] in self.dead:
            return None
        if g is None:
            g = self.gs[record[1]] = self._new(record[1], record)
            g.number = -1
        if g.state not in (r.RUNNING, r.SECTION):
            g.loose = g.loose or not self.whole  # its start may be lost, and only its next number tells
            self._running(hart, g)
        return g

    def _g_name(self, hart, _g, record, text):
        g = self.gs.get(record[1])
        if g is not None and text:
            g.name, g.named = r.text_of(text), True

    def _log(self, hart, _g, record, text):
        g, text = self._speaker(hart, record), text or b""
        for tell in self.tell["log"]:
            tell(self.at, hart, g, record[2], r.text_of(text[:record[4]]),
                 r.text_of(text[record[4]:]))

    def _region_begin(self, hart, _g, record, text):
        g = self._speaker(hart, record)
        if g is None:
            return
        region = (record[2], r.text_of(text or b""))
        g.regions.append(region)
        for tell in self.tell["region"]:
            tell(self.at, hart, g, *region, True)

    def _region_end(self, hart, _g, record, text):
        """Regions that began before the trace have no beginning here: their ends are left out."""
        g, region = self._speaker(hart, record), (record[2], r.text_of(text or b""))
        if g is None or region not in g.regions:
            if g is not None and g.regions and self.whole:
                self.complain(f"goroutine {g.id} ends region {region[1]!r} inside another")
            return
        if g.regions[-1] != region and self.whole:
            self.complain(f"goroutine {g.id} ends region {region[1]!r} before one inside it")
        ended = None
        while ended != region:
            ended = g.regions.pop()
            for tell in self.tell["region"]:
                tell(self.at, hart, g, *ended, False)

    def _task_begin(self, hart, _g, record, text):
        g = self._speaker(hart, record)
        if record[2] in self.tasks:
            self.complain(f"task {record[2]} begins again")
            return
        self.tasks.add(record[2])
        for tell in self.tell["task"]:
            tell(self.at, hart, g, record[2], r.text_of(text or b""), record[6])

    def _task_end(self, hart, _g, record, text):
        g = self._speaker(hart, record)
        self.tasks.discard(record[2])
        for tell in self.tell["task"]:
            tell(self.at, hart, g, record[2], None, 0)

    def _stw_begin(self, hart, _g, record, text):
        for tell in self.tell["world"]:
            tell(self.at, hart, self.gs.get(record[1]), True)

    def _stw_end(self, hart, _g, record, text):
        for tell in self.tell["world"]:
            tell(self.at, hart, self.gs.get(record[1]), False)
