"""One line for a struct of the model."""
import gdb

from pinion_gdb.program import G_DEAD, named, state, struct_at
from pinion_gdb.queues import P_STATES, function_at, ring


def describe_chan(c):
    size, cap = int(c["elem_size"]), int(c["cap"])
    if int(c["kind"]) == 6:  # CHAN_TIMES
        return "a timer's"
    return f"elements of {size} bytes, {int(c['count'])} of {cap} buffered" + \
        (", closed" if int(c["closed"]) else "")


def describe_g(g):
    if int(g["status"]) == G_DEAD:
        return "goroutine (dead)"
    if int(g["id"]) == 0:
        return "scheduler's context"
    return f"goroutine {int(g['id'])} [{state(g)}]{named(g)}"


def describe_m(m):
    p = int(m["p"])
    return f"M {int(m['id'])}, hart id {int(m['hart']['hwid']):#x}, " + \
        (f"P {int(struct_at(p, 'p')['id'])}" if p != 0 else "no P")


def describe_p(p):
    word = int(p["status"]) & 0xff
    queued = len(ring(p)[0]) + (int(p["runq"]["next"]) != 0)
    return f"P {int(p['id'])} {P_STATES[word] if word < len(P_STATES) else '?'}, " \
           f"queued {queued}, timers {int(p['timers']['n'])}"


def describe_mutex(m):
    state = int(m["state_"])  # sched/mutex.c
    words = ["locked" if state & 1 else "unlocked"]
    words += ["goroutines wait"] if state & 2 else []
    words += ["one is on its way"] if state & ~3 else []
    return ", ".join(words)


def describe_timer_node(t):
    index = int(t["index"])
    if index >= (1 << 32) - 2 or int(t["p"]) == 0:  # TIMER_BEGUN, TIMER_NOT_QUEUED
        return "timer, not queued"
    name = function_at(int(t["fire"]) or int(t["begin"]))[0]
    return f"timer, queued on P {int(struct_at(t['p'], 'p')['id'])} as number {index}, {name}"


# By tag, with a member by which ours are told from a program's own of that name.
DESCRIBED = {"g": (describe_g, "wait_reason"), "m": (describe_m, "slice_mark"),
             "p": (describe_p, "runq"), "chan": (describe_chan, "receivers"),
             "mutex": (describe_mutex, "state_"), "timer_node": (describe_timer_node, "begin")}


class OneLine:
    def __init__(self, value, describe):
        self.value, self.describe = value, describe

    def to_string(self):
        try:
            return f"{{{self.describe(self.value)}}}"
        except (gdb.error, gdb.GdbError):
            return "{cannot be read; p/r shows what is there}"


def one_line(value):
    kind = value.type.strip_typedefs()
    if kind.code != gdb.TYPE_CODE_STRUCT or kind.tag not in DESCRIBED:
        return None
    describe, member = DESCRIBED[kind.tag]
    return OneLine(value, describe) if member in kind.keys() else None


one_line.name = "pinion"


def install():
    gdb.pretty_printers[:] = [p for p in gdb.pretty_printers if getattr(p, "name", "") != "pinion"]
    gdb.pretty_printers.insert(0, one_line)
