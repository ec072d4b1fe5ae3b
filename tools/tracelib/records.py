"""The records of a trace file: their numbers, names, and what their fields mean.

One record is 32 bytes, little-endian: time, g, arg (8 each), type, aux (1 each), aux2 (2), seq (4).
As a tuple it is (time, g, arg, type, aux, aux2, seq), in that order everywhere in these tools.
"""
import struct

RECORD = struct.Struct("<QQQBBHI")
TIME, G, ARG, TYPE, AUX, AUX2, SEQ = range(7)

G_STATUS, G_CREATE, G_START, G_SCHED, G_PREEMPT, G_BLOCK, G_UNBLOCK, G_END = range(1, 9)
SECTION_ENTER, SECTION_EXIT, P_START, P_STOP, STEAL, GLOBAL_GET, SPILL = range(9, 16)
IPI_SEND, TIMER_FIRE, STW_BEGIN, STW_END, GOMAXPROCS, RETAKE, G_NAME = range(16, 23)
G_BEHIND, LOG, REGION_BEGIN, REGION_END, TASK_BEGIN, TASK_END = range(23, 29)
TEXT = 31
IPI_RECEIVED, TIMER_IRQ, PREEMPT_WANTED = range(32, 35)

NAMES = {value: name for name, value in list(globals().items())
         if name.isupper() and isinstance(value, int)
         and name not in ("TIME", "G", "ARG", "TYPE", "AUX", "AUX2", "SEQ")}

# Their seq counts the events of their goroutine; G_CREATE's number is 0, whatever its field says.
STARRED = frozenset(range(G_STATUS, SECTION_EXIT + 1))
# Those that name the P in aux2 which their hart has at that moment.
OWN_P = frozenset((G_START, SECTION_ENTER, P_START, P_STOP, GLOBAL_GET, SPILL))
# How many bytes of text follow, by type: where the record says so.
TEXT_LENGTH = {G_NAME: AUX, LOG: AUX2, REGION_BEGIN: AUX2, REGION_END: AUX2, TASK_BEGIN: AUX2}

# G_STATUS's aux, Go's numbers; the model's states are the same, with two more.
UNKNOWN, RUNNABLE, RUNNING, SECTION, WAITING, DEAD = 0, 1, 2, 3, 4, 6
STATES = {UNKNOWN: "unknown", RUNNABLE: "runnable", RUNNING: "running",
          SECTION: "in a blocking section", WAITING: "waiting", DEAD: "dead"}

NEXT, TAIL, INBOX, GLOBAL, PINNED, WIRED, HEAD = range(7)
PREEMPT_SLICE, PREEMPT_WORK, PREEMPT_CHAOS = 1, 2, 4
PREEMPT_WHY = {PREEMPT_SLICE: "its slice is over", PREEMPT_WORK: "the scheduler is wanted",
               PREEMPT_CHAOS: "chaos"}
STOP_WHY = {1: "idle", 2: "the world stops", 3: "retaken"}
IPI_WHY = {0: "wake", 1: "look", 2: "stop"}
EXIT_WITH_ITS_P, EXIT_WITH_ANOTHER, EXIT_QUEUED = range(3)
EXIT_HOW = {EXIT_WITH_ITS_P: "with its P", EXIT_WITH_ANOTHER: "with another P",
            EXIT_QUEUED: "queued"}


def place(number, p):
    """A place of the format, in words."""
    return {NEXT: f"runnext of P{p}", TAIL: f"tail of P{p}", INBOX: f"inbox of P{p}",
            GLOBAL: "tail of the global queue", PINNED: f"pinned queue of P{p}",
            WIRED: "its own hart", HEAD: "head of the global queue"}.get(number, f"place {number}")


def text_of(data):
    """Bytes from the machine as text that is safe on a terminal, in JSON and in quotes."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}"
                   for c in bytes(data).decode("utf-8", "replace"))
