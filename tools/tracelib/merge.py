"""One order of events out of many rings.

A ring is in order. Between rings the time decides, but it is coarse (10 MHz puts many events into
one tick) and the harts' reading of it may differ a little. So

R1  the events of one goroutine come in the order of their numbers (records: STARRED), whatever the
    times say. All numbers that are in the file are gathered first: where records were lost, the
    next one is the next that is there, and nothing waits for an event that will never come.
R2  a P is taken after it was let go, and the first of the stolen is runnable before it is stolen.
    These carry no number; so such an event waits SLACK for the one that it lacks, not longer.
R3  times never go back: an event that had to wait gets the time of the one it waited for.

The real order obeys R1, so a merge that obeys it gets to the end; if it does not, the file
contradicts itself, and the oldest of the waiting is let through (`forced` counts them).
"""
import heapq
from array import array

from tracelib.records import (EXIT_QUEUED, G_BLOCK, G_CREATE, G_END, G_START, P_START, P_STOP,
                              RETAKE, SECTION_ENTER, SECTION_EXIT, STARRED, STEAL)

SLACK_HZ = 500_000  # one of this of a second: 2 µs

# After these of its events, a goroutine cannot be stolen.
NOT_RUNNABLE = frozenset((G_START, G_BLOCK, G_END, SECTION_ENTER))


class _Head:
    """Where a ring has got to: its next record."""
    __slots__ = ("ring", "source", "record", "text", "waited", "forced")

    def __init__(self, ring):
        self.ring, self.source = ring, iter(ring)
        self.advance()

    def advance(self):
        self.record, self.text = next(self.source, (None, None))
        self.waited = self.forced = False
        return self.record is not None


def _number(record):
    return 0 if record[3] == G_CREATE else record[6]


class Merge:
    """Iterating gives (time, ring, record, text), once."""

    def __init__(self, trace):
        self.forced = 0
        self.slack = max(2, trace.clock // SLACK_HZ)
        self.heads = [_Head(ring) for ring in trace.rings]
        self.numbers = self._gather(trace.rings)
        self.place = dict.fromkeys(self.numbers, 0)  # of each goroutine in its numbers
        self.waiting = {}                            # goroutine: heads that wait for its turn
        self.last = {}                               # goroutine: type of its last event
        self.holder = {}                             # P: the hart that has it

    @staticmethod
    def _gather(rings):
        numbers = {}
        for ring in rings:
            for _, g, _, kind, _, _, seq in ring.raw():
                if kind in STARRED:
                    if g not in numbers:
                        numbers[g] = array("I")
                    numbers[g].append(0 if kind == G_CREATE else seq)
        return {g: array("I", sorted(seqs)) for g, seqs in numbers.items()}

    def __iter__(self):
        heap = [(head.record[0], i) for i, head in enumerate(self.heads) if head.record is not None]
        heapq.heapify(heap)
        now = 0
        while heap or self.waiting:
            if not heap:
                self._force(heap)
            due, i = heapq.heappop(heap)
            head = self.heads[i]
            record = head.record
            kind = record[3]
            if kind in STARRED:
                g = record[1]
                if not head.forced and _number(record) != self.numbers[g][self.place[g]]:
                    self.waiting.setdefault(g, []).append(i)  # R1
                    continue
            elif not head.waited and self._lacks(head.ring.hart, record):
                head.waited = True
                heapq.heappush(heap, (due + self.slack, i))  # R2
                continue
            now = max(now, record[0])  # R3
            yield now, head.ring, record, head.text
            self._passed(head.ring.hart, record, heap)
            if head.advance():
                heapq.heappush(heap, (head.record[0], i))

    def _passed(self, hart, record, heap):
        kind = record[3]
        if kind in STARRED:
            g = record[1]
            self.place[g] += 1
            self.last[g] = kind if kind != SECTION_EXIT or record[4] == EXIT_QUEUED else G_START
            for i in self.waiting.pop(g, ()):
                heapq.heappush(heap, (self.heads[i].record[0], i))
        elif kind == P_START:
            self.holder[record[5]] = hart
        elif kind in (P_STOP, RETAKE):
            self.holder.pop(record[5], None)

    def _force(self, heap):
        """All wait: the file contradicts itself. The oldest goes."""
        i = min((i for heads in self.waiting.values() for i in heads),
                key=lambda i: self.heads[i].record[0])
        g = self.heads[i].record[1]
        self.waiting[g].remove(i)
        if not self.waiting[g]:
            del self.waiting[g]
        self.heads[i].forced = True
        heapq.heappush(heap, (self.heads[i].record[0], i))
        self.forced += 1

    def _lacks(self, hart, record):
        """R2."""
        if record[3] == P_START:
            return self.holder.get(record[5], hart) != hart
        if record[3] == STEAL:
            g = record[1]
            return self.last.get(g) in NOT_RUNNABLE or (g in self.place and g not in self.last)
        return False
