"""One order of events out of many rings.

A ring is in order. Between rings the time decides, but it is coarse (10 MHz puts many events into
one tick) and the harts' reading of it may differ a little. So

R1  the events of one goroutine come in the order of their numbers (records: STARRED), whatever the
    times say. All numbers that are in the file are gathered first: where records were lost, the
    next one is the next that is there, and nothing waits for an event that will never come.
R2  a P is taken after it was let go, from a section after that was entered and before it ends
    without the P, and the first of the stolen is runnable before it is stolen. These carry no
    number; so such an event waits SLACK for the one that it lacks, not longer.
R3  times never go back: an event that had to wait gets the time of the one it waited for.

The real order obeys R1, so a merge that obeys it gets to the end; if it does not, the file
contradicts itself, and the oldest of the waiting is let through (`forced` counts them).
"""
import heapq
from array import array

from tracelib.records import (EXIT_QUEUED, EXIT_WITH_ITS_P, G_BLOCK, G_CREATE, G_END, G_START,
                              P_START, P_STOP, RETAKE, SECTION_ENTER, SECTION_EXIT, STARRED, STEAL)

SLACK_HZ = 500_000  # one of this of a second: 2 µs

# After these of its events, a goroutine cannot be stolen.
NOT_RUNNABLE = frozenset((G_START, G_BLOCK, G_END, SECTION_ENTER))
MAY_LACK = frozenset((P_START, STEAL, RETAKE, SECTION_EXIT))  # R2
P_MOVES = frozenset((P_START, P_STOP, RETAKE, SECTION_ENTER, SECTION_EXIT))


class _Head:
    """Where a ring has got to: its next record."""
    __slots__ = ("ring", "source", "record", "text", "waits", "tried")

    def __init__(self, ring):
        self.ring, self.source, self.tried = ring, iter(ring), 0
        self.advance()

    def advance(self):
        self.record, self.text = next(self.source, (None, None))
        self.waits = False  # R2; or R1 was given up
        self.tried += 1     # an entry of the heap with another number is void
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
        self.holder = {}                             # P: the hart that has it; ~hart: lent by it
        self.lent = {}                               # hart: the P of its last section
        self.lacking = set()                         # heads that wait by R2
        self.heap = []                               # (when to try, index of a head, its tried)

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
        heap = self.heap
        for i, head in enumerate(self.heads):
            if head.record is not None:
                self._push(i)
        now = 0
        while heap or self.waiting:
            if not heap:
                self._force()
            _, i, tried = heapq.heappop(heap)
            head = self.heads[i]
            if tried != head.tried:
                continue
            record = head.record
            kind = record[3]
            if not head.waits:
                if kind in STARRED:
                    g = record[1]
                    if _number(record) != self.numbers[g][self.place[g]]:
                        self.waiting.setdefault(g, []).append(i)  # R1
                        continue
                if kind in MAY_LACK and self._lacks(head.ring.hart, record):
                    head.waits = True
                    self.lacking.add(i)  # R2
                    heapq.heappush(heap, (record[0] + self.slack, i, tried))
                    continue
            elif self.lacking:
                self.lacking.discard(i)
            now = max(now, record[0])  # R3
            yield now, head.ring, record, head.text
            self._passed(head.ring.hart, record)
            if head.advance():
                self._push(i)

    def _push(self, i):
        heapq.heappush(self.heap, (self.heads[i].record[0], i, self.heads[i].tried))

    def _passed(self, hart, record):
        kind = record[3]
        if kind in STARRED:
            g = record[1]
            self.place[g] += 1
            self.last[g] = kind if kind != SECTION_EXIT or record[4] == EXIT_QUEUED else G_START
            for i in self.waiting.pop(g, ()):
                self._push(i)
        if kind in P_MOVES:
            self._move_p(hart, kind, record)
        for i in self.lacking and tuple(self.lacking):
            head = self.heads[i]
            if not self._lacks(head.ring.hart, head.record):
                self.lacking.discard(i)
                head.waits = False
                head.tried += 1
                self._push(i)

    def _move_p(self, hart, kind, record):
        p = record[5]
        if kind == P_START or (kind == SECTION_EXIT and record[4] != EXIT_QUEUED):
            self.holder[p] = hart
        elif kind in (P_STOP, RETAKE):
            self.holder.pop(p, None)
        elif kind == SECTION_ENTER:
            self.holder[p] = ~hart
            self.lent[hart] = p

    def _force(self):
        """All wait: the file contradicts itself. The oldest goes."""
        i = min((i for heads in self.waiting.values() for i in heads),
                key=lambda i: self.heads[i].record[0])
        g = self.heads[i].record[1]
        self.waiting[g].remove(i)
        if not self.waiting[g]:
            del self.waiting[g]
        self.heads[i].waits = True
        self._push(i)
        self.forced += 1

    def _lacks(self, hart, record):
        """R2."""
        _, g, arg, kind, aux, p, _ = record
        if kind == STEAL:
            return self.last.get(g) in NOT_RUNNABLE or (g in self.place and g not in self.last)
        if kind == RETAKE:
            return self.holder.get(p, ~arg) != ~arg
        if kind == SECTION_EXIT:
            if aux == EXIT_WITH_ITS_P:
                return False
            if self.holder.get(self.lent.get(hart)) == ~hart and self.lent.get(hart) != p:
                return True
            if aux == EXIT_QUEUED:
                return False
        return self.holder.get(p, hart) not in (hart, ~hart)
