"""save trace FILE: the rings of a stopped program, as the file that it would write itself (sched/tracing.c;
docs/trace.md has the format).

A hart may have stopped in the middle of a record: that one is not counted yet, but where the newest are
kept it lies in an oldest one's place; two of those are left out (trace_kept in sched/tracing.c).
"""
import struct
import zlib

import gdb

from pinion_gdb.command import Command
from pinion_gdb.program import label, memory, variable, wait_name
from pinion_gdb.view import View

RECORD, TEXT = 32, 31
AT_ONCE = 1 << 16  # bytes: a stub may refuse more


def bytes_at(address, n):
    return b"".join(memory(address + at, min(AT_ONCE, n - at)) for at in range(0, n, AT_ONCE))


def ring_bytes(ring):
    """(records that are whole, the oldest first; how many were lost)."""
    first, next_, begin, again, again_end, before = (
        int(ring[field]) for field in ("first", "next", "begin", "again", "again_end", "before"))
    if first == 0:
        return b"", 0
    size = (again_end if again == first else again) - first
    if not 0 < size <= RECORD << 30 or size % RECORD:
        raise gdb.GdbError(f"A ring of {size} bytes makes no sense.")
    if before == 0:
        data = bytes_at(first, next_ - first)
    elif again != first:
        data = bytes_at(first, size)
    else:
        data, oldest = bytes_at(first, size), (next_ - first + 2 * RECORD) % size
        data = (data[oldest:] + data[:oldest])[:-2 * RECORD]
    return data, before + (next_ - begin - len(data)) // RECORD


def newest(rings, begun):
    """The time of the last record."""
    times = [begun]
    for data in rings:
        for at in range(len(data) - RECORD, -1, -RECORD):
            if data[at + 24] != TEXT:
                times.append(struct.unpack_from("<Q", data, at)[0])
                break
    return max(times)


def reasons():
    n = variable("wait_names", "traceback.c").type.range()[1] + 1
    text = b"".join(bytes((len(name),)) + name for name in (wait_name(i).encode() for i in range(n)))
    return n, text + bytes(-len(text) % 8)


def trace_file(view):
    begun = int(variable("begun_at", "tracing.c"))
    rings = [(i, kind, *ring_bytes(m["trace"][kind])) for i, m in enumerate(view.ms) for kind in (0, 1)]
    code = bytes_at(label("__text_start"), label("__text_used_end") - label("__text_start"))
    n_reasons, names = reasons()
    round_ = all(int(m["trace"][0]["again"]) == int(m["trace"][0]["first"]) for m in view.ms)
    out = struct.pack("<8sIIQQQQ8I", b"pinTRACE", 1, RECORD, int(variable("hertz", "clock.c")), begun,
                      newest([ring[2] for ring in rings], begun), label("__text_start"), view.n_m, view.n_m,
                      int(variable("begun_p", "tracing.c")), round_, len(rings), n_reasons, len(code),
                      zlib.crc32(code)) + names
    for hart, kind, data, lost in rings:
        out += struct.pack("<IIQQQ", hart, kind, len(data) // RECORD, lost, 0) + data
    return out + struct.pack("<I", zlib.crc32(out)), sum(len(ring[2]) for ring in rings) // RECORD


class SaveTrace(Command):
    """Writes the execution trace that is in the program's memory into a file.

save trace FILE

For tools/pinion-trace, in the form in which the program would write it: the trace that is on, or the last one
if that has ended. Wants a program that runs with pinion.trace or has called runtime_trace_start."""
    KIND = gdb.COMMAND_FILES

    def run(self, argument):
        if not argument:
            raise gdb.GdbError("save trace FILE: into which file?")
        view = View()
        if all(int(m["trace"][0]["first"]) == 0 for m in view.ms):
            raise gdb.GdbError("There is no trace: run the program with ARGS=pinion.trace.")
        data, n = trace_file(view)
        try:
            with open(argument, "wb") as file:
                file.write(data)
        except OSError as error:
            raise gdb.GdbError(f"{argument}: {error.strerror}") from None
        print(f"{argument}: {n} records; look at them with: tools/pinion-trace {argument} --elf ELF --out FOLDER")
