"""The file: header, wait reasons, rings, check sum.

Of a trace that came over a console (lines.py) some may be missing in the middle: a record that lies there
is left out and counts as lost.

What is wrong with a file is said in Trace.complaints, and what is there is kept: a file that is cut
off has fewer records in its last ring, or fewer rings. Only a file without a sound header is of no
use (BadTrace). Records stay bytes until somebody asks for them: 1,000,000 are 32 MB so.
"""
import struct
import zlib

from tracelib import lines, records

HEADER = struct.Struct("<8sIIQQQQIIIIIIII")
RING = struct.Struct("<IIQQQ")
MAGIC = b"pinTRACE"
VERSION = 1
OWN, INTERRUPTS = 0, 1  # kinds of rings
MOST = 4096             # harts, rings or reasons: more is a damaged header


class BadTrace(Exception):
    """The file cannot be converted at all; says why."""


class Ring:
    """One hart's records, oldest first; iterating gives (record, text or None)."""

    def __init__(self, hart, kind, lost, data):
        self.hart, self.kind, self.lost, self.data = hart, kind, lost, data

    def __len__(self):
        return len(self.data) // records.RECORD.size

    def raw(self):
        return records.RECORD.iter_unpack(self.data)

    def __iter__(self):
        source = self.raw()
        record = next(source, None)
        while record is not None:
            follower = None
            if record[3] in records.TEXT_LENGTH:
                text, follower = self._text(record, source)
                yield record, text
            elif record[3] != records.TEXT:  # one whose leader was overwritten is skipped
                yield record, None
            record = follower or next(source, None)

    @staticmethod
    def _text(leader, source):
        """The text of a leader; and the record behind it, if that came before the text's end."""
        length = leader[records.TEXT_LENGTH[leader[3]]]
        text = b""
        while len(text) < length:
            follower = next(source, None)
            if follower is None or follower[3] != records.TEXT:
                return text, follower
            text += struct.pack("<QQQ", *follower[:3])
        return text[:length], None


class Trace:
    """A file that was read: its header's facts, its rings, and what is wrong with it."""

    def __init__(self, data, holes=(), complaints=()):
        self.complaints, self.holes = list(complaints), holes
        if len(data) < HEADER.size:
            raise BadTrace(f"{len(data)} bytes are no trace: its header alone has {HEADER.size}")
        if self._torn(0, HEADER.size):
            raise BadTrace("its header has not come undamaged")
        (magic, version, record_bytes, self.clock, self.begin, self.end, self.base, self.harts,
         self.ps, self.gomaxprocs, flags, n_rings, n_reasons, *self.code) = HEADER.unpack_from(data)
        if magic != MAGIC:
            raise BadTrace(f"no trace of this runtime: it begins with {magic!r}, not {MAGIC!r}")
        if version != VERSION:
            raise BadTrace(f"version {version} of the trace format; this tool knows {VERSION}")
        if record_bytes != records.RECORD.size:
            raise BadTrace(f"records of {record_bytes} bytes; they should have {records.RECORD.size}")
        if self.clock == 0 or max(self.harts, self.ps, n_rings, n_reasons) > MOST:
            raise BadTrace("the header is damaged: a clock of 0 Hz, or more harts than can be")
        self.kept_newest = bool(flags & 1)
        self.reasons, at = self._reasons(data, n_reasons)
        self.rings, at = self._rings(data, at, n_rings)
        self._check_sum(data, at)
        self.lost = sum(ring.lost for ring in self.rings)

    def _torn(self, start, end):
        return any(low < end and start < high for low, high in self.holes)

    def _sound(self, data, start, end):
        """The whole records between the two."""
        size = records.RECORD.size
        if not self._torn(start, end):
            return data[start:end]
        return b"".join(data[at:at + size] for at in range(start, end, size) if not self._torn(at, at + size))

    def __len__(self):
        return sum(len(ring) for ring in self.rings)

    def reason(self, number):
        return self.reasons[number] if number < len(self.reasons) else f"reason {number}"

    def _reasons(self, data, n):
        reasons, at = [], HEADER.size
        for _ in range(n):
            length = data[at] if at < len(data) else 0
            reasons.append(records.text_of(data[at + 1:at + 1 + length]))
            at += 1 + length
        return reasons, (at + 7) & ~7

    def _rings(self, data, at, n):
        rings, size = [], records.RECORD.size
        for i in range(n):
            if len(data) < at + RING.size:
                self.complaints.append(f"cut off: {n - i} of {n} rings are missing")
                return rings, None
            hart, kind, count, lost, _ = RING.unpack_from(data, at)
            if self._torn(at, at + RING.size):
                self.complaints.append(f"the head of a ring at byte {at} has not come: "
                                       f"{n - i} of {n} rings are left out")
                return rings, None
            if hart >= MOST:
                self.complaints.append(f"damaged: a ring of hart {hart} at byte {at}; "
                                       f"{n - i} of {n} rings are left out")
                return rings, None
            at += RING.size
            there = min(count, (len(data) - at) // size)
            sound = self._sound(data, at, at + there * size)
            rings.append(Ring(hart, kind, lost + there - len(sound) // size, sound))
            at += there * size
            if there < count:
                which = "ring" if kind == OWN else "ring of interrupts"
                self.complaints.append(f"cut off: hart {hart}'s {which} has {there} "
                                       f"of {count} records, {n - i - 1} rings are missing")
                return rings, None
        return rings, at

    def _check_sum(self, data, at):
        if at is None:
            return
        if len(data) < at + 4:
            self.complaints.append("cut off: the check sum is missing")
            return
        stored, real = struct.unpack_from("<I", data, at)[0], zlib.crc32(data[:at])
        if stored != real and not self.holes:
            self.complaints.append(f"damaged: its check sum is {stored:#010x}, "
                                   f"but the bytes give {real:#010x}")
        if len(data) > at + 4:
            self.complaints.append(f"{len(data) - at - 4} bytes follow the end")


def read(path, number=1):
    """The trace in a file; of a console's log, the one of that number."""
    with open(path, "rb") as file:
        data = memoryview(file.read())
    if data[:len(MAGIC)] == MAGIC or lines.MARK not in data.obj:
        return Trace(data)
    carried = lines.traces_in(data)
    if not 1 <= number <= len(carried):
        raise BadTrace(f"it has lines of {len(carried)} traces, and none of number {number}")
    one = carried[number - 1]
    return Trace(memoryview(bytes(one.data)), one.holes, one.complaints())
