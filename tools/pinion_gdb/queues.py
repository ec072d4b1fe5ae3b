"""info ps, info ms, info runq and info timers."""
import re

import gdb

from pinion_gdb.command import Command
from pinion_gdb.program import LIST_MAX, address_of, linked, named, offset_of, struct_at, where
from pinion_gdb.threads import selection_kept
from pinion_gdb.view import View

SHOWN_MAX = 64  # of a queue's goroutines

P_STATES = ("idle", "running", "syscall", "stopped", "dead")  # enum p_status


def ring(p):
    """The Gs in a P's ring, oldest first, as thread pointers."""
    q = p["runq"]
    head, tail = int(q["ring"]["head"]), int(q["ring"]["tail"])
    size = q["slot"].type.range()[1] + 1
    n = (tail - head) % (1 << 32)
    if n > size:
        return [], f" (head {head} and tail {tail} make no sense)"
    return [int(q["slot"][(head + i) % size]) for i in range(n)], ""


class InfoPs(Command):
    """All Ps, the rights to run goroutines: a line each.

Its state, the hart that holds it (in syscall: whose blocking section has left it behind), how many
goroutines its ring and runnext hold, and how many timers it has."""

    def run(self, argument):
        self.no_words(argument)
        view = View()
        print(f"{view.n_p} Ps in use, of {view.n_m}")
        for i, p in enumerate(view.ps):
            word = int(p["status"])
            state = P_STATES[word & 0xff] if word & 0xff < len(P_STATES) else f"status {word:#x}"
            m = view.m_id(p["m"])
            holder = f"hart {m}" if m is not None and state in ("running", "syscall") else "nobody"
            queued = len(ring(p)[0]) + (int(p["runq"]["next"]) != 0)
            print(f"  P {i:<3} {state:<8} {holder:<8} queued {queued:<4} timers "
                  f"{int(p['timers']['n'])}")


class InfoMs(Command):
    """All Ms, the harts: a line each.

Its thread in GDB, its P, what it is at, and for one that runs no goroutine the function that it is
in. A * marks the selected thread."""

    def run(self, argument):
        self.no_words(argument)
        view = View()
        selected = gdb.selected_thread()
        by_address = {address_of(g): g for g in view.goroutines()}
        for i, m in enumerate(view.ms):
            hart = view.harts.get(i)
            p = int(m["p"])
            held = int(struct_at(p, "p")["id"]) if p != 0 else "-"
            thread = hart.thread.num if hart else "-"
            mark = "*" if hart and thread == selected.num else " "
            print(f"{mark} M {i:<3} thread {thread:<3} P {held:<3} "
                  f"{self.occupation(view, m, hart, by_address)}")

    @staticmethod
    def occupation(view, m, hart, by_address):
        words = []
        if hart is not None:
            g = by_address.get(view.g_of(hart.tp)) if hart.tp is not None else None
            if g is not None:
                words.append(f"runs {int(g['id'])}{named(g)}")
                if hart.place:
                    words.append(hart.place)
            else:
                with selection_kept():
                    hart.thread.switch()
                    frame = gdb.newest_frame()
                    words.append(f"{hart.place or 'firmware'}: {where(int(frame.pc()))[0]}")
        for field, word in (("spinning", "searches"), ("halted", "has halted"), ("frozen", "frozen")):
            if int(m[field]):
                words.append(word)
        if int(m["idle_since"]):
            words.append("asleep")
        if int(m["wired"]):
            words.append(f"wired to {view.short(m['wired'])}")
        if int(m["section"]):
            words.append(f"in a blocking section, P {int(struct_at(m['section'], 'p')['id'])}")
        if int(view.sched["sysmon"]) == address_of(m):
            words.append("sysmon")
        return ", ".join(words)


class InfoRunq(Command):
    """What is runnable, in the order of the queues: info runq [P].

Of each P, or of P number P, that has something: runnext, the ring (oldest first), the inbox and
pinbox (newest first), the pinned queue; then the global queue. Goroutines by their numbers."""

    def run(self, argument):
        if argument and not re.fullmatch(r"[0-9]{1,2}", argument):
            raise gdb.GdbError("Say info runq, or info runq P with the number of a P.")
        view = View()
        if argument and int(argument) >= view.n_m:
            raise gdb.GdbError(f"There is no P {argument}: they go from 0 to {view.n_m - 1}.")
        for i, p in enumerate(view.ps):
            if not argument or i == int(argument):
                self.show_p(view, i, p)
        if not argument:
            self.show("global", view, self.linked(view.sched["global_head"], "the global queue"))

    def show_p(self, view, i, p):
        queue, wrong = ring(p)
        self.show(f"P {i} runnext", view, [p["runq"]["next"]] if int(p["runq"]["next"]) else [])
        self.show(f"P {i} ring", view, [view.g_of(tp) for tp in queue], wrong)
        for name, field in (("inbox", "inbox"), ("pinbox", "pinbox"), ("pinned", "pinned_head")):
            self.show(f"P {i} {name}", view, self.linked(p[field], f"P {i}'s {name}"))

    @staticmethod
    def linked(first, what):
        return list(linked(first, lambda at: struct_at(at, "g")["link"], what))

    @staticmethod
    def show(name, view, gs, wrong=""):
        if not gs and not wrong and name != "global":
            return
        text = " ".join(view.short(g) for g in gs[:SHOWN_MAX])
        more = f" … and {len(gs) - SHOWN_MAX} more" if len(gs) > SHOWN_MAX else ""
        print(f"  {name + ':':<14} {text or ('' if wrong else '(empty)')}{more}{wrong}")


class InfoTimers(Command):
    """All timers, by P and in the order of their times: a line each.

The time, in seconds since boot, and what it is: the sleep of a goroutine, a function to be started
(time_after_func), a channel of a timer or ticker that somebody waits for."""

    def run(self, argument):
        self.no_words(argument)
        view, total = View(), 0
        for i, p in enumerate(view.ps):
            heap, n = p["timers"]["heap"], int(p["timers"]["n"])
            if n > min(int(p["timers"]["cap"]), LIST_MAX):
                print(f"  P {i}: {n} timers, which makes no sense")
                continue
            entries = sorted((int(heap[k]["when"]), int(heap[k]["node"])) for k in range(n))
            for when, node in entries[:SHOWN_MAX]:
                print(f"  P {i:<3} {when // 10**9}.{when % 10**9:09}s  {timer_kind(view, node)}")
            if n > SHOWN_MAX:
                print(f"  P {i:<3} … and {n - SHOWN_MAX} more")
            total += n
        if total == 0:
            print("No timer is set.")


def function_at(address):
    """(name, file) of a function; static ones are told apart by their files."""
    block = gdb.block_for_pc(int(address))
    function = block.function if block is not None else None
    return (function.name, function.symtab.filename) if function else (f"{int(address):#x}", "")


def timer_kind(view, address):
    try:
        node = struct_at(address, "timer_node")
        name, file = function_at(int(node["fire"]) or int(node["begin"]))
        if (name, file) == ("sleep_over", "sched/timer.c"):
            return f"sleep of goroutine {view.short(struct_at(address, 'sleeper')['g'])}"
        if (name, file) == ("begin_fn", "sched/alarm.c"):
            return f"starts {function_at(struct_at(address, 'alarm')['fn'])[0]}"
        if (name, file) == ("fire", "sched/timechan.c"):
            return f"channel {address - offset_of('timechan', 'node'):#x}"
        return f"calls {name}"
    except gdb.MemoryError:
        return f"{address:#x}, which cannot be read"
