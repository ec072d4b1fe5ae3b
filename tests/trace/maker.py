"""Makes trace files for tests: by hand, record for record, or by a small scheduler with dice.

Maker numbers the goroutines' events as the runtime does. Dice plays a machine that obeys the model:
what it writes is right by construction, and it knows what the converter must find.
"""
import random
import struct
import zlib

from tracelib import records as r

CLOCK = 10_000_000
REASONS = ("", "sleep", "chan receive", "sync.Mutex.Lock", "select", "IO wait")
BEGIN = 5_000_000


class Maker:
    def __init__(self, harts=2, clock=CLOCK, newest=False, base=0x80200000):
        self.harts, self.clock, self.newest, self.base = harts, clock, newest, base
        self.rings = {}    # (hart, kind): list of records
        self.lost = {}     # (hart, kind): how many
        self.numbers = {}  # goroutine: its next number
        self.now = BEGIN

    def ring(self, hart, kind=0):
        return self.rings.setdefault((hart, kind), [])

    def add(self, hart, kind, g=0, arg=0, aux=0, aux2=0, seq=None, text=None, ring=0, time=None):
        """One event at self.now; its number is counted here, unless the caller knows better."""
        if kind in r.STARRED and kind != r.G_CREATE:
            number = self.numbers.get(g, 0)
            if kind != r.G_STATUS:
                number += 1
            seq = number if seq is None else seq
            self.numbers[g] = number
        elif kind == r.G_CREATE:
            self.numbers[g] = 0
        records = self.ring(hart, ring)
        records.append(r.RECORD.pack(self.now if time is None else time, g, arg, kind, aux, aux2,
                                     seq or 0))
        for at in range(0, len(text or b""), 24):
            records.append(struct.pack("<24sB7x", text[at:at + 24], r.TEXT))

    def said(self, hart, kind, g, text, arg=0, aux=0, seq=0):
        """An event with text behind it, its length where the type has it."""
        if r.TEXT_LENGTH[kind] == r.AUX:
            self.add(hart, kind, g, arg, len(text), 0, seq, text)
        else:
            self.add(hart, kind, g, arg, aux, len(text), seq, text)

    def header(self):
        head = struct.pack("<8sIIQQQQIIIIIIQ", b"pinTRACE", 1, 32, self.clock, BEGIN, self.now,
                           self.base, self.harts, self.harts, self.harts, int(self.newest),
                           len(self.rings), len(REASONS), 0)
        reasons = b"".join(bytes((len(word),)) + word.encode() for word in REASONS)
        return head + reasons + bytes(-(len(head) + len(reasons)) % 8)

    def bytes(self):
        out = self.header()
        for (hart, kind), records in self.rings.items():
            out += struct.pack("<IIQQQ", hart, kind, len(records),
                               self.lost.get((hart, kind), 0), 0)
            out += b"".join(records)
        return out + struct.pack("<I", zlib.crc32(out))

    def lines(self):
        """The bytes as the machine sends them over its console, a list of lines (sched/traceout.c)."""
        data, lines = self.bytes(), []
        for at in range(0, len(data), 256):
            piece = data[at:at + 256]
            words = struct.unpack(f"<{(len(piece) + 7) // 8}Q", piece + bytes(-len(piece) % 8))
            lines.append(" ".join([f"%pinion-trace {at}", *(f"{word:x}" for word in words)]).encode())
        lines.append(f"%pinion-trace end {len(data)}".encode())
        return [b"%s #%08x\n" % (line, zlib.crc32(line)) for line in lines]

    def lose_oldest(self, hart, n, kind=0):
        """The ring overwrote its first n records."""
        ring = self.ring(hart, kind)
        del ring[:n]
        self.lost[hart, kind] = self.lost.get((hart, kind), 0) + n
        self.newest = True

    def lose_newest(self, hart, n, kind=0):
        """The ring was full n records before the end."""
        ring = self.ring(hart, kind)
        del ring[len(ring) - n:]
        self.lost[hart, kind] = self.lost.get((hart, kind), 0) + n


class Dice(Maker):
    """A machine with `harts` harts and as many Ps; step() lets a hart do something."""

    def __init__(self, harts=4, seed=1, skew=0, step_ticks=3, **more):
        super().__init__(harts, **more)
        self.dice = random.Random(seed)
        self.skew = [self.dice.randint(-skew, skew) for _ in range(harts)]
        self.step_ticks = step_ticks
        self.p_of = [None] * harts           # by hart
        self.g_of = [None] * harts
        self.section = {}                    # hart: (g, P or None when it was taken)
        self.free = list(range(harts))       # Ps
        self.next = [None] * harts           # by P
        self.rings_of = [[] for _ in range(harts)]
        self.everywhere = []                 # the global queue
        self.waiting = []
        self.regions = {}
        self.gs = self.tasks = 0
        self.order = {}                      # goroutine: its numbered events as they were
        self.counts = {"starts": 0, "steals": 0, "preemptions": 0, "creates": 0, "ends": 0,
                       "unblocks": 0, "events": 0}
        for hart in range(harts):
            self.ring(hart)
        self.gs = 1
        self.add(0, r.G_STATUS, 1, base_pc(1, self), r.RUNNING, 0, seq=0)
        self.p_of[0], self.g_of[0] = 0, 1
        self.free.remove(0)
        self.said(0, r.G_NAME, 1, b"main")

    def add(self, hart, kind, g=0, arg=0, aux=0, aux2=0, seq=None, text=None, ring=0, time=None):
        if kind in r.STARRED:
            self.order.setdefault(g, []).append(kind)
        self.counts["events"] += 1
        super().add(hart, kind, g, arg, aux, aux2, seq, text, ring, self.now + self.skew[hart])

    def put(self, hart, g):
        """To runnext, and who was there to the tail; returns the event's aux and aux2."""
        p = self.p_of[hart]
        if self.next[p] is not None:
            self.rings_of[p].append(self.next[p])
        self.next[p] = g
        return r.NEXT, p

    def spill(self, hart):
        p = self.p_of[hart]
        if len(self.rings_of[p]) > 8:
            self.everywhere += self.rings_of[p][:4]
            del self.rings_of[p][:4]
            self.add(hart, r.SPILL, 0, 4, 0, p)

    def start(self, hart, g):
        self.g_of[hart] = g
        self.counts["starts"] += 1
        self.add(hart, r.G_START, g, 0, 0, self.p_of[hart])

    def step(self):
        self.now += self.dice.randrange(self.step_ticks)
        hart = self.dice.randrange(self.harts)
        if hart in self.section:
            self.section_ends(hart)
        elif self.p_of[hart] is None:
            if self.free and (self.everywhere or any(self.rings_of) or self.dice.random() < .1):
                self.p_of[hart] = self.free.pop(self.dice.randrange(len(self.free)))
                self.add(hart, r.P_START, 0, 0, 0, self.p_of[hart])
        elif self.g_of[hart] is None:
            self.pick(hart)
        else:
            self.run(hart)

    def pick(self, hart):
        p, victim = self.p_of[hart], self.dice.randrange(self.harts)
        if self.next[p] is not None and self.dice.random() < .05:
            g, self.next[p] = self.next[p], None
            self.everywhere.append(g)
            self.counts["preemptions"] += 1
            self.add(hart, r.G_BEHIND, g, 0, 0, p)
        elif self.next[p] is not None:
            g, self.next[p] = self.next[p], None
            self.start(hart, g)
        elif self.rings_of[p]:
            self.start(hart, self.rings_of[p].pop(0))
        elif self.everywhere:
            n = min(len(self.everywhere), 3)
            taken, self.everywhere = self.everywhere[:n], self.everywhere[n:]
            self.rings_of[p] += taken[1:]
            self.add(hart, r.GLOBAL_GET, 0, n, 0, p)
            self.start(hart, taken[0])
        elif self.rings_of[victim]:
            n = (len(self.rings_of[victim]) + 1) // 2
            taken, self.rings_of[victim] = (self.rings_of[victim][:n], self.rings_of[victim][n:])
            self.rings_of[p] += taken[:-1]
            self.counts["steals"] += 1
            self.add(hart, r.STEAL, taken[0], n, 0, victim)
            self.start(hart, taken[-1])
        elif any(self.g_of) and self.dice.random() < .5:
            self.free.append(p)
            self.p_of[hart] = None
            self.add(hart, r.P_STOP, 0, 0, 1, p)
        else:
            self.wake(hart, 0)

    def wake(self, hart, waker):
        if not self.waiting:
            return self.create(hart)
        g = self.waiting.pop(self.dice.randrange(len(self.waiting)))
        self.counts["unblocks"] += 1
        self.add(hart, r.G_UNBLOCK, g, waker, *self.put(hart, g))
        if waker and self.dice.random() < .2:
            self.add(hart, r.IPI_SEND, 0, self.dice.randrange(self.harts), 0)
        self.spill(hart)

    def create(self, hart):
        self.gs += 1
        self.counts["creates"] += 1
        self.add(hart, r.G_CREATE, self.gs, base_pc(self.gs % 7, self), *self.put(hart, self.gs),
                 seq=0x40 + self.gs % 5)
        if self.gs % 3 == 0:
            self.said(hart, r.G_NAME, self.gs, f"worker {self.gs} \"\\\n".encode())
        self.spill(hart)

    def stop(self, hart):
        g, self.g_of[hart] = self.g_of[hart], None
        return g

    def run(self, hart):
        g, p, chance = self.g_of[hart], self.p_of[hart], self.dice.random()
        if chance < .25:
            self.wake(hart, g)
        elif chance < .35 and self.gs - self.counts["ends"] < 60:
            self.create(hart)
        elif chance < .40:
            self.said(hart, r.LOG, g, b"numbers" + str(self.now).encode(), 0, 7)
        elif chance < .50:
            self.region(hart, g)
        elif chance < .55:
            self.stop(hart)
            self.section[hart] = (g, p)
            self.p_of[hart] = None
            self.add(hart, r.SECTION_ENTER, g, 0, 0, p)
        elif chance < .60:
            self.rings_of[p].append(self.stop(hart))
            self.add(hart, r.G_SCHED, g, 0, r.TAIL, p)
        elif chance < .65:
            self.everywhere.append(self.stop(hart))
            self.counts["preemptions"] += 1
            self.add(hart, r.G_PREEMPT, g, 0, r.PREEMPT_SLICE)
        elif chance < .72 and g != 1:
            self.stop(hart)
            self.regions.pop(g, None)
            self.counts["ends"] += 1
            self.add(hart, r.G_END, g)
        else:
            self.waiting.append(self.stop(hart))
            self.add(hart, r.G_BLOCK, g, 0, self.dice.randrange(1, len(REASONS)))

    def region(self, hart, g):
        names = self.regions.setdefault(g, [])
        if names and self.dice.random() < .6:
            self.said(hart, r.REGION_END, g, names.pop(), 0)
        else:
            names.append(b"region %d" % self.dice.randrange(4))
            self.said(hart, r.REGION_BEGIN, g, names[-1], 0)

    def section_ends(self, hart):
        g, p = self.section[hart]
        if p is not None and self.dice.random() < .3:
            thief = self.dice.randrange(self.harts)
            if thief != hart:
                self.add(thief, r.RETAKE, 0, hart, 0, p)
                self.free.append(p)
                self.section[hart] = (g, None)
            return
        del self.section[hart]
        if p is not None:
            self.p_of[hart], self.g_of[hart] = p, g
            self.add(hart, r.SECTION_EXIT, g, 0, r.EXIT_WITH_ITS_P, p)
        elif self.free:
            p = self.p_of[hart] = self.free.pop()
            self.g_of[hart] = g
            self.add(hart, r.SECTION_EXIT, g, 0, r.EXIT_WITH_ANOTHER, p)
        else:
            self.everywhere.append(g)
            self.add(hart, r.SECTION_EXIT, g, 0, r.EXIT_QUEUED)

    def play(self, events):
        while self.counts["events"] < events:
            self.step()
        return self


def base_pc(n, maker):
    return maker.base + 0x100 * n
