"""Sums, as key=value lines.

Counts are of records, so with nothing lost they are what runtime_read_sched_stats counts. Run time
and latency (from runnable to running) come from the model; a goroutine that has not started when the
trace ends has no latency yet.
"""
from tracelib import records as r
from tracelib.watcher import Watcher

COUNTED = {r.G_START: "starts", r.STEAL: "steals", r.G_CREATE: "creates", r.G_END: "ends",
           r.G_UNBLOCK: "unblocks", r.IPI_SEND: "ipis_sent", r.IPI_RECEIVED: "ipis_received",
           r.G_BEHIND: "preemptions", r.TIMER_FIRE: "timer_fires", r.GLOBAL_GET: "global_gets"}


class _Times:
    __slots__ = ("name", "since", "run", "starts", "latency", "latency_max")

    def __init__(self):
        self.name, self.since, self.run, self.starts = "", None, 0, 0
        self.latency = self.latency_max = 0


class Stats(Watcher):
    def __init__(self):
        self.counts = dict.fromkeys(["events", *COUNTED.values(), "stolen"], 0)
        self.times = {}
        self.least, self.most, self.total, self.n = None, 0, 0, 0
        self.at = 0

    def event(self, at, ring, record, text, time):
        kind, counts = record[3], self.counts
        counts["events"] += 1
        if kind in COUNTED:
            counts[COUNTED[kind]] += 1
            if kind == r.STEAL:
                counts["stolen"] += record[2]
        elif kind == r.G_PREEMPT and record[4] != r.PREEMPT_WORK:
            counts["preemptions"] += 1

    def _ready(self, at, g):
        if g.id not in self.times:
            self.times[g.id] = _Times()
        self.times[g.id].since = at

    def appear(self, at, g):
        if g.state == r.RUNNABLE:
            self._ready(at, g)

    def create(self, at, hart, g, creator):
        self._ready(at, g)

    def wake(self, at, hart, g, waker):
        self._ready(at, g)

    def start(self, at, hart, g):
        times = self.times[g.id]
        latency, times.since = at - times.since, at
        times.starts += 1
        times.latency += latency
        times.latency_max = max(times.latency_max, latency)
        self.least = latency if self.least is None else min(self.least, latency)
        self.most = max(self.most, latency)
        self.total += latency
        self.n += 1

    def stop(self, at, hart, g, how):
        times = self.times[g.id]
        times.run += at - times.since
        times.since = at
        times.name = g.name

    def enter(self, at, hart, g, p):
        self.stop(at, hart, g, "section")

    def leave(self, at, hart, g, p):
        self._ready(at, g)  # with p it runs from now on, else it is runnable

    def finish(self, at):
        self.at = at
        for g in self.world_now.gs.values():
            if g.state == r.RUNNING:
                self.stop(at, g.hart, g, "finish")
            elif g.id in self.times:
                self.times[g.id].name = g.name

    def lines(self):
        yield from (f"{key}={value}" for key, value in self.counts.items())
        yield f"lost={self.world_now.trace.lost}"
        yield f"complaints={self.world_now.n_complaints}"
        yield f"duration_ns={self.at}"
        yield f"latency_min_ns={self.least or 0}"
        yield f"latency_mean_ns={self.total // self.n if self.n else 0}"
        yield f"latency_max_ns={self.most}"
        for number, times in sorted(self.times.items()):
            mean = times.latency // times.starts if times.starts else 0
            yield (f"goroutine={number} run_ns={times.run} starts={times.starts} "
                   f"latency_mean_ns={mean} latency_max_ns={times.latency_max} name={times.name}")
