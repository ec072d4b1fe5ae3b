"""Who stands in which queue, as far as events tell.

A P has a runnext, a ring, an inbox and a pinned queue; there is the global queue; a wired goroutine
stands with its own hart. Moves from an inbox to the ring are no events: when a goroutine that was in
the inbox is stolen, the whole inbox went to the ring before. With equal times or lost records a queue
here can differ from the real one for a while; a goroutine that starts leaves any.
"""
from collections import OrderedDict

from tracelib.records import GLOBAL, HEAD, INBOX, NEXT, TAIL

GLOBAL_QUEUE = -1  # in the place of a P's number
MOVE_OUT = 7       # in a log, behind the places of the format: in none


class Queues:
    """Queues of goroutine numbers; `changed` collects the Ps (or GLOBAL_QUEUE) whose length did."""

    def __init__(self):
        self.queues = {}  # (kind, P): numbers in order
        self.where = {}   # goroutine: its queue's key
        self.lengths = {}  # P or GLOBAL_QUEUE: goroutines that wait there
        self.changed = set()
        self.log = None    # a list, if somebody wants each move: (goroutine, place, P)

    def queue(self, kind, p):
        key = (kind, p)
        if key not in self.queues:
            self.queues[key] = OrderedDict()
        return self.queues[key]

    def _grow(self, owner, by):
        self.lengths[owner] = self.lengths.get(owner, 0) + by
        self.changed.add(owner)

    def put(self, g, kind, p):
        """g, a number, goes to a place of the format."""
        self._out(g)
        if self.log is not None:
            self.log.append((g, kind, p))
        if kind in (GLOBAL, HEAD):
            p = GLOBAL_QUEUE
        queue = self.queue(TAIL if kind in (GLOBAL, HEAD) else kind, p)
        if kind == NEXT and queue:
            old = next(iter(queue))
            self.put(old, TAIL, p)
        queue[g] = None
        if kind == HEAD:
            queue.move_to_end(g, last=False)
        self.where[g] = (TAIL if kind in (GLOBAL, HEAD) else kind, p)
        self._grow(p, 1)

    def remove(self, g):
        """g is in none from now on."""
        if self._out(g) and self.log is not None:
            self.log.append((g, MOVE_OUT, 0))

    def _out(self, g):
        key = self.where.pop(g, None)
        if key is not None:
            del self.queues[key][g]
            self._grow(key[1], -1)
        return key is not None

    def take(self, owner, n):
        """The first n of a ring, or of the global queue, in order; they are in none now."""
        queue = self.queue(TAIL, owner)
        taken = []
        while queue and len(taken) < n:
            taken.append(next(iter(queue)))
            self.remove(taken[-1])
        return taken

    def steal(self, first, n, victim, thief):
        """n from the victim's ring, the oldest of them `first`: the last runs, the rest move."""
        if first in self.queue(INBOX, victim):
            for g in list(self.queue(INBOX, victim)):
                self.put(g, TAIL, victim)
        if first not in self.queue(TAIL, victim):
            self.remove(first)  # it was runnext, or nobody saw it come
            return [first]
        taken = self.take(victim, n)
        for g in taken[:-1]:
            self.put(g, TAIL, thief)
        return taken

    def fetch(self, n, p):
        """n from the global queue: the first runs, the rest go to P's ring."""
        taken = self.take(GLOBAL_QUEUE, n)
        for g in taken[1:]:
            self.put(g, TAIL, p)
        return taken

    def spill(self, n, p):
        """n of P's oldest go to the global queue."""
        taken = self.take(p, n)
        for g in taken:
            self.put(g, GLOBAL, p)
        return taken
