"""A trace that comes as lines on a console (sched/traceout.c):

    %pinion-trace AT WORD WORD … #CRC
    %pinion-trace end BYTES #CRC

AT and BYTES count bytes, in decimal; words are of eight bytes, in hexadecimal. What does not come
undamaged is a hole: the bytes are zeros, and Carried.holes says where. The reader leaves out what lies there.
"""
import struct

from pinionframes import Frames

MARK = b"%pinion-trace "
MOST = 1 << 34  # bytes of a trace: a larger place is damage that the check sum has not seen


class Carried:
    """The bytes of one trace, and [from, to) of what is missing of them."""

    def __init__(self):
        self.data, self.holes, self.ended = bytearray(), [], False

    def skip_to(self, at):
        if at > len(self.data):
            self.holes.append((len(self.data), at))
            self.data += bytes(at - len(self.data))

    def complaints(self):
        missing = sum(end - start for start, end in self.holes)
        if missing:
            yield (f"{missing} of {len(self.data)} bytes have not come undamaged over the line: "
                   "what they held is left out")
        if not self.ended:
            yield "cut off: its last line has not come"


class Lines(Frames):
    """traces: those that have begun, in order."""

    def __init__(self):
        super().__init__("trace")
        self.traces = []

    def take(self, words):
        at = int(words[1] if words[0] == "end" else words[0])
        if not 0 <= at < MOST:
            raise ValueError
        data = struct.pack(f"<{len(words) - 1}Q", *(int(word, 16) for word in words[1:])) \
            if words[0] != "end" else b""
        trace = self.traces[-1] if self.traces else None
        # Behind an end, or before what is there already, another one begins.
        if trace is None or trace.ended or (words[0] != "end" and at < len(trace.data)):
            trace = Carried()
            self.traces.append(trace)
        if words[0] == "end":
            trace.skip_to(at)
            del trace.data[at:]
            trace.ended = True
        else:
            trace.skip_to(at)
            trace.data += data


def traces_in(log):
    lines = Lines()
    lines.feed(bytes(log) + b"\n")
    return lines.traces
