"""info chans."""
import re

import gdb

from pinion_gdb.command import Command
from pinion_gdb.printers import describe_chan
from pinion_gdb.program import (address_of, label, linked, memory, offset_of, state, struct_at,
                                struct_type, variable, words_at)
from pinion_gdb.threads import selection_kept
from pinion_gdb.view import View

STACK_MAX = 64 << 20
SEARCH_MAX = 64 << 20  # bytes of the heap


class Channels:
    """The channels that somebody waits for.

    No list has them all, and a waiter does not say what it waits for, but a channel points to the
    first of those who wait. So: the records of those who wait lie on their stacks, and are found by
    the pointer to their goroutine in them. A select's lead to its cases, and these name their
    channels. From another the way goes to the first in its queue, and the channel is what points to
    that: it is looked for in the program's variables and in the heap, where chan_make puts them."""

    REASONS = "chan receive", "chan send", "select"

    def __init__(self, view):
        self.view = view
        self.by_address = {}  # channel -> [(goroutine's number, "receives" or "sends", in a select)]
        self.lost = []        # goroutines whose channel was not found
        self.firsts = {}      # waiter -> the first of its queue
        self.record = struct_type("chan_waiter").sizeof
        waiting = [g for g in view.goroutines() if state(g) in self.REASONS]
        heads = {}
        for g in waiting:
            try:
                self.place(g, heads)
            except (gdb.MemoryError, gdb.GdbError):
                self.lost.append(int(g["id"]))
        self.find_heads(heads)

    def add(self, chan, g, receives, select):
        self.by_address.setdefault(chan, []).append(
            (int(g["id"]), "receive" if receives else "send", select))

    def place(self, g, heads):
        with selection_kept():
            regs = self.view.registers(g)[1]
            sp, hi = regs[self.view.isa.SP] & ~7, int(g["stack"]["hi"])
            if not 0 < hi - sp <= STACK_MAX:
                raise gdb.MemoryError
            self.view.switch_to_seer(g, sp)
            stack = words_at(sp, (hi - sp) // 8)
            select = state(g) == "select"
            find = self.find_selection if select else self.find_waiter
            if not find(g, sp, hi, stack, heads):
                self.lost.append(int(g["id"]))

    def records(self, g, sp, stack):
        """What may be records of g on its stack."""
        return [struct_at(sp + 8 * i, "chan_waiter") for i in range(len(stack) - self.record // 8 + 1)
                if stack[i] == address_of(g)]

    def find_waiter(self, g, sp, _hi, stack, heads):
        receives = state(g) == "chan receive"
        for w in self.records(g, sp, stack):
            if int(w["won"]) == 0 and self.is_linked(w):
                heads.setdefault((self.first(w), receives), []).append(g)
                return True
        return False

    @staticmethod
    def is_linked(w):
        try:
            return all(int(w[there]) == 0 or
                       int(struct_at(w[there], "chan_waiter")[back]) == address_of(w)
                       for there, back in (("next", "prev"), ("prev", "next")))
        except gdb.MemoryError:
            return False

    def first(self, w):
        """Of w's queue. What was learnt on the way is kept: of thousands in a queue each asks."""
        way = []
        for at in linked(address_of(w), lambda at: struct_at(at, "chan_waiter")["prev"],
                         "a channel's queue"):
            if at in self.firsts:
                at = self.firsts[at]
                break
            way.append(at)
        self.firsts.update(dict.fromkeys(way, at))
        return at

    def find_selection(self, g, sp, hi, stack, _heads):
        for w in self.records(g, sp, stack):
            for kind, add in (("two", self.add_two), ("selection", self.add_cases)):
                at = int(w["won"]) - offset_of(kind, "won")
                if sp <= at < hi and add(g, at):
                    return True
        # The records of many cases are in the heap.
        n_at, waiters_at = (offset_of("selection", f) // 8 for f in ("n", "waiters"))
        for i in range(len(stack) - struct_type("selection").sizeof // 8):
            if 64 < stack[i + n_at] & 0xffffffff <= 65536 and stack[i + waiters_at] % 8 == 0 and \
                    self.add_cases(g, sp + 8 * i):
                return True
        return False

    def add_two(self, g, at):
        """A select of two (struct two at the address): it has not noted what is sent or received."""
        two = struct_at(at, "two")
        pairs = ((two["c1"], two["w1"]), (two["c2"], two["w2"]))
        if any(int(w["g"]) != address_of(g) or int(w["won"]) != at + offset_of("two", "won") or
               not self.is_channel(int(c)) for c, w in pairs):
            return False
        for c, w in pairs:
            receivers = struct_at(c, "chan")["receivers"]
            self.add(int(c), g, int(receivers["first"]) == self.first(w), True)
        return True

    def is_selection(self, g, at):
        try:
            s = struct_at(at, "selection")
            records = (s["waiters"][i] for i in range(int(s["n"])) if int(s["list"][i]["c"]) != 0)
            w = next(records, None)
            return w is not None and int(w["g"]) == address_of(g) and \
                int(w["won"]) == at + offset_of("selection", "won")
        except gdb.MemoryError:
            return False

    def add_cases(self, g, at):
        if not self.is_selection(g, at):
            return False
        s = struct_at(at, "selection")
        for i in range(int(s["n"])):
            case = s["list"][i]
            if int(case["c"]) != 0:
                self.add(int(case["c"]), g, str(case["dir"]) == "SELECT_RECV", True)
        return True

    def find_heads(self, heads):
        at = {True: offset_of("chan", "receivers", "first"), False: offset_of("chan", "senders", "first")}
        self.match(heads, at, list(self.by_address))
        wanted = {head for head, _ in heads}
        for start, size in self.regions() if heads else ():
            if not heads:
                break
            hits = [start + 8 * i for i, word in enumerate(words_at(start, size // 8))
                    if word in wanted]
            self.match(heads, at, [hit - offset for hit in hits for offset in at.values()])
        for gs in heads.values():
            self.lost += [int(g["id"]) for g in gs]

    def match(self, heads, at, candidates):
        """Of the candidates, those that are channels whose queues begin with one of heads."""
        for chan in candidates:
            if not self.is_channel(chan):
                continue
            for receives, offset in at.items():
                for g in heads.pop((words_at(chan + offset, 1)[0], receives), ()):
                    self.add(chan, g, receives, False)

    @staticmethod
    def is_channel(address):
        try:
            c = struct_at(address, "chan")
        except gdb.MemoryError:
            return False
        cap = int(c["cap"])
        first = address + c.type.sizeof if cap > 0 else 0  # unbuffered ones have no slots to point to
        end = first + int(c["elem_size"]) * cap
        return address % 16 == 0 and int(c["end"]) == end and \
            all(first <= int(c[f]) <= end for f in ("put", "take")) and int(c["count"]) <= cap

    @staticmethod
    def regions():
        """(start, size) of the program's variables and of the heap's pages (kernel/span.c)."""
        start, end = label("__data_start"), label("__bss_end")
        if start is not None and end is not None:
            yield start, end - start
        heap = variable("span_map")
        pages, first, page = int(heap["pages"]), int(heap["first"]), 4096
        used = memory(int(heap["class"]), min(pages, 1 << 26))
        total = 0
        for run in re.finditer(rb"[^\0]+", used, re.S):
            size = (run.end() - run.start()) * page
            total += size
            if total > SEARCH_MAX:
                print(f"(only {SEARCH_MAX >> 20} MiB of the heap have been looked through)")
                return
            yield (first + run.start()) * page, size


class InfoChans(Command):
    """Channels that goroutines wait for: a line each.

What GDB prints of a channel, and who waits: those that receive and those that send, in no certain
order; those of a select are marked so."""

    def run(self, argument):
        self.no_words(argument)
        view = View()
        channels = Channels(view)
        for address, waiters in sorted(channels.by_address.items()):
            text = "; ".join(
                f"{way}: " + " ".join(f"{n} (select)" if select else str(n)
                                      for n, how, select in sorted(waiters) if how == way)
                for way in ("receive", "send") if any(w[1] == way for w in waiters))
            print(f"  {address:#x} {describe_chan(struct_at(address, 'chan'))}; {text}")
        if channels.lost:
            print("  These wait for channels that were not found: "
                  + " ".join(map(str, sorted(channels.lost))))
        if not channels.by_address and not channels.lost:
            print("No goroutine waits for a channel.")
