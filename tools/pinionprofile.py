"""Makes profiles that `go tool pprof` opens of the lines that a machine sends (sched/profile.c):

    %pinion-profile KIND begin PERIOD #CRC
    %pinion-profile KIND COUNT COUNT @ ADDRESS ADDRESS … #CRC
    %pinion-profile KIND end LINES LOST DURATION #CRC

A Reader takes bytes as they come, with whatever stands between such lines; encode() makes
profile.proto of a Profile. Its addresses have no names: pprof finds them in the ELF, as its mapping
says which part of that file lay where.
"""
import bisect
import math
import os
import struct

from pinionframes import Frames

MILLION = 1000000

# What is counted, as Go's profiles of the same kinds have it: types and units of the values of a
# sample, those of the period, and the value that is shown first.
KINDS = {
    "cpu": ((("samples", "count"), ("cpu", "nanoseconds")), ("cpu", "nanoseconds"), "cpu"),
    "heap": ((("alloc_objects", "count"), ("alloc_space", "bytes"), ("inuse_objects", "count"),
              ("inuse_space", "bytes")), ("space", "bytes"), "inuse_space"),
    "mutex": ((("contentions", "count"), ("delay", "nanoseconds")), ("contentions", "count"), "delay"),
    "block": ((("contentions", "count"), ("delay", "nanoseconds")), ("contentions", "count"), "delay"),
    "goroutine": ((("goroutine", "count"),), ("goroutine", "count"), "goroutine"),
}

# Functions that do it for their callers, who are wanted (sched/malloc.c, libc.c, mutex.c, rwmutex.c; park.c,
# and all that calls g_park).
LEFT_OUT = {
    "heap": {"heap_note", "heap_allocate", "malloc_long", "malloc_slow", "heap_malloc", "malloc",
             "heap_calloc", "calloc", "heap_realloc", "realloc", "heap_aligned", "aligned_alloc",
             "memalign", "posix_memalign", "_malloc_r", "_calloc_r", "_realloc_r", "_memalign_r"},
    "mutex": {"mutex_profile_event", "unlock_any", "unlock_again", "mutex_unlock_slow_",
              "count_and_ready", "rwmutex_unlock_slow_", "rwmutex_runlock_slow_"},
    "block": {"count_wait", "block_profile_park", "g_park_noted", "park_slowly", "g_park", "lot_park",
              "wait_for", "mutex_lock_slow_", "cond_wait",
              "waitgroup_wait", "semaphore_acquire_slow_", "rwmutex_rlock_slow_", "rwmutex_lock_slow_",
              "send_wait", "send_any", "send_again", "send_word_over", "chan_send", "recv_wait",
              "recv_time", "recv_any", "recv_again", "recv_word_wait", "recv_word_over", "chan_recv",
              "wait_for_few", "wait_for_one", "wait_for_two", "run", "select_few", "select_many",
              "chan_select"},
}


def values_of(kind, period, counts, stack):
    """The values of a sample, and its addresses, from a line's counts and addresses."""
    if kind == "cpu":
        return (counts[0], counts[0] * period), stack
    if kind in ("mutex", "block"):
        return counts, stack
    if kind == "heap":  # an object of n bytes was sampled with a probability of 1 - e^(-n/period)
        size, *stack = stack
        scale = 1 if period <= 1 else -1 / math.expm1(-size / period)
        made, there = counts[0] * scale, (counts[0] - counts[1]) * scale
        return (made, made * size, there, there * size), tuple(stack)
    return counts[:1], stack


class Profile:
    def __init__(self, kind, period):
        self.kind, self.period = kind, period
        self.samples = {}  # addresses, innermost first: values
        self.lost, self.duration = 0, 0
        self.lines, self.wanted = 0, None  # wanted: how many there should be; None: no end yet

    def add(self, counts, stack):
        values, stack = values_of(self.kind, self.period, counts, stack)
        known = self.samples.get(stack, (0,) * len(values))
        self.samples[stack] = tuple(a + b for a, b in zip(known, values))
        self.lines += 1

    def leave_out(self, names, elf):
        """The innermost addresses that lie in functions of these names go. Of a heap's stack the first
        says whose call it was, if it is known, and takes their place."""
        name, samples, self.samples = namer(elf), self.samples, {}
        for stack, values in samples.items():
            by, stack = (stack[:1], stack[1:]) if self.kind == "heap" else ((), stack)
            while stack and name(stack[0]).split(".")[0] in names:
                stack = stack[1:]
            if any(by) and stack[:1] != by:
                stack = by + stack
            known = self.samples.get(stack, (0,) * len(values))
            self.samples[stack] = tuple(a + b for a, b in zip(known, values))

    def total(self, value=0):
        return sum(v[value] for v in self.samples.values())

    def complaint(self):
        """A sentence on what is missing, or None."""
        if self.wanted is None:
            return f"the {self.kind} profile has no end: what there is of it is used"
        if self.lines != self.wanted:
            return (f"of {self.wanted} stacks of the {self.kind} profile {self.lines} have come "
                    "undamaged: they are used")
        if self.lost:
            return (f"the {self.kind} profile lacks {self.lost} samples: harts were held up, by a busy "
                    "host or with interrupts masked, or there was no room")
        return None


class Reader(Frames):
    """feed() it bytes; profiles: those that have begun, in order."""

    def __init__(self):
        super().__init__("profile")
        self.profiles, self.open = [], {}

    def take(self, words):
        kind, *words = words
        if kind not in KINDS:
            self.damaged += 1
        elif words[0] == "begin":
            self.open[kind] = Profile(kind, int(words[1]))
            self.profiles.append(self.open[kind])
        elif kind not in self.open:
            self.damaged += 1
        elif words[0] == "end":
            profile = self.open.pop(kind)
            profile.wanted, profile.lost, profile.duration = map(int, words[1:4])
        elif words[2] == "@":
            self.open[kind].add((int(words[0]), int(words[1])),
                                tuple(int(word, 16) for word in words[3:]))
        else:
            raise ValueError


class Elf:
    """What a profile needs of a 64-bit little-endian ELF file. OSError, ValueError."""

    def __init__(self, path):
        self.path = os.path.abspath(path)
        with open(path, "rb") as file:
            self.data = file.read()
        if self.data[:6] != b"\x7fELF\x02\x01":
            raise ValueError(f"{path} is no 64-bit little-endian ELF file")
        (self.segments_at, self.sections_at, _, _, self.segment_size, self.n_segments,
         self.section_size, self.n_sections) = struct.unpack_from("<QQIHHHHH", self.data, 32)

    def code(self):
        """(start, limit, file offset) of the segment that can be executed."""
        for i in range(self.n_segments):
            kind, flags, offset, address, _, _, size = struct.unpack_from(
                "<IIQQQQQ", self.data, self.segments_at + i * self.segment_size)
            if kind == 1 and flags & 1:
                return address, address + size, offset
        raise ValueError(f"{self.path} has no code")

    def functions(self):
        """[(address, name)] of its functions, ascending."""
        sections = [struct.unpack_from("<IIQQQQIIQQ", self.data,
                                       self.sections_at + i * self.section_size)
                    for i in range(self.n_sections)]
        found = {}
        for section in sections:
            if section[1] != 2:  # SHT_SYMTAB
                continue
            names = sections[section[6]][4]
            for at in range(section[4], section[4] + section[5], 24):
                name, info, _, index, value, _ = struct.unpack_from("<IBBHQQ", self.data, at)
                if info & 15 in (0, 2) and index != 0 and name:  # no type, as in assembly, or FUNC
                    text = self.data[names + name:self.data.index(b"\0", names + name)].decode()
                    if not text.startswith((".", "$")) and (info & 15 == 2 or value not in found):
                        found[value] = text
        return sorted(found.items())


def namer(elf):
    """A function that says which function an address lies in."""
    functions = elf.functions()
    starts = [address for address, _ in functions]

    def name(address):
        at = bisect.bisect_right(starts, address) - 1
        return functions[at][1] if at >= 0 else hex(address)

    return name


def by_function(profile, elf, value):
    """{function: (flat, cumulative)} of one value of the samples."""
    name = namer(elf)
    flat, cumulative = {}, {}
    for stack, values in profile.samples.items():
        names = [name(address) for address in stack]
        if names:
            flat[names[0]] = flat.get(names[0], 0) + values[value]
        for one in set(names):
            cumulative[one] = cumulative.get(one, 0) + values[value]
    return {one: (flat.get(one, 0), cumulative[one]) for one in cumulative}


# ---- profile.proto

def varint(n):
    n &= (1 << 64) - 1
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


def number(field, n):
    return varint(field << 3) + varint(n) if n else b""


def piece(field, data):
    return varint(field << 3 | 2) + varint(len(data)) + data


def packed(field, numbers):
    return piece(field, b"".join(map(varint, numbers)))


def encode(profile, elf):
    """The bytes of a profile.proto."""
    strings = {"": 0}

    def string(text):
        return strings.setdefault(text, len(strings))

    def value_type(field, kind_and_unit):
        return piece(field, number(1, string(kind_and_unit[0])) + number(2, string(kind_and_unit[1])))

    types, period_type, first = KINDS[profile.kind]
    start, limit, offset = elf.code()
    out = [value_type(1, one) for one in types]
    locations = {}
    for stack, values in profile.samples.items():
        ids = [locations.setdefault(address, len(locations) + 1) for address in stack]
        out.append(piece(2, packed(1, ids) + packed(2, map(round, values))))
    out.append(piece(3, number(1, 1) + number(2, start) + number(3, limit) + number(4, offset)
                     + number(5, string(elf.path))))
    for address, no in locations.items():
        inside = start <= address < limit
        out.append(piece(4, number(1, no) + number(2, 1 if inside else 0) + number(3, address)))
    out.append(number(10, profile.duration))
    out.append(value_type(11, period_type))
    out.append(number(12, profile.period))
    out.append(number(14, string(first)))
    table = b"".join(piece(6, text.encode()) for text in strings)  # in the order of their numbers
    return b"".join(out) + table


def write_files(reader, elf_path, folder, say):
    """Writes KIND.pb, KIND.2.pb … below folder for what reader has; say() is called with a sentence on
    each. False: something is missing. OSError, ValueError."""
    whole, seen = not reader.damaged, {}
    if reader.damaged:
        say(f"{reader.damaged} damaged lines of profiles are left out")
    elf = Elf(elf_path)
    for profile in reader.profiles:
        seen[profile.kind] = n = seen.get(profile.kind, 0) + 1
        path = os.path.join(folder, profile.kind + (f".{n}" if n > 1 else "") + ".pb")
        os.makedirs(folder, exist_ok=True)
        profile.leave_out(LEFT_OUT.get(profile.kind, ()), elf)
        with open(path, "wb") as file:
            file.write(encode(profile, elf))
        complaint = profile.complaint()
        if complaint:
            say(complaint)
            whole = whole and profile.lines == profile.wanted
        say(f"{path}: {summary(profile)}; look at it with: go tool pprof -top {elf_path} {path}")
    return whole


def summary(profile):
    if profile.kind == "cpu":
        return (f"{profile.total()} samples, one each {profile.period / MILLION:g} ms, "
                f"of {profile.duration / MILLION:.0f} ms")
    if profile.kind == "heap":
        return (f"{round(profile.total(3)) >> 10} KiB in {round(profile.total(2))} objects of "
                f"{round(profile.total(1)) >> 10} KiB allocated")
    if profile.kind in ("mutex", "block"):
        return f"{profile.total()} waits of {profile.total(1) / MILLION:.3f} ms in all"
    return f"{profile.total()} goroutines"
