"""What the model tells, in an order without contradictions: every output is a Watcher.

`at` is in nanoseconds since the trace began and never goes back; hart and g are the model's Hart and
Goroutine. A goroutine is told of by appear or create, then start, stop, …: a start is always of a
runnable one, on a hart that has a P and runs nothing else; a stop of the one that runs there; a wake
of a waiting one. Where the file lacks events the model puts in what must have been.
"""


class Watcher:
    """Does nothing; an output overrides what it wants to hear of."""

    world_now = None  # the World, from before the first event

    def event(self, at, ring, record, text, time):
        """Each record, before the model has taken it in; time is in ticks."""

    def appear(self, at, g):
        """It was there before the trace, or before its first event: g.state says how."""

    def create(self, at, hart, g, creator):
        """g is new, made by creator (or None) and runnable."""

    def start(self, at, hart, g):
        """g runs on the hart, with hart.p."""

    def stop(self, at, hart, g, how):
        """g runs no more: how is "sched", "preempt", "block" (g.reason says why) or "end"."""

    def wake(self, at, hart, g, waker):
        """g is runnable; waker is None when a timer or an interrupt handler did it."""

    def enter(self, at, hart, g, p):
        """g is in a blocking section on its hart, p is lent."""

    def lose(self, at, hart, g, p):
        """p was taken from g's section."""

    def leave(self, at, hart, g, p):
        """The section is over: g runs on with p as if nothing was; p None: it is runnable."""

    def p_start(self, at, hart, p):
        """The hart has p."""

    def p_stop(self, at, hart, p):
        """The hart has p no more, and runs nothing."""

    def log(self, at, hart, g, task, category, message):
        """runtime_trace_log."""

    def region(self, at, hart, g, task, name, begins):
        """A region of g begins or ends; they nest."""

    def task(self, at, hart, g, task, name, parent):
        """A task begins; or, with name None, ends."""

    def world(self, at, hart, g, stops):
        """The world stops, or goes on."""

    def gomaxprocs(self, at, hart, n):
        """So many Ps from now on."""

    def lengths(self, at, lengths, changed):
        """Queues have other lengths: of the Ps `changed`, or queues.GLOBAL_QUEUE."""

    def finish(self, at):
        """The last event was told."""


HOOKS = [name for name in vars(Watcher) if callable(vars(Watcher)[name]) and not name.startswith("_")]


def hooks(watchers):
    """For each hook the methods that are not Watcher's own."""
    return {name: [getattr(w, name) for w in watchers
                   if getattr(type(w), name) is not getattr(Watcher, name)] for name in HOOKS}
