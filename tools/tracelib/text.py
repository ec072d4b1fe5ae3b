"""One line an event:

         time   hart  P   goroutine            what
        12300   h1    P1  g7 worker            wakes g9 consumer, to runnext of P1

The time is in nanoseconds since the trace began; the P and the goroutine are what the hart has and
runs. Lines of an interrupt handler's ring have h1! for the hart.
"""
from tracelib import records as r
from tracelib.reader import INTERRUPTS
from tracelib.watcher import Watcher


class Text(Watcher):
    def __init__(self, file):
        self.file = file
        self.say = {number: getattr(self, "_" + name.lower())
                    for number, name in r.NAMES.items() if hasattr(self, "_" + name.lower())}

    def event(self, at, ring, record, text, time):
        world = self.world_now
        hart = world.hart(ring.hart)
        kind = record[3]
        p = record[5] if kind in r.OWN_P else hart.p
        g = hart.g
        if kind in (r.G_START, r.SECTION_EXIT):
            g = world.gs.get(record[1])
        who = f"g{g.id} {g.name}" if g is not None else "-"
        mark = "!" if ring.kind == INTERRUPTS else ""
        say = self.say.get(kind)
        what = say(record, text) if say is not None else f"record of type {kind}"
        self.file.write(f"{at:>14} h{ring.hart}{mark} P{'-' if p is None else p} {who:<24} {what}\n")

    def finish(self, at):
        for complaint in self.world_now.complaints:
            self.file.write(f"# {complaint}\n")

    def _name(self, number):
        g = self.world_now.gs.get(number)
        return f"g{number} {g.name}" if g is not None else f"g{number}"

    def _where(self, pc):
        return self.world_now.symbols.where(pc)

    def _g_status(self, record, text):
        state, reason = record[4], record[5]
        why = f" ({self.world_now.trace.reason(reason)})" if state == r.WAITING else ""
        return f"g{record[1]} {self._where(record[2])} is {r.STATES.get(state, state)}{why}"

    def _g_create(self, record, text):
        by = f", at {self._where(self.world_now.trace.base + record[6] - 1)}" if record[6] else ""
        return (f"makes g{record[1]} {self._where(record[2])}, "
                f"to {r.place(record[4], record[5])}{by}")

    def _g_start(self, record, text):
        return "runs"

    def _g_sched(self, record, text):
        return f"yields, to {r.place(record[4], record[5])}"

    def _g_preempt(self, record, text):
        return f"is preempted: {r.PREEMPT_WHY.get(record[4], record[4])}"

    def _g_block(self, record, text):
        return f"waits: {self.world_now.trace.reason(record[4])}"

    def _g_unblock(self, record, text):
        by = "" if record[2] else "timer or interrupt "
        return f"{by}wakes {self._name(record[1])}, to {r.place(record[4], record[5])}"

    def _g_end(self, record, text):
        return "ends"

    def _section_enter(self, record, text):
        return f"enters a blocking section, leaves P{record[5]}"

    def _section_exit(self, record, text):
        return f"is out of its blocking section, {r.EXIT_HOW.get(record[4], record[4])}"

    def _p_start(self, record, text):
        return f"hart takes P{record[5]}"

    def _p_stop(self, record, text):
        return f"hart lets P{record[5]} go: {r.STOP_WHY.get(record[4], record[4])}"

    def _steal(self, record, text):
        return f"steals {record[2]} from P{record[5]}, {self._name(record[1])} first"

    def _global_get(self, record, text):
        return f"takes {record[2]} from the global queue"

    def _spill(self, record, text):
        return f"spills {record[2]} of P{record[5]} to the global queue"

    def _ipi_send(self, record, text):
        return f"sends hart {record[2]} an interrupt: {r.IPI_WHY.get(record[4], record[4])}"

    def _timer_fire(self, record, text):
        return "a timer fires"

    def _stw_begin(self, record, text):
        return "stops the world"

    def _stw_end(self, record, text):
        return "lets the world go on"

    def _gomaxprocs(self, record, text):
        return f"gomaxprocs is {record[2]}"

    def _retake(self, record, text):
        return f"takes P{record[5]} from the blocking section on hart {record[2]}"

    def _g_name(self, record, text):
        return f"{self._name(record[1])} is called {r.text_of(text)!r}"

    def _g_behind(self, record, text):
        return f"{self._name(record[1])} goes from runnext to the global queue: the slice is over"

    def _log(self, record, text):
        return (f"task {record[2]}, log {r.text_of(text[:record[4]])}: "
                f"{r.text_of(text[record[4]:])}")

    def _region_begin(self, record, text):
        return f"task {record[2]}, region {r.text_of(text)!r} begins"

    def _region_end(self, record, text):
        return f"task {record[2]}, region {r.text_of(text)!r} ends"

    def _task_begin(self, record, text):
        return f"task {record[2]} {r.text_of(text)!r} begins, of task {record[6]}"

    def _task_end(self, record, text):
        return f"task {record[2]} ends"

    def _ipi_received(self, record, text):
        return "interrupt from another hart"

    def _timer_irq(self, record, text):
        return "timer interrupt"

    def _preempt_wanted(self, record, text):
        return f"wants the goroutine off: {r.PREEMPT_WHY.get(record[4], record[4])}"
